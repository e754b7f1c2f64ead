//! The application behind a request, and how it proves itself.
//!
//! Secrets come in the form or in the `Authorization` header; assertions are not accepted yet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::directory::Directory;
use super::error::Refusal;
use super::form::{Form, percent_decode};
use super::world::Application;

/// What the request says about its client.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    client_id: Option<String>,
    secret: Option<String>,
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
        Self {
            client_id: posted("client_id").or(basic.client_id),
            secret: posted("client_secret").or(basic.secret),
        }
    }

    /// Finds and authenticates the client in `tenant`, if the tenant is known already.
    pub(crate) fn check(
        &self,
        tenant: Option<&str>,
        directory: &Directory,
        now: Timestamp,
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
        let confidential = self.authenticate(application, now)?;
        Ok(Client {
            application: application.clone(),
            confidential,
        })
    }

    fn authenticate(&self, application: &Application, now: Timestamp) -> Result<bool, Refusal> {
        match &self.secret {
            None if application.public_flow => Ok(false),
            None => Err(Refusal::of(7000218)),
            Some(_) if application.public_flow && application.secrets.is_empty() => Err(Refusal::of(700025)),
            Some(secret) => verify(secret, application, now).map(|()| true),
        }
    }
}

/// The application does not exist in the tenant.
pub(crate) fn unknown(client_id: &str) -> Refusal {
    Refusal::of(700016).text(&format!(
        "Application with identifier '{client_id}' was not found in the directory."
    ))
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
        secret: Some(percent_decode(secret)),
    })
}
