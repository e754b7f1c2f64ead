//! Steps on the token Secrets: verify, publish, replace, prune, adopt.

use std::collections::{BTreeMap, BTreeSet};

use super::{Acted, Pass, write_refusal};
use crate::api::{LABEL_MANAGED_BY, MANAGED_BY, TokenSpec, annotation};
use crate::plan::schedule::{self, Life};
use crate::plan::snapshot::{Ownership, Snapshot, Token};
use crate::reconcile::annotations::Changes;
use crate::reconcile::memory::{HeldToken, next_failure};
use crate::reconcile::ports::{
    Cluster, ClusterError, Kind, NewSecret, Ports, SecretChange, SecretMeta, Vault, View,
};
use crate::reconcile::{annotations, observe};

impl<P: Ports> Pass<'_, P> {
    /// Compares the data with the keyed hash: an object that only moved is taken as it is, an edited one is renewed.
    pub(super) async fn verify(&mut self, names: &[String]) -> Acted {
        for name in names {
            let key = self.credential.sibling(name);
            let Some(object) = self.ports.cluster().read(&key).await? else {
                self.token_gone(name);
                continue;
            };
            let mac = self.ports.vault().data_mac(&key, &object.data);
            let intact = object.meta.annotations.get(annotation::RENDERED) == Some(&mac);
            let version = Some(object.meta.version.clone());
            let note = self.memory.note(name);
            if object.immutable {
                note.unwritable.clone_from(&version);
            }
            *(if intact {
                &mut note.verified
            } else {
                &mut note.edited
            }) = version;
            self.ports.view().wrote(Kind::Token, &key, object.meta);
        }
        Ok(())
    }

    fn token_gone(&self, name: &str) {
        self.gone(Kind::Token, &self.credential.sibling(name));
    }

    pub(super) async fn publish(&mut self, s: &Snapshot, names: &[String]) -> Acted {
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
                    self.token_moved(&token.name, error).await?;
                }
            }
        }
        Ok(())
    }

    async fn write_token(
        &mut self,
        s: &Snapshot,
        token: &Token,
        spec: &TokenSpec,
        held: &HeldToken,
    ) -> Result<SecretMeta, ClusterError> {
        let key = self.credential.sibling(&token.name);
        let secret = self.render(s, token, spec, held);
        let Some(seen) = self.look.tokens.get(&token.name) else {
            return self.create(secret).await;
        };
        let before = annotations::template(seen);
        let change = SecretChange {
            annotations: changes(before.annotations, secret.annotations),
            labels: changes(before.labels, secret.labels),
            data: Some(secret.data),
            ..SecretChange::default()
        };
        self.ports.cluster().change(&key, seen, change).await
    }

    fn render(&self, s: &Snapshot, token: &Token, spec: &TokenSpec, held: &HeldToken) -> NewSecret {
        let key = self.credential.sibling(&token.name);
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
        let rendered = self.ports.vault().data_mac(&key, &data);
        let mut annotations = annotations::of_token(granted, &held.held.request, &token.shape, due, rendered);
        annotations.extend(annotations::of_template(spec));
        annotations.extend(spec.annotations.clone());
        annotations.insert(
            annotation::OWNER.to_owned(),
            observe::proof(self.ports, self.credential, &key),
        );
        let mut labels = spec.labels.clone();
        labels.insert(LABEL_MANAGED_BY.to_owned(), MANAGED_BY.to_owned());
        NewSecret {
            key,
            kind: "Opaque",
            owner: self.credential.owner(),
            labels,
            annotations,
            data,
        }
    }

    fn token_published(&mut self, token: &Token, meta: SecretMeta) {
        let now = self.now();
        let repaired = self.was_repair(token);
        self.shared.observer.published(token, now);
        let note = self.memory.note(&token.name);
        note.verified = Some(meta.version.clone());
        note.failure = None;
        note.deferred_until = None;
        if repaired {
            note.repaired(now);
        }
        self.ports
            .view()
            .wrote(Kind::Token, &self.credential.sibling(&token.name), meta);
    }

    /// Whether the Secret had been published before and was lost or edited since.
    fn was_repair(&self, token: &Token) -> bool {
        let had = self
            .memory
            .tokens
            .get(&token.name)
            .is_some_and(|n| n.verified.is_some());
        let intact =
            token.ownership == Ownership::Ours && token.published.as_ref().is_some_and(|p| !p.edited);
        had && !intact
    }

    /// A write to a token Secret failed: look whose it is now, or remember what refused it.
    async fn token_moved(&mut self, name: &str, error: ClusterError) -> Acted {
        match error {
            ClusterError::NotFound => self.token_gone(name),
            ClusterError::Immutable => self.token_unwritable(name),
            ClusterError::Conflict => {
                self.peek(Kind::Token, &self.credential.sibling(name)).await?;
            }
            ClusterError::Refused(text) => {
                let (now, spread) = (self.now(), self.credential.spread());
                let note = self.memory.note(name);
                note.failure = Some(next_failure(
                    note.failure.as_ref(),
                    write_refusal(&text),
                    now,
                    spread,
                    None,
                ));
            }
            error @ ClusterError::Unavailable(_) => return Err(error),
        }
        Ok(())
    }

    fn token_unwritable(&mut self, name: &str) {
        let version = self.look.tokens.get(name).map(|meta| meta.version.clone());
        self.memory.note(name).unwritable = version;
    }

    /// Deletes what cannot be written; its successor is at hand and is created in the next step.
    pub(super) async fn replace(&mut self, names: &[String]) -> Acted {
        self.delete_tokens(names).await
    }

    pub(super) async fn prune(&mut self, names: &[String]) -> Acted {
        for name in names {
            self.memory.tokens.remove(name);
        }
        self.delete_tokens(names).await
    }

    async fn delete_tokens(&mut self, names: &[String]) -> Acted {
        for name in names {
            self.delete_token(name).await?;
        }
        Ok(())
    }

    async fn delete_token(&mut self, name: &str) -> Acted {
        let key = self.credential.sibling(name);
        let Some(seen) = self.look.tokens.get(name) else {
            return Ok(());
        };
        match self.ports.cluster().delete(&key, seen).await {
            Ok(()) | Err(ClusterError::NotFound) => {
                self.memory.leftovers.remove(name);
                self.token_gone(name);
            }
            Err(ClusterError::Conflict) => self.peek(Kind::Token, &key).await?,
            Err(ClusterError::Refused(text)) => self.leftover_refused(name, &text),
            Err(ClusterError::Immutable) => self.leftover_refused(name, "the Secret is immutable"),
            Err(error @ ClusterError::Unavailable(_)) => return Err(error),
        }
        Ok(())
    }

    fn leftover_refused(&mut self, name: &str, text: &str) {
        let (now, spread) = (self.now(), self.credential.spread());
        let before = self.memory.leftovers.get(name);
        let failure = next_failure(before, write_refusal(text), now, spread, None);
        self.memory.leftovers.insert(name.to_owned(), failure);
    }

    /// Makes this credential the controller again of Secrets that were restored from a backup. No name stands for the
    /// refresh-token Secret.
    /// A Secret without a controller may be one that the deletion of this very credential set free to keep it
    /// (`kubectl delete --cascade=orphan`): adopted, it would be collected with its owner. That deletion began before
    /// the Secret was set free, so whoever asks after having seen it free learns of it.
    pub(super) async fn adopt(&mut self, names: &[String]) -> Acted {
        if !self.lives().await? {
            self.memory.deleting = true;
            return Ok(());
        }
        if names.is_empty() {
            return self.adopt_session().await;
        }
        for name in names {
            let key = self.credential.sibling(name);
            let Some(seen) = self.look.tokens.get(name) else {
                continue;
            };
            match self.ports.cluster().change(&key, seen, self.adoption()).await {
                Ok(meta) => self.ports.view().wrote(Kind::Token, &key, meta),
                Err(ClusterError::NotFound) => self.token_gone(name),
                Err(ClusterError::Conflict) => self.peek(Kind::Token, &key).await?,
                Err(ClusterError::Refused(text)) => self.write_refused(&text),
                Err(ClusterError::Immutable) => self.token_unwritable(name),
                Err(error @ ClusterError::Unavailable(_)) => return Err(error),
            }
        }
        Ok(())
    }

    async fn lives(&self) -> Result<bool, ClusterError> {
        let credential = self.credential;
        self.ports.cluster().lives(&credential.key, &credential.uid).await
    }

    async fn adopt_session(&mut self) -> Acted {
        let key = self.credential.session_key();
        let Some(seen) = &self.look.session else {
            return Ok(());
        };
        match self.ports.cluster().change(&key, seen, self.adoption()).await {
            Ok(meta) => {
                self.ports.view().wrote(Kind::Session, &key, meta);
                Ok(())
            }
            Err(error) => self.session_moved(error).await,
        }
    }

    fn adoption(&self) -> SecretChange {
        SecretChange {
            adopt: Some(self.credential.owner()),
            ..SecretChange::default()
        }
    }
}

/// Sets what is wanted now, and removes what was wanted before.
fn changes(before: BTreeSet<String>, now: BTreeMap<String, String>) -> Changes {
    let gone = before.into_iter().map(|key| (key, None));
    gone.chain(now.into_iter().map(|(key, value)| (key, Some(value))))
        .collect()
}
