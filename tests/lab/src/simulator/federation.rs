//! The federation server of the domains that have one: metadata exchange and WS-Trust, as ADFS speaks them.
//!
//! It lives below `/adfs` of the same listener and knows the same users; the cloud trusts what it issues.

mod assertion;
mod envelope;
mod fault;
mod mex;
mod response;
mod saml;
mod version;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub(crate) use assertion::{Assertions, Issued};
pub(crate) use envelope::Envelope;
pub use fault::SoapFault;
pub(crate) use mex::document;
pub(crate) use saml::Saml;
pub use saml::SamlToken;
pub(crate) use version::Version;

use saml::Statement;

use super::reply::Reply;
use super::service::Service;
use super::world::{Account, User};

/// Whom an assertion is for: the public cloud.
pub(crate) const AUDIENCE: &str = "urn:federation:MicrosoftOnline";

/// Path of the metadata document.
pub(crate) const METADATA: &str = "/adfs/services/trust/mex";

/// Tolerance towards a client's clock, as Windows Communication Foundation has it (`MaxClockSkew`).
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Content type of SOAP 1.2 (RFC 3902).
const SOAP: &str = "application/soap+xml; charset=utf-8";

/// A WS-Trust request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) version: Version,
    pub(crate) content_type: &'a str,
    pub(crate) soap_action: &'a str,
    pub(crate) body: &'a [u8],
    /// `https://host:port` as the client addressed us.
    pub(crate) base: &'a str,
    pub(crate) now: Timestamp,
}

/// Where clients find the federation server.
pub(crate) fn base(service: &Service, own: &str) -> String {
    let elsewhere = service.behaviour.federation.base.clone();
    elsewhere.unwrap_or_else(|| own.to_owned())
}

/// `POST …/usernamemixed`: an assertion for a user name and a password.
pub(crate) fn issue(service: &mut Service, call: Call<'_>) -> Reply {
    if !call.content_type.starts_with("application/soap+xml") {
        return Reply::new(415, "text/plain", "this endpoint takes SOAP 1.2 only");
    }
    let answer = Envelope::read(call.body)
        .ok_or(SoapFault::InvalidRequest)
        .and_then(|envelope| asserted(service, call, &envelope));
    match answer {
        Ok(body) => Reply::new(200, SOAP, body),
        Err(fault) => fault_reply(fault, call.version),
    }
}

/// The answer of this endpoint that refuses.
pub(crate) fn fault_reply(fault: SoapFault, version: Version) -> Reply {
    Reply::new(500, SOAP, fault.body(version))
}

fn asserted(service: &mut Service, call: Call<'_>, envelope: &Envelope) -> Result<String, SoapFault> {
    check_addressing(service, call, envelope)?;
    check_time(envelope, call.now)?;
    check_request(envelope, call.version)?;
    let user = authenticate(service, envelope)?;
    let statement = statement(service, call, &user);
    let switches = &service.behaviour.federation;
    let issued = Issued::new(&statement, switches.token.version());
    let text = response::body(call.version, switches, &statement, &issued);
    service.assertions.remember(issued);
    Ok(text)
}

fn check_addressing(service: &Service, call: Call<'_>, envelope: &Envelope) -> Result<(), SoapFault> {
    let action = call.version.action();
    if call.soap_action.trim_matches('"') != action || envelope.action != action {
        return Err(SoapFault::ActionNotSupported);
    }
    if envelope.to != format!("{}{}", base(service, call.base), call.version.path()) {
        return Err(SoapFault::DestinationUnreachable);
    }
    if envelope.message_id.starts_with("urn:uuid:") {
        Ok(())
    } else {
        Err(SoapFault::InvalidRequest)
    }
}

/// The timestamp's window must hold now, give or take the tolerance.
fn check_time(envelope: &Envelope, now: Timestamp) -> Result<(), SoapFault> {
    let moment = |text: &str| text.parse::<Timestamp>().ok();
    let window = moment(&envelope.created).zip(moment(&envelope.expires));
    let holds = |(created, expires): (Timestamp, Timestamp)| {
        created < expires && now.duration_since(created) >= -SKEW && expires.duration_since(now) > -SKEW
    };
    if window.is_some_and(holds) {
        Ok(())
    } else {
        Err(SoapFault::InvalidSecurity)
    }
}

fn check_request(envelope: &Envelope, version: Version) -> Result<(), SoapFault> {
    let known = envelope.trust == version.trust()
        && envelope.key_type == version.key_type()
        && envelope.request_type == version.request_type();
    if !known {
        return Err(SoapFault::InvalidRequest);
    }
    // A relying party that the server does not know.
    if envelope.applies_to == AUDIENCE {
        Ok(())
    } else {
        Err(SoapFault::RequestFailed)
    }
}

/// The directory tells nothing about why: unknown, disabled, expired and wrong look alike.
fn authenticate(service: &Service, envelope: &Envelope) -> Result<User, SoapFault> {
    let directory = &service.directory;
    let user = directory
        .user(&envelope.username)
        .filter(|user| directory.is_federated(&user.upn));
    let usable = |user: &&User| {
        user.password == envelope.password && user.account == Account::Active && !user.password_expired
    };
    user.filter(usable)
        .cloned()
        .ok_or(SoapFault::FailedAuthentication)
}

fn statement(service: &Service, call: Call<'_>, user: &User) -> Statement {
    let life = SignedDuration::from_secs(service.behaviour.federation.assertion_seconds);
    Statement {
        id: format!("_{}", Uuid::new_v4()),
        issuer: format!("{}/adfs/services/trust", base(service, call.base)),
        upn: user.upn.clone(),
        immutable_id: user.oid.clone(),
        from: call.now,
        until: call.now.checked_add(life).unwrap_or(call.now),
    }
}
