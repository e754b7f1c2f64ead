//! A token Secret was verified, labelled, published, replaced, pruned or adopted.

use super::trouble;
use crate::Time;
use crate::hold::Object;
use crate::known::{Known, Note};
use crate::metadata::{EntryName, Version};
use crate::schedule::REPAIRS_END;
use crate::snapshot::{Ownership, Repairs, Token};

/// Its data was compared with its keyed hash, in this version. What holds its writes is not over by that.
pub fn verified(known: &mut Known, name: &EntryName, version: Version, intact: bool, immutable: bool) {
    trouble::over(known, &Object::Contents(name.clone()));
    let note = known.note(name);
    if immutable {
        note.unwritable = Some(version.clone());
    }
    if intact {
        note.verified = Some(version);
    } else {
        note.edited = Some(version);
    }
}

/// It holds what was written, in this version, under other labels or annotations.
pub fn unlabelled(known: &mut Known, name: &EntryName, version: Version) {
    trouble::over(known, &Object::Contents(name.clone()));
    let note = known.note(name);
    note.verified = Some(version.clone());
    note.unlabelled = Some(version);
}

/// The labels and annotations that the spec asks for are on it, in this version. `repaired`: they had been there before.
pub fn labelled(known: &mut Known, name: &EntryName, version: Version, repaired: bool, now: Time) {
    trouble::over(known, &Object::Token(name.clone()));
    let note = known.note(name);
    note.verified = Some(version);
    if repaired {
        note.repaired(now);
    }
}

/// A new token was written over what `token` describes.
pub fn published(known: &mut Known, token: &Token, version: Version, now: Time) {
    trouble::over(known, &Object::Token(token.name.clone()));
    let note = known.note(&token.name);
    let repaired = note.was_repair(token);
    note.verified = Some(version);
    note.failure = None;
    note.deferred_until = None;
    note.gone = false;
    if repaired {
        note.repaired(now);
    }
}

/// It was deleted, so that another one can take its place.
pub fn deleted(known: &mut Known, name: &EntryName) {
    known.note(name).gone = true;
}

/// It was deleted, because the spec does not name it any more.
pub fn pruned(known: &mut Known, name: &EntryName) {
    trouble::over(known, &Object::Token(name.clone()));
    known.entries.remove(name);
}

/// Our ownerReference is on it again.
pub fn adopted(known: &mut Known, object: &Object) {
    trouble::over(known, object);
}

impl Note {
    /// Whether the Secret had been published before and was lost or edited since.
    fn was_repair(&self, token: &Token) -> bool {
        let intact =
            token.ownership == Ownership::Ours && token.published.as_ref().is_some_and(|p| !p.edited);
        self.verified.is_some() && !intact
    }

    /// Counts a repair; a quiet time ends a row.
    fn repaired(&mut self, now: Time) {
        let count = self
            .repairs
            .filter(|r| now.since(r.at) < REPAIRS_END)
            .map_or(0, |r| r.count);
        self.repairs = Some(Repairs {
            count: count + 1,
            at: now,
        });
    }
}
