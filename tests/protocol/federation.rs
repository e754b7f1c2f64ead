//! A cloud and a federation server, both scripted, and the documents that they answer with.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::{Setup, tokens};
use crate::server::{Act, Server, say};

/// Versions of WS-Trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V13,
    V2005,
}

impl Version {
    pub(crate) const fn trust(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
        }
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::V13 => "/adfs/services/trust/13/usernamemixed",
            Self::V2005 => "/adfs/services/trust/2005/usernamemixed",
        }
    }
}

/// Cloud and federation server, and the client between them.
pub(crate) struct Scene {
    pub(crate) cloud: Server,
    pub(crate) sts: Server,
    pub(crate) setup: Setup,
}

impl Scene {
    /// A federated account whose server has metadata for both versions and then follows the script.
    pub(crate) async fn new(script: impl IntoIterator<Item = Act>) -> Self {
        let scene = Self::without_metadata([]).await;
        let host = scene.sts.host();
        scene
            .sts
            .then(say(200, &[], &metadata(&host, &[Version::V2005, Version::V13])));
        for act in script {
            scene.sts.then(act);
        }
        scene
    }

    /// The same with this script alone.
    pub(crate) async fn without_metadata(script: impl IntoIterator<Item = Act>) -> Self {
        let sts = Server::start(script).await;
        let cloud = Server::start([say(200, &[], &realm_of(&sts.host()))]).await;
        let setup = Setup::new(&cloud).federated(&sts);
        Self { cloud, sts, setup }
    }

    /// Methods and paths of what arrived: at the cloud, and at the federation server.
    pub(crate) fn lines(&self) -> (Vec<String>, Vec<String>) {
        (lines(&self.cloud), lines(&self.sts))
    }

    /// How many requests with a password arrived anywhere.
    pub(crate) fn passwords(&self) -> usize {
        let journals = [self.cloud.journal(), self.sts.journal()].concat();
        journals
            .iter()
            .filter(|request| request.body.contains("marker-pass"))
            .count()
    }

    /// Signs in, counting how often it is asked whether the password may leave.
    pub(crate) async fn asked(&self) -> usize {
        let asked = AtomicUsize::new(0);
        drop(
            self.setup
                .login_if(&|| asked.fetch_add(1, Ordering::SeqCst) == 0)
                .await,
        );
        asked.into_inner()
    }
}

fn lines(server: &Server) -> Vec<String> {
    let journal = server.journal();
    let line = |request: &crate::server::Received| {
        let line = request.line().trim_end_matches(" HTTP/1.1");
        line.to_owned()
    };
    journal.iter().map(line).collect()
}

/// The realm service's answer for an account of the server `sts`.
pub(crate) fn realm_of(sts: &str) -> String {
    let trust = format!("https://{sts}/adfs/services/trust");
    realm_with(
        Some(&format!("{trust}/mex")),
        Some(&format!("{trust}/2005/usernamemixed")),
    )
}

/// The same with these addresses.
pub(crate) fn realm_with(metadata: Option<&str>, active: Option<&str>) -> String {
    serde_json::json!({
        "ver": "1.0", "account_type": "Federated", "domain_name": "fed.example", "federation_protocol": "WSTrust",
        "federation_metadata_url": metadata, "federation_active_auth_url": active,
        "cloud_instance_name": "microsoftonline.com", "cloud_audience_urn": "urn:federation:Other&Cloud",
    })
    .to_string()
}

/// Metadata with the endpoints of these versions at `host`.
pub(crate) fn metadata(host: &str, versions: &[Version]) -> String {
    let parts: String = versions.iter().map(|version| offer(host, *version)).collect();
    format!(
        "<wsdl:definitions xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\"\
         \n xmlns:soap12=\"http://schemas.xmlsoap.org/wsdl/soap12/\" xmlns:wsa10=\"http://www.w3.org/2005/08/addressing\"\
         \n xmlns:wsp=\"http://schemas.xmlsoap.org/ws/2004/09/policy\"\
         \n xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">{parts}</wsdl:definitions>"
    )
}

fn offer(host: &str, version: Version) -> String {
    let (trust, path) = (version.trust(), version.path());
    let (namespace, tokens) = match version {
        Version::V13 => (
            "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702",
            "SignedEncryptedSupportingTokens",
        ),
        Version::V2005 => (
            "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy",
            "SignedSupportingTokens",
        ),
    };
    format!(
        "<wsp:Policy wsu:Id=\"P{version:?}\"><wsp:ExactlyOne><wsp:All xmlns:sp=\"{namespace}\"><sp:TransportBinding/>\
         <sp:{tokens}><wsp:Policy><sp:UsernameToken><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken>\
         </wsp:Policy></sp:{tokens}></wsp:All></wsp:ExactlyOne></wsp:Policy>\
         <wsdl:binding name=\"B{version:?}\"><wsp:PolicyReference URI=\"#P{version:?}\"/>\
         <soap12:binding transport=\"http://schemas.xmlsoap.org/soap/http\"/>\
         <wsdl:operation><soap12:operation soapAction=\"{trust}/RST/Issue\"/></wsdl:operation></wsdl:binding>\
         <wsdl:service><wsdl:port binding=\"tns:B{version:?}\"><wsa10:EndpointReference>\
         <wsa10:Address>https://{host}{path}</wsa10:Address></wsa10:EndpointReference></wsdl:port></wsdl:service>"
    )
}

/// A signed assertion, as far as the client looks.
pub(crate) const ASSERTION: &str = "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\">marker-assertion ä</saml:Assertion>";

/// An answer with an assertion of SAML 1.1.
pub(crate) fn issued(version: Version) -> String {
    issued_as(version, "urn:oasis:names:tc:SAML:1.0:assertion")
}

/// The same with this type of token.
pub(crate) fn issued_as(version: Version, token_type: &str) -> String {
    let response = format!(
        "<t:RequestSecurityTokenResponse><t:TokenType>{token_type}</t:TokenType>\
         <t:RequestedSecurityToken>{ASSERTION}</t:RequestedSecurityToken></t:RequestSecurityTokenResponse>"
    );
    let body = match version {
        Version::V13 => format!(
            "<t:RequestSecurityTokenResponseCollection>{response}</t:RequestSecurityTokenResponseCollection>"
        ),
        Version::V2005 => response,
    };
    envelope(&body, version.trust())
}

/// A SOAP fault.
pub(crate) fn fault(code: &str, subcode: &str) -> String {
    let body = format!(
        "<s:Fault><s:Code><s:Value>{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text>ID3242: marker alice@contoso.example</s:Text></s:Reason></s:Fault>"
    );
    envelope(&body, Version::V13.trust())
}

fn envelope(body: &str, trust: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:t=\"{trust}\"><s:Header/>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// A federated sign-in that is answered to its end.
pub(crate) async fn signed_in() -> Scene {
    let scene = Scene::new([say(200, &[], &issued(Version::V13))]).await;
    scene.cloud.then(say(200, &[], &tokens()));
    scene
}
