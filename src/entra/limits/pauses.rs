//! Pauses after a 429: for the authority, tenant and client that were told, and no other.

use std::collections::HashMap;
use std::time::Duration;

use super::Caller;

/// Pauses in force, by authority, tenant and client.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<(String, String, String), Duration>);

impl Pauses {
    /// The rest of the pause, if there is one.
    pub(super) fn check(&mut self, caller: &Caller, now: Duration) -> Result<(), Duration> {
        self.0.retain(|_, until| *until > now);
        match self.0.get(&key(caller)) {
            Some(until) => Err(until.saturating_sub(now)),
            None => Ok(()),
        }
    }

    /// Begins a pause, or lengthens it.
    pub(super) fn pause(&mut self, caller: &Caller, now: Duration, seconds: i64) {
        let until = now.saturating_add(Duration::from_secs(seconds.try_into().unwrap_or(0)));
        let entry = self.0.entry(key(caller)).or_insert(until);
        *entry = until.max(*entry);
    }
}

fn key(caller: &Caller) -> (String, String, String) {
    (
        caller.authority.clone(),
        caller.tenant.clone(),
        caller.client.clone(),
    )
}
