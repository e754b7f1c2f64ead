//! Since when this process leads. What it decided counts for as long, and it is late with something only since then.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Whether this process leads, and since when, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Leadership(RwLock<Option<Duration>>);

impl Leadership {
    /// It leads from `now` on.
    pub(super) fn begins(&self, now: Duration) {
        self.set(Some(now));
    }

    /// It leads no longer: another one may, or it is time to stop.
    pub(super) fn ends(&self) {
        self.set(None);
    }

    /// Whether it leads.
    pub(super) fn lasts(&self) -> bool {
        self.since().is_some()
    }

    /// Seconds by which this process is late at `now` with what should have been done `late` seconds ago: nobody who does
    /// not lead is late, and nobody was before it led.
    pub(super) fn late(&self, late: i64, now: Duration) -> Duration {
        let late = Duration::from_secs(u64::try_from(late).unwrap_or_default());
        self.since()
            .map_or(Duration::ZERO, |since| late.min(now.saturating_sub(since)))
    }

    fn since(&self) -> Option<Duration> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<Duration>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_a_leader_is_late_and_never_for_longer_than_it_has_led() {
        let leadership = Leadership::default();
        assert_eq!(leadership.late(1000, at(5000)), at(0), "a standby");
        leadership.begins(at(5000));
        assert_eq!(leadership.late(1000, at(5030)), at(30), "it has only begun");
        assert_eq!(leadership.late(1000, at(7000)), at(1000));
        assert_eq!(leadership.late(-5, at(7000)), at(0));
        leadership.ends();
        assert_eq!(leadership.late(9000, at(20_000)), at(0), "a standby again");
    }
}
