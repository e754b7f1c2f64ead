//! The Secrets that are known, by namespace and name: packed, because there are many and each is looked at now and then. A pass
//! looks at its own a dozen times within a second, and so do the watches that tell of it: what was looked at last lies open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::sync::Arc;

use super::history::{Source, is_older};
use crate::cluster::dense::DenseMap;
use crate::cluster::scope::Scope;
use crate::cluster::watch::Selects;
use crate::plan::metadata::Uid;
use crate::reconcile::packed::Packed;
use crate::reconcile::ports::{Controller, Key, SecretMeta};

/// So many lie open: the Secrets of the credentials that are passed over at once.
pub(super) const OPEN: usize = 64;

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Entries {
    namespaces: BTreeMap<Arc<str>, Namespace>,
    /// Those that lie open, the last one opened last.
    open: VecDeque<Key>,
}

/// The Secrets of a namespace.
#[derive(Debug, Default)]
struct Namespace {
    secrets: DenseMap<Arc<str>, Entry>,
    /// Token Secrets by their controllers.
    controlled: BTreeSet<(ByUid, Arc<str>)>,
}

/// One Secret.
#[derive(Debug)]
pub(super) struct Entry {
    meta: Meta,
    /// Its controller, if it is a token Secret that has one.
    controller: Option<ByUid>,
    /// Watches that show it, or will.
    shown_by: Shown,
    /// Watches whose list, which is under way, has shown it.
    listed_by: Shown,
    /// When `meta` was learnt.
    learnt: u64,
    /// When we last wrote it; 0: never.
    written: u64,
}

/// Metadata of one Secret.
#[derive(Debug)]
enum Meta {
    Packed(Packed<SecretMeta>),
    Open(Box<Open>),
}

/// Metadata that was looked at or learnt lately.
#[derive(Debug)]
struct Open {
    meta: SecretMeta,
    /// As it was packed, if it was.
    packed: Option<Packed<SecretMeta>>,
}

/// A controller: a hash of its uid.
type ByUid = NonZero<u64>;

/// A set of watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown(u8);

// === impl Entries ===

impl Entries {
    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.namespaces.get(&*key.namespace)?.secrets.get(&*key.name)
    }

    /// The same, of one that will be looked at again soon.
    pub(super) fn open(&mut self, key: &Key) -> Option<&Entry> {
        self.change(key, |entry| entry.meta.open())?;
        self.get(key)
    }

    /// What is known of a Secret.
    pub(super) fn meta(&self, key: &Key) -> Option<SecretMeta> {
        self.get(key).map(Entry::meta)
    }

    /// Changes what is known of a Secret, if anything is; gives what `change` gives.
    pub(super) fn change<T>(&mut self, key: &Key, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let namespace = self.namespaces.get_mut(&*key.namespace)?;
        let entry = namespace.secrets.get_mut(&*key.name)?;
        let (before, was_open) = (entry.controller, entry.meta.is_open());
        let changed = change(entry);
        let (after, is_open) = (entry.controller, entry.meta.is_open());
        if before != after {
            let (name, _) = namespace.secrets.get_key_value(&*key.name)?;
            let name = Arc::clone(name);
            namespace.reindex(&name, before, after);
        }
        if is_open && !was_open {
            self.opened(key.clone());
        }
        Some(changed)
    }

    /// Puts a Secret in the place of whatever was known under its name.
    pub(super) fn put(&mut self, key: &Key, entry: Entry) {
        let namespace = self.namespaces.entry(Arc::clone(&key.namespace)).or_default();
        let name = match namespace.secrets.get_key_value(&*key.name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::clone(&key.name),
        };
        let after = entry.controller;
        let before = namespace.secrets.insert(Arc::clone(&name), entry);
        namespace.reindex(&name, before.and_then(|before| before.controller), after);
        self.opened(key.clone());
    }

    /// Packs the one that was opened first, if too many are.
    fn opened(&mut self, key: Key) {
        self.open.push_back(key);
        if self.open.len() <= OPEN {
            return;
        }
        let Some(first) = self.open.pop_front() else {
            return;
        };
        let namespace = self.namespaces.get_mut(&*first.namespace);
        if let Some(entry) = namespace.and_then(|place| place.secrets.get_mut(&*first.name)) {
            entry.meta.pack();
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(namespace) = self.namespaces.get_mut(&*key.namespace) else {
            return;
        };
        if let Some((name, entry)) = namespace.secrets.remove_entry(&*key.name) {
            namespace.reindex(&name, entry.controller, None);
        }
        if namespace.secrets.is_empty() {
            self.namespaces.remove(&*key.namespace);
        }
    }

    /// Those of a scope, in the order of their keys.
    pub(super) fn of<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = (Key, &'a Entry)> {
        let namespaces = self.namespaces.iter().filter(|(name, _)| in_scope(scope, name));
        namespaces.flat_map(|(namespace, secrets)| {
            let key = |name: &Arc<str>| Key::new(Arc::clone(namespace), Arc::clone(name));
            secrets
                .secrets
                .iter()
                .map(move |(name, entry)| (key(name), entry))
        })
    }

    /// A list of a watch begins: it has shown nothing yet.
    pub(super) fn begin_list(&mut self, scope: &Scope, selects: Selects) {
        let namespaces = self
            .namespaces
            .iter_mut()
            .filter(|(name, _)| in_scope(scope, name));
        for entry in namespaces.flat_map(|(_, namespace)| namespace.secrets.values_mut()) {
            entry.listed_by.remove(selects);
        }
    }

    /// Token Secrets of a namespace that `uid` controls, in the order of their names; names that are to `skip` are left out.
    pub(super) fn controlled_by(
        &self,
        namespace: &str,
        uid: &Uid,
        skip: impl Fn(&str) -> bool,
    ) -> Vec<(String, SecretMeta)> {
        let (hash, first) = (hash(uid), Arc::from(""));
        let place = self.namespaces.get(namespace).into_iter();
        let names = place.flat_map(|place| place.controlled.range((hash, Arc::clone(&first))..));
        let names = names.take_while(|(of, _)| *of == hash);
        let others = names.filter(|(_, name)| !skip(name));
        let keys = others.map(|(_, name)| Key::new(namespace, &**name));
        let all = keys.filter_map(|key| Some((self.meta(&key)?, key)));
        let is_theirs = |meta: &SecretMeta| meta.controller.as_ref().is_some_and(|c| c.uid == *uid);
        all.filter(|(meta, _)| is_theirs(meta))
            .map(|(meta, key)| (key.name.to_string(), meta))
            .collect()
    }
}

impl Namespace {
    fn reindex(&mut self, name: &Arc<str>, before: Option<ByUid>, after: Option<ByUid>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.controlled.remove(&(before, Arc::clone(name)));
        }
        if let Some(after) = after {
            self.controlled.insert((after, Arc::clone(name)));
        }
    }
}

// === impl Entry ===

impl Entry {
    pub(super) fn new(meta: &SecretMeta, selects: Selects, now: u64) -> Self {
        let mut entry = Self {
            meta: Meta::learnt(meta),
            controller: controller(meta),
            shown_by: Shown::default(),
            listed_by: Shown::default(),
            learnt: now,
            written: 0,
        };
        entry.shown_by.insert(selects);
        entry
    }

    pub(super) fn meta(&self) -> SecretMeta {
        self.meta.get()
    }

    #[cfg(test)]
    pub(super) const fn is_open(&self) -> bool {
        self.meta.is_open()
    }

    /// Learns what is so now.
    pub(super) fn learn(&mut self, meta: &SecretMeta, now: u64) {
        self.meta = Meta::learnt(meta);
        self.controller = controller(meta);
        self.learnt = now;
    }

    /// Takes in another sight of the same object, which was known as `before`; says whether anything is new.
    pub(super) fn update(
        &mut self,
        before: &SecretMeta,
        latest: &SecretMeta,
        selects: Selects,
        now: u64,
    ) -> bool {
        let shown_anew = self.shown_by.insert(selects);
        if latest == before {
            return shown_anew;
        }
        self.learn(latest, now);
        true
    }

    /// Whether `meta` is history beside what was known `before`.
    pub(super) fn outdates(&self, before: &SecretMeta, meta: &SecretMeta, source: Source) -> bool {
        is_older(meta, before) && !source.follows(self.learnt)
    }

    /// Whether a list that was asked for when it was known as it was `before` shows a state before that.
    pub(super) fn is_overtaken(&self, before: &SecretMeta, meta: &SecretMeta, source: Source) -> bool {
        is_older(meta, before) && source.follows(self.learnt)
    }

    /// We wrote it.
    pub(super) const fn was_written(&mut self, now: u64) {
        self.written = now;
    }

    /// A list of this watch shows it.
    pub(super) fn was_listed(&mut self, selects: Selects) {
        self.listed_by.insert(selects);
    }

    /// Whether a list of this watch that began then and is complete would have shown it.
    pub(super) fn is_absent(&self, selects: Selects, since: u64) -> bool {
        self.is_shown_by(selects) && self.written <= since && !self.listed_by.has(selects)
    }

    pub(super) fn is_shown_by(&self, selects: Selects) -> bool {
        self.shown_by.has(selects)
    }

    /// One of the watches that show it.
    pub(super) fn shown_first_by(&self) -> Option<Selects> {
        Selects::ALL
            .into_iter()
            .find(|selects| self.shown_by.has(*selects))
    }

    /// A watch shows it no longer; says whether another one does.
    pub(super) fn hide(&mut self, selects: Selects) -> bool {
        self.shown_by.remove(selects);
        self.shown_by != Shown::default()
    }
}

// === impl Meta ===

impl Meta {
    fn learnt(meta: &SecretMeta) -> Self {
        Self::Open(Box::new(Open {
            meta: meta.clone(),
            packed: None,
        }))
    }

    const fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    fn get(&self) -> SecretMeta {
        match self {
            Self::Packed(packed) => packed.get().unwrap_or_default(),
            Self::Open(open) => open.meta.clone(),
        }
    }

    fn open(&mut self) {
        if let Self::Packed(packed) = self {
            *self = Self::Open(Box::new(Open {
                meta: packed.get().unwrap_or_default(),
                packed: Some(packed.clone()),
            }));
        }
    }

    fn pack(&mut self) {
        if let Self::Open(open) = self {
            let packed = open.packed.take();
            *self = Self::Packed(packed.unwrap_or_else(|| Packed::of(&open.meta)));
        }
    }
}

fn in_scope(scope: &Scope, namespace: &str) -> bool {
    scope.as_ref().is_none_or(|one| **one == *namespace)
}

fn controller(meta: &SecretMeta) -> Option<ByUid> {
    let ours = |c: &&Controller| c.ours && meta.managed;
    meta.controller.as_ref().filter(ours).map(|c| hash(&c.uid))
}

fn hash(uid: &Uid) -> ByUid {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish().try_into().unwrap_or(ByUid::MIN)
}

// === impl Shown ===

impl Shown {
    const fn bit(selects: Selects) -> u8 {
        1 << selects as u8
    }

    const fn has(self, selects: Selects) -> bool {
        self.0 & Self::bit(selects) != 0
    }

    /// Says whether it was not there before.
    const fn insert(&mut self, selects: Selects) -> bool {
        let anew = !self.has(selects);
        self.0 |= Self::bit(selects);
        anew
    }

    const fn remove(&mut self, selects: Selects) {
        self.0 &= !Self::bit(selects);
    }
}
