//! When the API server fails for everybody, it is not asked by everybody: after some failures in a row few calls go through
//! as probes, and the others are told so without a call.
//!
//! # Guarantees
//!
//! - While calls of a class fail, at most one in [`PROBE`] goes out: fewer than ten a second for the process
//!   (docs/contract.md, "When something cannot go on").
//! - The first answer opens the way for all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row (5xx, 429, no answer) after which calls are held back.
const TRIPS: u32 = 5;

/// Time between two probes.
const PROBE: Duration = Duration::from_millis(250);

/// What fails together: Secrets may fail alone, for want of the key that encrypts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
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
pub struct Brake {
    secrets: Mutex<Failures>,
    others: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    in_a_row: u32,
    next_probe: Option<Instant>,
}

impl Brake {
    /// Whether a call may go at `now`.
    pub fn admits(&self, class: Class, now: Instant) -> bool {
        let mut failures = self.of(class);
        let free = failures.in_a_row < TRIPS || failures.next_probe.is_none_or(|at| at <= now);
        if free {
            failures.next_probe = Some(now + PROBE);
        }
        free
    }

    /// What came of a call that went.
    pub fn came(&self, class: Class, answered: bool) {
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

    /// Calls that went out of so many, so far apart, and when the last was asked for.
    fn sent(brake: &Brake, calls: u32, apart: Duration) -> (u32, Instant) {
        let (mut sent, mut now) = (0, start());
        for _ in 0..calls {
            now += apart;
            if brake.admits(Class::Secrets, now) {
                brake.came(Class::Secrets, false);
                sent += 1;
            }
        }
        (sent, now)
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_server_that_fails_gets_few_calls() {
        let brake = Brake::default();
        let (sent, now) = sent(&brake, 5000, Duration::from_millis(2));
        assert!((30..=50).contains(&sent), "{sent}");
        assert!(brake.admits(Class::Others, now), "the rest goes on");
    }

    #[test]
    fn the_first_answer_opens_the_way() {
        let brake = Brake::default();
        let (_, now) = sent(&brake, 100, Duration::from_millis(1));
        assert!(!brake.admits(Class::Secrets, now));
        let later = now + PROBE;
        assert!(brake.admits(Class::Secrets, later));
        brake.came(Class::Secrets, true);
        assert!((0..100).all(|_| brake.admits(Class::Secrets, later)));
    }
}
