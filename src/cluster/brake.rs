//! When the API server fails for everybody, it is not asked by everybody: after some failures in a row few calls go through
//! as probes, and the others are told so without a call.
//!
//! # Guarantees
//!
//! - While calls of a class fail, at most one in [`PROBE`] goes out: fewer than ten a second for the process
//!   (docs/contract.md, "When something cannot go on").
//! - The first answer opens the way for all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row (5xx, 429, no answer) after which calls are held back.
const TRIPS: u32 = 5;

/// Time between two probes.
const PROBE: Duration = Duration::from_millis(250);

/// What fails together: Secrets may fail alone, for want of the key that encrypts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Secrets.
    Secrets,
    /// All else.
    Others,
}

impl Class {
    /// Of the path of a request.
    pub(super) fn of(path: &str) -> Self {
        if path.contains("/secrets") {
            Self::Secrets
        } else {
            Self::Others
        }
    }
}

/// What came of the last calls.
#[derive(Debug, Default)]
pub(super) struct Brake {
    secrets: Mutex<Failures>,
    others: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    next_probe: Option<Instant>,
}

impl Brake {
    /// Whether a call may go.
    #[expect(
        clippy::disallowed_methods,
        reason = "it spaces calls like the deadline beside it, and no decision goes by it"
    )]
    pub(super) fn admits(&self, class: Class) -> bool {
        let (mut failures, now) = (self.of(class), Instant::now());
        let free = failures.in_a_row < TRIPS || failures.next_probe.is_none_or(|at| at <= now);
        if free {
            failures.next_probe = Some(now + PROBE);
        }
        free
    }

    /// What came of a call that went.
    pub(super) fn came(&self, class: Class, answered: bool) {
        let mut failures = self.of(class);
        failures.in_a_row = if answered {
            0
        } else {
            failures.in_a_row.saturating_add(1)
        };
    }

    fn of(&self, class: Class) -> MutexGuard<'_, Failures> {
        let failures = match class {
            Class::Secrets => &self.secrets,
            Class::Others => &self.others,
        };
        failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that went out of so many, over so much time.
    async fn sent(brake: &Brake, calls: u32, over: Duration) -> u32 {
        let mut sent = 0;
        for _ in 0..calls {
            if brake.admits(Class::Secrets) {
                brake.came(Class::Secrets, false);
                sent += 1;
            }
            tokio::time::advance(over / calls).await;
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_gets_few_calls() {
        let brake = Brake::default();
        let sent = sent(&brake, 5000, Duration::from_secs(10)).await;
        assert!((30..=50).contains(&sent), "{sent}");
        assert!(brake.admits(Class::Others), "the rest goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_opens_the_way() {
        let brake = Brake::default();
        sent(&brake, 100, Duration::from_millis(100)).await;
        assert!(!brake.admits(Class::Secrets));
        tokio::time::advance(PROBE).await;
        assert!(brake.admits(Class::Secrets));
        brake.came(Class::Secrets, true);
        assert!((0..100).all(|_| brake.admits(Class::Secrets)));
    }
}
