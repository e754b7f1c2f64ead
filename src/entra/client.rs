//! The identity provider's client: the port [`Provider`] over HTTPS.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use uuid::{Builder, Uuid};

use super::assertion::{Claims, Signer, Unusable};
use super::authority::{Authorities, Authority};
use super::clock::{Clocks, Timing};
use super::deadline;
use super::discovery::{Discovered, TokenEndpoint, as_guid};
use super::failure::{self, Attempt};
use super::federation::Federation;
use super::grant::{Form, Proof, authorize};
use super::headers::{Anchor, headers};
use super::limits::{Caller, Gate, Limits, Permit};
use super::observe::Observer;
use super::send::{Departing, Stop, outcome};
use super::wire::{Connections, Outgoing};
use super::{BuildError, Grant, Peer};
use crate::api::{Cloud, Realm, Reason};
use crate::plan::Time;
use crate::plan::answer::{Deed, Effect, Refusal};
use crate::plan::schedule::Life;
use crate::plan::snapshot::Binding;
use crate::reconcile::material::{ClientAuthentication, ClientCertificate, LoginContent, StoredSession};
use crate::reconcile::ports::{
    AuthorityRefused, Called, Clock, Later, Outcome, Provider, Request, Tokens, Wanted,
};

/// Sends sign-ins and redemptions to Entra ID.
pub struct Client {
    pub(super) authorities: Authorities,
    pub(super) federation: Federation,
    pub(super) connections: Connections,
    pub(super) gate: Arc<Gate>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) clocks: Clocks,
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
    /// A system without usable TLS roots.
    pub fn new(authorities: Authorities, limits: Limits, clock: Arc<dyn Clock>) -> Result<Self, BuildError> {
        Ok(Self {
            connections: Connections::new(&authorities)?,
            gate: Gate::new(limits, Arc::clone(&clock)),
            authorities,
            federation: Federation::default(),
            clock,
            observer: Arc::new(|_: Grant, _: Result<(), Effect>, _: f64| {}),
            clocks: Clocks::default(),
            discovered: Discovered::default(),
        })
    }

    /// Signs federated accounts in at these servers; without it, at none.
    #[must_use]
    pub fn federated(mut self, federation: Federation) -> Self {
        if let Some(file) = &federation.ca_file {
            self.connections.federation_brings(file);
        }
        Self { federation, ..self }
    }

    /// Reports every request's outcome and duration to `observer`.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Trusts other certificates, from the next connection on.
    ///
    /// # Errors
    ///
    /// Not a file with at least one certificate: what was trusted before stays.
    pub fn trust(&self, peer: &Peer, ca_pem: &[u8]) -> Result<(), BuildError> {
        self.connections.trust(peer, ca_pem)
    }

    /// Whom a request reaches, checked against the configuration before anything else happens.
    pub(super) fn authority_of(&self, request: &Request<'_>) -> Result<Authority, Stop> {
        let authority = self
            .authorities
            .bound(request.authority, &request.binding.authority)
            .map_err(not_offered)?;
        if authority.traits().openid_suffices || !request.scopes.iter().any(|s| names_no_resource(s)) {
            Ok(authority)
        } else {
            Err(ours_to_add(&authority).into())
        }
    }

    /// What proves the client in a request to the authority's endpoint. A certificate signs an assertion for it alone.
    pub(super) fn proof(
        &self,
        request: &Request<'_>,
        authority: &Authority,
        endpoint: &TokenEndpoint,
    ) -> Result<Option<Proof>, Box<Refusal>> {
        let now = self.clock.now().plus(self.ahead_of_us(request.binding));
        let signed = |certificate| {
            let claims = Claims {
                audience: endpoint.url.as_str(),
                client_id: &request.binding.client_id,
                id: &self.clock.nonce(),
                now,
            };
            let assertion = Signer::new(certificate, now)?.sign(&claims, endpoint.manners.algorithm)?;
            Ok(Proof::Assertion(assertion))
        };
        let proof = request.client.map(|client| match client {
            ClientAuthentication::Secret(secret) if endpoint.manners.basic => {
                Ok(Proof::Basic(secret.duplicate()))
            }
            ClientAuthentication::Secret(secret) => Ok(Proof::Secret(secret.duplicate())),
            ClientAuthentication::Assertion(token) if authority.traits().takes_workload_identity => {
                Ok(Proof::Assertion(token.duplicate()))
            }
            ClientAuthentication::Assertion(_) => Err(Box::new(not_for_entra(authority))),
            ClientAuthentication::Certificate(certificate) => {
                signed(certificate).map_err(|unusable: Unusable| Box::new(unusable.refusal()))
            }
        });
        proof.transpose()
    }

    /// Redeems a refresh token.
    async fn refresh(
        &self,
        permit: Permit,
        request: &Request<'_>,
        session: &StoredSession,
    ) -> Result<Tokens, Stop> {
        let authority = self.authority_of(request)?;
        let traits = authority.traits();
        let deadline = deadline::of_request(request.life.map(Life::seconds));
        let endpoint = self
            .token_endpoint(&permit, request, &authority, deadline)
            .await?;
        let proof = self.proof(request, &authority, &endpoint)?;
        let form = Form::refresh(request, traits, &session.refresh_token).proven(proof.as_ref());
        let correlation_id = self.correlation_id();
        let anchor = Anchor::Account(&session.pin.account.home_account_id).of(traits);
        let mut headers = headers(&correlation_id, anchor);
        authorize(&mut headers, &request.binding.client_id, proof.as_ref());
        let departing = Departing {
            http: self.connections.to(&authority)?,
            outgoing: Outgoing {
                url: endpoint.url,
                headers,
                payload: Some(form.into_payload()),
                deadline,
            },
            permit,
            may_leave: &always,
        };
        let attempt = Attempt::new(Grant::Refresh, &authority, request.binding, &correlation_id);
        self.tokens(&attempt, departing, request).await
    }

    /// The next credential that the gate calls.
    pub async fn turn(&self) -> Called {
        self.gate.turn().await
    }

    /// A permit, or when to come back.
    pub(super) fn admitted(&self, caller: Caller) -> Result<Permit, Later> {
        let admitted = self.gate.admit(caller);
        admitted.inspect_err(|later| self.observer.on_held_back(later.reason))
    }

    /// A conversation that began may have to wait in its midst.
    fn noting_delay<T>(&self, done: Result<T, Stop>) -> Result<T, Stop> {
        if let Err(Stop::Later(later)) = &done {
            self.observer.on_held_back(later.reason);
        }
        done
    }

    pub(super) fn held_back(&self, later: Later) -> Refusal {
        let seconds = later.until.since(self.clock.now()).max(1);
        failure::held_back(later, seconds)
    }

    pub(super) fn correlation_id(&self) -> String {
        guid(&self.clock.nonce()).to_string()
    }
}

impl Provider for Client {
    type Permit = Permit;

    fn permit(&self, request: &Request<'_>) -> Result<Permit, Later> {
        self.admitted(Caller::of(request))
    }

    fn binding(&self, wanted: &Wanted<'_>) -> Result<Binding, AuthorityRefused> {
        self.authorities.binding(wanted)
    }

    fn ahead(&self, binding: &Binding) -> i64 {
        self.ahead_of_us(binding)
    }

    fn estimate_time(&self, start: Time, end: Time, date: Time) {
        let timing = Timing {
            start,
            end,
            date: Some(date),
        };
        self.clocks.estimate(&timing, &*self.clock);
    }

    fn audience(&self, cloud: Option<Cloud>) -> String {
        self.authorities.audience(cloud).to_owned()
    }

    fn certificate(&self, certificate: &ClientCertificate, now: Time) -> Result<Time, Box<Refusal>> {
        Signer::new(certificate, now)
            .map(|signer| signer.expires_at)
            .map_err(|unusable| Box::new(unusable.refusal()))
    }

    async fn login(
        &self,
        permit: Permit,
        request: Request<'_>,
        realm: Realm,
        content: &LoginContent,
        still_valid: &(dyn Fn() -> bool + Send + Sync),
    ) -> Outcome {
        let done = Box::pin(self.sign_in(permit, &request, realm, content, still_valid)).await;
        outcome(self.noting_delay(done))
    }

    async fn redeem(&self, permit: Permit, request: Request<'_>, session: &StoredSession) -> Outcome {
        let done = Box::pin(self.refresh(permit, &request, session)).await;
        outcome(self.noting_delay(done))
    }

    async fn resolve(&self, request: Request<'_>) -> Result<String, Refusal> {
        let (authority, tenant) = (&request.binding.authority, &request.binding.tenant);
        if let Some(guid) = as_guid(tenant) {
            return Ok(guid);
        }
        if tenant.eq_ignore_ascii_case("organizations") {
            return Err(no_single_tenant());
        }
        let now = self.clock.monotonic();
        if let Some(guid) = self.discovered.tenants.get(authority, tenant, now) {
            return Ok(guid);
        }
        let guid = Box::pin(self.tenant_guid(&request))
            .await
            .map_err(|stop| match stop {
                Stop::Refused(refusal) => *refusal,
                Stop::Later(later) => self.held_back(later),
            })?;
        self.discovered.tenants.insert(authority, tenant, &guid, now);
        Ok(guid)
    }
}

/// The configuration does not offer it.
pub(super) fn not_offered(refused: AuthorityRefused) -> Stop {
    Stop::Refused(Box::new(failure::not_offered(refused)))
}

pub(super) const fn always() -> bool {
    true
}

/// A scope of OpenID Connect, which every request asks for anyhow (OpenID Connect Core 1.0 §5.4).
fn names_no_resource(scope: &str) -> bool {
    ["openid", "profile"].contains(&scope.to_ascii_lowercase().as_str())
}

fn ours_to_add(authority: &Authority) -> Refusal {
    let message = format!(
        "The scopes openid and profile name no API at {}; nothing was sent.",
        authority.host()
    );
    Refusal {
        remedy: "Leave them out, for the operator adds them, and name the scopes of your API. Only an authority of kind Oidc may \
                 be asked for them."
            .to_owned(),
        deed: Deed::Spec,
        ..failure::unsent(Effect::Entry, Reason::AppMisconfigured, message)
    }
}

/// Whoever gets the token of a workload identity can redeem it at Entra ID, for all that the application may.
fn not_for_entra(authority: &Authority) -> Refusal {
    let message = format!(
        "The token of a workload identity is good at Entra ID, and {} is none; nothing was sent.",
        authority.host()
    );
    Refusal {
        remedy:
            "Use a client secret or a certificate in spec.clientCredential, or an authority of kind Entra."
                .to_owned(),
        deed: Deed::Spec,
        ..failure::unsent(Effect::Person, Reason::AppMisconfigured, message)
    }
}

fn no_single_tenant() -> Refusal {
    let message = "organizations names no single tenant, so it has no GUID.".to_owned();
    failure::unsent(Effect::Person, Reason::AppMisconfigured, message)
}

/// The nonce itself if it is a GUID, else one made from it: `client-request-id` must be a GUID.
fn guid(nonce: &str) -> Uuid {
    Uuid::try_parse(nonce).unwrap_or_else(|_| {
        let digest = digest::digest(&digest::SHA256, nonce.as_bytes());
        let bytes = digest.as_ref().first_chunk::<16>().copied().unwrap_or_default();
        Builder::from_random_bytes(bytes).into_uuid()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_ids_are_guids() {
        let given = "0b8c2f7e-1c9d-4b7e-9d57-0d6a3c7a1f00";
        assert_eq!(guid(given).to_string(), given);
        assert_eq!(guid("attempt-1").get_version_num(), 4);
        assert_ne!(guid("attempt-1"), guid("attempt-2"));
    }
}
