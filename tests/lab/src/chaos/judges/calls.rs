//! No refresh token is redeemed for a token that was not due: none was published, or it had passed half of its life, or
//! somebody had edited it or asked for a renewal.

use jiff::{SignedDuration, Timestamp};

use super::Violation;
use crate::chaos::evidence::{Evidence, Version};
use crate::chaos::plan::{Act, Deed};
use crate::simulator::Entry;

/// What a replica may need to hear of what the other one has published, and to act on it.
const NEWS: SignedDuration = SignedDuration::from_secs(3);

/// For how long a person's word may wait for its renewal.
const WORD: SignedDuration = SignedDuration::from_secs(90);

/// How many renewals were judged, and those that were not due.
pub(super) fn judge(evidence: &Evidence) -> (usize, Vec<Violation>) {
    let (mut judged, mut violations) = (0, Vec::new());
    for entry in evidence
        .journal
        .iter()
        .filter(|e| e.grant() == Some("refresh_token"))
    {
        let Some((i, key, versions)) = subject(evidence, entry) else {
            continue;
        };
        if !knew(evidence, entry.time) || was_asked_for(evidence, i, entry.time) {
            continue;
        }
        judged += 1;
        if !is_due(evidence, versions, entry.time) {
            violations.push(Violation {
                rule: "not-due",
                at: entry.time,
                what: format!("{key} was renewed although it had most of its life before it"),
            });
        }
    }
    (judged, violations)
}

/// The token Secret that a redemption is for.
fn subject<'a>(evidence: &'a Evidence, entry: &Entry) -> Option<(usize, String, &'a [Version])> {
    let user = entry.user.as_deref()?;
    let i = user.strip_prefix("user")?.split('@').next()?.parse().ok()?;
    let scope = entry.form.get("scope")?;
    let mut tokens = evidence.tokens_of(i);
    let (key, _, versions) = tokens.find(|(_, asked, _)| scope.split(' ').any(|one| one == asked))?;
    Some((i, key, versions))
}

/// Whether every running process could know what was published: it did not stand still, and the API server answered.
fn knew(evidence: &Evidence, at: Timestamp) -> bool {
    let since = at.checked_sub(NEWS * 2).unwrap_or(at);
    let mut stops = evidence
        .deeds
        .iter()
        .filter(|done| matches!(done.deed, Deed::Stop(..)));
    !evidence.interrupted(since, at) && !stops.any(|stop| stop.span.meets(since, at))
}

fn was_asked_for(evidence: &Evidence, i: usize, at: Timestamp) -> bool {
    let since = at.checked_sub(WORD).unwrap_or(at);
    let mut words = evidence
        .deeds
        .iter()
        .filter(|done| done.deed == Deed::Of(i, Act::Word));
    words.any(|word| word.span.meets(since, at))
}

/// Whether any version that a replica could have before it gave a reason.
fn is_due(evidence: &Evidence, versions: &[Version], at: Timestamp) -> bool {
    let since = at.checked_sub(NEWS).unwrap_or(at);
    let newer = versions
        .iter()
        .filter(|version| version.seen > since && version.seen <= at);
    let older = versions.iter().rev().find(|version| version.seen <= since);
    let known: Vec<_> = newer.chain(older).collect();
    older.is_none()
        || known
            .into_iter()
            .any(|version| gives_reason(evidence, version, at))
}

fn gives_reason(evidence: &Evidence, version: &Version, at: Timestamp) -> bool {
    version.token.as_ref().is_none_or(|token| {
        // Times of Secrets are whole seconds.
        let half = token
            .issued_at
            .checked_add(evidence.life / 2 - SignedDuration::from_secs(1));
        !token.intact || half.is_ok_and(|half| half <= at)
    })
}
