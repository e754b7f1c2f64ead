//! Facts of the refresh-token Secret, and of what is to be stored in it.

use super::{Binding, LastLogin, LoginOutcome};
use crate::Time;
use crate::identity::{AccountTag, Pin};
use crate::keys::KeyName;
use crate::mac::RefreshTokenMac;
use crate::metadata::Version;
use crate::record::Record;

/// Whose an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// It does not exist, as far as we know.
    #[default]
    Absent,
    /// Controlled by this resource.
    Ours,
    /// No controller, but our proof of ownership: restored from a backup.
    Adoptable,
    /// Controlled by an earlier resource of the same name: the garbage collector will take it.
    Predecessor,
    /// Somebody else's. Never touched.
    Foreign,
}

impl Ownership {
    /// Whether somebody else must remove it first.
    pub const fn waits_for_others(self) -> bool {
        matches!(self, Self::Predecessor | Self::Foreign)
    }
}

/// The refresh-token Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// Whose it is.
    pub ownership: Ownership,
    /// `metadata.resourceVersion`, if it exists.
    pub version: Option<Version>,
    /// The Secret is `immutable`: nothing can be stored in it.
    pub immutable: bool,
    /// Its labels are not those that the spec asks for.
    pub unlabelled: bool,
    /// The stored refresh token, as its annotations describe it.
    pub token: Option<StoredToken>,
    /// The last login attempt, as the annotation describes it.
    pub last_login: Option<LastLogin>,
    /// Oldest key that its blobs need, as the annotation says and, where they were read, as they do.
    pub sealed_by: Option<KeyName>,
    /// What a read of the sealed blobs gave, in this version and with these keys.
    pub opened: Opened,
    /// When this process first saw the attempt in flight, and whether it may still send for it.
    pub attempt: Option<AttemptSeen>,
}

/// The stored refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredToken {
    /// Time of the answer that brought it.
    pub issued_at: Time,
    /// Until when it is good, if the answer said so; by the authority's clock.
    pub ends_at: Option<Time>,
    /// When the provider declared it dead.
    pub dead_since: Option<Time>,
    /// Where it may go.
    pub binding: Binding,
    /// Tenant GUID from the answer.
    pub tenant_id: String,
    /// Keyed hash of the pinned account.
    pub account: AccountTag,
}

/// Result of reading the sealed blobs.
#[expect(clippy::large_enum_variant, reason = "one of it in a snapshot")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Opened {
    /// Not read in this version, or with other keys.
    #[default]
    Unread,
    /// Read.
    Read {
        /// Attempts; `None` if there is a record that cannot be opened.
        record: Option<Record>,
        /// The session, if a token is stored and opens.
        session: Option<Sealed>,
        /// A token is stored, but its key is unknown or the seal is broken.
        unsealable: bool,
    },
}

/// Why a blob was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// Its key is not known, or a newer form wrote it: with other keys, or another release, it may open.
    Locked,
    /// Its own key refuses it.
    Damaged,
}

impl Opened {
    /// What a read gave; `None` for a blob that is not there.
    ///
    /// Only a record that its own key refuses counts as empty. A token stays where it is.
    pub fn of(record: Option<Result<Record, Unopened>>, session: Option<Result<Sealed, Unopened>>) -> Self {
        Self::Read {
            record: match record {
                Some(Ok(record)) => Some(record),
                Some(Err(Unopened::Damaged)) | None => Some(Record::default()),
                Some(Err(Unopened::Locked)) => None,
            },
            unsealable: matches!(session, Some(Err(_))),
            session: session.and_then(Result::ok),
        }
    }
}

/// What the seal holds, without the refresh token itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sealed {
    /// The pinned account.
    pub pin: Pin,
    /// Which refresh token it is.
    pub token: RefreshTokenMac,
}

/// What this process knows of the attempt in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttemptSeen {
    /// Attempt id.
    pub id: String,
    /// When this process first saw it, by its own clock.
    pub first_seen: Time,
    /// This process recorded it and has not sent for it yet.
    pub unsent_ours: bool,
}

/// Outcome of redemptions that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// A newer refresh token, or the same one with a completed pin.
    Newer(Newer),
    /// The stored token is dead, since then.
    Dead {
        /// The token that was redeemed.
        redeemed: RefreshTokenMac,
        /// Since then.
        since: Time,
    },
    /// The stored token, which counted as dead, was redeemed.
    Alive {
        /// The token that was redeemed.
        redeemed: RefreshTokenMac,
    },
}

/// A refresh token that a renewal brought.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Newer {
    /// The token that was redeemed.
    pub redeemed: RefreshTokenMac,
    /// Its own answer's time.
    pub answered_at: Time,
    /// The account that it belongs to.
    pub account: AccountTag,
}

/// Answers that are not stored yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pocket {
    /// Outcome of an exchange.
    pub login: Option<LoginOutcome>,
    /// A newer refresh token, or the death of the stored one.
    pub refresh: Option<RefreshOutcome>,
}

impl Session {
    /// That the stored refresh token is good for a while only, if the provider said so.
    pub fn good_until(&self) -> Option<&'static str> {
        self.token.as_ref()?.ends_at?;
        Some("the refresh token is good until status.refreshToken.expiresAt, the provider says")
    }

    /// The record, if it was read and opened.
    pub fn record(&self) -> Option<&Record> {
        match &self.opened {
            Opened::Read { record, .. } => record.as_ref(),
            Opened::Unread => None,
        }
    }

    /// Whether a read showed a record that cannot be opened: its key is not known, or a newer form wrote it.
    pub const fn record_is_locked(&self) -> bool {
        matches!(self.opened, Opened::Read { record: None, .. })
    }

    /// Whether a read opened all that there is.
    pub fn is_open(&self) -> bool {
        self.record().is_some() && !self.unsealable()
    }

    /// Whether a read showed that the stored token cannot be opened: its annotations are there, its content is not.
    pub fn unsealable(&self) -> bool {
        match &self.opened {
            Opened::Read {
                session, unsealable, ..
            } => *unsealable || (self.token.is_some() && session.is_none()),
            Opened::Unread => false,
        }
    }

    /// What the seal holds, if it was opened.
    pub fn sealed(&self) -> Option<&Sealed> {
        match &self.opened {
            Opened::Read { session, .. } => session.as_ref(),
            Opened::Unread => None,
        }
    }

    /// The pinned account, if the seal was opened.
    pub fn pinned(&self) -> Option<&Pin> {
        self.sealed().map(|sealed| &sealed.pin)
    }
}
