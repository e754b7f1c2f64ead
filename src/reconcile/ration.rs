//! How many calls to the API server that bring nothing new one credential may make: each of its objects has a back-off, and
//! sixteen that fail together would still be too many.
//!
//! # Guarantees
//!
//! - Failed calls are at most 20 in a minute, with the reads that went before them (docs/contract.md, "When something
//!   cannot go on"): [`AT_ONCE`] and one in [`INTERVAL`], as in the generic cell rate algorithm (ITU-T I.371).
//! - Whoever is turned away may come back when there is a call left again: within some seconds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Calls that may fail at once.
const AT_ONCE: u32 = 7;

/// In so long one more may fail.
const INTERVAL: Duration = Duration::from_secs(6);

/// What one credential has used of it.
#[derive(Debug, Default)]
pub struct Ration {
    /// When nothing of it is used any more: milliseconds of the monotonic clock.
    whole_at: AtomicU64,
}

impl Ration {
    /// How long to wait for the next call, if none is left.
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        let enough = INTERVAL.saturating_mul(AT_ONCE.saturating_sub(1));
        let used = self.whole_at().saturating_sub(now);
        Some(used.saturating_sub(enough)).filter(|wait| !wait.is_zero())
    }

    /// So many calls brought nothing new.
    pub fn spend(&self, calls: u32, now: Duration) {
        let whole_at = self
            .whole_at()
            .max(now)
            .saturating_add(INTERVAL.saturating_mul(calls));
        let millis = u64::try_from(whole_at.as_millis()).unwrap_or(u64::MAX);
        self.whole_at.store(millis, Ordering::Relaxed);
    }

    fn whole_at(&self) -> Duration {
        Duration::from_millis(self.whole_at.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Most calls of the contract in a minute.
    const MOST: u32 = 20;

    proptest! {
        #[test]
        fn no_minute_has_more_calls_that_bring_nothing_than_the_contract_allows(
            asked in prop::collection::vec((0u64..8_000, 1u32..=2), 1..200),
        ) {
            let ration = Ration::default();
            let (mut now, mut spent) = (Duration::from_hours(1), Vec::new());
            for (after, calls) in asked {
                now += Duration::from_millis(after);
                if ration.wait(now).is_none() {
                    ration.spend(calls, now);
                    spent.push((now, calls));
                }
                let lately = spent.iter().filter(|(at, _)| now - *at < Duration::from_mins(1));
                prop_assert!(lately.map(|(_, calls)| calls).sum::<u32>() <= MOST);
            }
        }

        #[test]
        fn who_waits_as_long_as_told_has_a_call(spends in prop::collection::vec((0u64..8_000, 1u32..=2), 1..50)) {
            let ration = Ration::default();
            let mut now = Duration::from_hours(1);
            for (after, calls) in spends {
                now += Duration::from_millis(after);
                if let Some(wait) = ration.wait(now) {
                    prop_assert!(wait <= INTERVAL * 2);
                    now += wait;
                }
                prop_assert_eq!(ration.wait(now), None);
                ration.spend(calls, now);
            }
        }
    }
}
