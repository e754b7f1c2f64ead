//! The answer that carries an assertion.
//!
//! WS-Trust 1.3 wraps it into a collection, the version of 2005 does not.

use super::super::behaviour::FederationServer;
use super::assertion::Issued;
use super::envelope::{ADDRESSING, POLICY, SOAP, UTILITY};
use super::saml::{Statement, instant};
use super::{AUDIENCE, Version};

/// The whole envelope.
pub(super) fn body(
    version: Version,
    switches: &FederationServer,
    statement: &Statement,
    issued: &Issued,
) -> String {
    let (token, declaration) = placed(issued, switches.prefix_on_ancestor);
    let (trust, action) = (version.trust(), version.answer_action());
    let (request_type, key_type) = (version.request_type(), version.key_type());
    let token_type = switches.token.name();
    let (from, until) = (instant(statement.from), instant(statement.until));
    let response = format!(
        "<t:RequestSecurityTokenResponse><t:Lifetime><wsu:Created>{from}</wsu:Created>\
         <wsu:Expires>{until}</wsu:Expires></t:Lifetime><wsp:AppliesTo xmlns:wsp=\"{POLICY}\">\
         <wsa:EndpointReference><wsa:Address>{AUDIENCE}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>\
         <t:RequestedSecurityToken>{token}</t:RequestedSecurityToken>\
         <t:TokenType>{token_type}</t:TokenType><t:RequestType>{request_type}</t:RequestType>\
         <t:KeyType>{key_type}</t:KeyType></t:RequestSecurityTokenResponse>"
    );
    let response = collected(version, response);
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:wsa=\"{ADDRESSING}\" xmlns:wsu=\"{UTILITY}\" \
         xmlns:t=\"{trust}\"{declaration}>\
         <s:Header><wsa:Action s:mustUnderstand=\"1\">{action}</wsa:Action></s:Header>\
         <s:Body>{response}</s:Body></s:Envelope>"
    )
}

fn collected(version: Version, response: String) -> String {
    match version {
        Version::V2005 => response,
        Version::V13 => format!(
            "<t:RequestSecurityTokenResponseCollection>{response}</t:RequestSecurityTokenResponseCollection>"
        ),
    }
}

/// The assertion, and the declaration of its prefix if an ancestor is to have it.
fn placed(issued: &Issued, on_ancestor: bool) -> (String, String) {
    if on_ancestor {
        let declaration = issued.saml.declaration();
        (issued.text.replacen(&declaration, "", 1), declaration)
    } else {
        (issued.text.clone(), String::new())
    }
}
