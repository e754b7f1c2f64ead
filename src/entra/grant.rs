//! The form bodies of the grants, and the scopes that go with them (RFC 6749 §4.3.2, §6; RFC 7522 §2.1).

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use super::assertion::Algorithm;
use super::authority::Traits;
use super::body::Payload;
use super::wstrust::Assertion;
use crate::reconcile::material::Secret;
use crate::reconcile::ports::Request;

/// Type of a client assertion that is a JWT (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// User name and password (RFC 6749 §4.3).
    Password,
    /// User name and password, at a federation server (WS-Trust): what comes back is an assertion.
    WsTrust,
    /// A SAML 1.1 assertion of a federation server.
    Saml11,
    /// A SAML 2.0 assertion of a federation server (RFC 7522).
    Saml20,
    /// A refresh token (RFC 6749 §6).
    Refresh,
    /// No grant: a document that says where to go.
    Discovery,
}

impl Grant {
    /// Name for logs: the `grant_type`; `ws_trust` and `discovery` are none.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::WsTrust => "ws_trust",
            Self::Saml11 => "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
            Self::Saml20 => "urn:ietf:params:oauth:grant-type:saml2-bearer",
            Self::Refresh => "refresh_token",
            Self::Discovery => "discovery",
        }
    }

    /// Whether it is a step of a sign-in that has or had the password: one without an answer uses up a send.
    pub(super) const fn signs_in(self) -> bool {
        match self {
            Self::Password | Self::WsTrust | Self::Saml11 | Self::Saml20 => true,
            Self::Refresh | Self::Discovery => false,
        }
    }
}

/// What proves the client in one request (RFC 6749 §2.3.1, RFC 7523 §2.2).
#[derive(Debug)]
pub(super) enum Proof {
    /// `client_secret`.
    Secret(Secret),
    /// `Authorization: Basic`.
    Basic(Secret),
    /// `client_assertion`.
    Assertion(Secret),
}

impl Proof {
    fn parameters(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Secret(secret) => vec![("client_secret", secret.expose())],
            Self::Basic(_) => Vec::new(),
            Self::Assertion(assertion) => vec![
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", assertion.expose()),
            ],
        }
    }
}

/// How a token endpoint wants its clients to prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manners {
    /// How assertions are signed.
    pub(super) algorithm: Algorithm,
    /// A secret goes into the header `Authorization` and not into the form (`client_secret_basic`).
    pub(super) basic: bool,
}

/// Adds what proves the client to the headers, if it goes there: client id and secret, each form-encoded (RFC 6749
/// §2.3.1).
pub(super) fn authorize(headers: &mut HeaderMap, client_id: &str, proof: Option<&Proof>) {
    let Some(Proof::Basic(secret)) = proof else {
        return;
    };
    let encoded = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(client_id), *encoded(secret.expose())));
    let text = Zeroizing::new(format!("Basic {}", *Zeroizing::new(STANDARD.encode(&*pair))));
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
}

/// An `application/x-www-form-urlencoded` body. Redacted, and wiped when dropped.
pub(super) struct Form(Zeroizing<String>);

impl Form {
    /// Body of a sign-in with user name and password.
    pub(super) fn password(
        request: &Request<'_>,
        traits: &Traits,
        username: &Secret,
        password: &Secret,
    ) -> Self {
        let mut parameters = vec![("username", username.expose()), ("password", password.expose())];
        parameters.extend(traits.response_type.map(|value| ("response_type", value)));
        Self::encode(request, traits, Grant::Password, &parameters)
    }

    /// Body of a redemption.
    pub(super) fn refresh(request: &Request<'_>, traits: &Traits, refresh_token: &Secret) -> Self {
        let parameters = [("refresh_token", refresh_token.expose())];
        Self::encode(request, traits, Grant::Refresh, &parameters)
    }

    /// Body of a sign-in with an assertion: in standard base64, as MSAL.NET, Go and Java write it, and without user name
    /// or password, which only the federation server may see.
    pub(super) fn assertion(request: &Request<'_>, traits: &Traits, assertion: &Assertion) -> Self {
        let encoded = Zeroizing::new(STANDARD.encode(assertion.bytes()));
        Self::encode(request, traits, assertion.grant, &[("assertion", &encoded)])
    }

    fn encode(request: &Request<'_>, traits: &Traits, grant: Grant, parameters: &[(&str, &str)]) -> Self {
        let scope = scope_parameter(request.scopes, traits);
        let client_info = traits.client_info.then_some(("client_info", "1"));
        let held: usize = parameters.iter().map(|(_, value)| value.len()).sum();
        let mut form = Serializer::new(String::with_capacity(CAPACITY.saturating_add(3 * held)));
        form.append_pair("client_id", &request.binding.client_id)
            .append_pair("grant_type", grant.label())
            .extend_pairs(client_info)
            .extend_pairs(parameters)
            .append_pair("scope", &scope);
        Self(Zeroizing::new(form.finish()))
    }

    /// The same with what proves the client, if anything does.
    pub(super) fn proven(mut self, proof: Option<&Proof>) -> Self {
        if let Some(proof) = proof {
            Serializer::for_suffix(&mut *self.0, 0).extend_pairs(proof.parameters());
        }
        self
    }

    /// The bytes to send, and what they are.
    pub(super) fn into_payload(mut self) -> Payload {
        Payload {
            content_type: "application/x-www-form-urlencoded",
            bytes: Zeroizing::new(std::mem::take(&mut *self.0).into_bytes()),
        }
    }
}

/// Room for everything but the credentials, of which each byte takes up to three, so that the buffer does not grow and
/// leave copies behind.
const CAPACITY: usize = 8 * 1024;

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form([redacted])")
    }
}

/// The entry's scopes and the reserved ones, sorted and without duplicates; compared without case where that is how the
/// authority compares them (MSAL.NET, Go and Java merge them so).
fn scope_parameter(entry: &[String], traits: &Traits) -> String {
    let mut scopes = BTreeMap::new();
    let reserved = traits.reserved_scopes.iter().copied();
    for scope in entry.iter().map(String::as_str).chain(reserved) {
        let key = if traits.folds_scopes {
            scope.to_lowercase()
        } else {
            scope.to_owned()
        };
        scopes.entry(key).or_insert(scope);
    }
    scopes.into_values().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::entra::Kind;
    use crate::plan::snapshot::Binding;
    use crate::reconcile::ports::Key;

    fn text(form: Form) -> String {
        String::from_utf8(form.into_payload().bytes.to_vec()).unwrap()
    }

    fn binding() -> Binding {
        Binding {
            authority: "login.microsoftonline.com".to_owned(),
            tenant: "contoso.example".to_owned(),
            client_id: "3f0c1a52-0000-4000-8000-000000000001".to_owned(),
        }
    }

    static REPORTING: LazyLock<Key> = LazyLock::new(|| Key::new("etl", "reporting"));

    fn request<'a>(binding: &'a Binding, scopes: &'a [String]) -> Request<'a> {
        Request {
            credential: &REPORTING,
            authority: None,
            binding,
            client: None,
            scopes,
            life: None,
        }
    }

    #[test]
    fn password_form_is_msals() {
        let (binding, scopes) = (binding(), ["api://x/.default".to_owned()]);
        let username = Secret::new("alice@managed.example".to_owned());
        let password = Secret::new("p+ä &=".to_owned());
        let (request, traits) = (request(&binding, &scopes), Kind::Entra.traits());
        let form = Form::password(&request, traits, &username, &password);
        assert_eq!(
            text(form),
            "client_id=3f0c1a52-0000-4000-8000-000000000001&grant_type=password&client_info=1\
             &username=alice%40managed.example&password=p%2B%C3%A4+%26%3D\
             &scope=api%3A%2F%2Fx%2F.default+offline_access+openid+profile"
        );
    }

    #[test]
    fn refresh_form_of_a_confidential_client() {
        let (binding, scopes) = (binding(), ["User.Read".to_owned()]);
        let refresh_token = Secret::new("1.AX".to_owned());
        let form = Form::refresh(&request(&binding, &scopes), Kind::Entra.traits(), &refresh_token)
            .proven(Some(&Proof::Secret(Secret::new("s~1".to_owned()))));
        assert_eq!(
            text(form),
            "client_id=3f0c1a52-0000-4000-8000-000000000001&grant_type=refresh_token&client_info=1\
             &refresh_token=1.AX&scope=offline_access+openid+profile+User.Read&client_secret=s%7E1"
        );
    }

    #[test]
    fn scopes_are_merged_without_case() {
        let entry = ["User.Read", "user.read", "OPENID", "a.b"].map(str::to_owned);
        assert_eq!(
            scope_parameter(&entry, Kind::Entra.traits()),
            "a.b offline_access OPENID profile User.Read"
        );
        assert_eq!(
            scope_parameter(&entry, Kind::Oidc.traits()),
            "OPENID User.Read a.b offline_access openid profile user.read"
        );
    }

    #[test]
    fn a_secret_in_the_header_is_form_encoded_and_hidden() {
        let mut headers = HeaderMap::new();
        let proof = Proof::Basic(Secret::new("s:e c~+".to_owned()));
        assert!(proof.parameters().is_empty());
        authorize(&mut headers, "id/1", Some(&proof));
        let value = headers.get(AUTHORIZATION).unwrap();
        let pair = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(pair).unwrap(), b"id%2F1:s%3Ae+c%7E%2B");
        assert!(!format!("{headers:?}").contains(pair));
        let mut none = HeaderMap::new();
        authorize(&mut none, "id", Some(&Proof::Secret(Secret::new("s".to_owned()))));
        assert!(none.is_empty());
    }

    #[test]
    fn debug_shows_nothing() {
        let (binding, scopes) = (binding(), Vec::new());
        let refresh_token = Secret::new("marker".to_owned());
        let form = Form::refresh(&request(&binding, &scopes), Kind::Entra.traits(), &refresh_token);
        assert_eq!(format!("{form:?}"), "Form([redacted])");
    }
}
