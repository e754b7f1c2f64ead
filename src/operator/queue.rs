//! Which credential gets a pass next: one at a time each, turn by turn over the namespaces, inside one the soonest expiry
//! first. Before them all goes who was called because a slot for its call is kept: it had its turn already, and the slot
//! serves nobody until it comes.
//!
//! Wake times are wall-clock times in an ordered map that is looked at eight times a second, so there is no timer that a
//! suspended node could sleep through, and a lost watch event delays nothing for longer than its wake time. They are whole
//! seconds, and all that is due in one begins together: passes side by side cost a third less than the same ones apart
//! (docs/decisions/0025-what-a-credential-costs.md).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::cluster::DenseMap;
use crate::plan::Time;
use crate::plan::turns::Turns;
use crate::reconcile::ports::Key;

/// The queue of one process.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// A slot is kept for them: no more than there are slots.
    called: VecDeque<Key>,
    /// Waiting for a pass, by namespace.
    ready: Turns<Arc<str>, Key>,
    /// To be looked at later.
    wakes: BTreeSet<(Time, Key)>,
    slots: DenseMap<Key, Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    urgency: Time,
    wake: Option<Time>,
    running: bool,
    /// Where it waits for a pass; while one is running, where it will wait for another.
    waits: Option<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// For its turn.
    Turn,
    /// Before all others: a slot for its call is kept.
    Called,
}

impl Default for Slot {
    /// What is not known to expire goes first: it may be a login that somebody waits for.
    fn default() -> Self {
        Self {
            urgency: Time(0),
            wake: None,
            running: false,
            waits: None,
        }
    }
}

impl Queue {
    /// Something about this credential changed.
    pub(super) fn trigger(&self, key: &Key) {
        self.lock().trigger(key);
        self.filled.notify_one();
    }

    /// A slot for the call of this credential is kept: it goes first.
    pub(super) fn call(&self, key: &Key) {
        self.lock().call(key);
        self.filled.notify_one();
    }

    /// Moves what is due at `now` to the ready ones.
    pub(super) fn tick(&self, now: Time) {
        let moved = self.lock().tick(now);
        if moved {
            self.filled.notify_one();
        }
    }

    /// The next credential to pass over; it counts as running until [`Queue::done`].
    pub(super) async fn next(&self) -> Key {
        loop {
            let filled = self.filled.notified();
            if let Some(key) = self.lock().take() {
                return key;
            }
            filled.await;
        }
    }

    /// The pass over `key` is over. `expires_at` orders it among the others the next time.
    pub(super) fn done(&self, key: &Key, wake: Option<Time>, expires_at: Option<Time>) {
        self.lock().done(key, wake, expires_at);
        self.filled.notify_one();
    }

    /// The credential no longer exists.
    pub(super) fn forget(&self, key: &Key) {
        let mut state = self.lock();
        if let Some(slot) = state.slots.remove(key) {
            state.ready.leave(&key.namespace, slot.urgency, key.clone());
            state.called.retain(|called| called != key);
            state.unwake(key, slot);
        }
    }

    /// Seconds by which the oldest wake time has passed without a pass; 0 if none has.
    pub(super) fn overdue(&self, now: Time) -> i64 {
        let state = self.lock();
        let asleep = state.wakes.first().map(|(at, _)| *at);
        let waiting = state
            .called
            .iter()
            .chain(state.ready.iter())
            .filter_map(|key| state.slots.get(key)?.wake)
            .min();
        asleep
            .into_iter()
            .chain(waiting)
            .min()
            .map_or(0, |at| now.since(at).max(0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn trigger(&mut self, key: &Key) {
        let slot = self.slots.or_default(key.clone());
        if slot.waits.is_some() {
            return;
        }
        slot.waits = Some(Line::Turn);
        if !slot.running {
            let namespace = Arc::clone(&key.namespace);
            self.ready.wait(namespace, slot.urgency, key.clone());
        }
    }

    fn call(&mut self, key: &Key) {
        let slot = self.slots.or_default(key.clone());
        let before = slot.waits.replace(Line::Called);
        if slot.running || before == Some(Line::Called) {
            return;
        }
        if before == Some(Line::Turn) {
            self.ready.leave(&key.namespace, slot.urgency, key.clone());
        }
        self.called.push_back(key.clone());
    }

    fn tick(&mut self, now: Time) -> bool {
        let mut moved = false;
        while self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.wakes.pop_first() {
                self.trigger(&key);
                moved = true;
            }
        }
        moved
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.called.pop_front().or_else(|| self.ready.next(|_| true))?;
        let slot = self.slots.or_default(key.clone());
        (slot.running, slot.waits) = (true, None);
        let slot = *slot;
        self.unwake(&key, slot);
        Some(key)
    }

    fn done(&mut self, key: &Key, wake: Option<Time>, expires_at: Option<Time>) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        (slot.running, slot.wake) = (false, wake);
        slot.urgency = expires_at.unwrap_or_default();
        let again = slot.waits.take();
        if let Some(at) = wake {
            self.wakes.insert((at, key.clone()));
        }
        match again {
            Some(Line::Turn) => self.trigger(key),
            Some(Line::Called) => self.call(key),
            None => {}
        }
    }

    fn unwake(&mut self, key: &Key, slot: Slot) {
        if let Some(at) = slot.wake {
            self.wakes.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("ns", name)
    }

    #[tokio::test]
    async fn one_pass_at_a_time_and_one_more_if_something_changed_meanwhile() {
        let queue = Queue::default();
        queue.trigger(&key("a"));
        queue.trigger(&key("a"));
        assert_eq!(queue.next().await, key("a"));
        queue.trigger(&key("a"));
        assert!(queue.lock().take().is_none(), "it is running");
        queue.done(&key("a"), None, None);
        assert_eq!(queue.next().await, key("a"));
        queue.done(&key("a"), None, None);
        assert!(queue.lock().take().is_none());
    }

    #[tokio::test]
    async fn the_soonest_expiry_goes_first() {
        let queue = Queue::default();
        for (name, expiry) in [("late", 300), ("soon", 100), ("later", 500)] {
            queue.trigger(&key(name));
            assert_eq!(queue.next().await, key(name));
            queue.done(&key(name), Some(Time(10)), Some(Time(expiry)));
        }
        queue.tick(Time(9));
        assert!(queue.lock().take().is_none(), "nothing is due yet");
        queue.tick(Time(11));
        let order = [queue.next().await, queue.next().await, queue.next().await];
        assert_eq!(order, [key("soon"), key("late"), key("later")]);
    }

    #[test]
    fn what_is_due_in_one_second_begins_together() {
        let queue = Queue::default();
        for name in (0..70).map(|n| n.to_string()) {
            queue.trigger(&key(&name));
            queue.lock().take();
            queue.done(&key(&name), Some(Time(10)), None);
        }
        let moved_at = |now| {
            queue.tick(Time(now));
            std::iter::from_fn(|| queue.lock().take()).count()
        };
        assert_eq!([moved_at(9), moved_at(10), moved_at(11)], [0, 70, 0]);
    }

    #[tokio::test]
    async fn a_namespace_full_of_changes_delays_another_by_one_pass() {
        let queue = Queue::default();
        let (busy, quiet) = (|n: usize| Key::new("busy", n.to_string()), Key::new("quiet", "c"));
        (0..100).for_each(|n| queue.trigger(&busy(n)));
        let _first = queue.next().await;
        queue.trigger(&quiet);
        let next = [queue.next().await, queue.next().await];
        assert!(next.contains(&quiet), "{next:?}");
    }

    /// Its slot serves nobody until it comes, and is kept for two seconds.
    #[test]
    fn who_was_called_goes_before_a_thousand_namespaces() {
        let queue = Queue::default();
        let in_namespace = |n: usize| Key::new(format!("ns-{n}").as_str(), "c");
        (0..1000).for_each(|n| queue.trigger(&in_namespace(n)));
        let called = [in_namespace(999), in_namespace(500), key("new")];
        for who in &called {
            queue.call(who);
        }
        queue.call(&key("new"));
        let mut order: Vec<_> = std::iter::from_fn(|| queue.lock().take()).collect();
        assert_eq!(order[..3], called);
        order.sort();
        order.dedup();
        assert_eq!(order.len(), 1001, "each has one pass");
    }

    #[test]
    fn who_is_called_while_it_is_passed_over_has_another_pass_first() {
        let queue = Queue::default();
        queue.trigger(&key("z"));
        queue.lock().take();
        queue.call(&key("z"));
        queue.trigger(&key("a"));
        queue.done(&key("z"), None, None);
        let take = || queue.lock().take();
        assert_eq!([take(), take(), take()], [Some(key("z")), Some(key("a")), None]);
        queue.done(&key("z"), None, None);
        queue.call(&key("z"));
        queue.forget(&key("z"));
        assert_eq!(take(), None);
    }

    #[tokio::test]
    async fn overdue_counts_what_was_not_passed_over() {
        let queue = Queue::default();
        queue.trigger(&key("a"));
        let a = queue.next().await;
        queue.done(&a, Some(Time(10)), None);
        assert_eq!(queue.overdue(Time(10)), 0);
        queue.tick(Time(200));
        assert_eq!(queue.overdue(Time(200)), 190, "due, but no pass yet");
        let a = queue.next().await;
        queue.done(&a, None, None);
        assert_eq!(queue.overdue(Time(500)), 0);
    }

    #[test]
    fn what_was_forgotten_never_comes_back() {
        let queue = Queue::default();
        queue.trigger(&key("a"));
        queue.forget(&key("a"));
        queue.tick(Time(i64::MAX));
        assert!(queue.lock().take().is_none());
    }
}
