//! A person's word: the annotation `entra-operator.dev/refresh-requested-at`. Words are compared with words.

use super::Time;
use super::record::Entry;
use super::schedule::{WORD_AHEAD, WORD_HOLDS};
use super::snapshot::Snapshot;

/// The moment that a person wrote down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(pub Time);

/// What the annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// A moment.
    At(Word),
    /// No RFC 3339 time.
    Unreadable,
}

impl Snapshot {
    /// The word that counts: a moment that is not further ahead of our clock than two clocks may differ.
    pub fn word(&self, now: Time) -> Option<Word> {
        match self.object.said {
            Some(Said::At(word)) if word.0 <= now.plus(WORD_AHEAD) => Some(word),
            Some(Said::At(_) | Said::Unreadable) | None => None,
        }
    }

    /// A word that did not lead to a renewal yet.
    pub fn word_for_renewal(&self, now: Time) -> Option<Word> {
        self.word(now)
            .filter(|word| self.handled.is_none_or(|handled| *word > handled))
    }

    /// A word that is later than the one in force when the content was sent last, and not too old to be meant for it.
    pub fn word_for(&self, entry: &Entry, now: Time) -> Option<Word> {
        self.word(now)
            .filter(|word| entry.word.is_none_or(|before| *word > before))
            .filter(|word| now.since(word.0) <= WORD_HOLDS)
    }

    /// When the word begins to count, or began to.
    pub(super) const fn word_counts_at(&self) -> Option<Time> {
        match self.object.said {
            Some(Said::At(word)) => Some(word.0.plus(-WORD_AHEAD)),
            Some(Said::Unreadable) | None => None,
        }
    }

    /// What is wrong with the word, for the user.
    pub(super) fn word_ignored(&self, now: Time) -> Option<&'static str> {
        match self.object.said {
            Some(Said::Unreadable) => Some(
                "the annotation entra-operator.dev/refresh-requested-at is no RFC 3339 time and is ignored; write for example $(date -u +%FT%TZ)",
            ),
            Some(Said::At(word)) if word.0 > now.plus(WORD_AHEAD) => Some(
                "the annotation entra-operator.dev/refresh-requested-at is more than 5 minutes ahead and is ignored until then",
            ),
            Some(Said::At(_)) | None => None,
        }
    }
}
