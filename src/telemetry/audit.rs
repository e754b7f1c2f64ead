//! Audit lines: what [`Audited`] tells, one line each, under a target of their own that no filter silences.
//!
//! The page docs/logs.md says what each field is.

use crate::api::Reason;
use crate::plan::answer::Effect;
use crate::reconcile::audit::Audited;
use crate::reconcile::ports::Key;

/// The target of all audit lines.
pub const TARGET: &str = "audit";

/// Writes audit lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audit {
    /// With the user name, where there is one.
    pub user_names: bool,
}

impl Audit {
    /// Tells it.
    pub fn tell(self, whose: &Key, what: Audited<'_>) {
        let user = what.user().filter(|_| self.user_names);
        let (namespace, name) = (&*whose.namespace, &*whose.name);
        match what {
            Audited::PasswordSent { attempt, .. } => {
                tracing::info!(target: TARGET, event = "PasswordSent", namespace, name, user, attempt, "a password is sent");
            }
            Audited::Verdict { attempt, said, .. } => {
                let refusal = said.err();
                tracing::info!(
                    target: TARGET,
                    event = "Verdict",
                    namespace,
                    name,
                    user,
                    attempt,
                    verdict = verdict(said.map_err(|refusal| refusal.effect)),
                    reason = refusal.map(|refusal| refusal.reason.as_ref()),
                    code = refusal.and_then(|refusal| refusal.code),
                    correlation_id = refusal.and_then(|refusal| refusal.correlation_id.as_deref()),
                    "what became of a password"
                );
            }
            Audited::Adopted { secret } => {
                tracing::info!(target: TARGET, event = "Adopted", namespace, name, secret, "a Secret is this credential's again");
            }
            Audited::AccountChanged { .. } => {
                tracing::info!(target: TARGET, event = "AccountChanged", namespace, name, user, "another account signed in, with leave");
            }
            Audited::AccountRefused => {
                tracing::info!(target: TARGET, event = "AccountRefused", namespace, name, reason = Reason::IdentityChanged.as_ref(), "a renewal for another account was discarded");
            }
            Audited::Denied => {
                tracing::info!(target: TARGET, event = "Denied", namespace, name, reason = Reason::NotAllowed.as_ref(), "the administrator's policy does not allow it");
            }
            Audited::Sealed { key } => {
                tracing::info!(target: TARGET, event = "Sealed", namespace, name, key, "a refresh-token Secret was sealed");
            }
            Audited::Opened { key } => {
                tracing::debug!(target: TARGET, event = "Opened", namespace, name, key, "a refresh-token Secret was opened");
            }
        }
    }
}

/// A verdict in a word; docs/logs.md explains each.
const fn verdict(said: Result<(), Effect>) -> &'static str {
    match said {
        Ok(()) => "accepted",
        Err(Effect::Condemned) => "condemned",
        Err(Effect::Doubtful) => "doubtful",
        Err(Effect::Entry | Effect::Person | Effect::Dead | Effect::Suspect | Effect::Unreadable) => {
            "refused"
        }
        Err(Effect::Transient) => "undelivered",
        Err(Effect::Withheld) => "withheld",
        Err(Effect::Unanswered) => "unanswered",
    }
}
