//! Every kind of fault, and that none of them lets a password be sent for ever.

use proptest::prelude::*;
use strum::IntoEnumIterator;

use super::*;
use crate::entra::wstrust::xml::Document;
use crate::entra::wstrust::{Answer, Version};

fn fault(code: &str) -> Fault {
    let text = format!("<s:Fault xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">{code}</s:Fault>");
    Fault::of(Document::parse(text.as_bytes()).unwrap().root())
}

fn with_subcode(value: &str, subcode: &str) -> Fault {
    fault(&format!(
        "<s:Code><s:Value>{value}</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text>ID3242: marker</s:Text></s:Reason>"
    ))
}

#[test]
fn sub_codes_are_known_by_their_local_name() {
    for (subcode, expected) in [
        ("a:FailedAuthentication", Fault::Authentication),
        ("wst:FailedAuthentication", Fault::Authentication),
        (" FailedAuthentication ", Fault::Authentication),
        ("a:FailedAuthentication.Unheard", Fault::Authentication),
        ("a:FailedAuthentication.ExpiredPassword", Fault::Expired),
        ("a:InvalidSecurity", Fault::Security),
        ("u:MessageExpired", Fault::Security),
        ("a:RequestFailed", Fault::Refused),
        ("a:InvalidScope", Fault::Request),
        ("a:ActionNotSupported", Fault::Request),
        ("a:InvalidSecurityToken", Fault::Unclear),
        ("a:failedauthentication", Fault::Unclear),
        ("", Fault::Unclear),
    ] {
        assert_eq!(with_subcode("s:Sender", subcode), expected, "{subcode}");
    }
}

#[test]
fn a_refusal_of_access_control_is_not_taken_for_a_wrong_password() {
    let worded = |subcode: &str, texts: &str| {
        fault(&format!(
            "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>\
             <s:Reason>{texts}</s:Reason>"
        ))
    };
    let denied = "<s:Text xml:lang=\"en-US\">MSIS3126: Access denied.</s:Text>";
    let localised =
        "<s:Text>ID3242: marker</s:Text><s:Text xml:lang=\"de-DE\">MSIS3126: Zugriff verweigert.</s:Text>";
    for texts in [denied, localised] {
        assert_eq!(worded("a:FailedAuthentication", texts), Fault::Refused);
        assert_eq!(worded("a:InvalidSecurity", texts), Fault::Security);
        assert_eq!(worded("a:Unheard", texts), Fault::Unclear);
    }
    for other in ["", "<s:Text>MSIS31260: marker</s:Text>", "<s:Text><a/></s:Text>"] {
        assert_eq!(worded("a:FailedAuthentication", other), Fault::Authentication);
    }
}

#[test]
fn the_innermost_known_code_decides() {
    assert_eq!(
        with_subcode("s:Receiver", "a:FailedAuthentication"),
        Fault::Authentication
    );
    assert_eq!(
        with_subcode("s:Receiver", "a:InternalServiceFault"),
        Fault::Server
    );
    let nested = "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>a:InvalidSecurity</s:Value>\
        <s:Subcode><s:Value>a:FailedAuthentication</s:Value></s:Subcode></s:Subcode></s:Code>";
    assert_eq!(fault(nested), Fault::Authentication);
}

#[test]
fn a_fault_without_a_code_is_unclear() {
    for code in [
        "",
        "<s:Code/>",
        "<Code><Value>s:Receiver</Value></Code>",
        "<s:Code><s:Value><a/></s:Value></s:Code>",
    ] {
        assert_eq!(fault(code), Fault::Unclear, "{code}");
    }
}

#[test]
fn faults_of_soap_1_1_are_read() {
    let fault = |code: &str| {
        let document = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>{code}\
             <faultstring>marker</faultstring></s:Fault></s:Body></s:Envelope>"
        );
        match crate::entra::wstrust::read(document.as_bytes(), Version::V2005) {
            Answer::Fault(fault) => fault,
            other @ (Answer::Issued(_) | Answer::Unusable | Answer::NotSoap) => panic!("{other:?}"),
        }
    };
    for (code, expected) in [
        (
            "<faultcode>a:FailedAuthentication</faultcode>",
            Fault::Authentication,
        ),
        (
            "<faultcode>Client.Authentication</faultcode>",
            Fault::Authentication,
        ),
        (
            "<faultcode>a:FailedAuthentication</faultcode><faultstring>MSIS3126: Access denied.</faultstring>",
            Fault::Refused,
        ),
        (
            "<faultcode xmlns=\"\">wst:RequestFailed</faultcode>",
            Fault::Refused,
        ),
        ("<s:faultcode>wsse:InvalidSecurity</s:faultcode>", Fault::Security),
        ("<faultcode>s:Client</faultcode>", Fault::Unclear),
        ("<faultcode>s:Server</faultcode>", Fault::Unclear),
        ("<faultcode>Receiver</faultcode>", Fault::Unclear),
        ("", Fault::Unclear),
    ] {
        assert_eq!(fault(code), expected, "{code}");
    }
}

#[test]
fn no_fault_lets_a_password_be_sent_for_ever() {
    for fault in Fault::iter() {
        let judgement = fault.judgement();
        let bounded = matches!(
            judgement.effect,
            Effect::Doubtful | Effect::Person | Effect::Unanswered
        );
        assert!(bounded, "{fault:?}");
        assert!(
            !judgement.message.ends_with('.') && judgement.remedy.ends_with('.'),
            "{fault:?}"
        );
    }
    for fault in [Fault::Authentication, Fault::Unclear] {
        assert_eq!(fault.judgement().effect, Effect::Doubtful);
    }
    assert_eq!(Fault::Security.judgement().effect, Effect::Person);
}

proptest! {
    #[test]
    fn arbitrary_codes_are_judged(value in "[a-zA-Z:]{0,20}", subcode in "[a-zA-Z:]{0,20}") {
        let _seen = with_subcode(&value, &subcode).judgement();
    }
}
