//! The record of login attempts: which contents were sent, how often, and what came of it.
//!
//! It is sealed into the refresh-token Secret; this record alone decides whether a password may be sent.

use super::Time;
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

impl Verdict {
    /// Name for annotations and status.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Accepted => "Accepted",
            Self::Wrong => "Wrong",
            Self::Kept(_) => "Kept",
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
    /// `uid` of the login Secret that held it last.
    pub login_uid: String,
    /// When it was recorded for sending last.
    pub last_sent_at: Option<Time>,
    /// Not to be sent before.
    pub next_attempt_at: Option<Time>,
    /// What was in force when it was sent last (spec generation, client credential, leave, request of a person):
    /// a [`Verdict::Kept`] content is sent again only when this changes.
    pub inputs: String,
    /// Names of token entries whose scopes were refused for this content.
    pub refused_entries: Vec<String>,
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
    pub entry: String,
}

/// All that is remembered of login attempts: the last [`Record::LIMIT`] contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// The send in flight.
    pub attempt: Option<Attempt>,
}

impl Record {
    /// Contents remembered: product §3.
    pub const LIMIT: usize = 16;

    /// History of `content`.
    pub fn entry(&self, content: &ContentMac) -> Option<&Entry> {
        self.entries.iter().find(|e| e.content == *content)
    }

    /// History of `content`, created as its newest if there is none; the oldest beyond [`Self::LIMIT`] is forgotten.
    pub fn entry_mut(&mut self, content: &ContentMac) -> &mut Entry {
        let at = self.entries.iter().position(|e| e.content == *content);
        let entry = match at {
            Some(at) => self.entries.remove(at),
            None => Entry::new(content.clone()),
        };
        if self.entries.len() >= Self::LIMIT {
            self.entries.remove(0);
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
            login_uid: String::new(),
            last_sent_at: None,
            next_attempt_at: None,
            inputs: String::new(),
            refused_entries: Vec::new(),
            postponed: 0,
        }
    }
}
