//! Exactly one step through the ports. What comes of it lands in the memory and the view, so that the next look at the
//! facts sees it; expected failures are facts, not errors.

mod client;
mod login;
mod redeem;
mod session;
mod tokens;

use super::credential::Credential;
use super::memory::{Hand, Memory};
use super::ports::{Clock, Cluster, ClusterError, Kind, Ports, Request, SecretMeta, View};
use super::{Shared, ports::Key};
use crate::api::Reason;
use crate::plan::answer::{Account, Effect, Refusal};
use crate::plan::snapshot::{Binding, Snapshot};
use crate::plan::{Step, Time};

/// One pass over one credential: what its steps need.
#[derive(Debug)]
pub(super) struct Pass<'a, P: Ports> {
    pub(super) ports: &'a P,
    pub(super) shared: &'a Shared,
    pub(super) credential: &'a Credential,
    pub(super) memory: &'a mut Memory,
    pub(super) hand: Hand,
}

/// A surprise that ends the pass: the API server is away. Everything else is a fact.
pub(super) type Acted = Result<(), ClusterError>;

impl<P: Ports> Pass<'_, P> {
    /// Performs `step`, which was decided from `s`.
    pub(super) async fn act(&mut self, step: &Step, s: &Snapshot) -> Acted {
        match step {
            Step::ReadLogin => self.read_login(s).await,
            Step::ReadSession => self.read_session().await,
            Step::ClaimLogin => self.claim_login().await,
            Step::RecordAttempt { content, entry } => self.record_attempt(s, content, entry).await,
            Step::Exchange { attempt, entry } => self.exchange(s, attempt, entry).await,
            Step::Store => self.store(s).await,
            Step::DeleteLogin => self.delete_login().await,
            Step::Resolve => self.resolve(s).await,
            Step::Redeem(names) => self.redeem(s, names).await,
            Step::Verify(names) => self.verify(names).await,
            Step::Publish(names) => self.publish(s, names).await,
            Step::Replace(names) => self.replace(names).await,
            Step::Prune(names) => self.prune(names).await,
            Step::Adopt(names) => self.adopt(names).await,
            Step::Idle | Step::Wait | Step::Blocked => Ok(()),
        }
    }

    fn now(&self) -> Time {
        self.ports.clock().now().plus(self.memory.clock_offset)
    }

    fn seen(&self, kind: Kind, key: &Key) -> Option<SecretMeta> {
        self.ports.view().secret(kind, key)
    }

    /// The refresh-token Secret that `s` looked at. The watches go on meanwhile: a write that was decided on another
    /// version than the one that is known now would not conflict, and undo what somebody else has just recorded.
    fn decided_session(&self, s: &Snapshot) -> Result<Option<SecretMeta>, ClusterError> {
        let seen = self.seen(Kind::Session, &self.credential.session_key());
        let version = seen.as_ref().map_or("", |meta| meta.version.as_str());
        if version == s.session.version {
            Ok(seen)
        } else {
            Err(ClusterError::Conflict)
        }
    }

    /// Remembers that the API server refused a write of the session, and when to try again.
    fn write_refused(&mut self, text: &str) {
        let now = self.now();
        let spread = self.credential.spread();
        self.memory.failed(write_refusal(text), now, spread, None);
    }

    /// Whether the namespace can take new objects: asked at most once a pass, before something is created.
    async fn namespace_active(&mut self) -> Result<bool, ClusterError> {
        if let Some(active) = self.hand.active {
            return Ok(active);
        }
        let active = self
            .ports
            .cluster()
            .namespace_active(&self.credential.key.namespace)
            .await?;
        self.hand.active = Some(active);
        Ok(active)
    }

    fn request<'r>(&'r self, binding: &'r Binding, scopes: &'r [String], life: Option<i64>) -> Request<'r> {
        Request {
            namespace: &self.credential.key.namespace,
            authority: self.credential.spec.authority.as_deref(),
            binding,
            client: self.hand.client.as_ref(),
            scopes,
            life,
            now: self.now(),
        }
    }
}

fn write_refusal(text: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::WriteRefused,
        format!("the API server refused a write: {text}"),
        "check quotas and admission policies in this namespace; the operator keeps the answer and tries again",
    )
}

/// Whether an answer names another account than the pinned one, or the same in another tenant: `organizations` leaves
/// it to the user name which tenant answers. One that names none is taken for the pinned one's.
fn is_another(answered: Option<&Account>, pinned: &Account) -> bool {
    answered.is_some_and(|account| {
        account.home_account_id != pinned.home_account_id || is_elsewhere(account, pinned)
    })
}

fn is_elsewhere(account: &Account, pinned: &Account) -> bool {
    let known = !account.tenant_id.is_empty() && !pinned.tenant_id.is_empty();
    known && !account.tenant_id.eq_ignore_ascii_case(&pinned.tenant_id)
}

/// A refusal that did not come from the identity provider.
fn refusal(effect: Effect, reason: Reason, message: String, remedy: &str) -> Refusal {
    Refusal {
        effect,
        reason,
        code: None,
        message,
        remedy: remedy.to_owned(),
        correlation_id: None,
        trace_id: None,
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(home: &str, tenant: &str) -> Account {
        Account {
            home_account_id: home.to_owned(),
            tenant_id: tenant.to_owned(),
            ..Account::default()
        }
    }

    #[test]
    fn an_answer_for_another_account_or_tenant_is_told_apart() {
        let pinned = account("u.t", "t-1");
        for same in [account("u.t", "t-1"), account("u.t", "T-1"), account("u.t", "")] {
            assert!(!is_another(Some(&same), &pinned), "{same:?}");
        }
        for other in [account("v.t", "t-1"), account("u.t", "t-2")] {
            assert!(is_another(Some(&other), &pinned), "{other:?}");
        }
        assert!(!is_another(None, &pinned));
        assert!(!is_another(Some(&account("sub", "t-1")), &account("sub", "")));
    }
}
