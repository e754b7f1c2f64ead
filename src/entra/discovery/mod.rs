//! Discovery documents: the GUID of a tenant, and where an OpenID provider issues tokens.

mod issuer;
mod tenant;

use std::time::Duration;

use url::Url;

use super::Grant;
use super::authority::{Authority, Endpoint};
use super::client::{Client, Stop, always, deadline};
use super::failure::{self, Attempt};
use super::headers::{Anchor, headers};
use super::limits::Caller;
use super::wire::{Outgoing, Reply};
use crate::api::Reason;
use crate::plan::answer::{Effect, Refusal};
use crate::reconcile::ports::Request;

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
        self.document(request, &authority, url, read).await
    }

    /// Where the request's tokens are issued.
    pub(super) async fn token_endpoint(
        &self,
        request: &Request<'_>,
        authority: &Authority,
    ) -> Result<Url, Stop> {
        let tenant = &request.binding.tenant;
        match authority.token_endpoint(tenant).map_err(not_offered)? {
            Endpoint::Known(url) => Ok(url),
            Endpoint::Discovered(document) => {
                let known = self.discovered.endpoints.get(authority.issuer(), self.now());
                match known {
                    Some(url) => Ok(url),
                    None => self.discover_endpoint(request, authority, document).await,
                }
            }
        }
    }

    async fn discover_endpoint(
        &self,
        request: &Request<'_>,
        authority: &Authority,
        document: Url,
    ) -> Result<Url, Stop> {
        let (issuer, endpoints) = (authority.issuer(), &self.discovered.endpoints);
        let read = |attempt: &Attempt<'_>, reply: &Reply| {
            issuer::token_endpoint(success(attempt, reply)?, issuer)
                .map_err(|mistrust| Box::new(not_believed(attempt, reply, mistrust)))
        };
        let found = self.document(request, authority, document, read).await;
        match &found {
            Ok(url) => endpoints.insert(issuer, url.clone(), self.now()),
            Err(Stop::Refused(refusal)) if is_outage(refusal) => endpoints.postpone(issuer, self.now()),
            Err(_) => {}
        }
        found
    }

    /// A token endpoint that does not answer as one may have moved.
    pub(super) fn doubt_endpoint(&self, authority: &Authority, refusal: &Refusal) {
        if is_outage(refusal) {
            self.discovered.endpoints.doubt(authority.issuer(), self.now());
        }
    }

    /// One GET under a permit of its own. No secret is in it.
    async fn document<T>(
        &self,
        request: &Request<'_>,
        authority: &Authority,
        url: Url,
        read: impl FnOnce(&Attempt<'_>, &Reply) -> Result<T, Box<Refusal>> + Send,
    ) -> Result<T, Stop> {
        let permit = self.permit(Caller::of(request))?;
        let correlation_id = self.correlation_id();
        let outgoing = Outgoing {
            url,
            headers: headers(&correlation_id, Anchor::Nobody),
            form: None,
            deadline: deadline(request.life),
        };
        let attempt = Attempt::new(Grant::Discovery, authority, request.binding, &correlation_id);
        let read = |reply: &Reply| read(&attempt, reply);
        let answer = self.send(&attempt, outgoing, permit, &always, read).await;
        answer.map_err(Stop::Refused)
    }
}

fn success<'r>(attempt: &Attempt<'_>, reply: &'r Reply) -> Result<&'r [u8], Box<Refusal>> {
    if reply.status == 200 {
        Ok(reply.body.as_deref().map(Vec::as_slice).unwrap_or_default())
    } else {
        Err(Box::new(attempt.refused(reply)))
    }
}

fn not_offered(refused: crate::reconcile::ports::AuthorityRefused) -> Stop {
    Stop::Refused(Box::new(failure::not_offered(refused)))
}

/// No shape at all may come from a gateway and passes; a document that names somebody else needs a person.
fn not_believed(attempt: &Attempt<'_>, reply: &Reply, mistrust: issuer::Mistrust) -> Refusal {
    if mistrust == issuer::Mistrust::Shape {
        return attempt.unusable(reply);
    }
    let message = format!(
        "The discovery document of {} {mistrust}; nothing was sent.",
        attempt.authority.host()
    );
    Refusal {
        remedy: "Ask the administrator of the operator to write the issuer in authorities[].url as the document writes \
                 it. It is tried again by itself."
            .to_owned(),
        ..failure::unsent(Effect::Transient, Reason::AppMisconfigured, message)
    }
}

fn is_outage(refusal: &Refusal) -> bool {
    matches!(
        refusal.reason,
        Reason::UnexpectedResponse | Reason::ServiceUnavailable
    )
}
