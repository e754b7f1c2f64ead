//! Ready and live, each with the sentence that explains it.
//!
//! # Guarantees
//!
//! - Ready means: start-up is done and the rights are there. Entra being down never changes it.
//! - Live means: the sweep ticks, and no credential's wake time passes by without a pass. Only a restart can help if not.
//! - All times are of a monotonic clock, so that a suspended node is not restarted when it resumes.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the sweep may be silent and a wake time be missed (docs/contract.md, Timing): four sweeps.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A monotonic clock, given by the wiring.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What the process knows about its own health. Shared by reference.
pub struct Health {
    state: Mutex<State>,
    monotonic: Monotonic,
}

struct State {
    conditions: BTreeMap<&'static str, Condition>,
    swept_at: Duration,
    missed_wake: Duration,
}

/// How it stands with one condition of readiness, and what is told of it.
#[derive(Clone, Debug)]
enum Condition {
    Met(String),
    Unmet(String),
}

/// An answer to a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the probe succeeds.
    pub ok: bool,
    /// One line for each thing that was looked at.
    pub text: String,
}

impl Health {
    /// Not ready until each of `conditions` (its name, and what it waits for) is met; live from now on.
    pub fn new(conditions: &[(&'static str, &str)], monotonic: Monotonic) -> Self {
        let conditions = conditions
            .iter()
            .map(|(name, waits)| (*name, Condition::Unmet((*waits).to_owned())));
        let state = State {
            conditions: conditions.collect(),
            swept_at: monotonic(),
            missed_wake: Duration::ZERO,
        };
        Self {
            state: Mutex::new(state),
            monotonic,
        }
    }

    /// The condition `name` is met.
    pub fn met(&self, name: &'static str) {
        self.told(name, "ok");
    }

    /// The condition `name` is met, and `what` is worth telling of it. It must hold no secret.
    pub fn told(&self, name: &'static str, what: impl Into<String>) {
        self.state().conditions.insert(name, Condition::Met(what.into()));
    }

    /// The condition `name` is not met; `why` says what is missing and what to do. It must hold no secret.
    pub fn unmet(&self, name: &'static str, why: impl Into<String>) {
        self.state().conditions.insert(name, Condition::Unmet(why.into()));
    }

    /// The sweep ran. `missed` is the longest time, on the monotonic clock, that a wake time has been past without a
    /// pass over its credential; zero if there is none.
    pub fn swept(&self, missed: Duration) {
        let now = (self.monotonic)();
        let mut state = self.state();
        state.swept_at = now;
        state.missed_wake = missed;
    }

    /// Answer of `/readyz`.
    pub fn ready(&self) -> Verdict {
        let state = self.state();
        Verdict::of(state.conditions.iter().map(|(name, is)| (*name, is.clone())))
    }

    /// Answer of `/livez`.
    pub fn live(&self) -> Verdict {
        let now = (self.monotonic)();
        let state = self.state();
        let silence = now.saturating_sub(state.swept_at);
        Verdict::of([
            ("sweep", late(silence, "the sweep has not run")),
            (
                "passes",
                late(
                    state.missed_wake,
                    "a credential's wake time has been past without a pass",
                ),
            ),
        ])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdict {
    fn of(checks: impl IntoIterator<Item = (&'static str, Condition)>) -> Self {
        let mut verdict = Self {
            ok: true,
            text: String::new(),
        };
        for (name, condition) in checks {
            verdict.ok &= matches!(condition, Condition::Met(_));
            verdict.text.push_str(&line(name, &condition));
        }
        verdict
    }
}

fn line(name: &str, condition: &Condition) -> String {
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _infallible = match condition {
        Condition::Met(what) => writeln!(line, "[+] {name}: {what}"),
        Condition::Unmet(why) => writeln!(line, "[-] {name}: {why}"),
    };
    line
}

fn late(elapsed: Duration, what: &str) -> Condition {
    if elapsed <= PATIENCE {
        return Condition::Met("ok".to_owned());
    }
    Condition::Unmet(format!(
        "{what} for {} s: the process is stuck and must be restarted",
        elapsed.as_secs()
    ))
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("ready", &self.ready())
            .field("live", &self.live())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn health() -> (Health, Arc<AtomicU64>) {
        let clock = Arc::new(AtomicU64::new(50));
        let reading = Arc::clone(&clock);
        let monotonic: Monotonic = Arc::new(move || Duration::from_secs(reading.load(Ordering::Relaxed)));
        let conditions = [
            ("keys", "the sealing keys are being read"),
            ("watches", "the first lists are running"),
        ];
        (Health::new(&conditions, monotonic), clock)
    }

    #[test]
    fn ready_once_every_condition_is_met() {
        let (health, _) = health();
        assert_eq!(
            health.ready(),
            Verdict {
                ok: false,
                text: "[-] keys: the sealing keys are being read\n[-] watches: the first lists are running\n"
                    .to_owned(),
            }
        );
        health.met("keys");
        health.met("watches");
        assert_eq!(
            health.ready(),
            Verdict {
                ok: true,
                text: "[+] keys: ok\n[+] watches: ok\n".to_owned()
            }
        );
    }

    #[test]
    fn a_condition_can_be_lost_and_a_new_one_appear() {
        let (health, _) = health();
        health.met("keys");
        health.met("watches");
        health.unmet("permissions", "list of secrets is forbidden");
        assert!(
            !health.ready().ok
                && health
                    .ready()
                    .text
                    .contains("[-] permissions: list of secrets is forbidden\n")
        );
        health.met("permissions");
        assert!(health.ready().ok);
    }

    #[test]
    fn what_is_worth_telling_is_told_of_a_condition_that_is_met() {
        let (health, _) = health();
        health.met("keys");
        health.told("watches", "all is listed but one");
        assert_eq!(
            health.ready(),
            Verdict {
                ok: true,
                text: "[+] keys: ok\n[+] watches: all is listed but one\n".to_owned()
            }
        );
    }

    #[test]
    fn live_while_the_sweep_ticks() {
        let (health, clock) = health();
        clock.fetch_add(120, Ordering::Relaxed);
        assert!(health.live().ok);
        clock.fetch_add(1, Ordering::Relaxed);
        assert!(
            !health.live().ok
                && health
                    .live()
                    .text
                    .contains("[-] sweep: the sweep has not run for 121 s")
        );
        health.swept(Duration::ZERO);
        assert_eq!(
            health.live(),
            Verdict {
                ok: true,
                text: "[+] sweep: ok\n[+] passes: ok\n".to_owned()
            }
        );
    }

    #[test]
    fn a_missed_wake_time_is_fatal_after_two_minutes() {
        let (health, _) = health();
        health.swept(PATIENCE);
        assert!(health.live().ok);
        health.swept(PATIENCE + Duration::from_secs(1));
        assert!(!health.live().ok && health.live().text.contains("[+] sweep: ok\n[-] passes: "));
        health.swept(Duration::from_secs(3));
        assert!(health.live().ok);
    }
}
