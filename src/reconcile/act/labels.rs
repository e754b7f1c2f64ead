//! Labels and annotations of our Secrets: what is asked for, whether nothing else was changed, and the step that puts them on by
//! a write without a call.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asked, Pass};
use crate::api::{IS_TOKEN, LABEL_MANAGED_BY, LABEL_TOKEN, MANAGED_BY, TokenSpec, annotation};
use crate::plan::Object;
use crate::plan::metadata::EntryName;
use crate::plan::settle;
use crate::plan::snapshot::Snapshot;
use crate::reconcile::annotations::{self, Changes};
use crate::reconcile::marks;
use crate::reconcile::ports::{Kind, Ports, SecretChange, SecretMeta, SecretObject, Vault, View};

/// Labels and annotations that a Secret is to have.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What a token Secret that was read holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// What was written.
    AsWritten,
    /// What was written, under other labels or annotations than the spec asked for.
    OtherLabels,
    /// Something else.
    SomethingElse,
}

impl<P: Ports> Pass<'_, P> {
    /// Each by itself: one that cannot be written does not keep the others waiting.
    pub(super) async fn label(&mut self, s: &Snapshot, objects: &[Object]) {
        for object in objects {
            match object {
                Object::Token(name) => self.label_token(s, name).await,
                Object::Session => self.label_session(s).await,
                Object::Login | Object::Client | Object::Contents(_) => {}
            }
        }
    }

    /// What an entry asks for, with what describes it, and our own labels.
    pub(super) fn asked_of(&self, spec: &TokenSpec) -> Metadata {
        let mut labels = self.credential.labels_of(spec);
        let hash = marks::metadata_of(self.ports, self.credential, spec);
        let mut annotations = spec.annotations.clone();
        annotations.extend(annotations::of_template(&labels, &spec.annotations, hash));
        labels.extend([
            (LABEL_TOKEN.to_owned(), IS_TOKEN.to_owned()),
            (LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned()),
        ]);
        Metadata { labels, annotations }
    }

    /// The same for the refresh-token Secret.
    pub(super) fn asked_of_session(&self) -> Metadata {
        let labels = self.credential.spec.secret_labels.clone();
        let hash = marks::metadata_of_session(self.ports, self.credential);
        Metadata {
            annotations: annotations::of_template(&labels, &BTreeMap::new(), hash),
            labels,
        }
    }

    /// Compares a token Secret with its keyed hash: as it is, and as it would be with the labels and annotations that the spec
    /// asks for.
    pub(super) fn holds(&self, name: &EntryName, read: &SecretObject) -> Holds {
        let key = self.credential.sibling(&name.0);
        let is = |said: &BTreeMap<String, String>| {
            let mac = self.ports.vault().data_mac(&key, &read.data, said);
            read.meta.annotations.get(annotation::RENDERED) == Some(&mac)
        };
        if is(&annotations::said(&read.annotations, &read.labels)) {
            return Holds::AsWritten;
        }
        let Some(spec) = self.credential.entry(name) else {
            return Holds::SomethingElse;
        };
        let (mut annotations, mut labels) = (read.annotations.clone(), read.labels.clone());
        let asked = self.asked_of(spec);
        annotations.extend(asked.annotations);
        labels.extend(asked.labels);
        if is(&annotations::said(&annotations, &labels)) || is(&first_form_said()) {
            Holds::OtherLabels
        } else {
            Holds::SomethingElse
        }
    }

    /// It is read first: what its keyed hash covers is hashed anew, and only what is still ours may be.
    async fn label_token(&mut self, s: &Snapshot, name: &EntryName) {
        let (key, object) = (self.credential.sibling(&name.0), Object::Token(name.clone()));
        let Some(spec) = self.credential.entry(name) else {
            return;
        };
        let read = match self.read(&key).await {
            Ok(Some(read)) => read,
            Ok(None) => return self.gone(&object),
            Err(error) => return self.trouble(s, &object, Asked::Read, error),
        };
        if read.immutable || self.holds(name, &read) == Holds::SomethingElse {
            return self.verified(name, read);
        }
        let asked = self.asked_of(spec);
        let repaired =
            read.meta.annotations.get(annotation::METADATA) == asked.annotations.get(annotation::METADATA);
        let change = self.labelling(name, &read, asked);
        match self.change(&key, &read.meta, change).await {
            Ok(meta) => {
                let (version, now) = (meta.version.clone(), self.now());
                settle::tokens::labelled(&mut self.memory.known, name, version, repaired, now);
                self.ports.view().wrote(Kind::Token, &key, meta);
            }
            Err(error) => self.trouble(s, &object, Asked::Write, error),
        }
    }

    fn labelling(&self, name: &EntryName, read: &SecretObject, asked: Metadata) -> SecretChange {
        let key = self.credential.sibling(&name.0);
        let before = annotations::template(&read.annotations);
        let (mut annotations, mut labels) = (read.annotations.clone(), read.labels.clone());
        annotations.retain(|key, _| !before.annotations.contains(key));
        annotations.extend(asked.annotations.clone());
        labels.retain(|key, _| !before.labels.contains(key));
        labels.extend(asked.labels.clone());
        let said = annotations::said(&annotations, &labels);
        let rendered = self.ports.vault().data_mac(&key, &read.data, &said);
        let mut annotations = changes(before.annotations, asked.annotations);
        annotations.insert(annotation::RENDERED.to_owned(), Some(rendered));
        SecretChange {
            annotations,
            labels: changes(before.labels, asked.labels),
            ..SecretChange::default()
        }
    }

    async fn label_session(&mut self, s: &Snapshot) {
        let key = self.credential.session_key();
        let Some(seen) = self.look.session.as_ref() else {
            return;
        };
        let (annotations, labels) = self.session_labels(seen);
        let change = SecretChange {
            annotations,
            labels,
            ..SecretChange::default()
        };
        match self.change(&key, seen, change).await {
            Ok(meta) => {
                settle::store::labelled(&mut self.memory.known, meta.version.clone());
                self.ports.view().wrote(Kind::Session, &key, meta);
            }
            Err(error) => self.trouble(s, &Object::Session, Asked::Write, error),
        }
    }

    /// Changes of annotations and labels that give the refresh-token Secret what the spec asks for.
    pub(super) fn session_labels(&self, seen: &SecretMeta) -> (Changes, Changes) {
        let before = annotations::template(&seen.annotations);
        let asked = self.asked_of_session();
        (
            changes(before.annotations, asked.annotations),
            changes(before.labels, asked.labels),
        )
    }
}

/// In its first form the keyed hash covered the data alone.
const fn first_form_said() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// Sets what is wanted now, and removes what was wanted before.
pub(super) fn changes(before: BTreeSet<String>, now: BTreeMap<String, String>) -> Changes {
    let gone = before.into_iter().map(|key| (key, None));
    gone.chain(now.into_iter().map(|(key, value)| (key, Some(value))))
        .collect()
}
