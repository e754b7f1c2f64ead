//! What must hold, judged from the evidence alone.
//!
//! A moment is judged if one replica at least ran for half of a token's life before it, and if API server and provider answered
//! and no answer was lost for as long and for the time that operators hold back after an outage; both with some seconds more for
//! a crowded machine.

mod calls;
mod passwords;
#[cfg(test)]
mod tests;
mod tokens;

use jiff::{SignedDuration, Timestamp};

use super::cast;
use super::evidence::{Evidence, Span, Version, before};
use super::plan::{Act, Deed};
use crate::simulator::{Entry, Outcome, digest};

pub(super) use tokens::Tokens;

/// What a replica may need beside half of a life to renew, at once, all that fell due while it could not.
const HASTE: SignedDuration = SignedDuration::from_secs(8);

/// How long an operator may hold back after an outage: a write that was refused, as an API server does that has just begun,
/// waits for so long (docs/contract.md, "Timing").
const HELD_BACK: SignedDuration = SignedDuration::from_secs(20);

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Violation {
    /// The rule, by a name of its own.
    pub(super) rule: &'static str,
    /// When it was seen.
    #[serde(serialize_with = "as_text")]
    pub(super) at: Timestamp,
    /// What was seen.
    pub(super) what: String,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// What the judges say.
#[derive(Clone, Debug, Default)]
pub(super) struct Judgement {
    pub(super) violations: Vec<Violation>,
    /// Figures of the published tokens.
    pub(super) tokens: Tokens,
    /// Renewals whose need was judged.
    pub(super) calls: usize,
}

/// Judges everything but leaks, memory and foreign objects.
pub(super) fn judge(evidence: &Evidence) -> Judgement {
    let mut violations = lost(evidence);
    violations.extend(passwords::judge(evidence));
    let (tokens, expired) = tokens::judge(evidence);
    violations.extend(expired);
    let (calls, early) = calls::judge(evidence);
    violations.extend(early);
    violations.sort_by_key(|violation| violation.at);
    Judgement {
        violations,
        tokens,
        calls,
    }
}

/// Every credential was signed in and nobody revoked that: it must be ready at the end.
fn lost(evidence: &Evidence) -> Vec<Violation> {
    let endings = evidence.endings.iter().filter(|(_, ending)| !ending.ready);
    let lost = endings.map(|(i, ending)| Violation {
        rule: "refresh-token-lost",
        at: evidence.end.unwrap_or_default(),
        what: format!("{} is not ready: {}", cast::name(*i), ending.conditions),
    });
    lost.collect()
}

impl Evidence {
    /// Whether this moment is judged.
    fn is_judged(&self, at: Timestamp) -> bool {
        let since = before(at, self.patience());
        let answered_since = before(at, HASTE + HELD_BACK.max(self.life / 2));
        let ran = |run: &Span| run.from <= since && run.to.is_none_or(|to| to >= at);
        !self.interrupted(answered_since, at) && self.runs.iter().any(ran)
    }

    /// After so much time in which it could work, an operator has put right what was amiss.
    fn patience(&self) -> SignedDuration {
        self.life / 2 + HASTE
    }

    /// Whether anything did not answer, or an answer was lost, in this time.
    fn interrupted(&self, from: Timestamp, to: Timestamp) -> bool {
        let losses = self
            .deeds
            .iter()
            .filter(|done| matches!(done.deed, Deed::Lose(..)));
        let lost = losses.map(|done| Span {
            to: done.span.to.and_then(|to| to.checked_add(self.life / 4).ok()),
            ..done.span
        });
        let mut all = self.outages.iter().copied().chain(lost);
        all.any(|span| span.meets(from, to))
    }

    /// Whether a process was killed or stopped in this time.
    fn disturbed(&self, from: Timestamp, to: Timestamp) -> bool {
        let mut deeds = self.deeds.iter().filter(|done| done.span.meets(from, to));
        deeds.any(|done| {
            matches!(
                done.deed,
                Deed::Kill(_) | Deed::KillInWrite(_) | Deed::Stop(..) | Deed::Swap(_)
            )
        })
    }

    /// Versions of the token Secrets of credential `i`, with their names and scopes.
    fn tokens_of(&self, i: usize) -> impl Iterator<Item = (String, String, &[Version])> {
        let with_versions = move |(name, scope)| {
            let key = format!("{}/{name}", cast::namespace(i));
            let versions = self.versions.get(&key).map_or(&[][..], Vec::as_slice);
            (key, scope, versions)
        };
        cast::tokens(i).into_iter().map(with_versions)
    }

    /// When credential `i` was signed in: from the first token that a sign-in brought until it was revoked or deleted.
    fn sessions(&self, i: usize, versions: &[Version]) -> Vec<Span> {
        let mut sessions = Vec::new();
        let mut content = cast::Content::default();
        loop {
            let next = content.next();
            let end = self
                .deeds
                .iter()
                .find(|done| done.deed == Deed::Of(i, Act::Revoke(next)));
            let end = end.map(|done| done.span.from);
            if let Some(from) = self.begin_of_session(i, content, versions) {
                sessions.push(Span { from, to: end });
            }
            if end.is_none() {
                return sessions;
            }
            content = next;
        }
    }

    fn begin_of_session(&self, i: usize, content: cast::Content, versions: &[Version]) -> Option<Timestamp> {
        let password = digest(&content.password(i));
        let mut accepted = self.journal.iter().filter(|entry| accepts(entry, &password));
        let since = before(accepted.next()?.time, SignedDuration::from_secs(2));
        let of_it = |v: &&Version| v.token.as_ref().is_some_and(|token| token.issued_at >= since);
        versions.iter().find(of_it).map(|version| version.seen)
    }
}

/// Whether this is a sign-in with the password of this digest that was accepted.
fn accepts(entry: &Entry, password: &str) -> bool {
    entry.grant() == Some("password")
        && entry.form.get("password").is_some_and(|sent| sent == password)
        && entry.status() == Some(200)
}

/// Whether the provider's answer went out whole.
fn is_answered(entry: &Entry) -> bool {
    matches!(entry.outcome, Outcome::Answered { .. })
}
