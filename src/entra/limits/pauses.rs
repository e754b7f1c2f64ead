//! Pauses that an answer asked for: for the authority, tenant and client that were told, and no other.

use std::collections::HashMap;
use std::time::Duration;

use super::caller::Caller;
use crate::api::Reason;

/// Pauses in force, by authority, tenant and client.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<String, Pause>);

#[derive(Debug)]
struct Pause {
    until: Duration,
    reason: Reason,
}

impl Pauses {
    /// The rest of the pause and its reason, if there is one.
    pub(super) fn check(&mut self, caller: &Caller, now: Duration) -> Result<(), (Duration, Reason)> {
        self.0.retain(|_, pause| pause.until > now);
        match self.0.get(&caller.client_there()) {
            Some(pause) => Err((pause.until.saturating_sub(now), pause.reason)),
            None => Ok(()),
        }
    }

    /// Begins a pause, or lengthens it.
    pub(super) fn pause(&mut self, caller: &Caller, now: Duration, seconds: i64, reason: Reason) {
        let until = now.saturating_add(Duration::from_secs(seconds.try_into().unwrap_or(0)));
        let longer = |known: &Pause| known.until >= until;
        if !self.0.get(&caller.client_there()).is_some_and(longer) {
            self.0.insert(caller.client_there(), Pause { until, reason });
        }
    }
}
