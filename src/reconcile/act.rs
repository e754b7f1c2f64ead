//! Exactly one step through the ports. What comes of it lands in the memory and the view, so that the next look at the
//! facts sees it; expected failures are facts, not errors.

mod client;
mod login;
mod redeem;
mod session;
mod tokens;

use super::Shared;
use super::correction::Correction;
use super::credential::Credential;
use super::look::Look;
use super::memory::{Hand, Memory};
use super::ports::{Cluster, ClusterError, Key, Kind, NewSecret, Ports, Request, SecretMeta, View};
use crate::api::Reason;
use crate::plan::answer::{Account, Effect, Granted, Refusal};
use crate::plan::snapshot::{Binding, Snapshot};
use crate::plan::{Step, Time};

/// One pass over one credential: what its steps need.
#[derive(Debug)]
pub(super) struct Pass<'a, P: Ports> {
    pub(super) ports: &'a P,
    pub(super) shared: &'a Shared,
    pub(super) credential: &'a Credential,
    pub(super) memory: &'a mut Memory,
    /// What the step was decided on.
    pub(super) look: Look,
    pub(super) hand: Hand,
}

/// A surprise that ends the pass: the API server is away. Everything else is a fact.
pub(super) type Acted = Result<(), ClusterError>;

impl<P: Ports> Pass<'_, P> {
    /// Performs `step`, which was decided from `s`, the facts of this look.
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
        self.memory.correction.now(self.ports.clock())
    }

    fn learn_time(&mut self, granted: &Granted) {
        let skew = granted.clock_skew.unwrap_or_default();
        self.memory.correction = Correction::learnt(skew, self.ports.clock());
    }

    /// Asks the API server what there is under `key`, and tells the view.
    pub(super) async fn peek(&self, kind: Kind, key: &Key) -> Acted {
        match self.ports.cluster().peek(key).await? {
            Some(meta) => self.ports.view().wrote(kind, key, meta),
            None => self.gone(kind, key),
        }
        Ok(())
    }

    /// The object that was looked at does not exist any more.
    fn gone(&self, kind: Kind, key: &Key) {
        if let Some(meta) = self.look.secret(kind, &key.name) {
            self.ports.view().gone(kind, key, &meta.uid);
        }
    }

    /// Remembers that the API server refused a write of the session, and when to try again.
    fn write_refused(&mut self, text: &str) {
        let now = self.now();
        let spread = self.credential.spread();
        self.memory.failed(write_refusal(text), now, spread, None);
    }

    /// Creates a Secret, unless its namespace is on its way out.
    async fn create(&mut self, secret: NewSecret) -> Result<SecretMeta, ClusterError> {
        if !self.namespace_active().await? {
            return Err(ClusterError::Refused("the namespace is being deleted".to_owned()));
        }
        self.ports.cluster().create(secret).await
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
        deed: crate::plan::answer::Deed::Wait,
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
