//! Whether the wall clock was set, or the machine slept.

use super::ports::Clock;
use crate::plan::schedule::CLOCK_SET;

/// When the monotonic clock began, by the wall clock. It moves when the wall clock is set, or when the machine slept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footing(i64);

impl Footing {
    /// Where the clocks stand now.
    pub fn of(clock: &(impl Clock + ?Sized)) -> Self {
        let began = i64::try_from(clock.monotonic().as_secs()).unwrap_or(i64::MAX);
        Self(clock.now().0.saturating_sub(began))
    }

    /// Whether the wall clock was set since.
    pub fn moved(self, clock: &(impl Clock + ?Sized)) -> bool {
        Self::of(clock).0.saturating_sub(self.0).abs() > CLOCK_SET
    }
}
