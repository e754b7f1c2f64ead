//! The port of the identity provider.

use std::fmt::Debug;
use std::future::Future;

use super::Key;
use crate::api::{Cloud, Realm, Reason};
use crate::plan::Time;
use crate::plan::answer::{Granted, Refusal};
use crate::plan::schedule::Life;
use crate::plan::snapshot::Binding;
use crate::reconcile::material::{
    ClientAuthentication, ClientCertificate, LoginContent, Secret, StoredSession,
};

/// Where a spec says that its tokens come from.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// National cloud.
    pub cloud: Option<Cloud>,
    /// Named authority of the configuration.
    pub authority: Option<&'a str>,
    /// Tenant.
    pub tenant: Option<&'a str>,
    /// Client id.
    pub client_id: &'a str,
}

/// How a request reaches the identity provider, and as which application.
#[derive(Debug)]
pub struct Request<'a> {
    /// Whose request it is: permits are fair over namespaces.
    pub credential: &'a Key,
    /// Named authority of the configuration; `None`: the cloud's own host.
    pub authority: Option<&'a str>,
    /// Authority, tenant and client.
    pub binding: &'a Binding,
    /// How a confidential client proves who it is; `None`: a public client.
    pub client: Option<&'a ClientAuthentication>,
    /// Scopes of the entry; the reserved ones are added by the provider client.
    pub scopes: &'a [String],
    /// Life of the published token: permits go by its end, and the deadline shrinks with short lives.
    pub life: Option<Life>,
}

/// Tokens from a successful answer.
#[derive(Debug)]
pub struct Tokens {
    /// Facts of the answer.
    pub granted: Granted,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if one came.
    pub refresh_token: Option<Secret>,
}

/// Outcome of a call to the identity provider.
#[derive(Debug)]
pub enum Outcome {
    /// Tokens were issued.
    Granted(Box<Tokens>),
    /// They were not.
    Refused(Refusal),
    /// No permit is free: nothing was sent.
    Later(Later),
}

/// No permit is free for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// When to come back.
    pub until: Time,
    /// Why: the provider asked to slow down, it is failing, or others come first.
    pub reason: Reason,
    /// The same in words, and what the failure was; without a full stop.
    pub message: String,
}

/// Somebody to whom "later" was said, and who need not wait any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// A place is kept for its request, for two seconds.
    Place(Key),
    /// The provider answers again.
    Answers(Key),
}

/// The identity provider, as a pass sees it.
pub trait Provider: Send + Sync {
    /// Leave to send one request. Dropped, it gives its place back.
    type Permit: Send + Sync + Debug;
    /// Leave for this request, or when to come back: asked for before anything is read or recorded for it.
    fn permit(&self, request: &Request<'_>) -> Result<Self::Permit, Later>;
    /// The binding of a credential that wants its tokens from there. The kind of the authority says whether a tenant is
    /// needed: without one, the binding's tenant is empty.
    fn binding(&self, wanted: &Wanted<'_>) -> Result<Binding, AuthorityRefused>;
    /// Seconds by which the clock of the binding's authority is ahead of ours, if by more than a minute: its tokens are
    /// dated by its clock.
    fn ahead(&self, binding: &Binding) -> i64;
    /// Takes `date` for the time of every authority that has not answered since our clock was set. Asked for at `start`, told
    /// at `end`, by our clock.
    fn estimate_time(&self, start: Time, end: Time, date: Time);
    /// For whom the token of a workload identity must be that proves a client of this cloud; absent: of a declared
    /// authority.
    fn audience(&self, cloud: Option<Cloud>) -> String;
    /// Until when this certificate can prove a client. The error says why it cannot at `now`, by the authority's clock;
    /// nothing is sent then.
    fn certificate(&self, certificate: &ClientCertificate, now: Time) -> Result<Time, Box<Refusal>>;
    /// Signs in with user name and password. `still_valid` is asked as the request with the password is written:
    /// nothing is sent if it says no, and the outcome is a transient refusal.
    fn login(
        &self,
        permit: Self::Permit,
        request: Request<'_>,
        realm: Realm,
        content: &LoginContent,
        still_valid: &(dyn Fn() -> bool + Send + Sync),
    ) -> impl Future<Output = Outcome> + Send;
    /// Redeems a refresh token.
    fn redeem(
        &self,
        permit: Self::Permit,
        request: Request<'_>,
        session: &StoredSession,
    ) -> impl Future<Output = Outcome> + Send;
    /// Learns the GUID of the tenant that `request.binding` names.
    fn resolve(&self, request: Request<'_>) -> impl Future<Output = Result<String, Refusal>> + Send;
}

/// The configuration does not offer that authority, or it does not take what the spec wants of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AuthorityRefused {
    /// Why.
    pub reason: Reason,
    /// What happened and what to do.
    pub message: String,
}
