//! What is known of Secrets: fed by the watches and by the answers to our own writes.
//!
//! # Guarantees
//!
//! - Nothing older replaces anything newer: resourceVersions are compared as numbers. Late and repeated events change
//!   nothing, and a pass sees at once what it has written itself.
//! - A deletion counts only for the uid it names, and an event that is older than a deletion does not undo it.
//! - A list is believed over all that was known when it began, whatever the versions say: they go back when etcd is
//!   restored from a backup. What it did not contain is gone, unless we wrote it while the list was under way.
//! - An answer that shows that versions went back counts, and says so: see [`SecretStore::answered`].
//! - A Secret is known as a login only if the watch on logins shows it: the type is the user's consent.
//!
//! # Assumptions
//!
//! A [`Change::Restarted`] is applied before its list is asked for: feed the store from the stream itself. Reads and lists
//! are answered from the present, as they are where no resourceVersion is asked for.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::metadata::SeenSecret;
use super::watch::{Change, Rewound, Selects, Watch};
use crate::plan::metadata::{Uid, Version};
use crate::reconcile::ports::{Controller, Key, SecretMeta};

/// Deletions that are remembered against late events.
const TOMBSTONES: usize = 4096;

/// Metadata of the Secrets that the watches select.
#[derive(Debug)]
pub struct SecretStore {
    state: RwLock<State>,
    rewound: watch::Sender<()>,
}

/// A Secret about which something new is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    /// Namespace and name.
    pub key: Key,
    /// Its controller, or the one it had before it was deleted.
    pub controller: Option<Controller>,
}

/// What was known of a Secret as the API server was asked for it.
#[derive(Clone, Debug)]
pub struct KnownThen {
    /// Its metadata.
    pub meta: Option<SecretMeta>,
    moment: u64,
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<Key, Entry>,
    lists: BTreeMap<Watch, List>,
    tombstones: Tombstones,
    /// Counts what was taken in, to tell what was known before a list began.
    moment: u64,
}

#[derive(Debug)]
struct Entry {
    meta: SecretMeta,
    /// Watches that show it, or will.
    shown_by: BTreeSet<Selects>,
    /// When `meta` was learnt.
    learnt: u64,
    /// When we last wrote it; 0: never.
    written: u64,
}

/// How far the lists of a watch are.
#[derive(Debug, Default)]
struct List {
    complete_once: bool,
    open: Option<OpenList>,
}

#[derive(Debug)]
struct OpenList {
    /// When it began.
    since: u64,
    present: BTreeSet<Key>,
}

/// Until which resourceVersion events about a uid are history.
#[derive(Debug, Default)]
struct Tombstones {
    dead_at: HashMap<Uid, Death>,
    order: VecDeque<Uid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Death {
    version: u64,
    /// A watch shows it no longer, which may only mean that it is not selected any more: then this is the version in
    /// which it lives on, and an answer with it is news.
    unseen: bool,
    /// When it was learnt.
    learnt: u64,
}

/// Where a sight of a Secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A list that began then.
    List(u64),
    Watch,
    Answer,
}

// === impl SecretStore ===

impl SecretStore {
    /// An empty store that is fed by `watches`.
    pub fn new(watches: &[Watch]) -> Self {
        let lists = watches.iter().map(|w| (w.clone(), List::default()));
        let state = State {
            entries: BTreeMap::new(),
            lists: lists.collect(),
            tombstones: Tombstones::default(),
            moment: 0,
        };
        Self {
            state: RwLock::new(state),
            rewound: watch::Sender::default(),
        }
    }

    /// Changes whenever an answer shows that versions went back or that a watch has missed something: the watches begin anew
    /// then.
    pub fn rewound(&self) -> Rewound {
        self.rewound.subscribe()
    }

    /// Takes in what a watch reports, and says about which Secrets something new is known.
    pub fn apply(&self, watch: &Watch, change: Change<SeenSecret>) -> Vec<Altered> {
        let mut state = self.write();
        match change {
            Change::Restarted => state.begin(watch),
            Change::Applied(secret) => {
                let (key, meta) = secret.into_parts();
                let source = state.note_present(watch, &key);
                let altered = state.upsert(&key, meta, watch.selects, source);
                return altered.into_iter().collect();
            }
            Change::Deleted(secret) => {
                let (key, meta) = secret.into_parts();
                return state.hide(&key, &meta, watch.selects).into_iter().collect();
            }
            Change::Listed => return state.complete(watch),
            Change::Interrupted(_) => {}
        }
        Vec::new()
    }

    /// Takes in the answer to our own write. `selects` is the watch that will show the Secret, if that is known;
    /// without it, only a Secret that is known already is updated.
    pub fn wrote(&self, key: &Key, meta: &SecretMeta, selects: Option<Selects>) {
        self.write().wrote(key, meta, selects);
    }

    /// Compares what the API server has now with what was `known` as it was asked. If that is newer, or tells of a later
    /// deletion, the versions went back: the answer counts, and all that is watched is listed anew.
    pub fn answered(&self, key: &Key, known: &KnownThen, live: Option<&SecretMeta>) {
        let Some(live) = live else { return };
        if self.write().rewind(key, known, live) {
            self.mistold();
        }
    }

    /// All that is watched is listed anew.
    pub fn mistold(&self) {
        self.rewound.send_replace(());
    }

    /// Takes in our own deletion of what was `seen`. A Secret that a finalizer holds comes back as being deleted.
    pub fn deleted(&self, key: &Key, seen: &SecretMeta) {
        let mut state = self.write();
        state.bury(seen, false);
        let same = |entry: &Entry| entry.meta.uid == seen.uid && !is_older(seen, &entry.meta);
        if state.entries.get(key).is_some_and(same) {
            state.entries.remove(key);
        }
    }

    /// Whether every watch has had a complete list: before that, absence means nothing.
    pub fn synced(&self) -> bool {
        self.read().lists.values().all(|l| l.complete_once)
    }

    /// What is known of a Secret before the API server is asked for it.
    pub fn known(&self, key: &Key) -> KnownThen {
        let state = self.read();
        KnownThen {
            meta: state.entries.get(key).map(|e| e.meta.clone()),
            moment: state.moment,
        }
    }

    /// What is known of a Secret.
    pub fn get(&self, key: &Key) -> Option<SecretMeta> {
        self.read().entries.get(key).map(|e| e.meta.clone())
    }

    /// What is known of a Secret, if that watch shows it.
    pub fn get_as(&self, key: &Key, selects: Selects) -> Option<SecretMeta> {
        let state = self.read();
        let entry = state.entries.get(key)?;
        entry.shown_by.contains(&selects).then(|| entry.meta.clone())
    }

    /// Secrets of a namespace that `uid` controls, in the order of their names.
    pub fn controlled_by(&self, namespace: &str, uid: &Uid) -> Vec<(Key, SecretMeta)> {
        let state = self.read();
        let inside = state.entries.range(Key::new(namespace, "")..);
        let inside = inside.take_while(|(key, _)| key.namespace == namespace);
        let theirs = inside.filter(|(_, e)| e.meta.controller.as_ref().is_some_and(|c| c.uid == *uid));
        theirs.map(|(key, e)| (key.clone(), e.meta.clone())).collect()
    }

    /// All Secrets that a watch shows, in the order of their keys.
    pub fn all(&self, selects: Selects) -> Vec<(Key, SecretMeta)> {
        let state = self.read();
        let shown = state
            .entries
            .iter()
            .filter(|(_, e)| e.shown_by.contains(&selects));
        shown.map(|(key, e)| (key.clone(), e.meta.clone())).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn begin(&mut self, watch: &Watch) {
        let since = self.moment;
        if let Some(list) = self.lists.get_mut(watch) {
            list.open = Some(OpenList {
                since,
                present: BTreeSet::new(),
            });
        }
    }

    fn next_moment(&mut self) -> u64 {
        self.moment = self.moment.saturating_add(1);
        self.moment
    }

    fn note_present(&mut self, watch: &Watch, key: &Key) -> Source {
        let Some(open) = self.lists.get_mut(watch).and_then(|l| l.open.as_mut()) else {
            return Source::Watch;
        };
        open.present.insert(key.clone());
        Source::List(open.since)
    }

    /// Ends a list: what it did not contain is hidden from this watch, unless it was written since the list began.
    fn complete(&mut self, watch: &Watch) -> Vec<Altered> {
        let Some(list) = self.lists.get_mut(watch) else {
            return Vec::new();
        };
        list.complete_once = true;
        let Some(open) = list.open.take() else {
            return Vec::new();
        };
        let absent = |(key, entry): &(&Key, &Entry)| {
            in_scope(watch, key)
                && entry.shown_by.contains(&watch.selects)
                && entry.written <= open.since
                && !open.present.contains(*key)
        };
        let gone = self.entries.iter().filter(absent);
        let gone: Vec<_> = gone
            .map(|(key, entry)| (key.clone(), entry.meta.clone()))
            .collect();
        let hidden = gone
            .iter()
            .filter_map(|(key, meta)| self.hide(key, meta, watch.selects));
        hidden.collect()
    }

    fn upsert(&mut self, key: &Key, meta: SecretMeta, selects: Selects, source: Source) -> Option<Altered> {
        if self.tombstones.covers(&meta, source) {
            return None;
        }
        self.tombstones.lift(&meta.uid, source);
        let now = self.next_moment();
        match self.entries.get_mut(key) {
            Some(entry) if entry.meta.uid == meta.uid => {
                entry.update(meta, selects, source, now).then_some(())?;
            }
            Some(entry) if entry.outdates(&meta, source) => return None,
            _ => {
                self.entries.insert(key.clone(), Entry::new(meta, selects, now));
            }
        }
        self.altered(key)
    }

    /// Whether the versions went back, as `live` shows who asked when this was known. Then, whatever they say, it is what
    /// there is.
    fn rewind(&mut self, key: &Key, known: &KnownThen, live: &SecretMeta) -> bool {
        let overtaken = known.meta.as_ref().is_some_and(|known| is_older(live, known));
        let risen = self.tombstones.outlived(live, known.moment);
        let now = self.next_moment();
        if let Some(entry) = self.entries.get_mut(key).filter(|_| overtaken) {
            entry.meta = live.clone();
            entry.learnt = now;
        }
        overtaken || risen
    }

    /// A watch shows a Secret no longer: deleted, or not selected any more.
    fn hide(&mut self, key: &Key, last: &SecretMeta, selects: Selects) -> Option<Altered> {
        let entry = self.entries.get_mut(key)?;
        if entry.meta.uid != last.uid || is_older(last, &entry.meta) {
            return None;
        }
        entry.shown_by.remove(&selects);
        let altered = self.altered(key);
        if self.entries.get(key).is_some_and(|e| e.shown_by.is_empty()) {
            self.entries.remove(key);
            self.bury(last, true);
        }
        altered
    }

    fn bury(&mut self, last: &SecretMeta, unseen: bool) {
        let learnt = self.next_moment();
        if let Some(version) = number(&last.version) {
            let death = Death {
                version,
                unseen,
                learnt,
            };
            self.tombstones.put(&last.uid, death);
        }
    }

    fn wrote(&mut self, key: &Key, meta: &SecretMeta, selects: Option<Selects>) {
        let known = self.entries.get(key).filter(|e| e.meta.uid == meta.uid);
        let Some(selects) = selects.or_else(|| known.and_then(|e| e.shown_by.first().copied())) else {
            return;
        };
        self.upsert(key, meta.clone(), selects, Source::Answer);
        let now = self.next_moment();
        if let Some(entry) = self.entries.get_mut(key).filter(|e| e.meta.uid == meta.uid) {
            entry.written = now;
        }
    }

    fn altered(&self, key: &Key) -> Option<Altered> {
        let entry = self.entries.get(key)?;
        Some(Altered {
            key: key.clone(),
            controller: entry.meta.controller.clone(),
        })
    }
}

// === impl Entry ===

impl Entry {
    fn new(meta: SecretMeta, selects: Selects, now: u64) -> Self {
        Self {
            meta,
            shown_by: BTreeSet::from([selects]),
            learnt: now,
            written: 0,
        }
    }

    /// Takes in another sight of the same object; says whether anything is new.
    fn update(&mut self, meta: SecretMeta, selects: Selects, source: Source, now: u64) -> bool {
        let shown_anew = self.shown_by.insert(selects);
        if self.outdates(&meta, source) || meta == self.meta {
            return shown_anew;
        }
        self.meta = meta;
        self.learnt = now;
        true
    }

    /// Whether `meta` is history.
    fn outdates(&self, meta: &SecretMeta, source: Source) -> bool {
        is_older(meta, &self.meta) && !source.follows(self.learnt)
    }
}

// === impl Source ===

impl Source {
    /// Whether it was asked for after something was learnt, and tells all that happened since.
    fn follows(self, learnt: u64) -> bool {
        matches!(self, Self::List(since) if learnt <= since)
    }
}

// === impl Tombstones ===

impl Tombstones {
    fn put(&mut self, uid: &Uid, death: Death) {
        if let Some(dead_at) = self.dead_at.get_mut(uid) {
            *dead_at = death.max(*dead_at);
            return;
        }
        self.dead_at.insert(uid.clone(), death);
        self.order.push_back(uid.clone());
        if self.order.len() > TOMBSTONES
            && let Some(oldest) = self.order.pop_front()
        {
            self.dead_at.remove(&oldest);
        }
    }

    /// A list that tells of what is dead has overtaken the death: the object lives, in a history that began since.
    fn lift(&mut self, uid: &Uid, source: Source) {
        let overtaken = |death: &Death| source.follows(death.learnt);
        if self.dead_at.get(uid).is_some_and(overtaken) {
            self.raise(uid);
        }
    }

    /// Whether this lives although it died in a later version and who asked for it knew that: it rose again in another
    /// history, and the death is none.
    fn outlived(&mut self, live: &SecretMeta, asked: u64) -> bool {
        let died_later = |death: &Death| {
            // What is only not selected any more lives on in the version in which the watch lost it.
            let last = death.version.saturating_sub(u64::from(death.unseen));
            death.learnt <= asked && number(&live.version).is_some_and(|version| version <= last)
        };
        let outlived = self.dead_at.get(&live.uid).is_some_and(died_later);
        if outlived {
            self.raise(&live.uid);
        }
        outlived
    }

    fn raise(&mut self, uid: &Uid) {
        self.dead_at.remove(uid);
        self.order.retain(|dead| dead != uid);
    }

    fn covers(&self, meta: &SecretMeta, source: Source) -> bool {
        let (Some(death), Some(version)) = (self.dead_at.get(&meta.uid), number(&meta.version)) else {
            return false;
        };
        if source.follows(death.learnt) {
            return false;
        }
        let lives_on = death.unseen && source == Source::Answer;
        version < death.version || (version == death.version && !lives_on)
    }
}

fn in_scope(watch: &Watch, key: &Key) -> bool {
    watch
        .scope
        .as_ref()
        .is_none_or(|namespace| **namespace == *key.namespace)
}

/// Whether `one` is certainly older than `other`. Versions of one kind of object come from one counter, whatever the
/// uid; those that are no numbers are never older.
fn is_older(one: &SecretMeta, other: &SecretMeta) -> bool {
    match (number(&one.version), number(&other.version)) {
        (Some(one), Some(other)) => one < other,
        _ => false,
    }
}

fn number(version: &Version) -> Option<u64> {
    version.0.parse().ok()
}

#[cfg(test)]
mod tests;
