//! The rate per tenant, and the queue of those who were told to come back.
//!
//! The rate is that of the generic cell rate algorithm (ITU-T I.371): every request has its turn at an even pace, and may
//! start up to a second ahead of it. Who was let through asks whatever its own request needs besides without waiting for
//! turns: they are taken all the same, and the next one waits for them. Otherwise a limit that is smaller than the
//! number of these questions would let nobody through, and a crowd would use up the allowance with first questions.

use std::collections::HashMap;
use std::time::Duration;

use super::caller::Caller;

/// How far ahead of its turn a request may start: a second's allowance can be used at once.
const AHEAD: Duration = Duration::from_secs(1);

/// Longest time to come back: who was told so asks again then, and by then the queue may be shorter.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Tenants that are remembered before idle ones are dropped.
const TENANTS_MAX: usize = 4096;

type Tenant = (String, String);

/// Rate and queue of every tenant.
#[derive(Debug)]
pub(super) struct Tenants {
    interval: Duration,
    turns: HashMap<Tenant, Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    /// When the next one has its turn: those before it are taken.
    next: Duration,
    /// When the last of those who were turned away may come back.
    queued: Duration,
}

impl Tenants {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            turns: HashMap::new(),
        }
    }

    /// Takes a turn, or says how long to wait: one after the other, so that a crowd that was turned away does not come
    /// back as a crowd.
    pub(super) fn check(&mut self, caller: &Caller, now: Duration) -> Result<(), Duration> {
        let interval = self.interval;
        let turns = self.of(caller, now);
        let earliest = turns.next.saturating_add(interval).saturating_sub(AHEAD);
        if earliest <= now {
            turns.take(interval, now);
            return Ok(());
        }
        let behind = turns.queued.saturating_add(interval);
        turns.queued = earliest.max(behind).min(now.saturating_add(WAIT_MAX));
        Err(turns.queued.saturating_sub(now))
    }

    /// Takes a turn for who does not wait for it.
    pub(super) fn take(&mut self, caller: &Caller, now: Duration) {
        let interval = self.interval;
        self.of(caller, now).take(interval, now);
    }

    fn of(&mut self, caller: &Caller, now: Duration) -> &mut Turns {
        if self.turns.len() > TENANTS_MAX {
            self.turns.retain(|_, turns| turns.next.max(turns.queued) > now);
        }
        let tenant = (caller.authority.clone(), caller.tenant.clone());
        self.turns.entry(tenant).or_default()
    }
}

impl Turns {
    fn take(&mut self, interval: Duration, now: Duration) {
        self.next = self.next.max(now).saturating_add(interval);
    }
}
