//! Facts of the token entries and their Secrets.

use super::{Failure, Ownership};
use crate::Time;
use crate::answer::Granted;
use crate::mac::{RequestMac, ShapeMac};
use crate::metadata::{EntryName, Version};

/// A token entry of the spec and its Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    /// Name of the Secret.
    pub name: EntryName,
    /// Whose the Secret is.
    pub ownership: Ownership,
    /// What the spec asks for now.
    pub wanted: Wanted,
    /// Hash of the keys that the spec asks for now.
    pub shape: ShapeMac,
    /// What is published.
    pub published: Option<Published>,
    /// A token that was obtained and not published yet.
    pub held: Option<Held>,
    /// Failure of this entry, and its back-off.
    pub failure: Option<Failure>,
    /// A later renewal than the published annotations say, because the last answer expired no later than what is
    /// published.
    pub deferred_until: Option<Time>,
    /// Fewer scopes were granted than the entry names.
    pub reduced: bool,
    /// How often in a row the Secret had to be repaired, and when the last repair was.
    pub repairs: Option<Repairs>,
    /// The Secret is being deleted: something holds it, for instance a finalizer.
    pub deleting: bool,
    /// When a foreign Secret of that name was looked at last.
    pub looked_at: Option<Time>,
    /// It was written and no watch shows it: it must be looked for before it counts as absent.
    pub unlooked: bool,
}

/// Which request and account a published token must answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// No account is known: whatever is published may stay.
    #[default]
    Anything,
    /// The spec asks for something that no published token can answer: another binding, or none that is usable.
    Another,
    /// This keyed hash of request and account.
    Request(RequestMac),
}

impl Wanted {
    /// Whether a token with this hash answers it.
    pub fn is_answered_by(&self, request: &RequestMac) -> bool {
        match self {
            Self::Anything => true,
            Self::Another => false,
            Self::Request(wanted) => wanted == request,
        }
    }
}

/// Repairs of a token Secret that somebody keeps deleting or editing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repairs {
    /// In a row.
    pub count: u32,
    /// The last one.
    pub at: Time,
}

/// Facts of a published token Secret, from its metadata.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Published {
    /// `metadata.resourceVersion`.
    pub version: Version,
    /// Keyed hash of the request and account that it answers.
    pub request: RequestMac,
    /// Hash of the keys that it was written with.
    pub shape: ShapeMac,
    /// When the token was issued.
    pub issued_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When its renewal is due.
    pub refresh_at: Time,
    /// It is in the version that we wrote or verified last.
    pub verified: bool,
    /// A read showed that its data is not what we wrote.
    pub edited: bool,
    /// It must be deleted and created anew: it is immutable.
    pub unwritable: bool,
    /// Its labels or annotations are not those that are asked for. What it holds may be right all the same.
    pub unlabelled: bool,
    /// Scopes granted.
    pub scopes: Vec<String>,
}

impl Token {
    /// Whether nothing can be written until somebody else has removed the Secret.
    pub const fn waits_for_others(&self) -> bool {
        self.deleting || self.ownership.waits_for_others()
    }

    /// The same by a clock that is so many seconds behind.
    #[must_use]
    pub fn earlier(self, seconds: i64) -> Self {
        Self {
            published: self.published.map(|p| p.earlier(seconds)),
            ..self
        }
    }
}

impl Published {
    /// The same by a clock that is so many seconds behind the one that it is written by.
    #[must_use]
    pub fn earlier(self, seconds: i64) -> Self {
        let earlier = |at: Time| at.plus(seconds.saturating_neg());
        Self {
            issued_at: earlier(self.issued_at),
            expires_at: earlier(self.expires_at),
            refresh_at: earlier(self.refresh_at),
            ..self
        }
    }
}

/// A token in the pocket, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Request and account that it answers.
    pub request: RequestMac,
    /// The answer.
    pub granted: Granted,
}

impl Held {
    /// The same by a clock that is so many seconds behind the authority's.
    #[must_use]
    pub fn earlier(mut self, seconds: i64) -> Self {
        let earlier = |at: Time| at.plus(seconds.saturating_neg());
        let granted = &mut self.granted;
        granted.issued_at = earlier(granted.issued_at);
        granted.expires_at = earlier(granted.expires_at);
        granted.refresh_at = granted.refresh_at.map(earlier);
        self
    }
}

/// A token Secret of ours that the spec no longer names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leftover {
    /// Name.
    pub name: EntryName,
}
