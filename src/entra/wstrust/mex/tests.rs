//! The selection over documents that are put together as AD FS writes them, and over arbitrary bytes.

use proptest::prelude::*;

use super::*;

const SP12: &str = "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702";
const SP11: &str = "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy";

fn policy(id: &str, namespace: &str, tokens: &str, token: &str) -> String {
    format!(
        "<wsp:Policy wsu:Id=\"{id}\"><wsp:ExactlyOne><wsp:All>\
         <sp:TransportBinding xmlns:sp=\"{namespace}\"><wsp:Policy><sp:IncludeTimestamp/></wsp:Policy></sp:TransportBinding>\
         <sp:{tokens} xmlns:sp=\"{namespace}\"><wsp:Policy><sp:{token}><wsp:Policy><sp:Wss{token}10/></wsp:Policy>\
         </sp:{token}></wsp:Policy></sp:{tokens}></wsp:All></wsp:ExactlyOne></wsp:Policy>"
    )
}

fn binding(name: &str, policy: &str, version: Version) -> String {
    format!(
        "<wsdl:binding name=\"{name}\" type=\"tns:I\"><wsp:PolicyReference URI=\"#{policy}\"/>\
         <soap12:binding transport=\"http://schemas.xmlsoap.org/soap/http\"/>\
         <wsdl:operation name=\"Trust\"><soap12:operation soapAction=\"{}\" style=\"document\"/></wsdl:operation></wsdl:binding>",
        version.action()
    )
}

fn port(binding: &str, address: &str) -> String {
    format!(
        "<wsdl:port name=\"{binding}\" binding=\"tns:{binding}\"><soap12:address location=\"ignored\"/>\
         <wsa10:EndpointReference><wsa10:Address> {address} </wsa10:Address></wsa10:EndpointReference></wsdl:port>"
    )
}

fn document(policies: &str, bindings: &str, ports: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<wsdl:definitions name=\"SecurityTokenService\"\
         \n xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" xmlns:soap12='http://schemas.xmlsoap.org/wsdl/soap12/'\
         \n xmlns:wsa10=\"http://www.w3.org/2005/08/addressing\" xmlns:wsp=\"http://schemas.xmlsoap.org/ws/2004/09/policy\"\
         \n xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">\
         {policies}{bindings}<wsdl:service name=\"SecurityTokenService\">{ports}</wsdl:service></wsdl:definitions>"
    )
}

/// Both versions, with ports for certificates and Windows beside them, as AD FS offers them.
fn adfs() -> String {
    document(
        &[
            policy("windows", SP11, "EndorsingSupportingTokens", "KerberosToken"),
            policy("cert", SP12, "SignedEncryptedSupportingTokens", "X509Token"),
            policy("p05", SP11, "SignedSupportingTokens", "UsernameToken"),
            policy("p13", SP12, "SignedEncryptedSupportingTokens", "UsernameToken"),
        ]
        .concat(),
        &[
            binding("w", "windows", Version::V13),
            binding("c", "cert", Version::V13),
            binding("u05", "p05", Version::V2005),
            binding("u13", "p13", Version::V13),
        ]
        .concat(),
        &[
            port("w", "https://sts.fed.example/13/windowstransport"),
            port("c", "https://sts.fed.example/13/certificatemixed"),
            port("u05", "https://sts.fed.example/2005/usernamemixed"),
            port("u13", "https://sts.fed.example/13/usernamemixed"),
        ]
        .concat(),
    )
}

fn chosen(document: &str) -> Result<(Version, String), Unsuitable> {
    endpoints(document.as_bytes()).map(|found| (found[0].version, found[0].address.clone()))
}

#[test]
fn version_1_3_is_preferred() {
    let expected = (
        Version::V13,
        "https://sts.fed.example/13/usernamemixed".to_owned(),
    );
    assert_eq!(chosen(&adfs()), Ok(expected));
}

#[test]
fn version_2005_is_taken_where_there_is_no_other() {
    let expected = (
        Version::V2005,
        "https://sts.fed.example/2005/usernamemixed".to_owned(),
    );
    let without = adfs().replace("tns:u13", "tns:gone");
    assert_eq!(chosen(&without), Ok(expected));
}

#[test]
fn a_binding_needs_policy_transport_action_and_port() {
    let only_13 = adfs().replace("tns:u05", "tns:gone");
    for (what, broken) in [
        ("policy", only_13.replace("URI=\"#p13\"", "URI=\"#cert\"")),
        ("token", only_13.replace("sp:WssUsernameToken10", "sp:Other")),
        (
            "namespace",
            only_13.replace("ws-securitypolicy/200702", "ws-securitypolicy/1"),
        ),
        ("TLS", only_13.replace("TransportBinding", "AsymmetricBinding")),
        ("transport", only_13.replace("/soap/http\"", "/soap/smtp\"")),
        ("action", only_13.replace("RST/Issue", "RST/Renew")),
        ("port", only_13.replace("tns:u13", "tns:gone")),
        ("address", only_13.replace("wsa10:Address>", "wsa10:Other>")),
    ] {
        assert_eq!(chosen(&broken), Err(Unsuitable::NotOffered), "{what}");
    }
    assert!(chosen(&only_13).is_ok());
}

#[test]
fn addresses_are_unescaped_and_left_to_the_check() {
    let odd = adfs().replace(
        "https://sts.fed.example/13/usernamemixed",
        "http://sts.fed.example/?a=1&amp;b=2",
    );
    assert_eq!(chosen(&odd).unwrap().1, "http://sts.fed.example/?a=1&b=2");
}

#[test]
fn what_is_no_metadata_is_unreadable() {
    let whole = adfs();
    for bad in [
        "",
        "<html><body>sign in</body></html>",
        "{}",
        whole.strip_suffix("</wsdl:definitions>").unwrap(),
        &format!("{whole}<second/>"),
        &whole.replace(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
            "<!DOCTYPE a [<!ENTITY e \"x\">]>",
        ),
        &whole.replace("http://schemas.xmlsoap.org/wsdl/\"", "http://other.example/\""),
    ] {
        assert_eq!(chosen(bad), Err(Unsuitable::Unreadable), "{bad}");
    }
    assert_eq!(endpoints(&[0xff, 0xfe, b'<', 0]), Err(Unsuitable::Unreadable));
}

#[test]
fn an_address_alone_tells_its_version() {
    let version = |address: &str| Endpoint::at(address).map(|endpoint| endpoint.version);
    assert_eq!(
        version("https://a.example/adfs/services/trust/2005/usernamemixed"),
        Some(Version::V2005)
    );
    assert_eq!(
        version("https://a.example/adfs/services/Trust/13/UsernameMixed"),
        Some(Version::V13)
    );
    for untold in ["https://a.example/sts", "https://a.example/2005/sso/wsfed/active"] {
        assert_eq!(version(untold), None, "{untold}");
    }
}

/// As MSAL.NET's own tests have it: an answer of WS-MetadataExchange, in an envelope or bare, in one section or several.
#[test]
fn the_wsdl_may_stand_inside_of_something_else() {
    let whole = adfs();
    let wsdl = whole.split_once("?>").unwrap().1;
    let section =
        |inner: &str| format!("<mex:MetadataSection Dialect=\"wsdl\">{inner}</mex:MetadataSection>");
    let metadata = |inner: &str| {
        format!(
            "<mex:Metadata xmlns:mex=\"http://schemas.xmlsoap.org/ws/2004/09/mex\">{inner}</mex:Metadata>"
        )
    };
    let envelope = |uri: &str, inner: &str| {
        format!("<s:Envelope xmlns:s=\"{uri}\"><s:Header/><s:Body>{inner}</s:Body></s:Envelope>")
    };
    let bare = metadata(&section(wsdl));
    let empty = "<w:definitions xmlns:w=\"http://schemas.xmlsoap.org/wsdl/\"/>";
    let apart = metadata(&[section(empty), section(wsdl)].concat());
    for document in [
        bare.clone(),
        apart,
        envelope("http://www.w3.org/2003/05/soap-envelope", &bare),
        envelope("http://schemas.xmlsoap.org/soap/envelope/", wsdl),
    ] {
        assert_eq!(chosen(&document), chosen(&whole), "{document}");
    }
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _seen = endpoints(&bytes);
    }

    /// Real documents with holes, repetitions and foreign bytes in them.
    #[test]
    fn damaged_documents_never_panic(at in 0_usize..5000, length in 0_usize..200, with in "[<>&/\"'=a: ]{0,6}") {
        let damaged = crate::entra::wstrust::damaged(adfs(), at, length, &with);
        if let Ok(found) = endpoints(&damaged) {
            prop_assert!(found.iter().all(|endpoint| endpoint.address.len() <= damaged.len()));
        }
    }
}
