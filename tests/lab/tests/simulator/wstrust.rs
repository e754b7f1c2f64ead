//! WS-Trust as the client of these tests speaks it: the request, and what is in the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entra_lab::simulator::World;
use entra_lab::simulator::world::PUBLIC_CLIENT;
use jiff::{SignedDuration, Timestamp};

use crate::client::{Lab, SCOPE};

pub(crate) const DORA: &str = "dora@fed.example";
pub(crate) const PASSWORD: &str = "PWMARK-<correct> & 'horse\"";

/// user0 and user1 in the cloud, dora at the federation server.
pub(crate) fn world() -> World {
    World::with_users(2).federated_user(DORA, PASSWORD)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    V13,
    V2005,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::V13, Version::V2005];

impl Version {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::V13 => "/adfs/services/trust/13/usernamemixed",
            Self::V2005 => "/adfs/services/trust/2005/usernamemixed",
        }
    }

    fn trust(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/02/trust",
        }
    }

    fn key_type(self) -> &'static str {
        match self {
            Self::V13 => "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
            Self::V2005 => "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
        }
    }
}

/// A request; tests replace parts of its text.
pub(crate) fn envelope(lab: &Lab, version: Version, user: &str, password: &str) -> String {
    let now = Timestamp::now();
    let until = now + SignedDuration::from_mins(10);
    let time = |moment: Timestamp| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">
<s:Header>
<wsa:Action s:mustUnderstand="1">{trust}/RST/Issue</wsa:Action>
<wsa:MessageID>urn:uuid:5f7d3c61-2b63-4b5c-9a53-6fbb6bd2f3d1</wsa:MessageID>
<wsa:To s:mustUnderstand="1">{to}</wsa:To>
<wsse:Security s:mustUnderstand="1" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">
<wsu:Timestamp><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>
<wsse:UsernameToken><wsse:Username>{user}</wsse:Username><wsse:Password>{password}</wsse:Password></wsse:UsernameToken>
</wsse:Security>
</s:Header>
<s:Body>
<wst:RequestSecurityToken xmlns:wst="{trust}">
<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference><wsa:Address>urn:federation:MicrosoftOnline</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>
<wst:KeyType>{key_type}</wst:KeyType><wst:RequestType>{trust}/Issue</wst:RequestType>
</wst:RequestSecurityToken>
</s:Body>
</s:Envelope>"#,
        trust = version.trust(),
        to = lab.url(version.path()),
        created = time(now),
        expires = time(until),
        user = escape(user),
        password = escape(password),
        key_type = version.key_type(),
    )
}

/// Status and text of the answer to an envelope.
pub(crate) async fn send(lab: &Lab, version: Version, envelope: String) -> (u16, String) {
    let request = lab
        .http
        .post(lab.url(version.path()))
        .header("content-type", "application/soap+xml; charset=utf-8")
        .header("soapaction", format!("{}/RST/Issue", version.trust()))
        .body(envelope);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The assertion for dora.
pub(crate) async fn assertion(lab: &Lab, version: Version) -> String {
    let (status, text) = send(lab, version, envelope(lab, version, DORA, PASSWORD)).await;
    assert_eq!(status, 200, "{text}");
    between(&text, "<t:RequestedSecurityToken>", "</t:RequestedSecurityToken>").to_owned()
}

pub(crate) fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap().0
}

/// The token request with an assertion in standard base64.
pub(crate) fn saml_form(saml: &str, assertion: &str) -> Vec<(&'static str, String)> {
    vec![
        ("client_id", PUBLIC_CLIENT.to_owned()),
        (
            "grant_type",
            format!("urn:ietf:params:oauth:grant-type:{saml}-bearer"),
        ),
        ("client_info", "1".to_owned()),
        ("assertion", STANDARD.encode(assertion)),
        ("scope", SCOPE.to_owned()),
    ]
}
