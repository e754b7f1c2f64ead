//! Steps on the token Secrets: verify, publish, replace, prune, adopt.

use super::labels::{Holds, changes};
use super::{Asked, Pass};
use crate::api::{TokenSpec, annotation};
use crate::plan::Object;
use crate::plan::metadata::EntryName;
use crate::plan::schedule::{self, Life};
use crate::plan::settle;
use crate::plan::snapshot::{Snapshot, Token};
use crate::reconcile::annotations;
use crate::reconcile::audit::Audited;
use crate::reconcile::marks;
use crate::reconcile::pocket::HeldToken;
use crate::reconcile::ports::{
    ClusterError, Kind, NewSecret, Ports, SecretChange, SecretMeta, SecretObject, Vault, View,
};

impl<P: Ports> Pass<'_, P> {
    /// Compares what is there with the keyed hash: an object that only moved is taken as it is, an edited one is renewed.
    pub(super) async fn verify(&mut self, s: &Snapshot, names: &[EntryName]) {
        for name in names {
            let object = Object::Contents(name.clone());
            match self.read(&self.credential.sibling(&name.0)).await {
                Ok(Some(read)) => self.verified(name, read),
                Ok(None) => self.gone(&object),
                Err(error) => self.trouble(s, &object, Asked::Read, error),
            }
        }
    }

    pub(super) fn verified(&mut self, name: &EntryName, read: SecretObject) {
        let key = self.credential.sibling(&name.0);
        let version = read.meta.version.clone();
        let holds = self.holds(name, &read);
        let known = &mut self.memory.known;
        if holds == Holds::OtherLabels && !read.immutable {
            settle::tokens::unlabelled(known, name, version);
        } else {
            settle::tokens::verified(known, name, version, holds == Holds::AsWritten, read.immutable);
        }
        self.ports.view().wrote(Kind::Token, &key, read.meta);
    }

    /// Each by itself: one that cannot be written does not keep the others waiting.
    pub(super) async fn publish(&mut self, s: &Snapshot, names: &[EntryName]) {
        for token in s.tokens.iter().filter(|t| names.contains(&t.name)) {
            let Some(spec) = self.credential.entry(&token.name) else {
                continue;
            };
            let Some(held) = self.memory.pocket.tokens.remove(&token.name) else {
                continue;
            };
            match self.write_token(s, token, spec, &held).await {
                Ok(meta) => self.token_published(token, meta),
                Err(error) => {
                    self.memory.pocket.tokens.insert(token.name.clone(), held);
                    let object = Object::Token(token.name.clone());
                    self.trouble(s, &object, Asked::Write, error);
                }
            }
        }
    }

    async fn write_token(
        &mut self,
        s: &Snapshot,
        token: &Token,
        spec: &TokenSpec,
        held: &HeldToken,
    ) -> Result<SecretMeta, ClusterError> {
        let key = self.credential.sibling(&token.name.0);
        let secret = self.render(s, token, spec, held);
        let Some(seen) = self.look.tokens.get(&token.name) else {
            return self.create(secret).await;
        };
        let before = annotations::template(&seen.annotations);
        let change = SecretChange {
            annotations: changes(before.annotations, secret.annotations),
            labels: changes(before.labels, secret.labels),
            data: Some(secret.data),
            ..SecretChange::default()
        };
        self.change(&key, seen, change).await
    }

    fn render(&self, s: &Snapshot, token: &Token, spec: &TokenSpec, held: &HeldToken) -> NewSecret {
        let key = self.credential.sibling(&token.name.0);
        let granted = &held.held.granted;
        let data = self
            .ports
            .vault()
            .render(&spec.effective_keys(), granted, &held.access_token);
        let life = Life {
            issued_at: granted.issued_at,
            expires_at: granted.expires_at,
        };
        let due = schedule::refresh_at(life, s.object.at_percent, s.object.spread, granted.refresh_at);
        let mut annotations = annotations::of_token(granted, &held.held.request, &token.shape, due);
        let asked = self.asked_of(spec);
        annotations.extend(asked.annotations);
        let said = annotations::said(&annotations, &asked.labels);
        let rendered = self.ports.vault().data_mac(&key, &data, &said);
        annotations.insert(annotation::RENDERED.to_owned(), rendered);
        annotations.insert(
            annotation::OWNER.to_owned(),
            marks::proof(self.ports, self.credential, &key),
        );
        NewSecret {
            key,
            kind: "Opaque",
            owner: self.credential.owner(),
            labels: asked.labels,
            annotations,
            data,
        }
    }

    fn token_published(&mut self, token: &Token, meta: SecretMeta) {
        let now = self.now();
        self.shared.observer.published(token, now);
        settle::tokens::published(&mut self.memory.known, token, meta.version.clone(), now);
        self.ports
            .view()
            .wrote(Kind::Token, &self.credential.sibling(&token.name.0), meta);
    }

    /// Deletes what cannot be written; its successor is at hand and is created in the next step.
    pub(super) async fn replace(&mut self, s: &Snapshot, names: &[EntryName]) {
        for name in names {
            if self.delete_token(s, name).await {
                settle::tokens::deleted(&mut self.memory.known, name);
            }
        }
    }

    /// Deletes what the spec no longer names, if the API server still has this spec: a watch may be behind, and others
    /// publish by a newer one.
    pub(super) async fn prune(&mut self, s: &Snapshot, names: &[EntryName]) {
        let objects: Vec<_> = names.iter().cloned().map(Object::Token).collect();
        if !self.is_as_seen(s, &objects).await {
            return;
        }
        for name in names {
            if self.delete_token(s, name).await {
                settle::tokens::pruned(&mut self.memory.known, name);
            }
        }
    }

    /// Whether it is gone.
    async fn delete_token(&mut self, s: &Snapshot, name: &EntryName) -> bool {
        let (key, object) = (self.credential.sibling(&name.0), Object::Token(name.clone()));
        let Some(seen) = self.look.tokens.get(name) else {
            return true;
        };
        match self.delete(&key, seen).await {
            Ok(()) | Err(ClusterError::NotFound) => {
                self.gone(&object);
                true
            }
            Err(error) => {
                self.trouble(s, &object, Asked::Delete, error);
                false
            }
        }
    }

    /// Makes this credential the controller again of Secrets that were restored from a backup.
    ///
    /// A Secret without a controller may be one that the deletion of this very credential set free to keep it
    /// (`kubectl delete --cascade=orphan`): adopted, it would be collected with its owner. That deletion began before
    /// the Secret was set free, so whoever asks after having seen it free learns of it.
    pub(super) async fn adopt(&mut self, s: &Snapshot, objects: &[Object]) {
        if !self.is_as_seen(s, objects).await {
            return;
        }
        for object in objects {
            self.adopt_one(s, object).await;
        }
    }

    async fn adopt_one(&mut self, s: &Snapshot, object: &Object) {
        let Some((kind, key)) = self.place(object) else {
            return;
        };
        let Some(seen) = self.look.of(object) else {
            return;
        };
        let noted = (*object == Object::Session).then(|| annotations::of_own_uid(seen));
        let change = SecretChange {
            annotations: noted.flatten().into_iter().collect(),
            adopt: Some(self.credential.owner()),
            ..SecretChange::default()
        };
        match self.change(&key, seen, change).await {
            Ok(meta) => {
                self.audit(Audited::Adopted { secret: &key.name });
                settle::tokens::adopted(&mut self.memory.known, object);
                self.ports.view().wrote(kind, &key, meta);
            }
            Err(error) => self.trouble(s, object, Asked::Write, error),
        }
    }
}
