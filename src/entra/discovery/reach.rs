//! Whether a sign-in host can be reached and is trusted: its public document is asked for. No credential is in the request.

use super::{Client, deadline, issuer, not_believed, success};
use crate::api::Cloud;
use crate::entra::authority::Authority;
use crate::entra::client::not_offered;
use crate::entra::failure::Attempt;
use crate::entra::limits::Caller;
use crate::entra::send::Stop;
use crate::entra::wire::Reply;
use crate::plan::answer::Refusal;
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::{Key, Request};

/// Whom to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// A cloud's.
    Cloud(Cloud),
    /// That of a declared authority.
    Declared(&'a str),
}

impl Client {
    /// Whether a host answers. Of an issuer the document must be one that is believed; elsewhere every answer will do but a
    /// failure of the server, because which tenants there are is none of the host's business.
    ///
    /// # Errors
    ///
    /// What stands in the way, and what to do.
    pub async fn reach(&self, host: Host<'_>) -> Result<(), Refusal> {
        Box::pin(self.look_for(host)).await.map_err(|stop| match stop {
            Stop::Refused(refusal) => *refusal,
            Stop::Later(later) => self.held_back(later),
        })
    }

    async fn look_for(&self, host: Host<'_>) -> Result<(), Stop> {
        let authority = match host {
            Host::Cloud(cloud) => Authority::of_cloud(cloud),
            Host::Declared(name) => self.authorities.declared(name),
        }
        .map_err(not_offered)?;
        let tenant = authority.some_tenant();
        let url = authority.discovery_document(&tenant).map_err(not_offered)?;
        let binding = Binding {
            authority: authority.id(),
            tenant,
            client_id: String::new(),
        };
        let nobody = Key::new("", "");
        let request = Request {
            credential: &nobody,
            authority: authority.name(),
            binding: &binding,
            client: None,
            scopes: &[],
            life: None,
        };
        let permit = self.admit(Caller::of(&request))?;
        let within = deadline::of_request(None);
        let read = |attempt: &Attempt<'_>, reply: &Reply| answered(attempt, reply, &authority);
        self.document(permit, &request, &authority, (url, within), read)
            .await
    }
}

fn answered(attempt: &Attempt<'_>, reply: &Reply, authority: &Authority) -> Result<(), Box<Refusal>> {
    if authority.is_issuer() {
        let read = issuer::token_endpoint(success(attempt, reply)?, authority.issuer());
        read.map(drop)
            .map_err(|mistrust| Box::new(not_believed(attempt, reply, mistrust)))
    } else if reply.status < 500 {
        Ok(())
    } else {
        Err(Box::new(attempt.refused(reply)))
    }
}
