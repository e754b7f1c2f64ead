//! Discovery documents: the GUID of a tenant, and where an OpenID provider issues tokens.

mod issuer;
mod reach;
mod tenant;

use std::time::Duration;

use url::Url;

use super::authority::{Authority, Endpoint};
use super::client::{Client, always, not_offered};
use super::failure::Attempt;
use super::headers::{Anchor, headers};
use super::limits::{Caller, Permit};
use super::send::{Departing, Stop};
use super::wire::{Outgoing, Reply};
use super::{Grant, deadline};
use crate::api::Reason;
use crate::plan::answer::{Effect, Refusal};
use crate::plan::schedule::Life;
use crate::reconcile::ports::Request;

pub(super) use issuer::TokenEndpoint;
pub use reach::Host;
pub(super) use tenant::as_guid;

/// Entra ID's own `Cache-Control: max-age` for these documents.
const CACHED_FOR: Duration = Duration::from_hours(24);

/// What documents said.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    pub(super) tenants: tenant::Resolved,
    endpoints: issuer::Endpoints,
}

impl Client {
    /// The GUID of the request's tenant.
    pub(super) async fn tenant_guid(&self, request: &Request<'_>) -> Result<String, Stop> {
        let authority = self.authority_of(request)?;
        let url = authority
            .discovery_document(&request.binding.tenant)
            .map_err(not_offered)?;
        let read = |attempt: &Attempt<'_>, reply: &Reply| {
            let body = success(attempt, reply)?;
            tenant::tenant_of(body).ok_or_else(|| Box::new(attempt.unusable(reply)))
        };
        let within = deadline::of_request(request.life.map(Life::seconds));
        let permit = self.admit(Caller::of(request))?;
        self.document(permit, request, &authority, (url, within), read)
            .await
    }

    /// Where the request's tokens are issued. A document that must be asked for comes within that time or not at all.
    pub(super) async fn token_endpoint(
        &self,
        permit: &Permit,
        request: &Request<'_>,
        authority: &Authority,
        within: Duration,
    ) -> Result<TokenEndpoint, Stop> {
        let tenant = &request.binding.tenant;
        match authority.token_endpoint(tenant).map_err(not_offered)? {
            Endpoint::Known(url) => Ok(TokenEndpoint {
                url,
                manners: authority.traits().manners,
            }),
            Endpoint::Discovered(document) => {
                let known = self
                    .discovered
                    .endpoints
                    .get(authority.issuer(), self.clock.monotonic());
                if let Some(found) = known {
                    return Ok(found);
                }
                let permit = permit.for_one_more()?;
                self.discover_endpoint(permit, request, authority, (document, within))
                    .await
            }
        }
    }

    async fn discover_endpoint(
        &self,
        permit: Permit,
        request: &Request<'_>,
        authority: &Authority,
        document: (Url, Duration),
    ) -> Result<TokenEndpoint, Stop> {
        let (issuer, endpoints) = (authority.issuer(), &self.discovered.endpoints);
        let read = |attempt: &Attempt<'_>, reply: &Reply| {
            issuer::token_endpoint(success(attempt, reply)?, issuer)
                .map_err(|mistrust| Box::new(not_believed(attempt, reply, mistrust)))
        };
        let found = self.document(permit, request, authority, document, read).await;
        match &found {
            Ok(endpoint) => endpoints.insert(issuer, endpoint.clone(), self.clock.monotonic()),
            Err(Stop::Refused(refusal)) if is_outage(refusal) => {
                endpoints.postpone(issuer, self.clock.monotonic());
            }
            Err(_) => {}
        }
        found
    }

    /// A token endpoint that does not answer as one may have moved.
    pub(super) fn doubt_endpoint(&self, authority: &Authority, refusal: &Refusal) {
        if is_outage(refusal) {
            let now = self.clock.monotonic();
            self.discovered.endpoints.doubt(authority.issuer(), now);
        }
    }

    /// One GET. No secret is in it.
    async fn document<T>(
        &self,
        permit: Permit,
        request: &Request<'_>,
        authority: &Authority,
        (url, deadline): (Url, Duration),
        read: impl FnOnce(&Attempt<'_>, &Reply) -> Result<T, Box<Refusal>> + Send,
    ) -> Result<T, Stop> {
        let correlation_id = self.correlation_id();
        let departing = Departing {
            http: self.connections.to(authority)?,
            outgoing: Outgoing {
                url,
                headers: headers(&correlation_id, Anchor::Nobody),
                payload: None,
                deadline,
            },
            permit,
            may_leave: &always,
        };
        let attempt = Attempt::new(Grant::Discovery, authority, request.binding, &correlation_id);
        Ok(self
            .send(&attempt, departing, |reply| read(&attempt, reply))
            .await?)
    }
}

fn success<'r>(attempt: &Attempt<'_>, reply: &'r Reply) -> Result<&'r [u8], Box<Refusal>> {
    if reply.status == 200 {
        Ok(reply.body.as_deref().map(Vec::as_slice).unwrap_or_default())
    } else {
        Err(Box::new(attempt.refused(reply)))
    }
}

/// No shape at all may come from a gateway and passes; a document that names somebody else needs a person.
fn not_believed(attempt: &Attempt<'_>, reply: &Reply, mistrust: issuer::Mistrust) -> Refusal {
    if mistrust == issuer::Mistrust::Shape {
        return attempt.unusable(reply);
    }
    attempt.told(
        Effect::Transient,
        Reason::AppMisconfigured,
        format!("The discovery document of {} {mistrust}; nothing was sent.", attempt.host),
        "Ask the administrator of the operator to write the issuer in authorities[].url as the document writes it. It is \
         tried again by itself.",
    )
}

fn is_outage(refusal: &Refusal) -> bool {
    matches!(
        refusal.reason,
        Reason::UnexpectedResponse | Reason::ServiceUnavailable
    )
}
