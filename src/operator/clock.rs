//! The clocks of the process: the only place that reads them.

use std::time::{Duration, Instant};

use crate::plan::Time;
use crate::reconcile::ports::Clock;

/// Wall clock and monotonic clock of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Clocks that count monotonic time from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the process reads its clocks"
    )]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

/// Wall-clock time, for Events.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the process reads its clocks"
)]
pub(super) fn timestamp() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time(timestamp().as_second())
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "attempt and correlation ids are random")]
    fn nonce(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}
