//! Smart lockout: too many different bad passwords lock the account for a while.
//!
//! Microsoft's page names 10 attempts, 60 s and the memory of three bad passwords; the growth is not published.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::behaviour::LockoutPolicy;
use super::journal::hex;

/// Counters of all accounts, by object id.
#[derive(Debug, Default)]
pub(crate) struct Lockout {
    counters: HashMap<String, Counter>,
}

#[derive(Debug, Default)]
struct Counter {
    failures: u32,
    locks: u32,
    until: Option<Timestamp>,
    remembered: VecDeque<String>,
}

impl Lockout {
    pub(crate) fn is_locked(&self, oid: &str, now: Timestamp) -> bool {
        self.counters
            .get(oid)
            .and_then(|counter| counter.until)
            .is_some_and(|until| now < until)
    }

    /// A right password clears the counter.
    pub(crate) fn succeed(&mut self, oid: &str) {
        self.counters.remove(oid);
    }

    /// A bad password counts unless it is one of the last few.
    pub(crate) fn fail(&mut self, oid: &str, password: &str, now: Timestamp, policy: &LockoutPolicy) {
        let counter = self.counters.entry(oid.to_owned()).or_default();
        if !counter.repeats(password, policy.remembered) {
            counter.failures += 1;
        }
        // After a lock the counter stays at the threshold, so that one more failure locks again at once.
        if counter.failures >= policy.threshold {
            counter.lock(now, policy);
        }
    }
}

impl Counter {
    fn repeats(&mut self, password: &str, memory: usize) -> bool {
        let hash = hex(password);
        if self.remembered.contains(&hash) {
            return true;
        }
        self.remembered.push_back(hash);
        while self.remembered.len() > memory {
            self.remembered.pop_front();
        }
        false
    }

    fn lock(&mut self, now: Timestamp, policy: &LockoutPolicy) {
        let seconds = policy.seconds.saturating_mul(1_i64 << self.locks.min(10));
        self.until = now.checked_add(SignedDuration::from_secs(seconds)).ok();
        self.locks += 1;
    }
}
