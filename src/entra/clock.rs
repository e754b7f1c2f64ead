//! Time by a provider's clock: what its answers teach about it, and what is dated by it.
//!
//! # Guarantees
//!
//! - One correction per authority, for its tokens and for what is signed for it, and for nothing else.
//! - Differences of up to [`SKEW_MIN`] count as flight time. A correction changes only by more than that, so that one at
//!   the edge does not come and go.
//! - A correction is void once the machine's own clock was set: how wrong that is now, the next answer will tell.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::plan::Time;
use crate::reconcile::footing::Footing;
use crate::reconcile::ports::Clock;

/// Smallest difference that counts as skew: below it, the whole seconds of `Date` and the time of flight decide.
pub const SKEW_MIN: i64 = 60;

/// What the clocks said around a request: ours before and after it, and the `Date` of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Ours, when the request started.
    pub start: Time,
    /// Ours, when the answer was there.
    pub end: Time,
    /// The answer's, if it has one of its own: that of a cache is as old as the answer in it.
    pub date: Option<Time>,
}

/// A request by the provider's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// When it started.
    pub(super) at: Time,
    /// When it was answered.
    pub(super) answered_at: Time,
}

impl Timing {
    /// Seconds by which `Date` is ahead of the whole time that the request took, or behind it.
    pub(super) fn ahead(&self) -> Option<i64> {
        let date = self.date?;
        let (after, before) = (date.since(self.end), self.start.since(date));
        Some(if after > 0 { after } else { -before.max(0) })
    }

    /// The request by a clock that is so far ahead of ours.
    pub(super) fn by(&self, ahead: i64) -> Started {
        Started {
            at: self.start.plus(ahead),
            answered_at: self.date.unwrap_or_else(|| self.end.plus(ahead)),
        }
    }
}

/// Seconds that count as skew.
pub(super) fn beyond_flight(ahead: i64) -> Option<i64> {
    (ahead.saturating_abs() > SKEW_MIN).then_some(ahead)
}

/// How far a clock is ahead of this machine's.
#[derive(Clone, Copy, Debug, Default)]
struct Correction {
    seconds: i64,
    learnt: Footing,
}

impl Correction {
    /// What still holds of it.
    fn seconds(self, clock: &dyn Clock) -> i64 {
        if self.learnt.moved(clock) { 0 } else { self.seconds }
    }

    /// What another measurement makes of it.
    fn corrected(self, measured: i64, clock: &dyn Clock) -> Self {
        let before = self.seconds(clock);
        let moved = beyond_flight(measured.saturating_sub(before)).is_some();
        let seconds = if moved {
            beyond_flight(measured).unwrap_or(0)
        } else {
            before
        };
        Self {
            seconds,
            learnt: Footing::of(clock),
        }
    }
}

/// How far the authorities' clocks are ahead of this machine's.
#[derive(Debug, Default)]
pub struct Clocks {
    /// What holds for an authority that has not answered yet: the API server's.
    first: Mutex<Correction>,
    learnt: Mutex<HashMap<String, Correction>>,
}

impl Clocks {
    /// Seconds by which that authority's clock is ahead.
    pub fn ahead(&self, authority: &str, clock: &dyn Clock) -> i64 {
        let learnt = lock(&self.learnt).get(authority).copied();
        let holds = learnt.filter(|correction| !correction.learnt.moved(clock));
        holds.unwrap_or_else(|| *lock(&self.first)).seconds(clock)
    }

    /// Learns from an answer of an authority.
    pub fn heard(&self, authority: &str, timing: &Timing, clock: &dyn Clock) {
        let Some(measured) = timing.ahead() else { return };
        let mut learnt = lock(&self.learnt);
        let before = learnt.get(authority).copied().unwrap_or_default();
        learnt.insert(authority.to_owned(), before.corrected(measured, clock));
    }

    /// Takes somebody else's time for that of every authority that has not answered since our clock was set.
    pub fn estimate(&self, timing: &Timing, clock: &dyn Clock) {
        if let Some(measured) = timing.ahead() {
            *lock(&self.first) = Correction::default().corrected(measured, clock);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct At {
        wall: i64,
        monotonic: u64,
    }

    impl Clock for At {
        fn now(&self) -> Time {
            Time(self.wall)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.monotonic)
        }

        fn nonce(&self) -> String {
            String::new()
        }
    }

    const fn at(wall: i64, monotonic: u64) -> At {
        At { wall, monotonic }
    }

    fn answer(date: i64) -> Timing {
        Timing {
            start: Time(1000),
            end: Time(1010),
            date: Some(Time(date)),
        }
    }

    /// What a new process believes after these answers.
    fn after(dates: &[i64]) -> i64 {
        let (clocks, now) = (Clocks::default(), at(1010, 10));
        for date in dates {
            clocks.heard("a", &answer(*date), &now);
        }
        clocks.ahead("a", &now)
    }

    #[test]
    fn small_differences_are_flight_time() {
        for date in [940, 1000, 1005, 1010, 1070] {
            assert_eq!(after(&[date]), 0, "{date}");
        }
    }

    #[test]
    fn larger_ones_are_corrected() {
        assert_eq!(after(&[1371]), 361);
        assert_eq!(after(&[900]), -100);
        assert_eq!(answer(1371).by(361).at, Time(1361));
    }

    #[test]
    fn a_correction_at_the_edge_does_not_come_and_go() {
        assert_eq!(after(&[1069, 1071, 1069, 1072]), 61);
        assert_eq!(after(&[1071, 1069, 1010]), 0);
        assert_eq!(after(&[1371, 1400]), 361);
        assert_eq!(after(&[1371, 1500]), 490);
        assert_eq!(after(&[1371, 1005]), 0);
    }

    #[test]
    fn without_a_date_ours_is_believed() {
        let timing = Timing {
            date: None,
            ..answer(0)
        };
        let (clocks, now) = (Clocks::default(), at(1010, 10));
        clocks.heard("a", &timing, &now);
        assert_eq!(clocks.ahead("a", &now), 0);
        let Started { at, answered_at } = timing.by(500);
        assert_eq!((at, answered_at), (Time(1500), Time(1510)));
    }

    #[test]
    fn a_correction_is_one_authoritys_and_void_once_the_clock_was_set() {
        let clocks = Clocks::default();
        clocks.heard("a", &answer(4010), &at(1010, 10));
        assert_eq!(clocks.ahead("b", &at(1010, 10)), 0);
        for together in [at(1010, 10), at(4610, 3610), at(4613, 3610)] {
            assert_eq!(clocks.ahead("a", &together), 3000);
        }
        for set in [at(4010, 10), at(1610, 3610), at(1016, 10)] {
            assert_eq!(clocks.ahead("a", &set), 0);
        }
    }

    #[test]
    fn an_estimate_holds_until_the_authority_answers() {
        let (clocks, now) = (Clocks::default(), at(1010, 10));
        clocks.estimate(&answer(1910), &now);
        assert_eq!((clocks.ahead("a", &now), clocks.ahead("b", &now)), (900, 900));
        clocks.heard("a", &answer(1005), &now);
        assert_eq!((clocks.ahead("a", &now), clocks.ahead("b", &now)), (0, 900));
    }
}
