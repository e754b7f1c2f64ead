//! No pod sees an expired token, nor one that somebody wrote, nor none, at any judged second.

use jiff::{SignedDuration, Timestamp};

use super::Violation;
use crate::chaos::evidence::{Evidence, Span, Version, before};

/// Figures of the published tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::chaos) struct Tokens {
    /// Times that a token was replaced.
    pub(in crate::chaos) renewals: usize,
    /// Tokens looked at in a judged second.
    pub(in crate::chaos) samples: usize,
    /// The latest renewal after its due time, all times taken together.
    pub(in crate::chaos) latest: SignedDuration,
    /// The same where the due time and all until the renewal was judged.
    pub(in crate::chaos) latest_when_well: SignedDuration,
}

/// What holds for the tokens, and what does not.
pub(super) fn judge(evidence: &Evidence) -> (Tokens, Vec<Violation>) {
    let seconds = judged_seconds(evidence);
    let (mut tokens, mut violations) = (Tokens::default(), Vec::new());
    for i in evidence.endings.keys().copied() {
        for (key, _, versions) in evidence.tokens_of(i) {
            let sessions = evidence.sessions(i, versions);
            lateness(evidence, versions, &sessions, &mut tokens);
            let in_session = |at: &&Timestamp| sessions.iter().any(|session| session.meets(**at, **at));
            let judged: Vec<_> = seconds.iter().filter(in_session).collect();
            tokens.samples += judged.len();
            // One a token is enough for people.
            let wrong = judged
                .into_iter()
                .find_map(|at| Some((*at, wrong(evidence, versions, *at)?)));
            violations.extend(wrong.map(|(at, what)| Violation {
                rule: "expired-token",
                at,
                what: format!("{key} {what}; it was {}", history(versions, at)),
            }));
        }
    }
    (tokens, violations)
}

fn judged_seconds(evidence: &Evidence) -> Vec<Timestamp> {
    let begin = evidence.runs.iter().map(|run| run.from).min();
    let (Some(begin), Some(end)) = (begin, evidence.end) else {
        return Vec::new();
    };
    let seconds = begin.as_second()..=end.as_second();
    let times = seconds.filter_map(|second| Timestamp::from_second(second).ok());
    times.filter(|at| evidence.is_judged(*at)).collect()
}

/// The version that pods see at this moment.
pub(super) fn version_at(versions: &[Version], at: Timestamp) -> Option<&Version> {
    versions.iter().rev().find(|version| version.seen <= at)
}

/// The versions around this moment, with the seconds from it, for whoever looks for the cause.
fn history(versions: &[Version], at: Timestamp) -> String {
    let passed = versions.partition_point(|version| version.seen <= at);
    let around = versions.iter().take(passed + 1).skip(passed.saturating_sub(3));
    let told = around.map(|version| {
        let what = match (&version.token, version.gone) {
            (Some(token), _) if token.intact => "published",
            (Some(_), _) => "edited",
            (None, true) => "gone",
            (None, false) => "without a token",
        };
        format!(
            "{what} at {:+.1} s",
            version.seen.duration_since(at).as_secs_f64()
        )
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What people break is put right at once, but not before.
fn wrong(evidence: &Evidence, versions: &[Version], at: Timestamp) -> Option<String> {
    let version = version_at(versions, at)?;
    let since_long = version.seen < before(at, evidence.patience());
    match &version.token {
        Some(token) if token.expires_at <= at => Some(format!("expired at {}", token.expires_at)),
        Some(token) if !token.intact && since_long => Some("is what somebody wrote".to_owned()),
        None if since_long => Some("is not there".to_owned()),
        Some(_) | None => None,
    }
}

fn lateness(evidence: &Evidence, versions: &[Version], sessions: &[Span], tokens: &mut Tokens) {
    for pair in versions.windows(2) {
        let [old, new] = pair else { continue };
        let (Some(was), Some(is)) = (&old.token, &new.token) else {
            continue;
        };
        if is.issued_at <= was.issued_at {
            continue;
        }
        tokens.renewals += 1;
        let renewed = |session: &Span| session.from <= old.seen && session.meets(new.seen, new.seen);
        if !sessions.iter().any(renewed) {
            continue;
        }
        let late = new.seen.duration_since(was.refresh_at);
        tokens.latest = tokens.latest.max(late);
        if evidence.is_judged(was.refresh_at) && evidence.is_judged(new.seen) {
            tokens.latest_when_well = tokens.latest_when_well.max(late);
        }
    }
}
