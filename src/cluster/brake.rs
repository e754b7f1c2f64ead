//! When the API server fails for everybody, it is not asked by everybody: after some failures in a row few calls go through
//! as probes, and the others are told so without a call. It may also be one object that fails, and is asked for first each
//! time: now and then the next one waits a moment for its turn, so that it does not stand for all.
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

/// Time between two calls that wait for their turn as a probe, so that no more of them bring nothing than the contract
/// allows for one credential.
const WAITS: Duration = Duration::from_secs(5);

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
    /// When the last one waited for its turn.
    waited: Option<Instant>,
}

impl Brake {
    /// How long a call waits at `now` before it may go; `None`: another one waited lately, and it may not.
    pub fn turn(&self, class: Class, now: Instant) -> Option<Duration> {
        let mut failures = self.of(class);
        let probe = failures.next_probe.filter(|_| failures.in_a_row >= TRIPS);
        let at = probe.map_or(now, |at| at.max(now));
        let wait = at.saturating_duration_since(now);
        if !wait.is_zero() {
            if failures.waited.is_some_and(|before| now < before + WAITS) {
                return None;
            }
            failures.waited = Some(now);
        }
        failures.next_probe = Some(at + PROBE);
        Some(wait)
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
            if brake.turn(Class::Secrets, now).is_some() {
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
        assert!((30..=55).contains(&sent), "{sent}");
        assert_eq!(
            brake.turn(Class::Others, now),
            Some(Duration::ZERO),
            "the rest goes on"
        );
    }

    #[test]
    fn the_first_answer_opens_the_way() {
        let brake = Brake::default();
        let (_, now) = sent(&brake, 100, Duration::from_millis(1));
        assert_eq!(brake.turn(Class::Secrets, now), None);
        let later = now + PROBE + PROBE;
        assert_eq!(brake.turn(Class::Secrets, later), Some(Duration::ZERO));
        brake.came(Class::Secrets, true);
        assert!((0..100).all(|_| brake.turn(Class::Secrets, later) == Some(Duration::ZERO)));
    }

    /// One object that fails is asked for first whenever both are due.
    #[test]
    fn who_comes_second_has_the_next_turn() {
        let brake = Brake::default();
        let (_, now) = sent(&brake, 100, Duration::from_secs(10));
        for round in 1..=3 {
            let due = now + Duration::from_secs(90) * round;
            assert_eq!(brake.turn(Class::Secrets, due), Some(Duration::ZERO));
            brake.came(Class::Secrets, false);
            assert_eq!(brake.turn(Class::Secrets, due), Some(PROBE));
            assert_eq!(brake.turn(Class::Secrets, due), None, "one waits");
        }
    }
}
