//! The rate per tenant, and the queue of those who were told to come back.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as RateClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::caller::Caller;
use crate::reconcile::ports::Clock;

/// Longest time to come back: who was told so asks again then, and by then the queue may be shorter.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Tenants that are remembered before idle ones are dropped.
const TENANTS_MAX: usize = 4096;

type Tenant = (String, String);
type Limiter = RateLimiter<Tenant, HashMapStateStore<Tenant>, Ticks, NoOpMiddleware<Duration>>;

/// Rate and queue of every tenant.
pub(super) struct Tenants {
    limiter: Limiter,
    interval: Duration,
    /// When the last of those who were turned away may come back.
    queued: HashMap<Tenant, Duration>,
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants")
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl Tenants {
    pub(super) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        Self {
            limiter: RateLimiter::new(
                Quota::per_second(rate),
                HashMapStateStore::default(),
                Ticks(clock),
            ),
            interval: Duration::from_secs(1) / rate.get(),
            queued: HashMap::new(),
        }
    }

    /// Takes one from the tenant's allowance, or says how long to wait: one after the other, so that a crowd that was
    /// turned away does not come back as a crowd.
    pub(super) fn check(&mut self, caller: &Caller, now: Duration) -> Result<(), Duration> {
        let tenant = (caller.authority.clone(), caller.tenant.clone());
        self.forget_idle(now);
        let Err(refused) = self.limiter.check_key(&tenant) else {
            return Ok(());
        };
        let earliest = now.saturating_add(refused.wait_time_from(now));
        let turn = self
            .queued
            .get(&tenant)
            .map_or(earliest, |last| earliest.max(last.saturating_add(self.interval)));
        let turn = turn.min(now.saturating_add(WAIT_MAX));
        self.queued.insert(tenant, turn);
        Err(turn.saturating_sub(now))
    }

    fn forget_idle(&mut self, now: Duration) {
        if self.limiter.len() > TENANTS_MAX {
            self.limiter.retain_recent();
            self.queued.retain(|_, last| *last > now);
        }
    }
}

/// Our monotonic clock, as the rate limiter wants it.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl RateClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic()
    }
}
