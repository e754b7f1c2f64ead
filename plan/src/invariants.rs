//! What must hold for every decision, written independently of how decisions are made. Checked by the tests and, after
//! every event, by the simulation.

use super::client::Client;
use super::hold::Object;
use super::login::MAX_UNANSWERED;
use super::metadata::EntryName;
use super::policy::Permission;
use super::record::{ContentMac, Entry, Verdict};
use super::schedule::{DAY, LIFTS_A_DAY, MARGIN, TOGETHER, WORD_AHEAD};
use super::snapshot::{Claim, Content, Login, Opened, Ownership, Snapshot, Token, Wanted};
use super::word::Said;
use super::{Decision, Step, Time};

/// What must hold. Each prints as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::EnumIter)]
pub enum Rule {
    /// A credential that is being deleted gets no call and no write.
    #[strum(to_string = "a credential that is being deleted gets no call and no write")]
    DeletedUntouched,
    /// A suspended credential gets no call and no write.
    #[strum(to_string = "a suspended credential gets no call and no write")]
    SuspendedUntouched,
    /// Nothing is written while the refresh-token Secret is not ours to write.
    #[strum(to_string = "nothing is written while the refresh-token Secret is not ours to write")]
    SessionIsOurs,
    /// Nothing is said of a token Secret that was touched before it is looked at.
    #[strum(to_string = "nothing is said of a token Secret that was touched before it is looked at")]
    LookedAtBeforeSaid,
    /// Only Secrets that the spec does not name are pruned.
    #[strum(to_string = "only Secrets that the spec does not name are pruned")]
    OnlyDroppedPruned,
    /// No call is made while an answer is not stored.
    #[strum(to_string = "no call is made while an answer is not stored")]
    StoredBeforeCall,
    /// Only adoptable Secrets are adopted.
    #[strum(to_string = "only adoptable Secrets are adopted")]
    OnlyAdoptableAdopted,
    /// Only Secrets of ours are labelled.
    #[strum(to_string = "only Secrets of ours are labelled")]
    OnlyOursLabelled,
    /// A token Secret that was written is looked for before it is made anew.
    #[strum(to_string = "a token Secret that was written is looked for before it is made anew")]
    LookedForBeforeMade,
    /// Only Secrets of ours are read.
    #[strum(to_string = "only Secrets of ours are read")]
    OnlyOursRead,
    /// Only the claimed content is sent.
    #[strum(to_string = "only the claimed content is sent")]
    OnlyClaimedSent,
    /// A login asks for the scopes of an entry of the spec.
    #[strum(to_string = "a login asks for the scopes of an entry of the spec")]
    ScopesOfSpec,
    /// A send always reads the record.
    #[strum(to_string = "a send always reads the record")]
    RecordReadBeforeSend,
    /// Three sends without a complete answer are all a content gets, and one for each request.
    #[strum(
        to_string = "three sends without a complete answer are all a content gets, and one for each request"
    )]
    ThreeUnanswered,
    /// A condemned content is never sent again.
    #[strum(to_string = "a condemned content is never sent again")]
    CondemnedNotSent,
    /// An accepted content is not sent while its token lives.
    #[strum(to_string = "an accepted content is not sent while its token lives")]
    AcceptedNotSent,
    /// Nothing is sent that was not recorded.
    #[strum(to_string = "nothing is sent that was not recorded")]
    RecordedBeforeSent,
    /// Only the recorded attempt is sent.
    #[strum(to_string = "only the recorded attempt is sent")]
    OnlyRecordedSent,
    /// An attempt is sent once, by the process that recorded it.
    #[strum(to_string = "an attempt is sent once, by the process that recorded it")]
    SentOnce,
    /// A login Secret is deleted only for a recorded verdict on its content.
    #[strum(to_string = "a login Secret is deleted only for a recorded verdict on its content")]
    DeletedForVerdict,
    /// An accepted login is deleted only after the sealed token was read back.
    #[strum(to_string = "an accepted login is deleted only after the sealed token was read back")]
    ReadBackBeforeDeleted,
    /// A login without a final verdict is kept.
    #[strum(to_string = "a login without a final verdict is kept")]
    UndecidedKept,
    /// A refresh token goes to its binding and nowhere else.
    #[strum(to_string = "a refresh token goes to its binding and nowhere else")]
    BindingKept,
    /// A dead refresh token is not redeemed unless a person asks.
    #[strum(to_string = "a dead refresh token is not redeemed unless a person asks")]
    DeadIsSilent,
    /// Back-off is honoured.
    #[strum(to_string = "back-off is honoured")]
    BackOffHonoured,
    /// Nothing is renewed that is not due.
    #[strum(to_string = "nothing is renewed that is not due")]
    NothingBeforeDue,
    /// No token is asked for that cannot be published.
    #[strum(to_string = "no token is asked for that cannot be published")]
    OnlyPublishableRedeemed,
    /// A refresh token is stored before any token of that pass is published.
    #[strum(to_string = "a refresh token is stored before any token of that pass is published")]
    StoredBeforePublished,
    /// An expired token is never published.
    #[strum(to_string = "an expired token is never published")]
    ExpiredNotPublished,
    /// Only what the spec asks for is published.
    #[strum(to_string = "only what the spec asks for is published")]
    OnlyWantedPublished,
    /// Foreign Secrets are never written.
    #[strum(to_string = "foreign Secrets are never written")]
    ForeignNotWritten,
    /// Of two tokens for one request the later expiry stays.
    #[strum(to_string = "of two tokens for one request the later expiry stays")]
    LaterExpiryStays,
    /// Only Secrets of ours are replaced.
    #[strum(to_string = "only Secrets of ours are replaced")]
    OnlyOursReplaced,
    /// A token Secret is not deleted before its successor is at hand.
    #[strum(to_string = "a token Secret is not deleted before its successor is at hand")]
    SuccessorFirst,
    /// A pass that rests does not come back at once.
    #[strum(to_string = "a pass that rests does not come back at once")]
    RestIsRest,
    /// Ready is looked at again when a token expires.
    #[strum(to_string = "Ready is looked at again when a token expires")]
    WakesAtExpiry,
    /// A renewal starts while the old token still has its margin.
    #[strum(to_string = "a renewal starts while the old token still has its margin")]
    MarginKept,
    /// A record that cannot be opened is not taken for empty while the login is there that it was written for.
    #[strum(
        to_string = "a record that cannot be opened is not taken for empty while the login is there that it was written for"
    )]
    LockedIsNotEmpty,
    /// Only what was opened is sealed anew.
    #[strum(to_string = "only what was opened is sealed anew")]
    OnlyOpenedResealed,
    /// What the API server refused waits until its back-off is over.
    #[strum(to_string = "what the API server refused waits until its back-off is over")]
    HeldWaits,
    /// No call is made while none is permitted.
    #[strum(to_string = "no call is made while none is permitted")]
    PermitAwaited,
    /// Nothing is claimed, sent or renewed that the administrator's policy does not allow.
    #[strum(to_string = "nothing is claimed, sent or renewed that the administrator's policy does not allow")]
    PolicyKept,
}

/// The rules that `decision` breaks; none if all is well.
pub fn violations(s: &Snapshot, decision: &Decision, now: Time) -> Vec<Rule> {
    let mut broken = Vec::new();
    let mut must = |holds: bool, rule: Rule| {
        if !holds {
            broken.push(rule);
        }
    };
    untouchable(s, decision, now, &mut must);
    must(
        decision.step.objects().iter().all(|o| released(s, o, now)),
        Rule::HeldWaits,
    );
    must(
        !matches!(
            decision.step,
            Step::ReadToSignIn | Step::RecordAttempt { .. } | Step::Redeem(_)
        ) || s.withheld(now).is_none(),
        Rule::PermitAwaited,
    );
    must(allowed(s, &decision.step), Rule::PolicyKept);
    of_step(s, &decision.step, now, &mut must);
    waking(s, decision, now, &mut must);
    broken
}

type Must<'a> = dyn FnMut(bool, Rule) + 'a;

/// Written anew, so that a mistake in the plan's own sentence about it shows.
fn released(s: &Snapshot, object: &Object, now: Time) -> bool {
    let until = s.holds.get(object).map(|f| f.next_attempt_at);
    until.is_none_or(|at| at.is_some_and(|at| at <= now))
}

fn allowed(s: &Snapshot, step: &Step) -> bool {
    let policy = &s.permissions;
    let begins = matches!(
        step,
        Step::ClaimLogin | Step::RecordAttempt { .. } | Step::Exchange { .. } | Step::Redeem(_)
    );
    let of_target = !begins || policy.target == Permission::Granted;
    let of_account = !matches!(step, Step::Redeem(_)) || policy.account == Permission::Granted;
    let resolves = *step == Step::Resolve && matches!(policy.target, Permission::Denied(_));
    of_target && of_account && !resolves
}

fn untouchable(s: &Snapshot, decision: &Decision, now: Time, must: &mut Must<'_>) {
    let idle = decision.step.is_final();
    must(idle || !s.object.deleting, Rule::DeletedUntouched);
    let looks = matches!(decision.step, Step::Verify(_) | Step::Look(_));
    must(idle || looks || !s.object.suspended, Rule::SuspendedUntouched);
    let in_the_way = matches!(s.session.ownership, Ownership::Foreign | Ownership::Predecessor)
        || (s.session.ownership == Ownership::Ours && s.session.immutable);
    must(idle || looks || !in_the_way, Rule::SessionIsOurs);
    must(
        !idle
            || s.object.deleting
            || !s
                .tokens
                .iter()
                .any(|t| t.is_unseen() && released(s, &Object::Contents(t.name.clone()), now)),
        Rule::LookedAtBeforeSaid,
    );
}

fn of_step(s: &Snapshot, step: &Step, now: Time, must: &mut Must<'_>) {
    match step {
        Step::RecordAttempt { content, entry } => recording(s, content, entry, now, must),
        Step::Exchange { attempt, entry } => exchanging(s, attempt, entry, must),
        Step::DeleteLogin => deleting(s, must),
        Step::Redeem(names) => redeeming(s, names, now, must),
        Step::Publish(names) => publishing(s, names, now, must),
        Step::Replace(names) => replacing(s, names, must),
        Step::Prune(names) => must(
            names.iter().all(|n| s.tokens.iter().all(|t| t.name != *n)),
            Rule::OnlyDroppedPruned,
        ),
        Step::Resolve => must(nothing_unstored(s), Rule::StoredBeforeCall),
        Step::Adopt(objects) => must(
            objects
                .iter()
                .all(|o| ownership(s, o) == Some(Ownership::Adoptable)),
            Rule::OnlyAdoptableAdopted,
        ),
        Step::Label(objects) => must(
            objects.iter().all(|o| ownership(s, o) == Some(Ownership::Ours)),
            Rule::OnlyOursLabelled,
        ),
        Step::Verify(names) => must(
            names.iter().all(|n| owned(s, n) == Some(Ownership::Ours)),
            Rule::OnlyOursRead,
        ),
        Step::Reseal => must(
            matches!(
                s.session.opened,
                Opened::Read {
                    record: Some(_),
                    unsealable: false,
                    ..
                }
            ),
            Rule::OnlyOpenedResealed,
        ),
        Step::Store => must(
            s.pocket.login.is_none()
                || !matches!(s.session.opened, Opened::Read { record: None, .. })
                || is_another_login(s),
            Rule::LockedIsNotEmpty,
        ),
        Step::ReadLogin
        | Step::ReadToSignIn
        | Step::ReadSession
        | Step::ReadToRenew(_)
        | Step::ReadClient
        | Step::Look(_)
        | Step::ClaimLogin
        | Step::Idle
        | Step::Wait
        | Step::Blocked => {}
    }
}

fn recording(s: &Snapshot, content: &ContentMac, entry: &EntryName, now: Time, must: &mut Must<'_>) {
    must(nothing_unstored(s), Rule::StoredBeforeCall);
    must(valid_claimed_content(s) == Some(content), Rule::OnlyClaimedSent);
    must(s.tokens.iter().any(|t| t.name == *entry), Rule::ScopesOfSpec);
    let record = s.session.record();
    let locked = matches!(s.session.opened, Opened::Read { record: None, .. });
    must(
        record.is_some() || locked || s.session.ownership == Ownership::Absent,
        Rule::RecordReadBeforeSend,
    );
    must(!locked || is_another_login(s), Rule::LockedIsNotEmpty);
    let Some(past) = record.and_then(|r| r.entry(content)) else {
        return;
    };
    may_send(s, past, must);
    let lifts = past.lifts.iter().filter(|at| now.since(**at) < DAY).count();
    must(
        past.verdict != Verdict::Wrong || (has_new_word(s, past, now) && lifts < LIFTS_A_DAY),
        Rule::CondemnedNotSent,
    );
    must(
        past.unanswered < MAX_UNANSWERED || has_new_word(s, past, now),
        Rule::ThreeUnanswered,
    );
}

/// The record names a login Secret, and it is another one than that which is there.
fn is_another_login(s: &Snapshot) -> bool {
    let noted = s.session.last_login.as_ref().and_then(|l| l.login_uid.as_ref());
    noted.is_some_and(|noted| matches!(&s.login, Login::Present(l) if l.uid != *noted))
}

/// A person's word that is later than the one in force when the content was sent last.
fn has_new_word(s: &Snapshot, past: &Entry, now: Time) -> bool {
    match s.object.said {
        Some(Said::At(word)) => {
            word.0 <= now.plus(WORD_AHEAD) && now.since(word.0) <= DAY && past.word.is_none_or(|w| word > w)
        }
        Some(Said::Unreadable) | None => false,
    }
}

fn may_send(s: &Snapshot, past: &Entry, must: &mut Must<'_>) {
    must(
        past.verdict != Verdict::Accepted || !s.redeemable(),
        Rule::AcceptedNotSent,
    );
}

fn exchanging(s: &Snapshot, attempt: &str, entry: &EntryName, must: &mut Must<'_>) {
    must(nothing_unstored(s), Rule::StoredBeforeCall);
    let recorded = s
        .session
        .record()
        .and_then(|r| r.attempt.as_ref().map(|a| (r, a)));
    let Some((record, a)) = recorded else {
        return must(false, Rule::RecordedBeforeSent);
    };
    must(a.id == attempt && a.entry == *entry, Rule::OnlyRecordedSent);
    must(owned(s, entry).is_some(), Rule::ScopesOfSpec);
    must(
        valid_claimed_content(s) == Some(&a.content),
        Rule::OnlyClaimedSent,
    );
    must(
        s.session
            .attempt
            .as_ref()
            .is_some_and(|seen| seen.id == attempt && seen.unsent_ours),
        Rule::SentOnce,
    );
    if let Some(past) = record.entry(&a.content) {
        may_send(s, past, must);
    }
}

fn deleting(s: &Snapshot, must: &mut Must<'_>) {
    let entry = valid_claimed_content(s).and_then(|mac| s.session.record().and_then(|r| r.entry(mac)));
    let Some(entry) = entry else {
        return must(false, Rule::DeletedForVerdict);
    };
    match entry.verdict {
        Verdict::Wrong => {}
        Verdict::Accepted => must(
            s.redeemable() && s.session.pinned().is_some(),
            Rule::ReadBackBeforeDeleted,
        ),
        Verdict::Open | Verdict::Kept(_) => must(false, Rule::UndecidedKept),
    }
}

fn redeeming(s: &Snapshot, names: &[EntryName], now: Time, must: &mut Must<'_>) {
    must(nothing_unstored(s), Rule::StoredBeforeCall);
    must(s.session_matches(), Rule::BindingKept);
    let dead = s.session.token.as_ref().is_some_and(|t| t.dead_since.is_some());
    must(!dead || s.object.said.is_some(), Rule::DeadIsSilent);
    let asked = s.requested(now);
    let held_off = |f: &super::snapshot::Failure| f.next_attempt_at.is_none_or(|at| at > now.plus(TOGETHER));
    must(
        asked || !s.failure.as_ref().is_some_and(held_off),
        Rule::BackOffHonoured,
    );
    for t in s.tokens.iter().filter(|t| names.contains(&t.name)) {
        must(asked || t.due(s) <= now.plus(TOGETHER), Rule::NothingBeforeDue);
        must(!t.unlooked, Rule::LookedForBeforeMade);
        must(
            !matches!(t.ownership, Ownership::Foreign | Ownership::Predecessor),
            Rule::OnlyPublishableRedeemed,
        );
    }
}

fn publishing(s: &Snapshot, names: &[EntryName], now: Time, must: &mut Must<'_>) {
    must(nothing_unstored(s), Rule::StoredBeforePublished);
    for t in s.tokens.iter().filter(|t| names.contains(&t.name)) {
        must(
            t.held.as_ref().is_some_and(|h| h.granted.expires_at > now),
            Rule::ExpiredNotPublished,
        );
        must(
            t.held
                .as_ref()
                .is_some_and(|h| t.wanted == Wanted::Request(h.request.clone())),
            Rule::OnlyWantedPublished,
        );
        must(
            matches!(t.ownership, Ownership::Absent | Ownership::Ours),
            Rule::ForeignNotWritten,
        );
        must(outlives(t), Rule::LaterExpiryStays);
        must(!t.unlooked, Rule::LookedForBeforeMade);
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

fn replacing(s: &Snapshot, names: &[EntryName], must: &mut Must<'_>) {
    for t in s.tokens.iter().filter(|t| names.contains(&t.name)) {
        must(t.ownership == Ownership::Ours, Rule::OnlyOursReplaced);
        must(t.held.is_some(), Rule::SuccessorFirst);
    }
}

fn waking(s: &Snapshot, decision: &Decision, now: Time, must: &mut Must<'_>) {
    if !decision.step.is_final() || s.object.deleting {
        return;
    }
    must(decision.wake.is_none_or(|at| at > now), Rule::RestIsRest);
    let by = |at: Time| decision.wake.is_some_and(|wake| wake <= at);
    for t in &s.tokens {
        let Some(p) = t.published.as_ref().filter(|p| p.expires_at > now) else {
            continue;
        };
        must(by(p.expires_at), Rule::WakesAtExpiry);
        let routine = s.redeemable()
            && t.is_valid(now)
            && p.verified
            && s.failure.is_none()
            && s.holds.is_empty()
            && s.withheld.is_none()
            && !t.deleting
            && t.failure.is_none()
            && !s.object.suspended
            && !s.session.immutable
            && !matches!(s.client, Client::Missing { .. })
            && !s.permissions.deny()
            && !p.unwritable
            && t.held.is_none();
        let margin = MARGIN.min(p.life().seconds() / 4);
        must(
            !routine || t.deferred_until.is_some() || by(p.expires_at.plus(-margin)),
            Rule::MarginKept,
        );
    }
}

fn ownership(s: &Snapshot, object: &Object) -> Option<Ownership> {
    match object {
        Object::Session => Some(s.session.ownership),
        Object::Token(name) | Object::Contents(name) => owned(s, name),
        Object::Login | Object::Client => None,
    }
}

fn nothing_unstored(s: &Snapshot) -> bool {
    s.pocket.login.is_none() && s.pocket.refresh.is_none()
}

fn owned(s: &Snapshot, name: &EntryName) -> Option<Ownership> {
    s.tokens.iter().find(|t| t.name == *name).map(|t| t.ownership)
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
