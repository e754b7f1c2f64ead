//! The application behind a request, and how it proves itself.
//!
//! Secrets come in the form or in the `Authorization` header, assertions in the form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::authority::{Authority, Endpoint};
use super::client_assertion::{self, Dialect};
use super::directory::Directory;
use super::error::Refusal;
use super::form::{Form, percent_decode};
use super::service::TokenRequest;
use super::world::Application;

/// The only kind of client assertion (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What the request says about its client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    client_id: Option<String>,
    proof: Option<Proof>,
}

/// What a client shows to prove itself.
#[derive(Debug, Clone)]
enum Proof {
    Secret(String),
    /// `client_assertion_type` and `client_assertion` (RFC 7521 section 4.2).
    Assertion(String, String),
}

/// A client that was let in.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) application: Application,
    /// It proved itself with a credential.
    pub(crate) confidential: bool,
}

impl Credentials {
    /// Reads `client_secret_post`, else `client_secret_basic`.
    pub(crate) fn read(form: &Form, authorization: Option<&str>) -> Self {
        let basic = authorization.and_then(basic).unwrap_or_default();
        let posted = |name: &str| form.get(name).map(str::to_owned);
        let kind = || posted("client_assertion_type").unwrap_or_default();
        let assertion = posted("client_assertion").map(|text| Proof::Assertion(kind(), text));
        Self {
            client_id: posted("client_id").or(basic.client_id),
            proof: assertion
                .or_else(|| posted("client_secret").map(Proof::Secret))
                .or(basic.proof),
        }
    }

    /// Finds and authenticates the client in `tenant`, if the tenant is known already.
    pub(crate) fn check(
        &self,
        tenant: Option<&str>,
        directory: &Directory,
        request: TokenRequest<'_>,
    ) -> Result<Client, Refusal> {
        let client_id = self
            .client_id
            .as_deref()
            .ok_or_else(|| Refusal::missing("client_id"))?;
        let application = directory
            .application(client_id)
            .filter(|application| tenant.is_none_or(|tenant| application.exists_in(tenant)))
            .ok_or_else(|| unknown(client_id))?;
        if !application.enabled {
            return Err(Refusal::of(7000112));
        }
        let confidential = self.authenticate(application, directory, request)?;
        Ok(Client {
            application: application.clone(),
            confidential,
        })
    }

    fn authenticate(
        &self,
        application: &Application,
        directory: &Directory,
        request: TokenRequest<'_>,
    ) -> Result<bool, Refusal> {
        match &self.proof {
            // B2C looks at no credential: its password flow knows public clients only.
            _ if matches!(request.authority, Authority::B2c { .. }) && application.public_flow => Ok(false),
            None if application.public_flow => Ok(false),
            None => Err(Refusal::of(7000218)),
            Some(_) if application.public_flow && !application.has_credentials() => Err(Refusal::of(700025)),
            Some(Proof::Secret(secret)) => verify(secret, application, request.now).map(|()| true),
            Some(Proof::Assertion(kind, text)) if kind == JWT_BEARER => {
                let is_us = |audience: &str| is_token_endpoint(audience, directory, request);
                let dialect = Dialect::of(request.authority);
                client_assertion::check(text, application, &is_us, (request.now, dialect)).map(|()| true)
            }
            Some(Proof::Assertion(..)) => {
                Err(Refusal::of(90100).text("client_assertion_type is not supported."))
            }
        }
    }
}

/// The application does not exist in the tenant.
pub(crate) fn unknown(client_id: &str) -> Refusal {
    Refusal::of(700016).text(&format!(
        "Application with identifier '{client_id}' was not found in the directory."
    ))
}

/// Whether an audience is the URL of this token endpoint or its issuer; Entra takes the tenant in any spelling.
fn is_token_endpoint(audience: &str, directory: &Directory, request: TokenRequest<'_>) -> bool {
    let own = request.authority.url(request.base);
    let rest = match request.authority {
        Authority::Entra(segment) => below_tenant(audience, request.base)
            .filter(|(tenant, _)| directory.realm(tenant) == directory.realm(segment))
            .map(|(_, rest)| rest),
        Authority::Adfs | Authority::B2c { .. } | Authority::Oidc(_) => audience.strip_prefix(&own),
    };
    let rest = rest.map(|rest| rest.trim_matches('/'));
    rest.is_some_and(|rest| {
        rest.is_empty() || rest == "v2.0" || rest == request.authority.path_of(Endpoint::Token)
    })
}

fn below_tenant<'a>(url: &'a str, base: &str) -> Option<(&'a str, &'a str)> {
    url.strip_prefix(base)?.strip_prefix('/')?.split_once('/')
}

fn verify(secret: &str, application: &Application, now: Timestamp) -> Result<(), Refusal> {
    let known = application.secrets.iter().filter(|known| known.value == secret);
    let mut found = false;
    for candidate in known {
        if candidate.expires.is_none_or(|expires| now < expires) {
            return Ok(());
        }
        found = true;
    }
    Err(Refusal::of(if found { 7000222 } else { 7000215 }))
}

fn basic(header: &str) -> Option<Credentials> {
    let encoded = header.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (client_id, secret) = text.split_once(':')?;
    // RFC 6749 section 2.3.1 has both parts form-encoded first.
    Some(Credentials {
        client_id: Some(percent_decode(client_id)),
        proof: Some(Proof::Secret(percent_decode(secret))),
    })
}
