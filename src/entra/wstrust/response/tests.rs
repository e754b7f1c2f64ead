//! Answers as AD FS writes them, answers of others, and arbitrary bytes.

use proptest::prelude::*;

use super::*;

const SAML11: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
const SAML20: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const ASSERTION: &str = "<saml:Assertion  MajorVersion='1' xmlns:saml=\"urn:oasis:names:tc:SAML:1.0:assertion\">\n \
     <saml:NameIdentifier>a&amp;b ä</saml:NameIdentifier><!-- kept --><ds:Signature xmlns:ds=\"urn:ds\"/>\
     <KeyInfo xmlns=\"urn:k\"><X/></KeyInfo></saml:Assertion >";

fn response(version: Version, kind: &str, token: &str) -> String {
    let trust = version.namespace().uri();
    format!(
        "<t:RequestSecurityTokenResponse xmlns:t=\"{trust}\"><t:Lifetime/><t:TokenType>{kind}</t:TokenType>\
         <t:RequestedSecurityToken>{token}</t:RequestedSecurityToken></t:RequestSecurityTokenResponse>"
    )
}

fn envelope(body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://www.w3.org/2005/08/addressing\" \
         xmlns:xs='urn:\"xs' xmlns:xsi=\"urn:xsi\"><s:Header><a:Action>x</a:Action></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn collection(responses: &str) -> String {
    envelope(&format!(
        "<c:RequestSecurityTokenResponseCollection xmlns:c=\"http://docs.oasis-open.org/ws-sx/ws-trust/200512\">\
         {responses}</c:RequestSecurityTokenResponseCollection>"
    ))
}

fn issued(body: &str, version: Version) -> Assertion {
    match read(body.as_bytes(), version) {
        Answer::Issued(assertion) => assertion,
        other @ (Answer::Fault(_) | Answer::Unusable | Answer::NotSoap) => panic!("{other:?}: {body}"),
    }
}

fn token_of(token: &str) -> String {
    let assertion = issued(&collection(&response(Version::V13, SAML11, token)), Version::V13);
    String::from_utf8(assertion.bytes().to_vec()).unwrap()
}

#[test]
fn the_assertion_comes_through_byte_by_byte() {
    assert_eq!(token_of(ASSERTION), ASSERTION);
    let of_2005 = envelope(&response(Version::V2005, SAML11, ASSERTION));
    assert_eq!(issued(&of_2005, Version::V2005).bytes(), ASSERTION.as_bytes());
    let with_mark = format!("\u{feff}{of_2005}");
    assert_eq!(issued(&with_mark, Version::V2005).bytes(), ASSERTION.as_bytes());
}

#[test]
fn every_token_type_has_its_grant() {
    for (kind, grant) in TOKEN_TYPES {
        let body = collection(&response(Version::V13, kind, "<A xmlns=\"urn:a\"/>"));
        assert_eq!(issued(&body, Version::V13).grant, grant, "{kind}");
    }
}

#[test]
fn of_several_assertions_saml_1_1_is_taken() {
    let both = [
        response(Version::V13, SAML20, "<Two/>"),
        response(Version::V13, SAML11, "<One/>"),
    ];
    let assertion = issued(&collection(&both.concat()), Version::V13);
    assert_eq!(
        (assertion.grant, assertion.bytes()),
        (Grant::Saml11, b"<One/>".as_slice())
    );
}

#[test]
fn declarations_that_stand_around_it_are_carried_over_if_it_needs_them() {
    assert_eq!(
        token_of("<A xmlns=\"urn:a\" xsi:type=\"xs:string\">names:x</A>"),
        "<A xmlns:xs=\"urn:&quot;xs\" xmlns:xsi=\"urn:xsi\" xmlns=\"urn:a\" xsi:type=\"xs:string\">names:x</A>"
    );
    assert_eq!(
        token_of("<a:B/>"),
        "<a:B xmlns:a=\"http://www.w3.org/2005/08/addressing\"/>"
    );
}

#[test]
fn the_nearest_declaration_is_carried_over() {
    let inner = "<t:RequestedSecurityToken xmlns=\"urn:near\" xmlns:a=\"urn:near-a\">";
    let body = collection(&response(Version::V13, SAML11, "<A><a:B/></A>"))
        .replace("<t:RequestedSecurityToken>", inner)
        .replace("<s:Envelope ", "<s:Envelope xmlns=\"urn:far\" ");
    assert_eq!(
        issued(&body, Version::V13).bytes(),
        b"<A xmlns=\"urn:near\" xmlns:a=\"urn:near-a\"><a:B/></A>"
    );
}

#[test]
fn what_brings_no_single_assertion_of_a_known_kind_is_unusable() {
    let good = collection(&response(Version::V13, SAML11, ASSERTION));
    for bad in [
        envelope(""),
        collection(""),
        good.replace(
            &format!(">{SAML11}</t:TokenType"),
            ">urn:ietf:params:oauth:token-type:jwt</t:TokenType",
        ),
        good.replace("t:TokenType", "t:Other"),
        collection(&response(Version::V13, SAML11, "")),
        collection(&response(Version::V13, SAML11, "text")),
        collection(&response(Version::V13, SAML11, "<A/><B/>")),
        good.replace("ws-trust/200512", "ws-trust/other"),
        good.replace("s:Body", "s:Other"),
    ] {
        assert!(
            matches!(read(bad.as_bytes(), Version::V13), Answer::Unusable),
            "{bad}"
        );
    }
}

#[test]
fn what_is_no_soap_is_said() {
    let good = collection(&response(Version::V13, SAML11, ASSERTION));
    for bad in [
        "",
        "{\"error\":\"x\"}",
        "<html>gateway</html>",
        &format!("<!DOCTYPE s>{good}"),
        &format!("<?php x?>{good}"),
        &good.replace("a&amp;b", "a&entity;b"),
        good.strip_suffix("</s:Envelope>").unwrap(),
    ] {
        assert!(
            matches!(read(bad.as_bytes(), Version::V13), Answer::NotSoap),
            "{bad}"
        );
    }
}

#[test]
fn a_fault_is_found_before_any_token() {
    let body = envelope(&format!(
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code></s:Fault>{}",
        response(Version::V13, SAML11, ASSERTION)
    ));
    assert!(matches!(
        read(body.as_bytes(), Version::V13),
        Answer::Fault(Fault::Unclear)
    ));
}

#[test]
fn debug_shows_no_assertion() {
    let body = collection(&response(Version::V13, SAML11, "<marker/>"));
    let shown = format!("{:?}", read(body.as_bytes(), Version::V13));
    assert_eq!(shown, "Issued(Assertion(Saml11))");
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _seen = read(&bytes, Version::V13);
    }

    #[test]
    fn damaged_answers_never_panic(at in 0_usize..2000, length in 0_usize..100, with in "[<>&/\"'=a: ]{0,6}") {
        let body = collection(&response(Version::V13, SAML11, ASSERTION));
        let damaged = crate::entra::wstrust::damaged(body, at, length, &with);
        let _seen = read(&damaged, Version::V13);
    }
}
