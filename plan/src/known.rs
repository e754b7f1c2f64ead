//! What a process knows of one credential beyond its watches: what was read, what was refused, and what was learnt.
//! [`super::settle`] alone changes it. Losing it costs reads and back-off, never a rule.

use std::collections::BTreeMap;

use super::Time;
use super::answer::{Account, CheckedBy};
use super::hold::{Holds, Object};
use super::keys::KeyName;
use super::looks::Search;
use super::mac::{ClientMac, TargetMac};
use super::metadata::{EntryName, Uid, Version};
use super::record::ClientVersion;
use super::snapshot::{AttemptSeen, Binding, Claim, Content, Failure, Opened, Ownership, Repairs, Withheld};
use super::step::Step;
use super::word::Word;

/// Knowledge of one credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The login Secret, in the version that was read.
    pub login: Option<LoginSeen>,
    /// The refresh-token Secret, in the version that was read.
    pub session: Option<SessionSeen>,
    /// The refresh-token Secret is immutable in this version.
    pub immutable_session: Option<Version>,
    /// The attempt in flight.
    pub attempt: Option<AttemptSeen>,
    /// When the refresh-token Secret is sealed anew, if an older key than the one that seals has sealed it.
    pub reseal_at: Option<Time>,
    /// The client credential, in the version that was read.
    pub client: Option<ClientSeen>,
    /// Notes on token entries, by Secret name.
    pub entries: BTreeMap<EntryName, Box<Note>>,
    /// Failure of the refresh token, client or tenant.
    pub failure: Option<Failure>,
    /// Failure of the last login attempt.
    pub login_failure: Option<Failure>,
    /// Objects that the API server refused, or did not answer for.
    pub holds: Holds,
    /// The API server failed calls for this credential lately, and answers now.
    pub unsteady: Option<Unsteady>,
    /// No permit for a call before then.
    pub withheld: Option<Withheld>,
    /// The limits of sends allow the next login then.
    pub turn_at: Option<Time>,
    /// When a used login Secret was deleted last.
    pub deleted_login_at: Option<Time>,
    /// When a refresh token was redeemed last.
    pub last_redeemed_at: Option<Time>,
    /// The last word of a person that led to a renewal.
    pub handled: Option<Word>,
    /// Who signed in.
    pub account: Option<Account>,
    /// Who checked its password.
    pub checked_by: Option<CheckedBy>,
    /// GUID of the tenant that this binding names.
    pub resolved: Option<(Binding, String)>,
    /// Search for a login Secret of the wrong type.
    pub search: Search,
    /// Objects that somebody else changed since they were looked at.
    pub moved: Vec<Object>,
    /// The credential is being deleted, or is gone: seen live, before its watch told.
    pub deleting: bool,
    /// How often this pass has stored something: what is stored next is another thing.
    pub stored: usize,
    /// Steps that this pass has taken.
    pub taken: Vec<Step>,
}

/// A back-off that ended a short while ago: the next failure of the API server goes on from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsteady {
    /// Failures in a row.
    pub consecutive: u32,
    /// A failure from then on begins anew.
    pub until: Time,
}

/// A login Secret that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSeen {
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub version: Version,
    /// What is in it.
    pub content: Content,
    /// What the claim on it is worth.
    pub claim: Claim,
    /// When the claim was looked at.
    pub at: Time,
    /// What the content's hash was made for, besides the content.
    pub made_for: TargetMac,
}

/// A refresh-token Secret that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeen {
    /// `metadata.resourceVersion`.
    pub version: Version,
    /// [`super::keys::Keys::generation`] of the keys that it was read with.
    pub keys: u64,
    /// Oldest key that its blobs name; `None` if they are as its annotation says.
    pub sealed_by: Option<KeyName>,
    /// What is in it.
    pub opened: Opened,
}

/// A client credential that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSeen {
    /// Version that was read.
    pub version: ClientVersion,
    /// Keyed hash of its content.
    pub content: ClientMac,
    /// When it ends, if it is a certificate that can sign.
    pub expires_at: Option<Time>,
}

/// Notes on one token entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What the identity provider refused, and its back-off.
    pub failure: Option<Failure>,
    /// Later renewal than the annotations say.
    pub deferred_until: Option<Time>,
    /// Repairs in a row.
    pub repairs: Option<Repairs>,
    /// Version that we wrote or verified last.
    pub verified: Option<Version>,
    /// Version in which the data is not ours.
    pub edited: Option<Version>,
    /// Version that cannot be written.
    pub unwritable: Option<Version>,
    /// Version whose labels or annotations are not those that were written.
    pub unlabelled: Option<Version>,
    /// When a foreign Secret of that name was looked at last, or was told of by the status.
    pub looked_at: Option<Time>,
    /// A look, or our own deletion, has shown that it does not exist.
    pub gone: bool,
}

impl Note {
    /// Whether a Secret that no watch shows is to be looked for before it counts as absent: it was written, or is somebody
    /// else's, and may have lost the label that the watch selects by.
    pub fn is_missed(&self, ownership: Ownership) -> bool {
        ownership == Ownership::Absent && (self.verified.is_some() || self.looked_at.is_some()) && !self.gone
    }
}

impl Known {
    /// Notes on the entry of this Secret name.
    pub fn note(&mut self, name: &EntryName) -> &mut Note {
        self.entries.entry(name.clone()).or_default()
    }

    /// A note that says nothing is none.
    pub fn forget_empty_notes(&mut self) {
        self.entries.retain(|_, note| **note != Note::default());
    }

    /// Another process may have been at work: its status tells of failures and words. What was read is told by versions.
    pub fn forget_failures(&mut self) {
        self.failure = None;
        self.login_failure = None;
        self.holds.clear();
        self.unsteady = None;
    }
}
