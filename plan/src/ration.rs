//! How many calls to the API server that bring nothing new one credential may make: each of its objects has a back-off, and
//! sixteen that fail together would still be too many.
//!
//! # Guarantees
//!
//! - Failed calls are at most 20 in a minute, with the reads that went before them (docs/contract.md, "When something
//!   cannot go on"): [`AT_ONCE`] and one in [`INTERVAL`], as in the generic cell rate algorithm (ITU-T I.371).
//! - Whoever is turned away may come back when there is a call left again: within some seconds.

/// Calls that brought nothing new when a read fails.
pub const READ: u64 = 1;

/// The same for a write, which follows what was read for it.
pub const WRITE: u64 = 2;

/// Calls that may fail at once.
const AT_ONCE: u64 = 7;

/// Milliseconds in which one more may fail.
const INTERVAL: u64 = 6000;

/// Milliseconds.
const SECOND: u64 = 1000;

/// What one credential has used of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ration {
    /// When nothing of it is used any more: milliseconds of a clock that does not jump.
    whole_at: u64,
}

impl Ration {
    /// Seconds until the next call, if none is left at `now`: from the beginning of a second that may have begun before.
    pub fn wait(&self, now: u64) -> Option<i64> {
        let enough = AT_ONCE.saturating_sub(1).saturating_mul(INTERVAL);
        let used = self.whole_at.saturating_sub(now);
        let wait = used.saturating_sub(enough).div_ceil(SECOND);
        let wait = i64::try_from(wait).unwrap_or(i64::MAX);
        Some(wait.saturating_add(1)).filter(|wait| *wait > 1)
    }

    /// So many calls brought nothing new.
    pub fn spend(&mut self, calls: u64, now: u64) {
        let spent = calls.saturating_mul(INTERVAL);
        self.whole_at = self.whole_at.max(now).saturating_add(spent);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Most calls of the contract in a minute.
    const MOST: u64 = 20;

    const MINUTE: u64 = 60_000;

    proptest! {
        #[test]
        fn no_minute_has_more_calls_that_bring_nothing_than_the_contract_allows(
            asked in prop::collection::vec((0..8_000u64, READ..=WRITE), 1..200),
        ) {
            let mut ration = Ration::default();
            let (mut now, mut spent) = (MINUTE, Vec::new());
            for (after, calls) in asked {
                now += after;
                if ration.wait(now).is_none() {
                    ration.spend(calls, now);
                    spent.push((now, calls));
                }
                let lately = spent.iter().filter(|(at, _)| now - at < MINUTE);
                prop_assert!(lately.map(|(_, calls)| calls).sum::<u64>() <= MOST);
            }
        }

        #[test]
        fn who_waits_as_long_as_told_has_a_call(
            spends in prop::collection::vec((0..8_000u64, READ..=WRITE), 1..50),
        ) {
            let mut ration = Ration::default();
            let mut now = MINUTE;
            for (after, calls) in spends {
                now += after;
                if let Some(wait) = ration.wait(now) {
                    let wait = u64::try_from(wait).unwrap() * SECOND;
                    prop_assert!(wait <= 2 * INTERVAL + SECOND);
                    now = now / SECOND * SECOND + wait;
                }
                prop_assert_eq!(ration.wait(now), None);
                ration.spend(calls, now);
            }
        }
    }
}
