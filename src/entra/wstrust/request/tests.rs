//! The envelope, field by field, as every MSAL sends it; and that nothing can be injected into it.

use proptest::prelude::*;

use super::*;
use crate::entra::wstrust::xml::Document;

fn envelope<'a>(version: Version, username: &'a str, password: &'a str) -> Envelope<'a> {
    Envelope {
        version,
        to: "https://sts.fed.example/adfs/services/trust/13/usernamemixed",
        audience: "urn:federation:MicrosoftOnline",
        id: "0b8c2f7e-1c9d-4b7e-9d57-0d6a3c7a1f00",
        created: Time(1_795_332_277),
        username,
        password,
    }
}

fn written(version: Version) -> String {
    let bytes = envelope(version, "alice@fed.example", "p&<>\"'ä\r")
        .write()
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

const HEADER: &str = "<s:Header>\
    <wsa:Action s:mustUnderstand=\"1\">{action}</wsa:Action>\
    <wsa:MessageID>urn:uuid:0b8c2f7e-1c9d-4b7e-9d57-0d6a3c7a1f00</wsa:MessageID>\
    <wsa:ReplyTo><wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address></wsa:ReplyTo>\
    <wsa:To s:mustUnderstand=\"1\">https://sts.fed.example/adfs/services/trust/13/usernamemixed</wsa:To>\
    <wsse:Security s:mustUnderstand=\"1\">\
    <wsu:Timestamp><wsu:Created>2026-11-22T07:24:37Z</wsu:Created><wsu:Expires>2026-11-22T07:34:37Z</wsu:Expires></wsu:Timestamp>\
    <wsse:UsernameToken><wsse:Username>alice@fed.example</wsse:Username>\
    <wsse:Password>p&amp;&lt;&gt;&quot;&apos;ä&#13;</wsse:Password></wsse:UsernameToken>\
    </wsse:Security></s:Header>";

const BODY: &str = "<s:Body><wst:RequestSecurityToken>\
    <wsp:AppliesTo><wsa:EndpointReference><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>\
    <wst:KeyType>{key}</wst:KeyType><wst:RequestType>{request}</wst:RequestType>\
    </wst:RequestSecurityToken></s:Body>";

#[test]
fn the_envelope_of_1_3_is_msals() {
    let wst = "http://docs.oasis-open.org/ws-sx/ws-trust/200512";
    let text = written(Version::V13);
    assert!(text.starts_with("<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\""));
    assert!(text.contains(&format!("xmlns:wst=\"{wst}\"")));
    assert!(
        text.contains(&HEADER.replace("{action}", &format!("{wst}/RST/Issue"))),
        "{text}"
    );
    let body = BODY
        .replace("{key}", &format!("{wst}/Bearer"))
        .replace("{request}", &format!("{wst}/Issue"));
    assert!(text.ends_with(&format!("{body}</s:Envelope>")), "{text}");
}

#[test]
fn the_envelope_of_2005_is_msals() {
    let wst = "http://schemas.xmlsoap.org/ws/2005/02/trust";
    let text = written(Version::V2005);
    assert!(text.contains(&format!("xmlns:wst=\"{wst}\"")));
    assert!(
        text.contains(&HEADER.replace("{action}", &format!("{wst}/RST/Issue"))),
        "{text}"
    );
    let body = BODY
        .replace(
            "{key}",
            "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
        )
        .replace("{request}", &format!("{wst}/Issue"));
    assert!(text.ends_with(&format!("{body}</s:Envelope>")), "{text}");
}

#[test]
fn control_characters_cannot_be_written() {
    for bad in ["a\u{0}", "\u{1}", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}"] {
        assert_eq!(
            envelope(Version::V13, "u", bad).write().map(drop),
            Err(Unwritable),
            "{bad:?}"
        );
        assert_eq!(
            envelope(Version::V13, bad, "p").write().map(drop),
            Err(Unwritable),
            "{bad:?}"
        );
    }
    assert!(
        envelope(Version::V13, "u", "\t\n \u{fffd}\u{10000}")
            .write()
            .is_ok()
    );
}

#[test]
fn the_largest_envelope_fits_into_its_buffer() {
    let text = "'".repeat(crate::entra::federation::TEXT_MAX);
    let user = "'".repeat(256);
    let largest = Envelope {
        to: &text,
        audience: &text,
        ..envelope(Version::V13, &user, &user)
    };
    assert_eq!(largest.write().unwrap().capacity(), CAPACITY);
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(
        format!("{:?}", envelope(Version::V13, "u", "p")),
        "Envelope([redacted])"
    );
}

proptest! {
    /// What a reader of XML finds is exactly what was to be said.
    #[test]
    fn nothing_can_be_injected(username in "\\PC{1,40}", password in "[\\PC\t<>&'\"]{1,40}") {
        let envelope = envelope(Version::V13, &username, &password);
        let bytes = envelope.write().unwrap();
        let document = Document::parse(&bytes).unwrap();
        let token = document.root().descend(&[
            (Soap, "Header"),
            (Security, "Security"),
            (Security, "UsernameToken"),
        ]).unwrap();
        for (name, expected) in [("Username", &username), ("Password", &password)] {
            let found = token.descend(&[(Security, name)]).unwrap().text().unwrap();
            prop_assert_eq!(found.trim(), expected.trim());
        }
        prop_assert_eq!(token.children().count(), 2);
    }
}
