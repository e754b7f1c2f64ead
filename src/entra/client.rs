//! The identity provider's client: the port [`Provider`] over HTTPS.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use uuid::{Builder, Uuid};

use super::authority::{Authorities, Authority};
use super::discovery::{Discovered, as_guid};
use super::failure::{self, Attempt};
use super::grant::Form;
use super::headers::{Anchor, headers};
use super::limits::{Caller, Experience, Gate, Limits, Permit};
use super::observe::{self, Observer};
use super::retry_after::RETRY_AFTER_DEFAULT;
use super::wire::{self, Cause, Connections, Lost, Outgoing, Reply};
use super::{BuildError, Grant, response};
use crate::api::{Realm, Reason};
use crate::plan::Time;
use crate::plan::answer::{Effect, Refusal};
use crate::plan::snapshot::Binding;
use crate::reconcile::material::{LoginContent, StoredSession};
use crate::reconcile::ports::{AuthorityRefused, Clock, Outcome, Provider, Request, Tokens, Wanted};

/// Longest time for a request: the default of MSAL Go.
const DEADLINE_MAX: Duration = Duration::from_secs(30);

/// Shortest, for tokens that live for seconds.
const DEADLINE_MIN: Duration = Duration::from_secs(2);

/// A part of a token's life that one request may take (product §5: life/8).
const DEADLINE_PART: u32 = 8;

/// Sends sign-ins and redemptions to Entra ID.
pub struct Client {
    authorities: Authorities,
    connections: Connections,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    pub(super) discovered: Discovered,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for these authorities and within these limits. The clock's nonces become `client-request-id`s.
    ///
    /// # Errors
    ///
    /// Certificates of a declared authority that cannot be read, or a system without usable TLS roots.
    pub fn new(authorities: Authorities, limits: Limits, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        Ok(Self {
            connections: Connections::new(&authorities)?,
            gate: Gate::new(limits, Arc::clone(&clock)),
            authorities,
            clock,
            observer: Arc::new(|_: Grant, _: &'static str, _: f64| {}),
            discovered: Discovered::default(),
        })
    }

    /// Reports every request's outcome and duration to `observer`.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Trusts other certificates for a declared authority that brings its own, from the next connection on.
    ///
    /// # Errors
    ///
    /// Not a PEM text with at least one certificate: what was trusted before stays.
    pub fn trust(&self, authority: &str, ca_pem: &[u8]) -> Result<(), BuildError> {
        self.connections.trust(authority, ca_pem)
    }

    /// Whom a request reaches, checked against the configuration before anything else happens.
    pub(super) fn authority_of(&self, request: &Request<'_>) -> Result<Authority, Stop> {
        self.authorities
            .bound(request.namespace, request.authority, &request.binding.authority)
            .map_err(|refused| Stop::Refused(Box::new(failure::not_offered(refused))))
    }

    /// A sign-in or redemption from permit to outcome.
    async fn token(&self, request: &Request<'_>, call: Call<'_>) -> Outcome {
        match self.tokens(request, call).await {
            Ok(tokens) => Outcome::Granted(Box::new(tokens)),
            Err(Stop::Refused(refusal)) => Outcome::Refused(*refusal),
            Err(Stop::Later(at)) => Outcome::Later(at),
        }
    }

    async fn tokens(&self, request: &Request<'_>, call: Call<'_>) -> Result<Tokens, Stop> {
        let authority = self.authority_of(request)?;
        let url = self.token_endpoint(request, &authority).await?;
        let permit = self.permit(Caller::of(request))?;
        let correlation_id = self.correlation_id();
        let outgoing = Outgoing {
            url,
            headers: headers(&correlation_id, call.anchor),
            form: Some(call.form),
            deadline: deadline(request.life),
        };
        let attempt = Attempt::new(call.grant, &authority, request.binding, &correlation_id);
        let read = |reply: &Reply| read_token(&attempt, reply, request.scopes);
        let answer = self.send(&attempt, outgoing, permit, call.may_leave, read).await;
        answer.map_err(|refusal| {
            self.doubt_endpoint(&authority, &refusal);
            Stop::Refused(refusal)
        })
    }

    pub(super) fn permit(&self, caller: Caller) -> Result<Permit, Stop> {
        self.gate.admit(caller).map_err(Stop::Later)
    }

    /// Sends, reads, and tells limits, metrics and log what came of it.
    pub(super) async fn send<T>(
        &self,
        attempt: &Attempt<'_>,
        outgoing: Outgoing,
        permit: Permit,
        may_leave: &(dyn Fn() -> bool + Send + Sync),
        read: impl FnOnce(&Reply) -> Result<T, Box<Refusal>> + Send,
    ) -> Result<T, Box<Refusal>> {
        let start = self.clock.monotonic();
        let answer = wire::exchange(
            &self.connections,
            attempt.authority,
            outgoing,
            &*self.clock,
            may_leave,
        )
        .await;
        permit.finish(experience(&answer));
        let status = answer.as_ref().map_or(0, |reply| reply.status);
        let outcome = match answer {
            Ok(reply) => read(&reply),
            Err(lost) => Err(Box::new(attempt.lost(lost))),
        };
        let refusal = outcome.as_ref().err().map(Box::as_ref);
        let seconds = self.clock.monotonic().saturating_sub(start).as_secs_f64();
        self.observer.on_request(
            attempt.grant,
            refusal.map_or(observe::GRANTED, observe::label),
            seconds,
        );
        log(attempt, status, refusal);
        outcome
    }

    fn held_back(&self, until: Time) -> Refusal {
        failure::held_back(until.since(self.clock.now()).max(1))
    }

    pub(super) fn correlation_id(&self) -> String {
        guid(&self.clock.nonce()).to_string()
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}

/// Why nothing came of a request.
pub(super) enum Stop {
    /// No permit is free: come back then.
    Later(Time),
    /// It was refused, or not even sent.
    Refused(Box<Refusal>),
}

/// What a grant brings to [`Client::token`].
struct Call<'a> {
    grant: Grant,
    form: Form,
    anchor: Anchor<'a>,
    may_leave: &'a (dyn Fn() -> bool + Send + Sync),
}

impl Provider for Client {
    fn binding(&self, wanted: &Wanted<'_>) -> Result<Binding, AuthorityRefused> {
        self.authorities.binding(wanted)
    }

    async fn login(
        &self,
        request: Request<'_>,
        _realm: Realm,
        content: &LoginContent,
        still_valid: &(dyn Fn() -> bool + Send + Sync),
    ) -> Outcome {
        let traits = self.authorities.traits(request.authority);
        let call = Call {
            grant: Grant::Password,
            form: Form::password(&request, traits, &content.username, &content.password),
            anchor: Anchor::User(content.username.expose()).of(traits),
            may_leave: still_valid,
        };
        Box::pin(self.token(&request, call)).await
    }

    async fn redeem(&self, request: Request<'_>, session: &StoredSession) -> Outcome {
        let traits = self.authorities.traits(request.authority);
        let call = Call {
            grant: Grant::Refresh,
            form: Form::refresh(&request, traits, &session.refresh_token),
            anchor: Anchor::Account(&session.account.home_account_id).of(traits),
            may_leave: &always,
        };
        Box::pin(self.token(&request, call)).await
    }

    async fn resolve(&self, request: Request<'_>) -> Result<String, Refusal> {
        let (authority, tenant) = (&request.binding.authority, &request.binding.tenant);
        if let Some(guid) = as_guid(tenant) {
            return Ok(guid);
        }
        if tenant.eq_ignore_ascii_case("organizations") {
            return Err(no_single_tenant());
        }
        if let Some(guid) = self.discovered.tenants.get(authority, tenant, self.now()) {
            return Ok(guid);
        }
        let guid = Box::pin(self.tenant_guid(&request))
            .await
            .map_err(|stop| match stop {
                Stop::Refused(refusal) => *refusal,
                Stop::Later(at) => self.held_back(at),
            })?;
        self.discovered
            .tenants
            .insert(authority, tenant, &guid, self.now());
        Ok(guid)
    }
}

pub(super) const fn always() -> bool {
    true
}

fn no_single_tenant() -> Refusal {
    let message = "organizations names no single tenant, so it has no GUID.".to_owned();
    failure::unsent(Effect::Person, Reason::AppMisconfigured, message)
}

fn read_token(attempt: &Attempt<'_>, reply: &Reply, requested: &[String]) -> Result<Tokens, Box<Refusal>> {
    if reply.status != 200 {
        return Err(Box::new(attempt.refused(reply)));
    }
    let body = reply.body.as_deref().map(Vec::as_slice).unwrap_or_default();
    response::read(body, reply.started, requested).map_err(|unusable| {
        tracing::debug!(error = %unusable, correlation_id = attempt.correlation_id, "token response is not usable");
        Box::new(attempt.unusable(reply))
    })
}

/// What the limits learn from an answer.
fn experience(answer: &Result<Reply, Lost>) -> Experience {
    match answer {
        Ok(Reply {
            status: 429,
            retry_after,
            ..
        }) => Experience::Throttled(retry_after.unwrap_or(RETRY_AFTER_DEFAULT)),
        Ok(Reply { status: 500.., .. }) => Experience::Failing,
        Ok(_) => Experience::Answered,
        Err(
            Lost {
                departure: wire::Departure::Withheld,
                ..
            }
            | Lost {
                cause: Cause::Broken, ..
            },
        ) => Experience::Nothing,
        Err(Lost {
            cause: Cause::Connect | Cause::Certificate | Cause::Deadline,
            ..
        }) => Experience::Failing,
    }
}

/// min(30 s, life/8), at least 2 s; 30 s while the life is unknown or over.
pub(super) fn deadline(life: Option<i64>) -> Duration {
    let life = life
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0);
    life.map_or(DEADLINE_MAX, |seconds| {
        (Duration::from_secs(seconds) / DEADLINE_PART).clamp(DEADLINE_MIN, DEADLINE_MAX)
    })
}

/// The nonce itself if it is a GUID, else one made from it: `client-request-id` must be a GUID.
fn guid(nonce: &str) -> Uuid {
    Uuid::try_parse(nonce).unwrap_or_else(|_| {
        let digest = digest::digest(&digest::SHA256, nonce.as_bytes());
        let bytes = digest.as_ref().first_chunk::<16>().copied().unwrap_or_default();
        Builder::from_random_bytes(bytes).into_uuid()
    })
}

/// One line per request: host, grant, status, code and correlation id, nothing else.
fn log(attempt: &Attempt<'_>, status: u16, refusal: Option<&Refusal>) {
    tracing::debug!(
        authority = attempt.authority.host(),
        grant = attempt.grant.label(),
        status,
        reason = refusal.map(|r| r.reason.as_ref()),
        code = refusal.and_then(|r| r.code),
        correlation_id = attempt.correlation_id,
        "request to the identity provider ended"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_is_an_eighth_of_the_life() {
        let seconds = |life| deadline(life).as_secs_f64();
        assert!((seconds(Some(24)) - 3.0).abs() < 1e-9);
        assert!((seconds(Some(4000)) - 30.0).abs() < 1e-9);
        assert!((seconds(Some(5)) - 2.0).abs() < 1e-9);
        assert!((seconds(Some(-5)) - 30.0).abs() < 1e-9);
        assert!((seconds(None) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn correlation_ids_are_guids() {
        let given = "0b8c2f7e-1c9d-4b7e-9d57-0d6a3c7a1f00";
        assert_eq!(guid(given).to_string(), given);
        assert_eq!(guid("attempt-1").get_version_num(), 4);
        assert_ne!(guid("attempt-1"), guid("attempt-2"));
    }
}
