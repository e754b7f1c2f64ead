//! The first idea of every authority's time, until it answers itself: that of the API server.

use std::time::Duration;

use super::footing::Footing;
use super::ports::{Clock as _, Cluster as _, Ports, Provider as _};
use crate::plan::schedule::TIME_AGAIN;

/// What is known of the API server's time: it is asked at the start, whenever our own clock was set, and until it answers. By a
/// wrong clock, every token would look as if it were due.
#[derive(Debug, Default)]
pub struct ToldTime {
    footing: Footing,
    /// When to ask again, by the monotonic clock; `None`: it answered.
    ask_at: Option<Duration>,
}

impl ToldTime {
    /// Asks for it.
    pub async fn ask<P: Ports>(ports: &P) -> Self {
        let (footing, start) = (Footing::of(ports.clock()), ports.clock().now());
        let date = ports.cluster().date().await;
        if let Some(date) = date {
            ports.provider().estimate_time(start, ports.clock().now(), date);
        }
        let again = Duration::from_secs(TIME_AGAIN);
        Self {
            footing,
            ask_at: date
                .is_none()
                .then(|| ports.clock().monotonic().saturating_add(again)),
        }
    }

    /// Asks again if our clock was set, or if nobody has told it yet. Says whether everything looks different now.
    pub async fn keep<P: Ports>(&mut self, ports: &P) -> bool {
        let moved = self.footing.moved(ports.clock());
        let due = self.ask_at.is_some_and(|at| at <= ports.clock().monotonic());
        if moved || due {
            *self = Self::ask(ports).await;
        }
        moved || (due && self.is_known())
    }

    /// Whether it was told.
    pub const fn is_known(&self) -> bool {
        self.ask_at.is_none()
    }
}
