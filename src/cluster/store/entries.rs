//! The Secrets that are known, by namespace and name: packed, because there are many and each is looked at now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::history::{Source, is_older};
use crate::cluster::scope::Scope;
use crate::cluster::watch::Selects;
use crate::plan::metadata::Uid;
use crate::reconcile::packed::Packed;
use crate::reconcile::ports::{Controller, Key, SecretMeta};

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<Arc<str>, Namespace>);

/// The Secrets of a namespace.
#[derive(Debug, Default)]
struct Namespace {
    secrets: BTreeMap<Arc<str>, Entry>,
    /// Token Secrets by a hash of their controller's uid.
    controlled: BTreeSet<(u64, Arc<str>)>,
}

/// One Secret.
#[derive(Debug)]
pub(super) struct Entry {
    meta: Packed<SecretMeta>,
    /// Hash of its controller's uid, if it is a token Secret that has one.
    controller: Option<u64>,
    /// Watches that show it, or will.
    shown_by: Shown,
    /// Watches whose list, which is under way, has shown it.
    listed_by: Shown,
    /// When `meta` was learnt.
    learnt: u64,
    /// When we last wrote it; 0: never.
    written: u64,
}

/// A set of watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown(u8);

// === impl Entries ===

impl Entries {
    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.0.get(&*key.namespace)?.secrets.get(&*key.name)
    }

    /// What is known of a Secret.
    pub(super) fn meta(&self, key: &Key) -> Option<SecretMeta> {
        self.get(key).map(Entry::meta)
    }

    /// Changes what is known of a Secret, if anything is; gives what `change` gives.
    pub(super) fn change<T>(&mut self, key: &Key, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let namespace = self.0.get_mut(&*key.namespace)?;
        let (name, _) = namespace.secrets.get_key_value(&*key.name)?;
        let (name, entry) = (Arc::clone(name), namespace.secrets.get_mut(&*key.name)?);
        let before = entry.controller;
        let changed = change(entry);
        let after = entry.controller;
        namespace.reindex(&name, before, after);
        Some(changed)
    }

    /// Puts a Secret in the place of whatever was known under its name.
    pub(super) fn put(&mut self, key: &Key, entry: Entry) {
        let namespace = self.0.entry(Arc::clone(&key.namespace)).or_default();
        let name = match namespace.secrets.get_key_value(&*key.name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::clone(&key.name),
        };
        let after = entry.controller;
        let before = namespace.secrets.insert(Arc::clone(&name), entry);
        namespace.reindex(&name, before.and_then(|before| before.controller), after);
    }

    pub(super) fn remove(&mut self, key: &Key) {
        let Some(namespace) = self.0.get_mut(&*key.namespace) else {
            return;
        };
        if let Some((name, entry)) = namespace.secrets.remove_entry(&*key.name) {
            namespace.reindex(&name, entry.controller, None);
        }
        if namespace.secrets.is_empty() {
            self.0.remove(&*key.namespace);
        }
    }

    /// Those of a scope, in the order of their keys.
    pub(super) fn of<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = (Key, &'a Entry)> {
        let namespaces = self.0.iter().filter(|(name, _)| in_scope(scope, name));
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
        let namespaces = self.0.iter_mut().filter(|(name, _)| in_scope(scope, name));
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
        let place = self.0.get(namespace).into_iter();
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
    fn reindex(&mut self, name: &Arc<str>, before: Option<u64>, after: Option<u64>) {
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
            meta: Packed::of(meta),
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
        self.meta.get().unwrap_or_default()
    }

    /// Learns what is so now.
    pub(super) fn learn(&mut self, meta: &SecretMeta, now: u64) {
        self.meta = Packed::of(meta);
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

fn in_scope(scope: &Scope, namespace: &str) -> bool {
    scope.as_ref().is_none_or(|one| **one == *namespace)
}

fn controller(meta: &SecretMeta) -> Option<u64> {
    let ours = |c: &&Controller| c.ours && meta.managed;
    meta.controller.as_ref().filter(ours).map(|c| hash(&c.uid))
}

fn hash(uid: &Uid) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
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
