//! The metadata document (MEX): a WSDL that names the endpoints and what each of them demands.
//!
//! As on ADFS there are decoys for Windows and certificate sign-in. They stand behind the endpoints that are meant,
//! because MSAL Go takes the first port of the best version, whatever its policy says.

use super::super::behaviour::Metadata;
use super::Version;
use super::envelope::{ADDRESSING, POLICY, UTILITY};

const HTTP: &str = "http://schemas.microsoft.com/ws/06/2004/policy/http";

/// How a port wants its callers to prove themselves.
#[derive(Clone, Copy)]
enum Proof {
    Password,
    Windows,
    Certificate,
}

/// One endpoint.
#[derive(Clone, Copy)]
struct Port {
    version: Version,
    proof: Proof,
}

/// All of a stock server.
const PORTS: &[Port] = &[
    Port::new(Version::V2005, Proof::Password),
    Port::new(Version::V13, Proof::Password),
    Port::new(Version::V2005, Proof::Windows),
    Port::new(Version::V2005, Proof::Certificate),
    Port::new(Version::V13, Proof::Certificate),
];

/// The document; `None` if there is to be none.
pub(crate) fn document(metadata: Metadata, base: &str) -> Option<String> {
    match metadata {
        Metadata::Both => Some(definitions(PORTS, base)),
        Metadata::Only2005 => Some(definitions(&only_2005(), base)),
        Metadata::Http => Some(definitions(PORTS, &base.replacen("https:", "http:", 1))),
        Metadata::Malformed => {
            let whole = definitions(PORTS, base);
            Some(whole.chars().take(whole.len() / 2).collect())
        }
        Metadata::Absent | Metadata::Unnamed => None,
    }
}

fn only_2005() -> Vec<Port> {
    let ports = PORTS.iter().copied();
    ports.filter(|port| port.version == Version::V2005).collect()
}

fn definitions(ports: &[Port], base: &str) -> String {
    let all = |part: &dyn Fn(Port) -> String| ports.iter().map(|&port| part(port)).collect::<String>();
    let (policies, bindings) = (all(&Port::policy), all(&Port::binding));
    let addresses = all(&|port| port.address(base));
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <wsdl:definitions name=\"SecurityTokenService\" \
         targetNamespace=\"http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice\" \
         xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:soap12=\"http://schemas.xmlsoap.org/wsdl/soap12/\" \
         xmlns:tns=\"http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice\" \
         xmlns:wsa10=\"{ADDRESSING}\" xmlns:wsp=\"{POLICY}\" xmlns:wsu=\"{UTILITY}\">\
         {policies}{bindings}<wsdl:service name=\"SecurityTokenService\">{addresses}</wsdl:service>\
         </wsdl:definitions>"
    )
}

impl Port {
    const fn new(version: Version, proof: Proof) -> Self {
        Self { version, proof }
    }

    fn name(self) -> String {
        let proof = match self.proof {
            Proof::Password => "UserName",
            Proof::Windows => "Windows",
            Proof::Certificate => "Certificate",
        };
        match self.version {
            Version::V13 => format!("{proof}WSTrustBinding_IWSTrust13Async"),
            Version::V2005 => format!("{proof}WSTrustBinding_IWSTrustFeb2005Async"),
        }
    }

    fn path(self) -> String {
        let kind = match self.proof {
            Proof::Password => return self.version.path().to_owned(),
            Proof::Windows => "windowstransport",
            Proof::Certificate => "certificatemixed",
        };
        self.version.path().replace("usernamemixed", kind)
    }

    /// Namespace of WS-SecurityPolicy, declared on each assertion of the policy, as ADFS does.
    fn security_policy(self) -> &'static str {
        match self.version {
            Version::V13 => "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
            Version::V2005 => "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
        }
    }

    fn policy(self) -> String {
        let (name, sp, proof) = (self.name(), self.security_policy(), self.demand());
        format!(
            "<wsp:Policy wsu:Id=\"{name}_policy\"><wsp:ExactlyOne><wsp:All>\
             <sp:TransportBinding xmlns:sp=\"{sp}\"><wsp:Policy><sp:TransportToken><wsp:Policy>\
             <sp:HttpsToken RequireClientCertificate=\"false\"/></wsp:Policy></sp:TransportToken>\
             <sp:IncludeTimestamp/></wsp:Policy></sp:TransportBinding>{proof}\
             </wsp:All></wsp:ExactlyOne></wsp:Policy>"
        )
    }

    fn demand(self) -> String {
        let sp = self.security_policy();
        match (self.proof, self.version) {
            (Proof::Windows, _) => format!("<http:NegotiateAuthentication xmlns:http=\"{HTTP}\"/>"),
            (Proof::Certificate, _) => {
                supporting("EndorsingSupportingTokens", "X509Token", "WssX509V3Token10", sp)
            }
            (Proof::Password, Version::V2005) => supporting(
                "SignedSupportingTokens",
                "UsernameToken",
                "WssUsernameToken10",
                sp,
            ),
            (Proof::Password, Version::V13) => supporting(
                "SignedEncryptedSupportingTokens",
                "UsernameToken",
                "WssUsernameToken10",
                sp,
            ),
        }
    }

    fn binding(self) -> String {
        let (name, action) = (self.name(), self.version.action());
        format!(
            "<wsdl:binding name=\"{name}\" type=\"tns:IWSTrust\"><wsp:PolicyReference URI=\"#{name}_policy\"/>\
             <soap12:binding transport=\"http://schemas.xmlsoap.org/soap/http\"/>\
             <wsdl:operation name=\"TrustIssueAsync\"><soap12:operation soapAction=\"{action}\" style=\"document\"/>\
             <wsdl:input><soap12:body use=\"literal\"/></wsdl:input>\
             <wsdl:output><soap12:body use=\"literal\"/></wsdl:output></wsdl:operation></wsdl:binding>"
        )
    }

    fn address(self, base: &str) -> String {
        let (name, url) = (self.name(), format!("{base}{}", self.path()));
        format!(
            "<wsdl:port name=\"{name}\" binding=\"tns:{name}\"><soap12:address location=\"{url}\"/>\
             <wsa10:EndpointReference><wsa10:Address>{url}</wsa10:Address></wsa10:EndpointReference></wsdl:port>"
        )
    }
}

fn supporting(tokens: &str, token: &str, kind: &str, sp: &str) -> String {
    format!(
        "<sp:{tokens} xmlns:sp=\"{sp}\"><wsp:Policy><sp:{token}><wsp:Policy><sp:{kind}/></wsp:Policy></sp:{token}>\
         </wsp:Policy></sp:{tokens}>"
    )
}
