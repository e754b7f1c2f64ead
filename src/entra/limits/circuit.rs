//! A circuit per authority: closed, open for a while after failures in a row, then half-open for one probe.

use std::collections::HashMap;
use std::time::Duration;

/// Failures in a row that open it.
pub(super) const TRIPS: u32 = 5;

/// Within which they must fall.
const WINDOW: Duration = Duration::from_mins(1);

/// How long it stays open.
const OPEN: Duration = Duration::from_secs(30);

/// How long the others wait for the outcome of a probe; the probe's own deadline ends it by then at the latest.
const PROBE: Duration = Duration::from_secs(5);

/// Circuits by authority. Absent means closed and without failures.
#[derive(Debug, Default)]
pub(super) struct Circuits(HashMap<String, Circuit>);

#[derive(Debug)]
struct Circuit {
    failures: u32,
    first: Duration,
    open_until: Option<Duration>,
    probing: bool,
    /// What happened the last time.
    last: String,
}

impl Circuits {
    /// Whether a request may go there; else how long to wait, and what happened the last time.
    pub(super) fn check(&self, authority: &str, now: Duration) -> Result<(), (Duration, &str)> {
        let Some(circuit) = self.0.get(authority) else {
            return Ok(());
        };
        let open = circuit.open_until.filter(|until| *until > now);
        let probe = circuit.probing.then_some(PROBE);
        match open.map(|until| until.saturating_sub(now)).or(probe) {
            Some(wait) => Err((wait, &circuit.last)),
            None => Ok(()),
        }
    }

    /// A request that [`Circuits::check`] let through begins: the first after an open time is the probe.
    pub(super) fn begin(&mut self, authority: &str, now: Duration) {
        if let Some(circuit) = self.0.get_mut(authority) {
            circuit.probing = circuit.open_until.is_some_and(|until| until <= now);
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
            open_until: None,
            probing: false,
            last: String::new(),
        };
        let circuit = self.0.entry(authority.to_owned()).or_insert(fresh);
        circuit.failed(now);
        circuit.last = what;
    }

    /// A request ended without saying anything about the authority.
    pub(super) fn abandoned(&mut self, authority: &str) {
        if let Some(circuit) = self.0.get_mut(authority) {
            circuit.probing = false;
        }
    }
}

impl Circuit {
    fn failed(&mut self, now: Duration) {
        if now.saturating_sub(self.first) > WINDOW {
            self.first = now;
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        if self.probing || self.failures >= TRIPS {
            self.open_until = Some(now.saturating_add(OPEN));
        }
        self.probing = false;
    }
}
