//! The record of login attempts: which contents were sent, how often, and what came of it.
//!
//! It is sealed into the refresh-token Secret; this record alone decides whether a password may be sent.

use super::Time;
use super::mac::{ClientMac, ScopesMac};
use super::metadata::{EntryName, Uid};
use super::schedule;
use super::word::Word;
use crate::reason::Reason;

/// Keyed hash of a login content (user, password, authority, tenant, client, realm), hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentMac(pub String);

/// What came of a content so far.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// No complete answer yet.
    Open,
    /// Accepted: its refresh token was stored.
    Accepted,
    /// User name or password is wrong: never sent again.
    Wrong,
    /// Refused for a reason that a person can change; not sent again before something changes.
    Kept(Reason),
}

/// What decides how an answer turns out, besides the content: a [`Verdict::Kept`] content is sent again when this changes.
/// Generations, labels and versions are no part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inputs {
    /// Keyed hash of the scopes of all entries.
    pub scopes: ScopesMac,
    /// The client credential.
    pub client: ClientInput,
    /// The login Secret allows another account.
    pub leave: bool,
}

/// Tells one content of a client credential from the next without reading it: uid and resourceVersion of its Secret, or
/// what stands for a credential without one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientVersion(pub String);

/// The client credential as an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientInput {
    /// Its version.
    pub version: ClientVersion,
    /// Keyed hash of its content, once it was read.
    pub content: Option<ClientMac>,
}

/// What was in force, in the one text that the first form of the record has.
///
/// Nothing is decided by it here: an operator that is set back to the version before compares it, and would send a kept content
/// again where it differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FirstForm(pub String);

/// Whether inputs changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// They are the same.
    No,
    /// They are others.
    Yes,
    /// The client credential's Secret has another version; a read must tell whether its content is another.
    MustRead,
}

impl Inputs {
    /// Whether `self` differs from what was in force `before`. What was not noted then did not change.
    pub fn changed_since(&self, before: Option<&Self>) -> Changed {
        let Some(before) = before else {
            return Changed::No;
        };
        if self.scopes != before.scopes || self.leave != before.leave {
            return Changed::Yes;
        }
        self.client.changed_since(&before.client)
    }
}

impl ClientInput {
    fn changed_since(&self, before: &Self) -> Changed {
        if self.version == before.version {
            return Changed::No;
        }
        match (&self.content, &before.content) {
            (None, _) => Changed::MustRead,
            (Some(now), Some(then)) if now == then => Changed::No,
            (Some(_), _) => Changed::Yes,
        }
    }
}

/// History of one content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Which content.
    pub content: ContentMac,
    /// What came of it.
    pub verdict: Verdict,
    /// Sends that were never completely answered, the one in flight included. At most three, plus one for each
    /// handled request of a person.
    pub unanswered: u32,
    /// All sends.
    pub sends: u32,
    /// `uid` of the login Secret that held it when it was sent last.
    pub login_uid: Option<Uid>,
    /// When it was recorded for sending last.
    pub last_sent_at: Option<Time>,
    /// Not to be sent before.
    pub next_attempt_at: Option<Time>,
    /// What was in force when it was sent last; `None` if that was not noted.
    pub inputs: Option<Inputs>,
    /// The same as the first form of the record has it.
    pub first_form: FirstForm,
    /// A person's word that was in force when it was sent last.
    pub word: Option<Word>,
    /// The word in force before that: it is in force again if nothing was sent.
    pub word_before: Option<Word>,
    /// When a word lifted its condemnation, in the last day.
    pub lifts: Vec<Time>,
    /// Sends that were refused with doubt.
    pub doubtful: u32,
    /// Tries in a row of a content whose password is known to be right.
    pub proven: u32,
    /// Names of token entries whose scopes were refused for this content.
    pub refused_entries: Vec<EntryName>,
    /// How often in a row it was put off (429, 5xx, refused connection).
    pub postponed: u32,
}

/// A send that was recorded and whose outcome is not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Random id; a process that takes the attempt over writes a new one.
    pub id: String,
    /// Which content is being sent.
    pub content: ContentMac,
    /// Name of the token entry whose scopes are sent.
    pub entry: EntryName,
}

/// All that is remembered of login attempts: the last [`Record::LIMIT`] contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// The send in flight.
    pub attempt: Option<Attempt>,
}

impl Entry {
    /// When it may be sent again, if that is known.
    pub fn again_at(&self, now: Time) -> Option<Time> {
        self.next_attempt_at
            .map(|until| schedule::hold_ends(until, self.last_sent_at, now))
    }

    /// So many seconds after it was sent last.
    pub fn spaced(&self, seconds: i64, now: Time) -> Option<Time> {
        let sent_at = self.last_sent_at?;
        Some(schedule::hold_ends(sent_at.plus(seconds), Some(sent_at), now))
    }
}

impl Record {
    /// Contents remembered.
    pub const LIMIT: usize = 16;

    /// A record of nothing.
    pub const fn empty() -> Self {
        Self {
            entries: Vec::new(),
            attempt: None,
        }
    }

    /// History of `content`.
    pub fn entry(&self, content: &ContentMac) -> Option<&Entry> {
        self.entries.iter().find(|e| e.content == *content)
    }

    /// History of `content`, created as its newest if there is none. Beyond [`Self::LIMIT`] the oldest is forgotten that is
    /// not condemned, and a condemned one only if all are.
    pub fn entry_mut(&mut self, content: &ContentMac) -> &mut Entry {
        let at = self.entries.iter().position(|e| e.content == *content);
        let entry = match at {
            Some(at) => self.entries.remove(at),
            None => Entry::new(content.clone()),
        };
        if self.entries.len() >= Self::LIMIT {
            let harmless = self.entries.iter().position(|e| e.verdict != Verdict::Wrong);
            self.entries.remove(harmless.unwrap_or(0));
        }
        self.entries.push_mut(entry)
    }
}

impl Entry {
    /// A content that was never sent.
    pub fn new(content: ContentMac) -> Self {
        Self {
            content,
            verdict: Verdict::Open,
            unanswered: 0,
            sends: 0,
            login_uid: None,
            last_sent_at: None,
            next_attempt_at: None,
            inputs: None,
            first_form: FirstForm::default(),
            word: None,
            word_before: None,
            lifts: Vec::new(),
            doubtful: 0,
            proven: 0,
            refused_entries: Vec::new(),
            postponed: 0,
        }
    }
}
