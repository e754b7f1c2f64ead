//! The sealing keys as the plan sees them: which one seals, and what another one sealed.

use super::snapshot::{Ownership, Snapshot};

/// Id of a sealing key. Ids order by age, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(pub String);

/// The keys of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Keys {
    /// Changes with the set of keys: what one set could not open is read again with another.
    pub generation: u64,
    /// The key that seals.
    pub sealing: KeyName,
}

impl Snapshot {
    /// Whether a blob of the refresh-token Secret was sealed by an older key than the one that seals. What does not say by
    /// which one counts as that old, or it would show under no key.
    pub fn is_sealed_by_older(&self) -> bool {
        let older = |key: &KeyName| *key < self.keys.sealing;
        self.session.ownership == Ownership::Ours && self.session.sealed_by.as_ref().is_none_or(older)
    }

    /// Whether both blobs are sealed anew with the next write: their key is another one than that which seals.
    pub fn is_sealed_by_another(&self) -> bool {
        self.session.sealed_by.as_ref() != Some(&self.keys.sealing)
    }
}
