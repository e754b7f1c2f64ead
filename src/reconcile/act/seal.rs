//! The one place that writes the refresh-token Secret: what another key sealed is sealed anew with it, and the annotation
//! names the oldest key that is still needed.

use super::{Asked, Pass};
use crate::api::annotation;
use crate::plan::Object;
use crate::plan::keys::KeyName;
use crate::plan::record::Record;
use crate::plan::settle;
use crate::plan::snapshot::{Binding, Opened, Snapshot};
use crate::reconcile::annotations;
use crate::reconcile::annotations::Changes;
use crate::reconcile::audit::Audited;
use crate::reconcile::material::{SecretData, StoredSession};
use crate::reconcile::ports::{ClusterError, Kind, Ports, Sealed, SecretChange, SecretMeta, Vault, View};

pub(super) const RECORD: &str = "record";
pub(super) const TOKEN: &str = "token";

/// What is about to be written into the refresh-token Secret.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    pub(super) annotations: Changes,
    record: Option<Sealed>,
    token: Option<Sealed>,
}

impl Sealing {
    /// Oldest key that the Secret needs after the write. `kept`: one of its blobs stays, and this is the oldest of both.
    fn oldest_key(&self, kept: Option<KeyName>) -> Option<KeyName> {
        let sealed = self.record.iter().chain(&self.token);
        sealed
            .map(|sealed| KeyName(sealed.key_id.clone()))
            .chain(kept)
            .min()
    }

    fn seals(&self) -> bool {
        self.record.is_some() || self.token.is_some()
    }

    /// Annotations and data, with the key's name where something is sealed.
    pub(super) fn into_parts(mut self, kept: Option<KeyName>) -> (Changes, SecretData) {
        if self.seals()
            && let Some(KeyName(id)) = self.oldest_key(kept)
        {
            self.annotations.insert(annotation::KEY_ID.to_owned(), Some(id));
        }
        let mut data = SecretData::default();
        for (name, sealed) in [(RECORD, self.record), (TOKEN, self.token)] {
            if let Some(sealed) = sealed {
                data.insert(name, sealed.bytes);
            }
        }
        (self.annotations, data)
    }
}

impl<P: Ports> Pass<'_, P> {
    pub(super) fn seal_record(&self, sealing: &mut Sealing, record: &Record) {
        let key = self.credential.session_key();
        sealing.record = Some(self.told(self.ports.vault().seal_record(&key, record)));
    }

    pub(super) fn seal_token(&self, sealing: &mut Sealing, binding: &Binding, session: &StoredSession) {
        let key = self.credential.session_key();
        sealing.token = Some(self.told(self.ports.vault().seal_session(&key, binding, session)));
    }

    fn told(&self, sealed: Sealed) -> Sealed {
        self.audit(Audited::Sealed { key: &sealed.key_id });
        sealed
    }

    /// Changes the refresh-token Secret as it was seen.
    pub(super) async fn write_session(
        &mut self,
        s: &Snapshot,
        mut sealing: Sealing,
    ) -> Result<SecretMeta, ClusterError> {
        if s.is_sealed_by_another() {
            self.seal_the_rest(s, &mut sealing).await;
        }
        let kept = s.session.sealed_by.clone().filter(|_| keeps_one(s, &sealing));
        let (mut annotations, keys) = sealing.into_parts(kept);
        let key = self.credential.session_key();
        let seen = self.look.session.as_ref().ok_or(ClusterError::NotFound)?;
        annotations.extend(annotations::of_own_uid(seen));
        let mut labels = Changes::new();
        if s.session.unlabelled {
            let (describing, asked) = self.session_labels(seen);
            annotations.extend(describing);
            labels = asked;
        }
        let change = SecretChange {
            annotations,
            labels,
            keys,
            ..SecretChange::default()
        };
        self.change_session(&key, seen, change).await
    }

    /// What is not written anyway is sealed anew as it is. What does not open stays.
    async fn seal_the_rest(&mut self, s: &Snapshot, sealing: &mut Sealing) {
        if let Some(record) = s.session.record().filter(|_| sealing.record.is_none()) {
            self.seal_record(sealing, record);
        }
        if sealing.token.is_some() || s.session.sealed().is_none() || !self.session_at_hand(s).await {
            return;
        }
        let binding = self.look.session.as_ref().and_then(annotations::binding);
        if let (Some(session), Some(binding)) = (&self.hand.session, binding) {
            self.seal_token(sealing, &binding, session);
        }
    }

    pub(super) async fn reseal(&mut self, s: &Snapshot) {
        if s.session.sealed().is_some() && !self.session_at_hand(s).await {
            return;
        }
        match self.write_session(s, Sealing::default()).await {
            Ok(meta) => {
                settle::store::resealed(&mut self.memory.known, s, meta.version.clone());
                let key = self.credential.session_key();
                self.ports.view().wrote(Kind::Session, &key, meta);
            }
            Err(error) => self.trouble(s, &Object::Session, Asked::Write, error),
        }
    }
}

/// Whether a blob that is there is not among those that are written.
fn keeps_one(s: &Snapshot, sealing: &Sealing) -> bool {
    let has_token = match &s.session.opened {
        Opened::Read {
            session, unsealable, ..
        } => session.is_some() || *unsealable,
        Opened::Unread => s.session.token.is_some(),
    };
    sealing.record.is_none() || (sealing.token.is_none() && has_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key_id: &str) -> Sealed {
        Sealed {
            key_id: key_id.to_owned(),
            bytes: vec![1],
        }
    }

    fn named(record: Option<&str>, token: Option<&str>, kept: Option<&str>) -> Option<String> {
        let sealing = Sealing {
            record: record.map(sealed),
            token: token.map(sealed),
            ..Sealing::default()
        };
        let kept = kept.map(|key| KeyName(key.to_owned()));
        let (annotations, data) = sealing.into_parts(kept);
        assert_eq!(annotations.is_empty(), data.iter().next().is_none());
        annotations.get(annotation::KEY_ID).cloned().flatten()
    }

    #[test]
    fn the_oldest_key_that_is_needed_is_named() {
        let name = |id: &str| Some(id.to_owned());
        assert_eq!(named(Some("b"), Some("b"), None), name("b"));
        assert_eq!(named(Some("b"), Some("a"), None), name("a"));
        assert_eq!(named(Some("b"), None, Some("a")), name("a"));
        assert_eq!(named(None, Some("a"), Some("b")), name("a"));
        assert_eq!(named(None, None, Some("a")), None, "nothing is sealed");
    }
}
