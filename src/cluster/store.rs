//! What is known of Secrets: fed by the watches and by the answers to our own writes.
//!
//! # Guarantees
//!
//! - Nothing older replaces anything newer: resourceVersions are compared as numbers. Late and repeated events change
//!   nothing, and a pass sees at once what it has written itself.
//! - A deletion counts only for the uid it names, and an event that is older than a deletion does not undo it.
//! - A list is believed over all that was known when it began, whatever the versions say: they go back when etcd is
//!   restored from a backup. What it did not contain is gone, unless we wrote it while the list was under way.
//! - An answer and a list that show that versions went back count, and say so to every watch: each notices for itself only
//!   what it was told, and the others may go on silently from a version that does not exist yet.
//! - A Secret is known as a login only if the watch on logins shows it: the type is the user's consent.
//!
//! # Assumptions
//!
//! A [`Change::Restarted`] is applied before its list is asked for: feed the store from the stream itself. Reads and lists
//! are answered from the present, as they are where no resourceVersion is asked for.

mod entries;
mod history;
mod tombstones;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use self::entries::{Entries, Entry};
pub(super) use self::history::Latest;
use self::history::{Source, is_older, number};
use self::tombstones::{Death, Tombstones};
use super::metadata::SeenSecret;
use super::watch::{Change, Rewound, Selects, Watch};
use crate::plan::metadata::{Uid, Version};
use crate::reconcile::ports::{Controller, Key, SecretMeta};

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
    entries: Entries,
    lists: BTreeMap<Watch, List>,
    tombstones: Tombstones,
    /// Counts what was taken in, to tell what was known before a list began.
    moment: u64,
    /// Version of the whole.
    present: Latest,
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
}

// === impl SecretStore ===

impl SecretStore {
    /// An empty store that is fed by `watches`.
    pub fn new(watches: &[Watch]) -> Self {
        let lists = watches.iter().map(|w| (w.clone(), List::default()));
        let state = State {
            entries: Entries::default(),
            lists: lists.collect(),
            tombstones: Tombstones::default(),
            moment: 0,
            present: Latest::default(),
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
                let source = state.source(watch);
                let before = state.entries.meta(&key);
                if state.overtakes(&key, before.as_ref(), &meta, source) {
                    self.mistold();
                }
                let altered = state.upsert(&key, before, &meta, watch.selects, source);
                state
                    .entries
                    .change(&key, |entry| entry.was_listed(watch.selects));
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

    /// The whole has this version now, as any list carries it. It only grows: where it is lower than at the last look, etcd
    /// was set back, and a watch may go on silently from a version that does not exist yet.
    pub fn present(&self, version: &Version) {
        if self.write().present.see(version) {
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
        let same = |known: &SecretMeta| known.uid == seen.uid && !is_older(seen, known);
        if state.entries.meta(key).as_ref().is_some_and(same) {
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
            meta: state.entries.meta(key),
            moment: state.moment,
        }
    }

    /// What is known of a Secret.
    pub fn get(&self, key: &Key) -> Option<SecretMeta> {
        self.read().entries.meta(key)
    }

    /// What is known of a Secret, if that watch shows it.
    pub fn get_as(&self, key: &Key, selects: Selects) -> Option<SecretMeta> {
        let mut state = self.write();
        let entry = state.entries.open(key)?;
        entry.is_shown_by(selects).then(|| entry.meta())
    }

    /// Names and metadata of token Secrets of a namespace that `uid` controls, in the order of their names; names that are
    /// to `skip` are left out.
    pub fn controlled_by(
        &self,
        namespace: &str,
        uid: &Uid,
        skip: impl Fn(&str) -> bool,
    ) -> Vec<(String, SecretMeta)> {
        self.read().entries.controlled_by(namespace, uid, skip)
    }

    /// Calls `visit` with one Secret after the other.
    pub fn for_each(&self, selects: Selects, mut visit: impl FnMut(&Key, &SecretMeta)) {
        self.any(selects, |key, meta| {
            visit(key, meta);
            false
        });
    }

    /// Whether any Secret that a watch shows is so. They are unpacked one after the other: together they are large.
    pub fn any(&self, selects: Selects, mut is: impl FnMut(&Key, &SecretMeta) -> bool) -> bool {
        let state = self.read();
        let mut shown = state
            .entries
            .of(&None)
            .filter(|(_, entry)| entry.is_shown_by(selects));
        shown.any(|(key, entry)| is(&key, &entry.meta()))
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
            list.open = Some(OpenList { since });
            self.entries.begin_list(&watch.scope, watch.selects);
        }
    }

    fn next_moment(&mut self) -> u64 {
        self.moment = self.moment.saturating_add(1);
        self.moment
    }

    /// Where what this watch tells now comes from.
    fn source(&self, watch: &Watch) -> Source {
        let open = self.lists.get(watch).and_then(|list| list.open.as_ref());
        open.map_or(Source::Watch, |open| Source::List(open.since))
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
        let known = self.entries.of(&watch.scope);
        let gone = known.filter(|(_, entry)| entry.is_absent(watch.selects, open.since));
        let gone: Vec<_> = gone.map(|(key, entry)| (key, entry.meta())).collect();
        let hidden = gone
            .iter()
            .filter_map(|(key, meta)| self.hide(key, meta, watch.selects));
        hidden.collect()
    }

    /// Takes in a sight of what was known as it was `before`.
    fn upsert(
        &mut self,
        key: &Key,
        before: Option<SecretMeta>,
        meta: &SecretMeta,
        selects: Selects,
        source: Source,
    ) -> Option<Altered> {
        if self.tombstones.covers(meta, source) {
            return None;
        }
        let now = self.next_moment();
        match before.zip(self.entries.get(key)) {
            Some((before, entry)) if before.uid == meta.uid => {
                let outdated = entry.outdates(&before, meta, source);
                let latest = if outdated { &before } else { meta };
                let update = |entry: &mut Entry| entry.update(&before, latest, selects, now);
                let anew = self.entries.change(key, update)?;
                anew.then(|| altered(key, latest))
            }
            Some((before, entry)) if entry.outdates(&before, meta, source) => None,
            _ => {
                self.entries.put(key, Entry::new(meta, selects, now));
                Some(altered(key, meta))
            }
        }
    }

    /// Whether a list shows that versions went back: a Secret as it was before what was known when the list began. One that was
    /// dead then lives, in a history that began since.
    fn overtakes(
        &mut self,
        key: &Key,
        before: Option<&SecretMeta>,
        meta: &SecretMeta,
        source: Source,
    ) -> bool {
        let Source::List(since) = source else {
            return false;
        };
        let known = before.zip(self.entries.get(key));
        let overtaken = known.is_some_and(|(before, entry)| entry.is_overtaken(before, meta, source));
        let risen = self.tombstones.outlived(meta, since);
        overtaken || risen
    }

    /// Whether the versions went back, as `live` shows who asked when this was known. Then, whatever they say, it is what
    /// there is.
    fn rewind(&mut self, key: &Key, known: &KnownThen, live: &SecretMeta) -> bool {
        let overtaken = known.meta.as_ref().is_some_and(|known| is_older(live, known));
        let risen = self.tombstones.outlived(live, known.moment);
        let now = self.next_moment();
        if overtaken {
            self.entries.change(key, |entry| entry.learn(live, now));
        }
        overtaken || risen
    }

    /// A watch shows a Secret no longer: deleted, or not selected any more.
    fn hide(&mut self, key: &Key, last: &SecretMeta, selects: Selects) -> Option<Altered> {
        let known = self.entries.meta(key)?;
        if known.uid != last.uid || is_older(last, &known) {
            return None;
        }
        if !self.entries.change(key, |entry| entry.hide(selects))? {
            self.entries.remove(key);
            self.bury(last, true);
        }
        Some(altered(key, &known))
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
        let shown_by = |state: &Self| {
            let entry = state
                .entries
                .get(key)
                .filter(|entry| entry.meta().uid == meta.uid)?;
            entry.shown_first_by()
        };
        let Some(selects) = selects.or_else(|| shown_by(self)) else {
            return;
        };
        self.upsert(key, self.entries.meta(key), meta, selects, Source::Answer);
        let now = self.next_moment();
        if self.entries.meta(key).is_some_and(|known| known.uid == meta.uid) {
            self.entries.change(key, |entry| entry.was_written(now));
        }
    }
}

fn altered(key: &Key, meta: &SecretMeta) -> Altered {
    Altered {
        key: key.clone(),
        controller: meta.controller.clone(),
    }
}

#[cfg(test)]
mod tests;
