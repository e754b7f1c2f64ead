//! Which of two sights of an object is history, and whether history began anew.

use crate::plan::metadata::Version;
use crate::reconcile::ports::SecretMeta;

/// Where a sight of a Secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A list that began then.
    List(u64),
    Watch,
    Answer,
}

impl Source {
    /// Whether it was asked for after something was learnt, and tells all that happened since.
    pub(super) fn follows(self, learnt: u64) -> bool {
        matches!(self, Self::List(since) if learnt <= since)
    }
}

/// Whether `one` is certainly older than `other`. Versions of one kind of object come from one counter, whatever the
/// uid; those that are no numbers are never older.
pub(super) fn is_older(one: &SecretMeta, other: &SecretMeta) -> bool {
    is_lower(&one.version, &other.version)
}

/// The same of versions.
pub(super) fn is_lower(one: &Version, other: &Version) -> bool {
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one < other,
        _ => false,
    }
}

pub(super) fn number(version: &Version) -> Option<u64> {
    version.0.parse().ok()
}

/// The version that was seen last of something whose versions only grow, unless etcd was set back.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Latest(Option<Version>);

impl Latest {
    /// What was asked for after the one before it has this version. Whether versions went back.
    pub(in crate::cluster) fn see(&mut self, version: &Version) -> bool {
        let before = self.0.replace(version.clone());
        before.is_some_and(|before| is_lower(version, &before))
    }
}
