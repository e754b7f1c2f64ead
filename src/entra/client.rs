//! The identity provider's client: the port [`Provider`] over HTTPS.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use url::Url;
use uuid::{Builder, Uuid};

use super::assertion::{Claims, Signer, Unusable};
use super::authority::{Authorities, Authority};
use super::deadline;
use super::discovery::{Resolved, as_guid, tenant_of};
use super::failure::{self, Attempt};
use super::federation::Federation;
use super::grant::{Form, Proof};
use super::headers::{Anchor, headers};
use super::limits::{Caller, Gate, Limits};
use super::observe::Observer;
use super::send::{Departing, Stop, outcome, read_token};
use super::wire::{Connections, Outgoing, Reply};
use super::{BuildError, Grant};
use crate::api::{Cloud, Realm, Reason};
use crate::plan::Time;
use crate::plan::answer::{Effect, Refusal};
use crate::reconcile::material::{ClientAuthentication, ClientCertificate, LoginContent, StoredSession};
use crate::reconcile::ports::{AuthorityRefused, Clock, Outcome, Provider, Request, Tokens};

/// Sends sign-ins and redemptions to Entra ID.
pub struct Client {
    authorities: Authorities,
    pub(super) federation: Federation,
    pub(super) connections: Connections,
    pub(super) gate: Arc<Gate>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn Observer>,
    resolved: Resolved,
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
            federation: Federation::default(),
            clock,
            observer: Arc::new(|_: Grant, _: &'static str, _: f64| {}),
            resolved: Resolved::default(),
        })
    }

    /// Signs federated accounts in at these servers; without it, at none.
    ///
    /// # Errors
    ///
    /// Certificates that cannot be read.
    pub fn federated(self, federation: Federation) -> Result<Self, BuildError> {
        let connections = match &federation.ca_pem {
            Some(pem) => self.connections.trusting(pem)?,
            None => self.connections,
        };
        Ok(Self {
            federation,
            connections,
            ..self
        })
    }

    /// Reports every request's outcome and duration to `observer`.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Where a request goes, checked against the configuration before anything else happens.
    pub(super) fn endpoint(
        &self,
        request: &Request<'_>,
        of: impl Fn(&Authority, &str) -> Result<Url, AuthorityRefused>,
    ) -> Result<(Authority, Url), Box<Refusal>> {
        let binding = request.binding;
        self.authorities
            .bound(request.namespace, request.authority, &binding.authority)
            .and_then(|authority| of(&authority, &binding.tenant).map(|url| (authority, url)))
            .map_err(|refused| Box::new(failure::not_offered(refused)))
    }

    /// What proves the client in a request to `url`. A certificate signs an assertion for it alone.
    pub(super) fn proof(&self, request: &Request<'_>, url: &Url) -> Result<Option<Proof>, Box<Refusal>> {
        let signed = |certificate| {
            let claims = Claims {
                audience: url.as_str(),
                client_id: &request.binding.client_id,
                id: &self.clock.nonce(),
                now: request.now,
            };
            let assertion = Signer::new(certificate, request.now)?.sign(&claims)?;
            Ok(Proof::Assertion(assertion))
        };
        let proof = request.client.map(|client| match client {
            ClientAuthentication::Secret(secret) => Ok(Proof::Secret(secret.duplicate())),
            ClientAuthentication::Assertion(token) => Ok(Proof::Assertion(token.duplicate())),
            ClientAuthentication::Certificate(certificate) => signed(certificate),
        });
        proof
            .transpose()
            .map_err(|unusable: Unusable| Box::new(unusable.refusal()))
    }

    /// Asks the discovery document for the tenant's GUID.
    async fn discover(&self, request: &Request<'_>) -> Result<String, Box<Refusal>> {
        let (authority, url) = self.endpoint(request, Authority::discovery_document)?;
        let caller = Caller::of(request);
        let permit = self
            .gate
            .admit(caller)
            .map_err(|later| Box::new(self.held_back(later)))?;
        let correlation_id = self.correlation_id();
        let departing = Departing {
            http: self.connections.to(&authority),
            outgoing: Outgoing {
                url,
                headers: headers(&correlation_id, Anchor::Nobody),
                payload: None,
                deadline: deadline::of_request(request.life),
            },
            permit,
            may_leave: &always,
        };
        let attempt = Attempt::new(Grant::Discovery, &authority, request.binding, &correlation_id);
        self.send(&attempt, departing, |reply| read_tenant(&attempt, reply))
            .await
    }

    /// Redeems a refresh token.
    async fn refresh(&self, request: &Request<'_>, session: &StoredSession) -> Result<Tokens, Stop> {
        let (authority, url) = self.endpoint(request, Authority::token_endpoint)?;
        let proof = self.proof(request, &url)?;
        let form = Form::refresh(request, &session.refresh_token).proven(proof.as_ref());
        let permit = self.gate.admit(Caller::of(request)).map_err(Stop::Later)?;
        let correlation_id = self.correlation_id();
        let anchor = Anchor::Account(&session.account.home_account_id);
        let departing = Departing {
            http: self.connections.to(&authority),
            outgoing: Outgoing {
                url,
                headers: headers(&correlation_id, anchor),
                payload: Some(form.into_payload()),
                deadline: deadline::of_request(request.life),
            },
            permit,
            may_leave: &always,
        };
        let attempt = Attempt::new(Grant::Refresh, &authority, request.binding, &correlation_id);
        let read = |reply: &Reply| read_token(&attempt, reply, request.scopes);
        Ok(self.send(&attempt, departing, read).await?)
    }

    fn held_back(&self, until: Time) -> Refusal {
        failure::held_back(until.since(self.clock.now()).max(1))
    }

    pub(super) fn correlation_id(&self) -> String {
        guid(&self.clock.nonce()).to_string()
    }
}

impl Provider for Client {
    fn authority(
        &self,
        namespace: &str,
        cloud: Option<Cloud>,
        named: Option<&str>,
    ) -> Result<String, AuthorityRefused> {
        self.authorities
            .resolve(namespace, cloud, named)
            .map(|authority| authority.host())
    }

    fn certificate(&self, certificate: &ClientCertificate, now: Time) -> Result<Time, Box<Refusal>> {
        Signer::new(certificate, now)
            .map(|signer| signer.expires_at)
            .map_err(|unusable| Box::new(unusable.refusal()))
    }

    async fn login(
        &self,
        request: Request<'_>,
        realm: Realm,
        content: &LoginContent,
        still_valid: &(dyn Fn() -> bool + Send + Sync),
    ) -> Outcome {
        outcome(Box::pin(self.sign_in(&request, realm, content, still_valid)).await)
    }

    async fn redeem(&self, request: Request<'_>, session: &StoredSession) -> Outcome {
        outcome(Box::pin(self.refresh(&request, session)).await)
    }

    async fn resolve(&self, request: Request<'_>) -> Result<String, Refusal> {
        let (authority, tenant) = (&request.binding.authority, &request.binding.tenant);
        if let Some(guid) = as_guid(tenant) {
            return Ok(guid);
        }
        if tenant.eq_ignore_ascii_case("organizations") {
            return Err(no_single_tenant());
        }
        if let Some(guid) = self.resolved.get(authority, tenant, self.clock.monotonic()) {
            return Ok(guid);
        }
        let guid = Box::pin(self.discover(&request))
            .await
            .map_err(|refusal| *refusal)?;
        self.resolved
            .insert(authority, tenant, &guid, self.clock.monotonic());
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

fn read_tenant(attempt: &Attempt<'_>, reply: &Reply) -> Result<String, Box<Refusal>> {
    if reply.status != 200 {
        return Err(Box::new(attempt.refused(reply)));
    }
    let body = reply.body.as_deref().map(Vec::as_slice).unwrap_or_default();
    tenant_of(body).ok_or_else(|| Box::new(attempt.unusable(reply)))
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
