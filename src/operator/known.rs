//! What is known of the credentials: what their watches tell, and what passes remember.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Mutex;

use super::concerned::Concerned;
use crate::api::EntraCredentialStatus;
use crate::cluster::DenseMap;
use crate::plan::Time;
use crate::reconcile::packed::Packed;
use crate::reconcile::ports::{Key, Ports};
use crate::reconcile::{Credential, Memory, Remembered};

/// The credentials that exist.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) credentials: DenseMap<Key, Arc<Entry>>,
    pub(super) concerned: Concerned,
    /// What exists and this version does not understand. What it understood of it before is served on.
    pub(super) not_understood: BTreeSet<Key>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    told: RwLock<Told>,
    pub(super) remembered: Mutex<Remembered>,
}

/// What came since the last pass, for the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// A list told it again, and its status is to be compared.
    pub(super) listed_again: bool,
    /// The gate in front of the provider has called it.
    pub(super) called: bool,
}

/// A pass that is under way.
#[derive(Clone, Debug)]
struct Meanwhile {
    since: Duration,
    /// What was decided before it, if this process had decided anything.
    decided: Option<Seen>,
}

/// A credential as its watch tells it, and what is new of it.
#[derive(Debug)]
struct Told {
    credential: Packed<Credential>,
    suspended: bool,
    deleting: bool,
    news: News,
    /// What the metrics show while a pass holds the memory.
    meanwhile: Option<Box<Meanwhile>>,
}

/// What the metrics show of one credential.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The resource.
    pub key: Key,
    /// Status as it was decided last; the stored one before the first pass, and while another process leads.
    pub status: EntraCredentialStatus,
    /// Since when its login Secret has been waiting.
    pub login_waiting_since: Option<Time>,
    /// When its client certificate ends, once it was read.
    pub certificate_expires_at: Option<Time>,
    /// Since when a pass runs over it, by the monotonic clock.
    pub passing_since: Option<Duration>,
}

impl Known {
    /// A watch tells a credential. Whether anything but its status is new.
    pub(super) fn apply<P: Ports>(&mut self, ports: &P, credential: &Credential) -> bool {
        let key = &credential.key;
        self.not_understood.remove(key);
        let entry = self.credentials.get(key).cloned();
        let before = entry.as_deref().and_then(|entry| entry.credential(key));
        let differs_in_status_only = |before: &Credential| credential.differs_in_status_only(before);
        let changed = !before.as_ref().is_some_and(differs_in_status_only);
        if changed {
            if let Some(before) = &before {
                self.concerned.remove(before);
            }
            self.concerned.add(credential);
        }
        match (entry, before) {
            (Some(entry), Some(before)) if before.uid == credential.uid => {
                entry.tell(ports, &before, credential);
            }
            _ => {
                let entry = Arc::new(Entry::of(credential));
                self.credentials.insert(key.clone(), entry);
            }
        }
        changed
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.not_understood.remove(key);
        let entry = self.credentials.remove(key);
        if let Some(before) = entry.and_then(|entry| entry.credential(key)) {
            self.concerned.remove(&before);
        }
    }
}

impl Seen {
    /// As this process decided it last; none before its first pass.
    fn decided(key: &Key, memory: &Memory) -> Option<Self> {
        memory.restored.then(|| Self {
            key: key.clone(),
            status: memory.decided().clone(),
            login_waiting_since: memory.login_waiting_since,
            certificate_expires_at: memory.known.client.as_ref().and_then(|c| c.expires_at),
            passing_since: None,
        })
    }

    fn told(key: &Key, status: Option<EntraCredentialStatus>) -> Self {
        Self {
            key: key.clone(),
            status: status.unwrap_or_default(),
            login_waiting_since: None,
            certificate_expires_at: None,
            passing_since: None,
        }
    }
}

impl Entry {
    fn of(credential: &Credential) -> Self {
        Self {
            told: RwLock::new(Told::of(credential)),
            remembered: Mutex::default(),
        }
    }

    /// Something came that the next pass is to know.
    pub(super) fn note(&self, note: impl FnOnce(&mut News)) {
        note(&mut self.write().news);
    }

    /// What came since the last pass.
    pub(super) fn news(&self) -> News {
        std::mem::take(&mut self.write().news)
    }

    /// As the watch told it last.
    pub(super) fn credential(&self, key: &Key) -> Option<Credential> {
        self.told().with_key(key)
    }

    /// The same, as it is kept.
    pub(super) fn told(&self) -> Packed<Credential> {
        self.read().credential.clone()
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.read().suspended
    }

    /// Whether it wants to be worked for.
    pub(super) fn asks(&self) -> bool {
        let told = self.read();
        !told.suspended && !told.deleting
    }

    fn read(&self) -> RwLockReadGuard<'_, Told> {
        self.told.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Told> {
        self.told.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch tells something else. A status that somebody wrote asks for no pass, but who takes over goes by it; while a
    /// pass is under way, its end sees what is told.
    fn tell<P: Ports>(&self, ports: &P, before: &Credential, credential: &Credential) {
        self.write().tell(credential);
        let Ok(mut remembered) = self.remembered.try_lock() else {
            return;
        };
        remembered.is_told(before, credential);
        remembered.rest(ports, credential);
    }

    /// As this process decided it last; before its first pass as it is told; not at all where it was found to be gone.
    pub(super) fn decided(&self, key: &Key) -> Option<Seen> {
        let Ok(remembered) = self.remembered.try_lock() else {
            let meanwhile = self.shown_meanwhile(key);
            return Some(meanwhile.unwrap_or_else(|| self.shown_as_told(key)));
        };
        if remembered.is_gone() {
            return None;
        }
        let decided = remembered.more().and_then(|memory| Seen::decided(key, memory));
        Some(decided.unwrap_or_else(|| Seen {
            login_waiting_since: remembered.login_waiting_since(),
            ..self.shown_as_told(key)
        }))
    }

    /// A pass begins, and holds the memory until it ends.
    pub(super) fn pass_begins(&self, key: &Key, memory: &Memory, now: Duration) {
        self.show_meanwhile(Some(Meanwhile {
            since: now,
            decided: Seen::decided(key, memory),
        }));
    }

    pub(super) fn pass_ends(&self) {
        self.show_meanwhile(None);
    }

    fn show_meanwhile(&self, pass: Option<Meanwhile>) {
        self.write().meanwhile = pass.map(Box::new);
    }

    fn shown_meanwhile(&self, key: &Key) -> Option<Seen> {
        let Meanwhile { since, decided } = self.read().meanwhile.as_deref().cloned()?;
        Some(Seen {
            passing_since: Some(since),
            ..decided.unwrap_or_else(|| self.shown_as_told(key))
        })
    }

    /// As the watch tells it: what this process once decided is of no use while another one leads.
    pub(super) fn shown_as_told(&self, key: &Key) -> Seen {
        Seen::told(key, self.credential(key).and_then(|told| told.status))
    }
}

impl Told {
    fn of(credential: &Credential) -> Self {
        Self {
            credential: Packed::of(credential),
            suspended: credential.spec.suspend,
            deleting: credential.deleting,
            news: News::default(),
            meanwhile: None,
        }
    }

    fn tell(&mut self, credential: &Credential) {
        self.credential = Packed::of(credential);
        (self.suspended, self.deleting) = (credential.spec.suspend, credential.deleting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pass asked, and the watch has not told yet.
    #[test]
    fn what_was_found_to_be_gone_is_not_shown() {
        let credential: Credential =
            serde_json::from_str(include_str!("../reconcile/packed/usual.json")).unwrap();
        let key = &credential.key;
        let entry = Entry::of(&credential);
        assert!(entry.decided(key).is_some(), "as it is told");
        *entry.remembered.try_lock().unwrap() = Remembered::of_what_is_gone(&credential);
        assert!(entry.decided(key).is_none());
    }
}
