//! The wall clock, corrected by the identity provider's.

use super::ports::Clock;
use crate::plan::Time;
use crate::plan::schedule::CLOCK_SET;

/// When the monotonic clock began, by the wall clock. It moves when the wall clock is set, or when the machine slept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footing(i64);

impl Footing {
    /// Where the clocks stand now.
    pub fn of(clock: &impl Clock) -> Self {
        let began = i64::try_from(clock.monotonic().as_secs()).unwrap_or(i64::MAX);
        Self(clock.now().0.saturating_sub(began))
    }

    /// Whether the wall clock was set since.
    pub fn moved(self, clock: &impl Clock) -> bool {
        Self::of(clock).0.saturating_sub(self.0).abs() > CLOCK_SET
    }
}

/// Seconds by which the identity provider's clock is ahead of the node's. Void once the node's clock was set: how wrong
/// it is now, the next answer will tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Correction {
    seconds: i64,
    learnt: Footing,
}

impl Correction {
    /// What an answer taught.
    pub fn learnt(seconds: i64, clock: &impl Clock) -> Self {
        Self {
            seconds,
            learnt: Footing::of(clock),
        }
    }

    /// What still holds of it.
    pub fn seconds(self, clock: &impl Clock) -> i64 {
        if self.learnt.moved(clock) { 0 } else { self.seconds }
    }

    /// Whether the clocks differ.
    pub fn differs(self, clock: &impl Clock) -> bool {
        self.seconds(clock).unsigned_abs() > 0
    }

    /// Corrected wall-clock time.
    pub fn now(self, clock: &impl Clock) -> Time {
        clock.now().plus(self.seconds(clock))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Clocks {
        wall: i64,
        monotonic: u64,
    }

    impl Clock for Clocks {
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

    const fn clocks(wall: i64, monotonic: u64) -> Clocks {
        Clocks { wall, monotonic }
    }

    #[test]
    fn a_correction_holds_while_the_clocks_go_together() {
        let learnt = Correction::learnt(-3000, &clocks(10_000, 100));
        for later in [clocks(10_000, 100), clocks(13_600, 3700), clocks(13_603, 3700)] {
            assert_eq!(learnt.now(&later), Time(later.wall - 3000));
        }
    }

    #[test]
    fn a_correction_is_void_once_the_clock_was_set() {
        let learnt = Correction::learnt(-3000, &clocks(10_000, 100));
        for later in [clocks(7000, 100), clocks(10_600, 3700), clocks(10_006, 100)] {
            assert_eq!(learnt.now(&later), Time(later.wall));
        }
    }
}
