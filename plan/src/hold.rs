//! What is held: an object that the API server refused to read or write, or an entry of which it did not answer. It has its
//! own back-off, and whatever does not depend on it goes on.

use std::collections::BTreeMap;

use super::metadata::EntryName;
use super::snapshot::{Failure, Snapshot};
use super::{Step, Time};

/// An object in the cluster that a step reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// The login Secret.
    Login,
    /// The refresh-token Secret.
    Session,
    /// What the client credential names.
    Client,
    /// The token Secret of this name.
    Token(EntryName),
    /// What is in it: it is read to know whether somebody edited it, also while it cannot be written.
    Contents(EntryName),
}

/// Objects that are held, each with its failure and back-off.
pub type Holds = BTreeMap<Object, Failure>;

impl Object {
    /// For texts.
    pub fn named(&self) -> String {
        match self {
            Self::Login => "the login Secret".to_owned(),
            Self::Session => "the refresh-token Secret".to_owned(),
            Self::Client => "the client credential".to_owned(),
            Self::Token(name) | Self::Contents(name) => format!("the Secret {name}"),
        }
    }
}

impl Step {
    /// The objects that the step cannot do without. While one is held, the step waits.
    pub fn objects(&self) -> Vec<Object> {
        let tokens = |names: &[EntryName]| names.iter().cloned().map(Object::Token).collect();
        match self {
            Self::ReadLogin
            | Self::ReadToSignIn
            | Self::ClaimLogin
            | Self::DeleteLogin
            | Self::RecordAttempt { .. } => vec![Object::Login],
            Self::Exchange { .. } => vec![Object::Login, Object::Client],
            Self::ReadSession | Self::ReadToRenew(_) | Self::Store | Self::Reseal => vec![Object::Session],
            Self::ReadClient => vec![Object::Client],
            Self::Redeem(_) => vec![Object::Session, Object::Client],
            Self::Verify(names) => names.iter().cloned().map(Object::Contents).collect(),
            Self::Publish(names) | Self::Replace(names) | Self::Prune(names) => tokens(names),
            Self::Adopt(objects) | Self::Look(objects) | Self::Label(objects) => objects.clone(),
            Self::Resolve | Self::Idle | Self::Wait | Self::Blocked => Vec::new(),
        }
    }
}

impl Snapshot {
    /// Why `object` is held at `now`, if it is.
    pub fn held(&self, object: &Object, now: Time) -> Option<&Failure> {
        self.holds
            .get(object)
            .filter(|f| f.next_attempt_at.is_none_or(|at| at > now))
    }

    /// Whether the token Secret of this name is held at `now`, or what is in it.
    pub fn token_held(&self, name: &EntryName, now: Time) -> Option<&Failure> {
        self.held(&Object::Token(name.clone()), now)
            .or_else(|| self.held(&Object::Contents(name.clone()), now))
    }

    /// Whether nothing that the step needs is held.
    pub(super) fn free(&self, step: &Step, now: Time) -> bool {
        step.objects().iter().all(|o| self.held(o, now).is_none())
    }

    /// When the next hold ends.
    pub(super) fn next_release(&self, now: Time) -> Option<Time> {
        self.holds
            .values()
            .filter_map(|f| f.next_attempt_at)
            .filter(|at| *at > now)
            .min()
    }
}
