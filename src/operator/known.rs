//! What is known of the credentials: what their watches tell, what passes remember, and which Secrets concern which.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::api::EntraCredentialStatus;
use crate::plan::Time;
use crate::reconcile::packed::Packed;
use crate::reconcile::ports::{Key, Ports};
use crate::reconcile::{Credential, Memory, Remembered};

/// The credentials that exist.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) credentials: BTreeMap<Key, Arc<Entry>>,
    /// Which credentials a Secret concerns, by the names in their specs.
    pub(super) concerned: BTreeMap<Key, BTreeSet<Key>>,
    /// What exists and this version does not understand. What it understood of it before is served on.
    pub(super) not_understood: BTreeSet<Key>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Entry {
    told: RwLock<Told>,
    pub(super) remembered: Mutex<Remembered>,
    /// A list told it again, and no pass has compared its status since.
    pub(super) listed_again: AtomicBool,
    /// A place among the requests is kept for it, and no pass has asked for it since.
    pub(super) called: AtomicBool,
    /// What the metrics show while a pass holds the memory.
    meanwhile: RwLock<Option<Box<Seen>>>,
}

/// A credential as its watch tells it.
#[derive(Debug)]
struct Told {
    credential: Packed<Credential>,
    suspended: bool,
    deleting: bool,
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
    pub(super) fn apply<P: Ports>(&mut self, ports: &P, credential: &Credential) -> bool {
        let key = credential.key.clone();
        self.not_understood.remove(&key);
        let before = self.credentials.get(&key).and_then(|entry| entry.credential());
        if before
            .as_ref()
            .is_some_and(|b| credential.differs_in_status_only(b))
        {
            if let Some(entry) = self.credentials.get(&key) {
                entry.tell(ports, credential);
            }
            return false;
        }
        self.unconcern(&key);
        for secret in credential.secrets() {
            self.concerned.entry(secret).or_default().insert(key.clone());
        }
        let known = self
            .credentials
            .get(&key)
            .filter(|_| before.is_some_and(|b| b.uid == credential.uid));
        if let Some(entry) = known {
            entry.tell(ports, credential);
        } else {
            let entry = Entry {
                told: RwLock::new(Told::of(credential)),
                remembered: Mutex::default(),
                listed_again: AtomicBool::default(),
                called: AtomicBool::default(),
                meanwhile: RwLock::default(),
            };
            self.credentials.insert(key, Arc::new(entry));
        }
        true
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.unconcern(key);
        self.not_understood.remove(key);
        self.credentials.remove(key);
    }

    fn unconcern(&mut self, key: &Key) {
        let Some(before) = self.credentials.get(key).and_then(|entry| entry.credential()) else {
            return;
        };
        for secret in before.secrets() {
            if let Some(concerned) = self.concerned.get_mut(&secret) {
                concerned.remove(key);
                if concerned.is_empty() {
                    self.concerned.remove(&secret);
                }
            }
        }
    }
}

impl Entry {
    /// As the watch told it last.
    pub(super) fn credential(&self) -> Option<Credential> {
        self.read().credential.get()
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

    /// The watch tells something else. A status that somebody wrote asks for no pass, but who takes over goes by it; while a
    /// pass is under way, its end sees what is told.
    fn tell<P: Ports>(&self, ports: &P, credential: &Credential) {
        let now = Told::of(credential);
        let before = std::mem::replace(
            &mut *self.told.write().unwrap_or_else(PoisonError::into_inner),
            now,
        );
        let Ok(mut remembered) = self.remembered.try_lock() else {
            return;
        };
        if let Some(before) = before.credential.get() {
            remembered.is_told(&before, credential);
        }
        remembered.rest(ports, credential);
    }

    /// As this process decided it last.
    pub(super) fn decided(&self, key: &Key) -> Seen {
        match self.remembered.try_lock().as_deref().map(Remembered::more) {
            Ok(Some(memory)) => self.shown(key, memory),
            Ok(None) => self.shown_as_told(key),
            Err(_) => self.shown_meanwhile().unwrap_or_else(|| self.shown_as_told(key)),
        }
    }

    pub(super) fn shown(&self, key: &Key, memory: &Memory) -> Seen {
        if !memory.restored {
            return self.shown_as_told(key);
        }
        Seen {
            key: key.clone(),
            status: memory.decided().clone(),
            login_waiting_since: memory.login_waiting_since,
            certificate_expires_at: memory.known.client.as_ref().and_then(|c| c.expires_at),
            passing_since: None,
        }
    }

    pub(super) fn show_meanwhile(&self, seen: Option<Seen>) {
        *self.meanwhile.write().unwrap_or_else(PoisonError::into_inner) = seen.map(Box::new);
    }

    fn shown_meanwhile(&self) -> Option<Seen> {
        let meanwhile = self.meanwhile.read().unwrap_or_else(PoisonError::into_inner);
        meanwhile.as_deref().cloned()
    }

    /// As the watch tells it: what this process once decided is of no use while another one leads.
    pub(super) fn shown_as_told(&self, key: &Key) -> Seen {
        Seen {
            key: key.clone(),
            status: self.credential().and_then(|told| told.status).unwrap_or_default(),
            login_waiting_since: None,
            certificate_expires_at: None,
            passing_since: None,
        }
    }
}

impl Told {
    fn of(credential: &Credential) -> Self {
        Self {
            credential: Packed::of(credential),
            suspended: credential.spec.suspend,
            deleting: credential.deleting,
        }
    }
}
