//! A circuit per authority: closed, open for a while after failures in a row, then half-open for one probe.

use std::collections::HashMap;
use std::time::Duration;

use super::caller::Caller;

/// Failures in a row that open it.
pub(super) const TRIPS: u32 = 5;

/// Within which they must fall.
const WINDOW: Duration = Duration::from_mins(1);

/// How long it stays open, and the part of a token's life that it stays open at most for who renews that token: an
/// authority that answers again must not be left alone until it has expired.
const OPEN: Duration = Duration::from_secs(30);
const OF_LIFE: u32 = 8;

/// How long the others wait for the outcome of a probe: one that hangs says nothing about the next, which may go then.
const PROBE: Duration = Duration::from_secs(5);

/// Circuits by authority. Absent means closed and without failures.
#[derive(Debug, Default)]
pub(super) struct Circuits(HashMap<String, Circuit>);

#[derive(Debug)]
struct Circuit {
    failures: u32,
    first: Duration,
    opened_at: Option<Duration>,
    probed_at: Option<Duration>,
    /// What happened the last time.
    last: String,
}

impl Circuits {
    /// Whether this caller's request may go; else how long to wait, and what happened the last time.
    pub(super) fn check(&self, caller: &Caller, now: Duration) -> Result<(), (Duration, &str)> {
        let Some(circuit) = self.0.get(&caller.circuit) else {
            return Ok(());
        };
        let open = circuit.open_until(caller.life());
        let probed = circuit.probed_at.map(|at| at.saturating_add(PROBE));
        match open.max(probed).filter(|until| *until > now) {
            Some(until) => Err((until.saturating_sub(now), &circuit.last)),
            None => Ok(()),
        }
    }

    /// A request that [`Circuits::check`] let through begins: the first after an open time is the probe.
    pub(super) fn begin(&mut self, caller: &Caller, now: Duration) {
        if let Some(circuit) = self.0.get_mut(&caller.circuit) {
            let open = circuit.open_until(caller.life());
            circuit.probed_at = open.filter(|until| *until <= now).map(|_| now);
        }
    }

    /// The authority answered.
    pub(super) fn succeeded(&mut self, authority: &str) {
        self.0.remove(authority);
    }

    /// It did not, or with 5xx.
    pub(super) fn failed(&mut self, authority: &str, now: Duration, what: String) {
        let fresh = Circuit {
            failures: 0,
            first: now,
            opened_at: None,
            probed_at: None,
            last: String::new(),
        };
        let circuit = self.0.entry(authority.to_owned()).or_insert(fresh);
        circuit.failed(now);
        circuit.last = what;
    }

    /// A request ended without saying anything about the authority.
    pub(super) fn abandoned(&mut self, authority: &str) {
        if let Some(circuit) = self.0.get_mut(authority) {
            circuit.probed_at = None;
        }
    }
}

impl Circuit {
    /// Until when it is open for who renews a token of this life, seconds.
    fn open_until(&self, life: Option<i64>) -> Option<Duration> {
        let life = life.and_then(|seconds| u64::try_from(seconds).ok());
        let most = life.map_or(OPEN, |seconds| Duration::from_secs(seconds) / OF_LIFE);
        Some(self.opened_at?.saturating_add(OPEN.min(most)))
    }

    fn failed(&mut self, now: Duration) {
        if now.saturating_sub(self.first) > WINDOW {
            self.first = now;
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        // What began before it opened, and hangs longer, says nothing new.
        let is_open = self.open_until(None).is_some_and(|until| until > now);
        if self.probed_at.is_some() || self.failures >= TRIPS && !is_open {
            self.opened_at = Some(now);
        }
        self.probed_at = None;
    }
}
