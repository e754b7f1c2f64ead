//! Who asks for leave to send a request, as far as limits go.

use crate::plan::schedule::Life;
use crate::reconcile::ports::{Key, Request};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::entra) struct Caller {
    pub(in crate::entra) credential: Key,
    pub(in crate::entra) authority: String,
    /// Whose circuit it is: two declared authorities of one host may differ in the certificates that they trust.
    pub(in crate::entra) circuit: String,
    pub(in crate::entra) tenant: String,
    pub(in crate::entra) client: String,
    /// That of the published token which expires first; `None`: nothing is published.
    pub(in crate::entra) life: Option<Life>,
}

impl Caller {
    pub(in crate::entra) fn of(request: &Request<'_>) -> Self {
        Self {
            credential: request.credential.clone(),
            authority: request.binding.authority.clone(),
            circuit: circuit(request),
            tenant: request.binding.tenant.to_ascii_lowercase(),
            client: request.binding.client_id.to_ascii_lowercase(),
            life: request.life,
        }
    }

    /// Seconds of that life.
    pub(super) fn life(&self) -> Option<i64> {
        self.life.map(Life::seconds)
    }

    /// Authority, tenant and client, which a provider throttles apart from others.
    pub(super) fn client_there(&self) -> String {
        format!("{} {} {}", self.authority, self.tenant, self.client)
    }

    /// The same at another host, to which tenant and client mean nothing.
    pub(in crate::entra) fn of_host(request: &Request<'_>, host: &str) -> Self {
        Self {
            authority: host.to_owned(),
            circuit: host.to_owned(),
            tenant: String::new(),
            client: String::new(),
            ..Self::of(request)
        }
    }
}

/// A name holds no space, so that it cannot run into the host.
fn circuit(request: &Request<'_>) -> String {
    let authority = &request.binding.authority;
    request
        .authority
        .map_or_else(|| authority.clone(), |name| format!("{name} {authority}"))
}
