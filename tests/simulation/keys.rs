//! The sealing keys of all processes: rotated, taken away, given back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use entra_operator::api::{REFRESH_TOKEN_TYPE, annotation};
use entra_operator::plan::Time;
use entra_operator::plan::keys::KeyName;
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::Vault;
use entra_operator::secrets::{KeySet, Keyring};

use super::api::Object;
use super::replica::Running;
use super::world::{START, Ticks, World, millis};

/// Keys as they are stored, oldest first, and those that were removed.
#[derive(Clone, Debug)]
pub struct Stored {
    held: Vec<String>,
    removed: Vec<String>,
}

impl Default for Stored {
    fn default() -> Self {
        Self {
            held: vec![id(0)],
            removed: Vec::new(),
        }
    }
}

/// All are older than what has to pass before a key seals, so the newest seals from a start on.
fn id(number: usize) -> String {
    format!("20250101T000000Z-{number:03}")
}

fn set<'a>(ids: impl Iterator<Item = &'a String>) -> KeySet {
    let mut data = SecretData::default();
    data.insert("mac", vec![7; 32]);
    for id in ids {
        let byte = id.bytes().fold(0, u8::wrapping_add);
        data.insert(format!("seal.{id}"), vec![byte; 32]);
    }
    KeySet::from_data(&data).unwrap()
}

impl Stored {
    /// What a process reads.
    pub fn set(&self) -> KeySet {
        set(self.held.iter())
    }

    /// Everything that ever sealed, for the judge.
    fn all(&self) -> KeySet {
        set(self.held.iter().chain(&self.removed))
    }

    /// A keyring that starts with them.
    pub fn keyring(&self, ticks: &Ticks) -> Keyring {
        let ticks = Arc::clone(ticks);
        let monotonic = move || millis(ticks.load(Ordering::Relaxed) - START);
        Keyring::new(self.set(), Time(START / 1000), Arc::new(monotonic))
    }
}

impl World {
    /// An administrator adds a key.
    pub fn rotate_keys(&mut self) {
        let number = self.keys.held.len() + self.keys.removed.len();
        self.keys.held.push(id(number));
        self.judge.replace(self.keys.all());
    }

    /// An administrator removes all but the newest: nothing needs them, the annotations say.
    pub fn remove_old_keys(&mut self) {
        let newest = self.keys.held.pop().unwrap();
        self.keys.removed.append(&mut self.keys.held);
        self.keys.held.push(newest.clone());
        let needed = self.needed_keys();
        if needed.iter().any(|key| *key != KeyName(newest.clone())) {
            self.broken(1, format!("after a day {needed:?} are needed beside {newest}"));
        }
    }

    /// All keys are lost, and others are there.
    pub fn lose_keys(&mut self) {
        self.rotate_keys();
        let newest = self.keys.held.pop().unwrap();
        self.keys.removed.append(&mut self.keys.held);
        self.keys.held.push(newest);
    }

    /// The lost ones are back.
    pub fn find_keys(&mut self) {
        self.keys.held.append(&mut self.keys.removed);
        self.keys.held.sort_unstable();
    }

    fn needed_keys(&self) -> Vec<KeyName> {
        let sessions = self.api.secrets.values().filter(|o| o.kind == REFRESH_TOKEN_TYPE);
        sessions.flat_map(|o| self.keys_of(o)).collect()
    }

    fn keys_of(&self, session: &Object) -> Vec<KeyName> {
        session
            .data
            .values()
            .filter_map(|blob| self.judge.key_of(blob))
            .collect()
    }

    /// Whether a blob needs a key that is not there.
    pub fn lacks_key_of(&self, session: &Object) -> bool {
        let removed = |key: &KeyName| self.keys.removed.contains(&key.0);
        self.keys_of(session).iter().any(removed)
    }

    /// The annotation names the oldest key that either blob needs, and it is not sealed anew more often than keys change.
    pub fn judge_key_id(&mut self, old: Option<&Object>, session: &Object) {
        let before = old.map_or_else(Vec::new, |old| self.keys_of(old));
        self.tally().resealed = before.iter().any(|key| !self.keys_of(session).contains(key));
        let oldest = self.keys_of(session).into_iter().min();
        let told = session.annotations.get(annotation::KEY_ID).cloned().map(KeyName);
        if oldest != told {
            self.broken(1, format!("{oldest:?} is needed, and {told:?} is said"));
        }
    }
}

impl Running {
    /// Looks at the stored keys, as `operator::keys` does every few seconds.
    pub fn look_at_keys(&mut self, keys: &Stored) {
        self.ports.ring.replace(keys.set());
        let now = self.ports.ring.keys_in_use();
        if std::mem::replace(&mut self.told_keys, now.clone()) != now {
            self.look_at_all();
        }
    }
}
