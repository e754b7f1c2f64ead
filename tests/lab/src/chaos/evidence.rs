//! What was seen, for the judges: every version of every Secret, who ran when, what was out, and what was done.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::plan::Deed;
use crate::simulator::Entry;

/// From when until when; without an end it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) to: Option<Timestamp>,
}

impl Span {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to: Some(to) }
    }

    /// Whether any moment of `from` to `to` is in it.
    pub(super) fn meets(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from <= to && self.to.is_none_or(|end| end >= from)
    }
}

/// One version of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// When it was seen.
    pub(super) seen: Timestamp,
    pub(super) uid: String,
    /// The Secret is gone.
    pub(super) gone: bool,
    /// What a token Secret says and holds.
    pub(super) token: Option<Token>,
}

/// An access token that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) issued_at: Timestamp,
    pub(super) refresh_at: Timestamp,
    /// Of the token itself if it can be read, else what the Secret says.
    pub(super) expires_at: Timestamp,
    /// It is the operator's, and not what somebody wrote over it.
    pub(super) intact: bool,
}

/// A deed that was done.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) span: Span,
    pub(super) deed: Deed,
    /// uid of the Secret that it made.
    pub(super) uid: Option<String>,
}

/// A credential at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) ready: bool,
    /// Its conditions, for people.
    pub(super) conditions: String,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// How long tokens live.
    pub(super) life: SignedDuration,
    /// Versions by `namespace/name`, oldest first.
    pub(super) versions: BTreeMap<String, Vec<Version>>,
    /// Requests to the provider.
    pub(super) journal: Vec<Entry>,
    /// What was done, in the order in which it began.
    pub(super) deeds: Vec<Done>,
    /// When each process was started and ran, stops left out.
    pub(super) runs: Vec<Span>,
    /// When API server or provider did not answer as they should.
    pub(super) outages: Vec<Span>,
    /// How the credentials ended, by number.
    pub(super) endings: BTreeMap<usize, Ending>,
    /// When all ended.
    pub(super) end: Option<Timestamp>,
}

/// So much earlier.
pub(super) fn before(time: Timestamp, duration: SignedDuration) -> Timestamp {
    time.checked_sub(duration).unwrap_or(time)
}
