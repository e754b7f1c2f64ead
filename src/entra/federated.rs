//! The way of a federated account: the server's metadata, its assertion for user name and password (WS-Trust), and the
//! tokens for the assertion.
//!
//! # Guarantees
//!
//! - Nothing is sent to an address, and no address is believed, before the administrator's list was asked.
//! - All of it happens in one slot, by one leave: the operator's own limits come neither between the metadata and the
//!   password nor between the assertion and the token.
//! - A lost answer uses up a send, that of the token endpoint too: the password had left, and the next try sends it
//!   again. Where the token endpoint cannot be reached or says "later", no send is used up, as for managed accounts: the
//!   assertion has proven the password, so that sending it again locks nothing.

use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::authority::host;
use super::body::Payload;
use super::client::always;
use super::clock::beyond_flight;
use super::failure::{Attempt, Class};
use super::federation::Barred;
use super::grant::Form;
use super::headers::Anchor;
use super::limits::{Caller, Permit, Slot};
use super::login::SignIn;
use super::realm::Server;
use super::send::{Departing, Stop};
use super::wire::{Outgoing, Reply};
use super::wstrust::{self, Answer, Assertion, Endpoint, Envelope, Fault, Unsuitable, Version};
use super::{Client, Grant};
use crate::api::Reason;
use crate::plan::answer::{Deed, Effect, Refusal};
use crate::reconcile::ports::Tokens;

const SOAP_ACTION: HeaderName = HeaderName::from_static("soapaction");

/// The endpoints of a server, the preferred first, and how far its clock is ahead if that is known.
struct Found {
    endpoints: Vec<Endpoint>,
    skew: i64,
}

impl Client {
    /// Signs in at the account's federation server, and with its assertion at the authority.
    pub(super) async fn by_federation(
        &self,
        sign_in: &SignIn<'_>,
        slot: &Arc<Slot>,
        server: &Server,
    ) -> Result<Tokens, Stop> {
        let found = Box::pin(self.find(sign_in, slot, server)).await?;
        let (version, url) = self.usable(sign_in, &found.endpoints)?;
        let at_server = slot.permit_there(Caller::of_host(sign_in.request, &host(&url)))?;
        let at_authority = slot.permit(Caller::of(sign_in.request))?;
        let assertion =
            Box::pin(self.assertion(sign_in, server, (version, found.skew), url, at_server)).await?;
        let traits = sign_in.authority.traits();
        let form = Form::assertion(sign_in.request, traits, &assertion);
        let anchor = Anchor::User(sign_in.content.username.expose()).of(traits);
        let departing = self.token_request(sign_in, form, anchor, at_authority, &always)?;
        let attempt = sign_in.attempt(assertion.grant);
        self.tokens(&attempt, departing, sign_in.request).await
    }

    /// The endpoints that the metadata names. Without metadata it is the one that the realm service named, if its path
    /// tells the version: a message in the wrong one is refused in words that may mean the password.
    async fn find(&self, sign_in: &SignIn<'_>, slot: &Arc<Slot>, server: &Server) -> Result<Found, Stop> {
        let without = match &server.metadata {
            None => Stop::from(no_endpoint(&sign_in.attempt(Grant::Discovery))),
            Some(address) => match self.metadata(sign_in, slot, address).await {
                Err(Stop::Refused(refusal)) if refusal.effect == Effect::Transient => Stop::Refused(refusal),
                decided => return decided,
            },
        };
        let active = server.active.as_deref().and_then(Endpoint::at);
        Ok(Found {
            endpoints: vec![active.ok_or(without)?],
            skew: 0,
        })
    }

    /// The first endpoint that may be talked to; else why the best of them may not: being forbidden can be mended by a
    /// line of configuration.
    fn usable(&self, sign_in: &SignIn<'_>, endpoints: &[Endpoint]) -> Result<(Version, Url), Stop> {
        let mut why = None;
        for endpoint in endpoints {
            match self.federation.check(&endpoint.address) {
                Ok(url) => return Ok((endpoint.version, url)),
                Err(barred @ Barred::NotAllowed(_)) => why = Some(barred),
                Err(barred @ Barred::NotHttps) => why = why.or(Some(barred)),
            }
        }
        let attempt = sign_in.attempt(Grant::Discovery);
        let refusal = why.map_or_else(|| no_endpoint(&attempt), |barred| not_used(&attempt, &barred));
        Err(refusal.into())
    }

    /// Asks for the metadata. A refusal is transient if the document did not come or cannot be read.
    async fn metadata(&self, sign_in: &SignIn<'_>, slot: &Arc<Slot>, address: &str) -> Result<Found, Stop> {
        let url = self.checked(sign_in, address)?;
        let attempt = sign_in.attempt(Grant::Discovery).at(host(&url));
        let departing = Departing {
            http: self.connections.federation()?,
            permit: slot.permit_there(Caller::of_host(sign_in.request, &attempt.host))?,
            outgoing: Outgoing {
                url,
                headers: HeaderMap::new(),
                payload: None,
                deadline: sign_in.deadline.for_document(self.clock.monotonic()),
            },
            may_leave: &always,
        };
        Ok(self
            .send(&attempt, departing, |reply| read_metadata(&attempt, reply))
            .await?)
    }

    /// Sends user name and password to the server.
    async fn assertion(
        &self,
        sign_in: &SignIn<'_>,
        server: &Server,
        (version, skew): (Version, i64),
        url: Url,
        permit: Permit,
    ) -> Result<Assertion, Stop> {
        let attempt = sign_in.attempt(Grant::WsTrust).at(host(&url));
        let envelope = Envelope {
            version,
            to: url.as_str(),
            audience: &server.audience,
            id: &sign_in.correlation_id,
            created: self.clock.now().plus(skew),
            username: sign_in.content.username.expose(),
            password: sign_in.content.password.expose(),
        };
        let bytes = envelope.write().map_err(|_| unwritable(&attempt))?;
        let departing = Departing {
            http: self.connections.federation()?,
            permit,
            outgoing: Outgoing {
                headers: action(version),
                payload: Some(Payload {
                    content_type: "application/soap+xml; charset=utf-8",
                    bytes,
                }),
                deadline: sign_in.deadline.for_grant(self.clock.monotonic()),
                url,
            },
            may_leave: sign_in.still_valid,
        };
        Ok(self
            .send(&attempt, departing, |reply| {
                read_assertion(&attempt, reply, version)
            })
            .await?)
    }

    /// The URL of an address that is https and allowed.
    fn checked(&self, sign_in: &SignIn<'_>, address: &str) -> Result<Url, Stop> {
        let attempt = sign_in.attempt(Grant::Discovery);
        self.federation
            .check(address)
            .map_err(|barred| not_used(&attempt, &barred).into())
    }
}

fn action(version: Version) -> HeaderMap {
    HeaderMap::from_iter([(SOAP_ACTION, HeaderValue::from_static(version.action()))])
}

fn read_metadata(attempt: &Attempt<'_>, reply: &Reply) -> Result<Found, Box<Refusal>> {
    if reply.status != 200 {
        return Err(Box::new(attempt.status(Class::of_status(reply.status), reply)));
    }
    let body = reply.body.as_deref().map(Vec::as_slice).unwrap_or_default();
    match wstrust::endpoints(body) {
        Ok(endpoints) => Ok(Found {
            endpoints,
            skew: reply.timing.ahead().and_then(beyond_flight).unwrap_or(0),
        }),
        Err(Unsuitable::NotOffered) => Err(Box::new(no_endpoint(attempt))),
        Err(Unsuitable::Unreadable) => Err(Box::new(attempt.unusable(reply))),
    }
}

/// A SOAP answer counts whatever its status (SOAP 1.2 part 2 §7.5.2 sends faults with 400 and 500); other answers are
/// judged by it.
fn read_assertion(attempt: &Attempt<'_>, reply: &Reply, version: Version) -> Result<Assertion, Box<Refusal>> {
    let body = reply.body.as_deref().map(Vec::as_slice).unwrap_or_default();
    match (wstrust::read(body, version), reply.status) {
        (Answer::Fault(fault), _) => Err(Box::new(refused(attempt, fault))),
        (Answer::Issued(assertion), 200) => Ok(assertion),
        (Answer::NotSoap, 401) => Err(Box::new(refused(attempt, Fault::Unclear))),
        (_, 200) => Err(Box::new(attempt.unusable(reply))),
        (_, status) => Err(Box::new(attempt.status(by_gateway(status), reply))),
    }
}

/// Only a gateway's word that it could not pass the message on is a passing failure: after any other answer, the server
/// may have judged the password.
const fn by_gateway(status: u16) -> Class {
    match status {
        429 => Class::Throttled,
        502..=504 => Class::Transient,
        _ => Class::Unexpected,
    }
}

fn refused(attempt: &Attempt<'_>, fault: Fault) -> Refusal {
    let judgement = fault.judgement();
    let message = format!("The federation server {} {}.", attempt.host, judgement.message);
    attempt.told(judgement.effect, judgement.reason, message, judgement.remedy)
}

fn not_used(attempt: &Attempt<'_>, barred: &Barred) -> Refusal {
    match barred {
        Barred::NotHttps => attempt.told(
            Effect::Person,
            Reason::AppMisconfigured,
            "The account's federation server is named by an address that is not https; the password was not sent."
                .to_owned(),
            "Correct the federation settings of the domain, or the endpoints of the server.",
        ),
        Barred::NotAllowed(host) => attempt.told(
            Effect::Person,
            Reason::NotAllowed,
            format!(
                "The account's password is checked by {host}, which the operator may not talk to; the password was not sent."
            ),
            &format!(
                "If that is your organisation's federation server, ask the operator's administrator to add {host} to \
                 federation.allowedHosts."
            ),
        ),
    }
}

fn no_endpoint(attempt: &Attempt<'_>) -> Refusal {
    attempt.told(
        Effect::Person,
        Reason::AppMisconfigured,
        "The account's federation server offers no endpoint for user name and password; the password was not sent."
            .to_owned(),
        "Enable its WS-Trust endpoint usernamemixed, version 13 or 2005.",
    )
}

fn unwritable(attempt: &Attempt<'_>) -> Refusal {
    let refusal = attempt.told(
        Effect::Person,
        Reason::InvalidLoginSecret,
        "User name or password holds a control character, which WS-Trust cannot carry; the password was not sent."
            .to_owned(),
        "Look for stray characters in the login Secret.",
    );
    Refusal {
        deed: Deed::NewLogin,
        ..refusal
    }
}
