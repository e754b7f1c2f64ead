//! What must hold for every decision, written independently of how decisions are made. Checked by the tests and, after
//! every event, by the simulation.

use super::client::Client;
use super::login::MAX_UNANSWERED;
use super::record::{ContentMac, Entry, Verdict};
use super::schedule::{MARGIN, TOGETHER};
use super::snapshot::{Claim, Content, Login, Ownership, Snapshot, Token};
use super::{Decision, Step, Time};

/// The rules that `decision` breaks, as sentences; empty if all is well.
pub fn violations(s: &Snapshot, decision: &Decision, now: Time) -> Vec<String> {
    let mut broken = Vec::new();
    let mut must = |holds: bool, rule: &str| {
        if !holds {
            broken.push(rule.to_owned());
        }
    };
    untouchable(s, decision, &mut must);
    of_step(s, &decision.step, now, &mut must);
    waking(s, decision, now, &mut must);
    broken
}

type Must<'a> = dyn FnMut(bool, &str) + 'a;

fn untouchable(s: &Snapshot, decision: &Decision, must: &mut Must<'_>) {
    let idle = decision.step.is_final();
    must(
        idle || !s.object.deleting,
        "a credential that is being deleted gets no call and no write",
    );
    let looks = matches!(decision.step, Step::Verify(_));
    must(
        idle || looks || !s.object.suspended,
        "a suspended credential gets no call and no write",
    );
    let in_the_way = matches!(s.session.ownership, Ownership::Foreign | Ownership::Predecessor)
        || (s.session.ownership == Ownership::Ours && s.session.immutable);
    must(
        idle || looks || !in_the_way,
        "nothing is written while the refresh-token Secret is not ours to write",
    );
    must(
        !idle || s.object.deleting || !s.tokens.iter().any(Token::is_unseen),
        "nothing is said of a token Secret that was touched before it is looked at",
    );
}

fn of_step(s: &Snapshot, step: &Step, now: Time, must: &mut Must<'_>) {
    match step {
        Step::RecordAttempt { content, entry } => recording(s, content, entry, must),
        Step::Exchange { attempt, entry } => exchanging(s, attempt, entry, must),
        Step::DeleteLogin => deleting(s, must),
        Step::Redeem(names) => redeeming(s, names, now, must),
        Step::Publish(names) => publishing(s, names, now, must),
        Step::Replace(names) => replacing(s, names, must),
        Step::Prune(names) => must(
            names.iter().all(|n| s.tokens.iter().all(|t| t.name != *n)),
            "only Secrets that the spec does not name are pruned",
        ),
        Step::Resolve => must(
            nothing_unstored(s),
            "no call is made while an answer is not stored",
        ),
        Step::Adopt(names) => must(
            names.iter().all(|n| owned(s, n) == Some(Ownership::Adoptable)),
            "only adoptable Secrets are adopted",
        ),
        Step::Verify(names) => must(
            names.iter().all(|n| owned(s, n) == Some(Ownership::Ours)),
            "only Secrets of ours are read",
        ),
        Step::ReadLogin
        | Step::ReadSession
        | Step::ClaimLogin
        | Step::Store
        | Step::Idle
        | Step::Wait
        | Step::Blocked => {}
    }
}

fn recording(s: &Snapshot, content: &ContentMac, entry: &str, must: &mut Must<'_>) {
    must(
        nothing_unstored(s),
        "no call is made while an answer is not stored",
    );
    must(
        valid_claimed_content(s) == Some(content),
        "only the claimed content is sent",
    );
    must(
        s.tokens.iter().any(|t| t.name == entry),
        "a login asks for the scopes of an entry of the spec",
    );
    let record = s.session.record();
    must(
        record.is_some() || s.session.ownership == Ownership::Absent,
        "a send always reads the record",
    );
    let Some(past) = record.and_then(|r| r.entry(content)) else {
        return;
    };
    may_send(s, past, must);
    must(
        past.unanswered < MAX_UNANSWERED || s.object.request.as_ref().is_some_and(|r| !past.sent_for(r)),
        "three sends without a complete answer are all a content gets, and one for each request",
    );
}

fn may_send(s: &Snapshot, past: &Entry, must: &mut Must<'_>) {
    must(
        past.verdict != Verdict::Wrong,
        "a condemned content is never sent again",
    );
    must(
        past.verdict != Verdict::Accepted || !s.redeemable(),
        "an accepted content is not sent while its token lives",
    );
}

fn exchanging(s: &Snapshot, attempt: &str, entry: &str, must: &mut Must<'_>) {
    must(
        nothing_unstored(s),
        "no call is made while an answer is not stored",
    );
    let recorded = s
        .session
        .record()
        .and_then(|r| r.attempt.as_ref().map(|a| (r, a)));
    let Some((record, a)) = recorded else {
        return must(false, "nothing is sent that was not recorded");
    };
    must(
        a.id == attempt && a.entry == entry,
        "only the recorded attempt is sent",
    );
    must(
        owned(s, entry).is_some(),
        "a login asks for the scopes of an entry of the spec",
    );
    must(
        valid_claimed_content(s) == Some(&a.content),
        "only the claimed content is sent",
    );
    must(
        s.session
            .attempt
            .as_ref()
            .is_some_and(|seen| seen.id == attempt && seen.unsent_ours),
        "an attempt is sent once, by the process that recorded it",
    );
    if let Some(past) = record.entry(&a.content) {
        may_send(s, past, must);
    }
}

fn deleting(s: &Snapshot, must: &mut Must<'_>) {
    let entry = valid_claimed_content(s).and_then(|mac| s.session.record().and_then(|r| r.entry(mac)));
    let Some(entry) = entry else {
        return must(
            false,
            "a login Secret is deleted only for a recorded verdict on its content",
        );
    };
    match entry.verdict {
        Verdict::Wrong => {}
        Verdict::Accepted => must(
            s.redeemable() && s.session.pinned().is_some(),
            "an accepted login is deleted only after the sealed token was read back",
        ),
        Verdict::Open | Verdict::Kept(_) => must(false, "a login without a final verdict is kept"),
    }
}

fn redeeming(s: &Snapshot, names: &[String], now: Time, must: &mut Must<'_>) {
    must(
        nothing_unstored(s),
        "no call is made while an answer is not stored",
    );
    must(
        s.session_matches(),
        "a refresh token goes to its binding and nowhere else",
    );
    let dead = s.session.token.as_ref().is_some_and(|t| t.dead_since.is_some());
    must(
        !dead || s.object.request.is_some(),
        "a dead refresh token is not redeemed unless a person asks",
    );
    let asked = s.requested(now);
    let held_off = |f: &super::snapshot::Failure| f.next_attempt_at.is_none_or(|at| at > now.plus(TOGETHER));
    must(
        asked || !s.failure.as_ref().is_some_and(held_off),
        "back-off is honoured",
    );
    for t in s.tokens.iter().filter(|t| names.contains(&t.name)) {
        must(
            asked || t.due(s) <= now.plus(TOGETHER),
            "nothing is renewed that is not due",
        );
        must(
            !matches!(t.ownership, Ownership::Foreign | Ownership::Predecessor),
            "no token is asked for that cannot be published",
        );
    }
}

fn publishing(s: &Snapshot, names: &[String], now: Time, must: &mut Must<'_>) {
    must(
        nothing_unstored(s),
        "a refresh token is stored before any token of that pass is published",
    );
    for t in s.tokens.iter().filter(|t| names.contains(&t.name)) {
        must(
            t.held.as_ref().is_some_and(|h| h.granted.expires_at > now),
            "an expired token is never published",
        );
        must(
            t.held
                .as_ref()
                .is_some_and(|h| Some(&h.request) == t.wanted.as_ref()),
            "only what the spec asks for is published",
        );
        must(
            matches!(t.ownership, Ownership::Absent | Ownership::Ours),
            "foreign Secrets are never written",
        );
        must(
            outlives(t),
            "of two tokens for one request the later expiry stays",
        );
    }
}

fn outlives(t: &Token) -> bool {
    match (&t.held, &t.published) {
        (Some(h), Some(p))
            if t.ownership == Ownership::Ours && t.answers(p) && !p.edited && !p.unwritable =>
        {
            h.granted.expires_at > p.expires_at
        }
        _ => true,
    }
}

fn replacing(s: &Snapshot, names: &[String], must: &mut Must<'_>) {
    for t in s.tokens.iter().filter(|t| names.contains(&t.name)) {
        must(
            t.ownership == Ownership::Ours,
            "only Secrets of ours are replaced",
        );
        must(
            t.held.is_some(),
            "a token Secret is not deleted before its successor is at hand",
        );
    }
}

fn waking(s: &Snapshot, decision: &Decision, now: Time, must: &mut Must<'_>) {
    if !decision.step.is_final() || s.object.deleting {
        return;
    }
    must(
        decision.wake.is_none_or(|at| at > now),
        "a pass that rests does not come back at once",
    );
    let by = |at: Time| decision.wake.is_some_and(|wake| wake <= at);
    for t in &s.tokens {
        let Some(p) = t.published.as_ref().filter(|p| p.expires_at > now) else {
            continue;
        };
        must(by(p.expires_at), "Ready is looked at again when a token expires");
        let routine = s.redeemable()
            && t.is_valid(now)
            && p.verified
            && s.failure.is_none()
            && t.failure.is_none()
            && !s.object.suspended
            && !s.session.immutable
            && !matches!(s.client, Client::Missing { .. })
            && !p.unwritable
            && t.held.is_none();
        let margin = MARGIN.min(p.life().seconds() / 4);
        must(
            !routine || t.deferred_until.is_some() || by(p.expires_at.plus(-margin)),
            "a renewal starts while the old token still has its margin",
        );
    }
}

fn nothing_unstored(s: &Snapshot) -> bool {
    s.pocket.login.is_none() && s.pocket.refresh.is_none()
}

fn owned(s: &Snapshot, name: &str) -> Option<Ownership> {
    s.tokens.iter().find(|t| t.name == name).map(|t| t.ownership)
}

fn valid_claimed_content(s: &Snapshot) -> Option<&ContentMac> {
    match &s.login {
        Login::Present(l) if l.claim == Claim::Ours && !l.deleting => match &l.content {
            Content::Valid { mac, .. } => Some(mac),
            Content::Unread | Content::Invalid(_) | Content::Forbidden(_) => None,
        },
        Login::Present(_) | Login::Absent | Login::WrongType => None,
    }
}
