//! Which credentials a Secret concerns, by the names in their specs.
//!
//! What is kept of a name is a hash. Two Secrets that share one cost a look too many, and no more; nobody can make names
//! that do, because each process hashes in its own way.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};

use crate::reconcile::Credential;
use crate::reconcile::ports::Key;

/// The index.
#[derive(Debug, Default)]
pub(super) struct Concerned {
    hashing: RandomState,
    pairs: BTreeSet<(u64, Key)>,
}

impl Concerned {
    /// A credential is new.
    pub(super) fn add(&mut self, credential: &Credential) {
        for secret in credential.secrets() {
            let hash = self.hashing.hash_one(&secret);
            self.pairs.insert((hash, credential.key.clone()));
        }
    }

    /// A credential is gone, or no longer what it was.
    pub(super) fn remove(&mut self, credential: &Credential) {
        for secret in credential.secrets() {
            let hash = self.hashing.hash_one(&secret);
            self.pairs.remove(&(hash, credential.key.clone()));
        }
    }

    /// The credentials whose specs name this Secret.
    pub(super) fn by(&self, secret: &Key) -> impl Iterator<Item = &Key> {
        let hash = self.hashing.hash_one(secret);
        let first = (hash, Key::new("", ""));
        let same = self.pairs.range(first..).take_while(move |(of, _)| *of == hash);
        same.map(|(_, key)| key)
    }
}
