//! Facts of the login Secret, and of the last login.

use strum::{EnumString, IntoStaticStr};

use crate::Time;
use crate::answer::{Granted, Refusal};
use crate::mac::TargetMac;
use crate::metadata::{EntryName, Uid, Version};
use crate::record::{ClientInput, ContentMac, Inputs};
use crate::schedule::hold_ends;
use crate::word::Word;

/// The login Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Login {
    /// No Secret of that name and type is known.
    #[default]
    Absent,
    /// A Secret of that name exists, but its type is another. Its content was not read.
    WrongType,
    /// It exists.
    Present(LoginSecret),
}

/// Facts of an existing login Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginSecret {
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub version: Version,
    /// It is being deleted.
    pub deleting: bool,
    /// The login itself allows the pinned account to change.
    pub allows_identity_change: bool,
    /// Who may use it.
    pub claim: Claim,
    /// What is in it.
    pub content: Content,
    /// Where the spec sends it.
    pub made_for: TargetMac,
}

/// Which credential claimed a login Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// None yet, or a claim that a live read showed to be void.
    Free,
    /// This credential.
    Ours,
    /// Another credential; whether it still lives is not known yet.
    Unchecked,
    /// Another credential, which a live read showed to exist and to name this Secret.
    Held,
}

/// Content of a login Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Not read in this version.
    Unread,
    /// Read and unusable: what is wrong with it, for the user.
    Invalid(String),
    /// Read and not allowed here by the administrator's policy.
    Forbidden(String),
    /// Read and well-formed.
    Valid {
        /// Its keyed hash.
        mac: ContentMac,
    },
}

/// The last login attempt, readable without the seal. For showing and scheduling only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastLogin {
    /// The verdict, without the reason.
    pub verdict: Option<LastVerdict>,
    /// `uid` of the login Secret, if it was noted.
    pub login_uid: Option<Uid>,
    /// `resourceVersion` of the login Secret when the outcome was recorded, if it was noted.
    pub login_version: Option<Version>,
    /// Sends of that content.
    pub sends: u32,
    /// When it was sent last.
    pub last_sent_at: Option<Time>,
    /// When it may be sent again; `None`: not before something changes.
    pub next_attempt_at: Option<Time>,
    /// Where it was sent, if that was noted: another target makes it another content.
    pub made_for: Option<TargetMac>,
    /// [`crate::record::Entry::inputs`] of that attempt.
    pub inputs: Option<Inputs>,
    /// [`crate::record::Entry::word`] of that attempt.
    pub word: Option<Word>,
}

impl LastLogin {
    /// When it may be sent again, if that is known.
    pub fn again_at(&self, now: Time) -> Option<Time> {
        self.next_attempt_at
            .map(|until| hold_ends(until, self.last_sent_at, now))
    }
}

/// A [`crate::record::Verdict`] without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
pub enum LastVerdict {
    /// No complete answer yet.
    Open,
    /// Accepted.
    Accepted,
    /// Wrong: condemned.
    Wrong,
    /// Refused for a reason that a person can change.
    Kept,
}

/// Outcome of an exchange that is not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginOutcome {
    /// Which content was sent.
    pub content: ContentMac,
    /// Attempt under which it was sent.
    pub attempt: String,
    /// Name of the token entry whose scopes were sent.
    pub entry: EntryName,
    /// The client credential that was sent, if it was read from a Secret: that may be a newer one than the one that was
    /// known when the attempt was recorded.
    pub client: Option<ClientInput>,
    /// User name that was sent, in lower case.
    pub user: String,
    /// What came of it.
    pub result: Result<Granted, Refusal>,
}
