//! Watches on their way to a process: late, repeated, broken, and between any two looks of a pass.

use std::collections::VecDeque;

use entra_operator::cluster::{Altered, Change, SecretStore, SeenSecret, Selects, Watch};

use super::rules_rest::LISTS;
use super::world::World;

/// One watch, on its way.
#[derive(Debug)]
pub struct Feed<T> {
    queue: VecDeque<(i64, T)>,
    broken_until: Option<i64>,
    /// It goes on from a version that does not exist yet, and is silent until it does.
    silent_until: Option<u64>,
    /// It missed what came back when etcd was set back, and does not know.
    missed: bool,
}

impl<T: Clone> Feed<T> {
    pub fn new(list_at: i64) -> Self {
        Self {
            queue: VecDeque::new(),
            broken_until: Some(list_at),
            silent_until: None,
            missed: false,
        }
    }

    /// When the next event arrives, or the watch lists anew.
    pub fn due(&self) -> Option<i64> {
        self.broken_until
            .or_else(|| self.queue.front().map(|(at, _)| *at))
    }

    pub fn push(&mut self, at: i64, item: T) {
        let at = self.queue.back().map_or(at, |(last, _)| at.max(*last));
        self.queue.push_back((at, item));
    }

    /// It begins anew with a list.
    pub fn begin_anew(&mut self, at: i64) {
        self.queue.clear();
        (self.broken_until, self.silent_until, self.missed) = (Some(at), None, false);
    }

    /// Etcd was set back from `version`. Nearly always the watch cannot be resumed for a while and begins anew; where the
    /// API server is back too soon for that, it goes on from where it was.
    pub fn set_back(&mut self, world: &mut World, version: u64) {
        let at = world.away_until + world.rng.range(500, LISTS);
        self.begin_anew(at);
        if world.rng.chance(world.silent) {
            (self.broken_until, self.silent_until, self.missed) = (None, Some(version), true);
        }
    }

    pub const fn has_missed(&self) -> bool {
        self.missed
    }

    /// Whether the watch is to list anew now.
    pub fn mend(&mut self) -> bool {
        self.broken_until.take().is_some()
    }

    /// The next event.
    pub fn next(&mut self) -> Option<T> {
        self.queue.pop_front().map(|(_, item)| item)
    }

    /// Puts an event on its way; it may come twice, or the watch breaks and lists anew later.
    pub fn offer(&mut self, world: &mut World, at: i64, item: T) {
        self.silent_until = self.silent_until.filter(|until| world.api.version() <= *until);
        if self.broken_until.is_some() || self.silent_until.is_some() {
            return;
        }
        if world.rng.chance(world.faults.broken_watch) {
            let at = world.now() + world.rng.range(500, 90_000);
            self.begin_anew(at);
            world.counts.faults += 1;
            return world.trouble();
        }
        if world.rng.chance(30) {
            self.push(at, item.clone());
        }
        self.push(at, item);
    }
}

/// The watches of Secrets of one process.
#[derive(Debug)]
pub struct SecretFeeds {
    feeds: Vec<(Selects, Feed<Change<SeenSecret>>)>,
    /// What was told since the process last looked for whom it concerns.
    altered: Vec<Altered>,
}

impl SecretFeeds {
    pub fn new(list_at: i64) -> Self {
        let feeds = Selects::ALL.iter().map(|s| (*s, Feed::new(list_at)));
        Self {
            feeds: feeds.collect(),
            altered: Vec::new(),
        }
    }

    pub fn due(&self) -> Option<i64> {
        self.feeds.iter().filter_map(|(_, feed)| feed.due()).min()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Selects, &Feed<Change<SeenSecret>>)> {
        self.feeds.iter().map(|(selects, feed)| (*selects, feed))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Selects, &mut Feed<Change<SeenSecret>>)> {
        self.feeds.iter_mut().map(|(selects, feed)| (*selects, feed))
    }

    /// Delivers one event that has arrived.
    pub fn deliver(&mut self, world: &World, store: &SecretStore) {
        let now = world.now();
        let ready = |feed: &Feed<_>| feed.due().is_some_and(|at| at <= now);
        let Some((selects, feed)) = self.feeds.iter_mut().find(|(_, feed)| ready(feed)) else {
            return;
        };
        if feed.mend() {
            store.apply(&watch(*selects), Change::Restarted);
            return list(world, *selects, feed);
        }
        if let Some(change) = feed.next() {
            self.altered.extend(store.apply(&watch(*selects), change));
        }
    }

    /// Delivers one event that is still on its way: the threads of watches do not wait for those of passes.
    pub fn deliver_early(&mut self, which: usize, store: &SecretStore) {
        let (selects, feed) = &mut self.feeds[which];
        let seen = |(_, change): &(i64, _)| matches!(change, Change::Applied(_) | Change::Deleted(_));
        if feed.broken_until.is_none() && feed.queue.front().is_some_and(seen) {
            let change = feed.next().unwrap();
            self.altered.extend(store.apply(&watch(*selects), change));
        }
    }

    pub fn altered(&mut self) -> Vec<Altered> {
        std::mem::take(&mut self.altered)
    }
}

pub fn watch(selects: Selects) -> Watch {
    Watch { selects, scope: None }
}

fn list(world: &World, selects: Selects, feed: &mut Feed<Change<SeenSecret>>) {
    let now = world.now();
    for (key, object) in world.api.secrets.iter().filter(|(_, o)| o.shown_by(selects)) {
        feed.push(now + 5, Change::Applied(object.seen(key, object.version)));
    }
    feed.push(now + 5, Change::Listed);
}
