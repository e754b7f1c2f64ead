//! How a watch asks again after it was not answered, or was refused for want of a right.
//!
//! # Guarantees
//!
//! - Pauses grow from 0.8 s to 30 s, jittered; to 10 s where a right is missing, so that it is noticed soon when it comes.
//! - A first refusal is asked about again after a second at most: an API server that has just started refuses for a moment
//!   what it grants as soon as it has read its roles.
//! - Of the watches at one door that were refused one asks, and the others wait until it was let in.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::utils::Backoff as _;
use kube::runtime::watcher::DefaultBackoff;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Sleep, sleep};

/// Longest until a right that came is noticed.
const NOTICED: Duration = Duration::from_secs(10);

/// Longest until it is asked once more after a first refusal.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// What opens for all watches that want the same right.
#[derive(Clone, Debug, Default)]
pub(super) struct Door(Arc<Mutex<()>>);

/// One watch before its door.
pub(super) struct Knock {
    door: Door,
    pauses: DefaultBackoff,
    /// What it has to wait for before it asks.
    pause: Option<Pin<Box<Sleep>>>,
    refused: bool,
    /// It asks for all.
    turn: Option<OwnedMutexGuard<()>>,
}

impl Knock {
    pub(super) fn at(door: Door) -> Self {
        Self {
            door,
            pauses: DefaultBackoff::default(),
            pause: None,
            refused: false,
            turn: None,
        }
    }

    /// Waits until it may ask. Whoever stops waiting has lost nothing.
    pub(super) async fn turn(&mut self) {
        if self.refused && self.turn.is_none() {
            self.turn = Some(Arc::clone(&self.door.0).lock_owned().await);
        }
        if let Some(pause) = &mut self.pause {
            pause.await;
            self.pause = None;
        }
    }

    /// It was let in.
    pub(super) fn opened(&mut self) {
        self.pauses.reset();
        self.refused = false;
        self.turn = None;
    }

    /// Whether it was refused when it asked last.
    pub(super) const fn was_refused(&self) -> bool {
        self.refused
    }

    /// The right is missing, or the API server does not know of it yet.
    pub(super) fn refused(&mut self) {
        let again = self.refused;
        self.refused = true;
        self.pause(if again { NOTICED } else { ONCE_MORE });
    }

    /// No answer came: whether the right is there is not known.
    pub(super) fn unanswered(&mut self) {
        self.refused = false;
        self.turn = None;
        self.pause(Duration::MAX);
    }

    fn pause(&mut self, at_most: Duration) {
        let pause = self.pauses.next().unwrap_or(NOTICED).min(at_most);
        self.pause = Some(Box::pin(sleep(pause)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "the clock is the runtime's, which stands still"
    )]

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_it_is_let_in() {
        let mut knock = Knock::at(Door::default());
        let began = Instant::now();
        for _ in 0..20 {
            knock.refused();
            knock.turn().await;
        }
        let took = began.elapsed();
        assert!(took > Duration::from_secs(100), "{took:?}");
        knock.refused();
        let before = Instant::now();
        knock.turn().await;
        assert!(before.elapsed() <= NOTICED, "{:?}", before.elapsed());
        knock.opened();
        knock.refused();
        let before = Instant::now();
        knock.turn().await;
        assert!(
            before.elapsed() < Duration::from_secs(2),
            "{:?}",
            before.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_refusal_after_an_outage_is_asked_about_soon() {
        let mut knock = Knock::at(Door::default());
        for _ in 0..20 {
            knock.unanswered();
            knock.turn().await;
        }
        knock.refused();
        let before = Instant::now();
        knock.turn().await;
        assert!(before.elapsed() <= ONCE_MORE, "{:?}", before.elapsed());
        knock.refused();
        let before = Instant::now();
        knock.turn().await;
        assert!(before.elapsed() > ONCE_MORE, "{:?}", before.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all_and_all_go_on_when_it_is_let_in() {
        let door = Door::default();
        let mut first = Knock::at(door.clone());
        let mut second = Knock::at(door);
        first.refused();
        second.refused();
        first.turn().await;
        let hour = Duration::from_hours(1);
        assert!(
            tokio::time::timeout(hour, second.turn()).await.is_err(),
            "two ask"
        );
        first.refused();
        first.turn().await;
        first.opened();
        let before = Instant::now();
        second.turn().await;
        assert!(
            before.elapsed() < Duration::from_secs(1),
            "{:?}",
            before.elapsed()
        );
    }
}
