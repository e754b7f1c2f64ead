//! The two clocks of a request: when it started by ours, and by how much the provider's differs.

use crate::plan::Time;

/// Smallest difference that counts as skew: below it, the whole seconds of `Date` and the time of flight decide.
pub const SKEW_MIN: i64 = 60;

/// Start of a request on the corrected wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// Start of the request.
    pub(super) at: Time,
    /// The answer's own time, by its `Date` header; else when it arrived.
    pub(super) answered_at: Time,
    /// Seconds by which the provider's clock is ahead, if more than [`SKEW_MIN`].
    pub(super) skew: Option<i64>,
}

impl Started {
    /// `start` and `end` are ours, `date` is the provider's and lies between them if the clocks agree.
    pub(super) fn new(start: Time, end: Time, date: Option<Time>) -> Self {
        let skew = date.map_or(0, |date| ahead(start, end, date));
        Self {
            at: start.plus(skew),
            answered_at: date.unwrap_or(end),
            skew: (skew != 0).then_some(skew),
        }
    }
}

/// How far `date` is outside of `start..=end`, if by more than [`SKEW_MIN`].
fn ahead(start: Time, end: Time, date: Time) -> i64 {
    if date.since(end) > SKEW_MIN {
        date.since(end)
    } else if start.since(date) > SKEW_MIN {
        date.since(start)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(date: i64) -> (Time, Option<i64>) {
        let started = Started::new(Time(1000), Time(1010), Some(Time(date)));
        (started.at, started.skew)
    }

    #[test]
    fn small_differences_are_flight_time() {
        for date in [940, 1000, 1005, 1010, 1070] {
            assert_eq!(started(date), (Time(1000), None));
        }
    }

    #[test]
    fn larger_ones_correct_the_start() {
        assert_eq!(started(1371), (Time(1361), Some(361)));
        assert_eq!(started(900), (Time(900), Some(-100)));
    }

    #[test]
    fn without_a_date_ours_is_believed() {
        let started = Started::new(Time(1000), Time(1010), None);
        assert_eq!(
            (started.at, started.answered_at, started.skew),
            (Time(1000), Time(1010), None)
        );
    }
}
