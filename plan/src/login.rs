//! What the login Secret asks for: read, claim, record, exchange, delete, or hold with a reason.

mod attempt;

use super::client::Client;
use super::hold::Object;
use super::metadata::EntryName;
use super::policy::Permission;
use super::record::{Changed, ContentMac, Entry, Inputs, Record, Verdict};
use super::schedule;
use super::snapshot::{
    Claim, Content, LastLogin, LastVerdict, Login, LoginSecret, Opened, Ownership, Snapshot,
};
use super::{Step, Time};
use crate::reason::Reason;

/// Sends without a complete answer that a content gets.
pub(super) const MAX_UNANSWERED: u32 = 3;

/// What comes next for the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing: no login Secret is there, or none is needed.
    Nothing,
    /// A step that finishes an accepted or condemned login.
    Finish(Step),
    /// A step on the way to an exchange.
    Start(Step),
    /// Nothing to do for now.
    Hold {
        /// Why.
        reason: Reason,
        /// What happened and what to do.
        message: String,
        /// When to look again.
        wake: Option<Time>,
    },
}

impl Flow {
    fn hold(reason: Reason, message: impl Into<String>, wake: Option<Time>) -> Self {
        Self::Hold {
            reason,
            message: message.into(),
            wake,
        }
    }
}

/// Decides what comes next for the login.
pub(super) fn flow(s: &Snapshot, now: Time) -> Flow {
    match &s.login {
        Login::Absent => absent(s),
        Login::WrongType => wrong_type(s),
        Login::Present(login) if login.deleting => absent(s),
        Login::Present(login) => {
            let flow = used_first(s, login, present(s, login, now));
            held_back(s, permitted(s, flow, now), now)
        }
    }
}

/// Nothing of a login is claimed or leaves before the policy knows the tenant: for that its name alone leaves.
fn permitted(s: &Snapshot, flow: Flow, now: Time) -> Flow {
    let begins = matches!(
        &flow,
        Flow::Start(
            Step::ReadToSignIn | Step::ClaimLogin | Step::RecordAttempt { .. } | Step::Exchange { .. }
        )
    );
    if begins && s.permissions.target == Permission::Unresolved {
        resolve_first(s, now)
    } else {
        flow
    }
}

/// A login that the API server refuses to read, claim, record or delete waits, and keeps nothing else waiting.
fn held_back(s: &Snapshot, flow: Flow, now: Time) -> Flow {
    let (Flow::Start(step) | Flow::Finish(step)) = &flow else {
        return flow;
    };
    match step.objects().iter().find_map(|object| s.held(object, now)) {
        Some(f) => Flow::hold(f.refusal.reason, f.refusal.told(), f.next_attempt_at),
        None => flow,
    }
}

/// What must be read to delete a used login comes before anything else: its password is to be gone.
fn used_first(s: &Snapshot, login: &LoginSecret, flow: Flow) -> Flow {
    let last = s
        .session
        .last_login
        .as_ref()
        .filter(|last| last.login_uid.as_ref() == Some(&login.uid));
    let used =
        last.is_some_and(|last| matches!(last.verdict, Some(LastVerdict::Accepted | LastVerdict::Wrong)));
    match flow {
        Flow::Start(step @ (Step::ReadLogin | Step::ReadSession)) if used && s.binding().is_some() => {
            Flow::Finish(step)
        }
        Flow::Nothing | Flow::Start(_) | Flow::Finish(_) | Flow::Hold { .. } => flow,
    }
}

fn absent(s: &Snapshot) -> Flow {
    if s.redeemable() {
        return Flow::Nothing;
    }
    let message = s.login_failure.as_ref().map(|f| f.refusal.told());
    match last_verdict(s) {
        Some(LastVerdict::Wrong) => Flow::hold(
            Reason::WrongPassword,
            message.unwrap_or_else(|| {
                "the last user name or password was refused; create a login Secret with the right ones"
                    .to_owned()
            }),
            None,
        ),
        _ if s.session.token.is_some() => needs_new_login(s),
        _ if s.session.record_is_locked() => record_locked(s),
        _ => Flow::hold(
            Reason::AwaitingLogin,
            "waiting for the login Secret that spec.login.secretName names",
            None,
        ),
    }
}

fn needs_new_login(s: &Snapshot) -> Flow {
    let dead = s.session.token.as_ref().is_some_and(|t| t.dead_since.is_some());
    match () {
        () if s.session.unsealable() => Flow::hold(
            Reason::Unsealable,
            "the key that sealed the refresh token is gone; restore it, or create a new login Secret",
            None,
        ),
        () if dead && s.session_matches() => Flow::hold(
            Reason::LoginRequired,
            "the refresh token is no longer accepted; create a new login Secret",
            None,
        ),
        () => Flow::hold(
            Reason::LoginRequired,
            "the stored refresh token belongs to another tenant, client or authority; create a new login Secret, or change the spec back",
            None,
        ),
    }
}

/// Nothing is sent that may have been sent before. A refresh token that opens goes on beside it.
fn record_locked(s: &Snapshot) -> Flow {
    let (reason, message) = if s.redeemable() {
        (
            Reason::LoginSecretNotDeleted,
            "the key that sealed the record of earlier sign-ins is gone, so the login Secret is neither sent nor deleted; restore the key, or create another login Secret",
        )
    } else {
        (
            Reason::Unsealable,
            "the key that sealed the record of earlier sign-ins is gone, so nothing is sent; restore it, or create another login Secret",
        )
    };
    Flow::hold(reason, message, None)
}

fn wrong_type(s: &Snapshot) -> Flow {
    if s.redeemable() {
        return Flow::Nothing;
    }
    Flow::hold(
        Reason::InvalidLoginSecret,
        "the Secret that spec.login.secretName names is not of type entra-operator.dev/login, so it was not read; create it with --type=entra-operator.dev/login",
        None,
    )
}

fn present(s: &Snapshot, login: &LoginSecret, now: Time) -> Flow {
    if let Some(hold) = settled_without_reading(s, login, now) {
        return hold;
    }
    match (&login.content, login.claim) {
        (Content::Unread, _) => read(s, now),
        (_, Claim::Unchecked) => Flow::Start(Step::ReadLogin),
        (Content::Invalid(problem), _) => Flow::hold(Reason::InvalidLoginSecret, problem, None),
        (Content::Forbidden(problem), _) => Flow::hold(Reason::NotAllowed, problem, None),
        (Content::Valid { .. }, Claim::Held) => Flow::hold(
            Reason::SecretConflict,
            "another EntraCredential uses this login Secret; give every credential a login Secret of its own",
            Some(now.plus(schedule::CLAIM_LOOK)),
        ),
        (Content::Valid { .. }, Claim::Free) => Flow::Start(Step::ClaimLogin),
        (Content::Valid { mac }, Claim::Ours) => claimed(s, login, mac, now),
    }
}

/// A crowd of first sign-ins waits unread for leave to send: nothing is kept of it, and no call is made for it. What an earlier
/// sign-in left may say that the login is to be deleted, or not to be sent again: then it is read at once.
fn read(s: &Snapshot, now: Time) -> Flow {
    if s.session.ownership != Ownership::Absent {
        return Flow::Start(Step::ReadLogin);
    }
    waits_for_leave(s, now).unwrap_or(Flow::Start(Step::ReadToSignIn))
}

fn waits_for_leave(s: &Snapshot, now: Time) -> Option<Flow> {
    let w = s.withheld(now)?;
    let reason = if w.long { w.reason } else { Reason::LoggingIn };
    let message = format!("the sign-in waits: {}", w.message);
    Some(Flow::hold(reason, message, Some(w.until)))
}

/// A login that the clear annotations show to be settled: nothing is read for it, not even after a restart.
fn settled_without_reading(s: &Snapshot, login: &LoginSecret, now: Time) -> Option<Flow> {
    let last = s
        .session
        .last_login
        .as_ref()
        .filter(|_| login.content == Content::Unread)?;
    let same = last.login_uid.as_ref() == Some(&login.uid)
        && last.login_version.as_ref() == Some(&login.version)
        && last.made_for.as_ref() == Some(&login.made_for)
        && inputs(s, login).changed_since(last.inputs.as_ref()) == Changed::No
        && s.word(now)
            .is_none_or(|word| last.word.is_some_and(|before| word <= before));
    let due = last.again_at(now).is_some_and(|at| at <= now);
    let known = match last.verdict {
        Some(LastVerdict::Kept) => true,
        Some(LastVerdict::Open) => last.next_attempt_at.is_some(),
        Some(LastVerdict::Accepted | LastVerdict::Wrong) | None => false,
    };
    (same && !due && known).then(|| hold_last(s, last))
}

fn hold_last(s: &Snapshot, last: &LastLogin) -> Flow {
    let shown = s.login_failure.as_ref().map(|f| &f.refusal);
    let (reason, message) = match shown {
        Some(refusal) => (refusal.reason, refusal.told()),
        None if last.next_attempt_at.is_some() => (Reason::LoggingIn, "the sign-in is tried again".to_owned()),
        None => (
            Reason::LoginOutcomeUnknown,
            "the last sign-in did not succeed; check the sign-in log, then change what it names, or ask for another try".to_owned(),
        ),
    };
    Flow::hold(reason, message, last.next_attempt_at)
}

/// What decides how an answer to this login turns out.
pub(super) fn inputs(s: &Snapshot, login: &LoginSecret) -> Inputs {
    Inputs {
        leave: login.allows_identity_change,
        ..s.object.inputs.clone()
    }
}

fn claimed(s: &Snapshot, login: &LoginSecret, mac: &ContentMac, now: Time) -> Flow {
    if s.session.ownership == Ownership::Absent {
        return send(s, login, &Entry::new(mac.clone()), now);
    }
    if s.session.opened == Opened::Unread {
        return Flow::Finish(Step::ReadSession);
    }
    let Some(record) = s.record() else {
        return record_locked(s);
    };
    let entry = record
        .entry(mac)
        .cloned()
        .unwrap_or_else(|| Entry::new(mac.clone()));
    match in_flight(s, record, mac, &entry, now) {
        Some(flow) => flow,
        None => by_verdict(s, login, &entry, now),
    }
}

/// An attempt with this content that is recorded and not settled: ours to send now, or to be waited for.
fn in_flight(s: &Snapshot, record: &Record, mac: &ContentMac, entry: &Entry, now: Time) -> Option<Flow> {
    let attempt = record
        .attempt
        .as_ref()
        .filter(|a| a.content == *mac && (undecided(s, entry) || entry.verdict == Verdict::Wrong))?;
    let seen = s.session.attempt.as_ref().filter(|seen| seen.id == attempt.id);
    let fresh = entry
        .last_sent_at
        .is_some_and(|at| (0..=schedule::SEND_WITHIN).contains(&now.since(at)));
    let wanted = s.tokens.iter().any(|t| t.name == attempt.entry);
    if seen.is_some_and(|seen| seen.unsent_ours) && fresh && wanted {
        return Some(Flow::Start(Step::Exchange {
            attempt: attempt.id.clone(),
            entry: attempt.entry.clone(),
        }));
    }
    let take_over = seen.map_or(now, |seen| seen.first_seen).plus(schedule::TAKE_OVER);
    (take_over > now).then(|| {
        Flow::hold(
            Reason::LoggingIn,
            "a login attempt is in flight or was interrupted; it is taken over soon",
            Some(take_over),
        )
    })
}

/// An accepted content is open again once its token is dead: until then, or until an answer, it stays accepted.
fn undecided(s: &Snapshot, entry: &Entry) -> bool {
    match entry.verdict {
        Verdict::Open => true,
        Verdict::Accepted => !s.redeemable(),
        Verdict::Wrong | Verdict::Kept(_) => false,
    }
}

fn by_verdict(s: &Snapshot, login: &LoginSecret, entry: &Entry, now: Time) -> Flow {
    match &entry.verdict {
        Verdict::Wrong if lifted(s, entry, now) => open(s, login, entry, now),
        Verdict::Wrong => delete(s, login, entry, now),
        Verdict::Accepted if s.redeemable() => delete_accepted(s, login, entry, now),
        Verdict::Accepted if s.tenant_unresolved() => resolve_first(s, now),
        Verdict::Kept(reason) => kept(s, login, entry, *reason, now),
        Verdict::Accepted | Verdict::Open => open(s, login, entry, now),
    }
}

/// A person's new word buys one send of a condemned content, at most three times a day.
pub(super) fn lifted(s: &Snapshot, entry: &Entry, now: Time) -> bool {
    let today = entry.lifts.iter().filter(|at| now.since(**at) < schedule::DAY);
    s.word_for(entry, now).is_some() && today.count() < schedule::LIFTS_A_DAY
}

/// What the tenant is decides whether this content may be sent, or needs no send.
fn resolve_first(s: &Snapshot, now: Time) -> Flow {
    let failed = s.failure.as_ref();
    match failed.and_then(|f| f.next_attempt_at.map(|at| (f, at))) {
        Some((f, at)) if at > now => Flow::hold(f.refusal.reason, f.refusal.told(), Some(at)),
        _ => Flow::Start(Step::Resolve),
    }
}

/// The sealed token must have been read back and opened before the password goes.
fn delete_accepted(s: &Snapshot, login: &LoginSecret, entry: &Entry, now: Time) -> Flow {
    if s.session.pinned().is_some() {
        delete(s, login, entry, now)
    } else {
        Flow::Finish(Step::ReadSession)
    }
}

fn delete(s: &Snapshot, login: &LoginSecret, entry: &Entry, now: Time) -> Flow {
    let recreated = entry.login_uid.as_ref() != Some(&login.uid);
    let again = s.deleted_login_at.map(|at| at.plus(schedule::DELETED_AGAIN));
    match again.filter(|at| recreated && *at > now) {
        Some(at) => Flow::hold(
            Reason::LoginSecretNotDeleted,
            "the used login Secret was created again with the same content; it is deleted at most once a minute; remove it from its source",
            Some(at),
        ),
        None => Flow::Finish(Step::DeleteLogin),
    }
}

/// What was refused for a reason that a person can change is sent again when something that decides the answer changes,
/// or when a person says so.
fn kept(s: &Snapshot, login: &LoginSecret, entry: &Entry, reason: Reason, now: Time) -> Flow {
    if s.word_for(entry, now).is_some() {
        return send(s, login, entry, now);
    }
    let changed = inputs(s, login).changed_since(entry.inputs.as_ref());
    if changed == Changed::MustRead {
        return read_client(s, now);
    }
    match again_at(login, entry, changed == Changed::Yes, now) {
        Some(at) if at <= now && !used_up(s, entry, now) => send(s, login, entry, now),
        at => Flow::hold(reason, shown_message(s, reason), at),
    }
}

/// When a kept content may be sent again without a person's word.
fn again_at(login: &LoginSecret, entry: &Entry, changed: bool, now: Time) -> Option<Time> {
    if entry.doubtful >= schedule::DOUBTFUL_SENDS {
        return None;
    }
    let spaced = entry.spaced(schedule::SAME_CONTENT, now).unwrap_or(now);
    let occasion = changed || entry.login_uid.as_ref() != Some(&login.uid);
    let of_occasion = match (occasion, changed && entry.doubtful == 0) {
        (false, _) => None,
        (true, true) => Some(now),
        (true, false) => Some(spaced),
    };
    of_occasion.into_iter().chain(entry.again_at(now)).min()
}

/// What the answer will go by is read before it is decided on.
fn read_client(s: &Snapshot, now: Time) -> Flow {
    match s.held(&Object::Client, now) {
        Some(f) => Flow::hold(f.refusal.reason, f.refusal.told(), f.next_attempt_at),
        None => Flow::Start(Step::ReadClient),
    }
}

fn shown_message(s: &Snapshot, reason: Reason) -> String {
    s.login_failure
        .as_ref()
        .filter(|f| f.refusal.reason == reason)
        .map_or_else(
            || format!("the last sign-in ended with {reason}; change what it names, or ask for another try"),
            |f| f.refusal.told(),
        )
}

/// Whether the content had all its sends without a complete answer, and nobody asks for one more.
pub(super) fn used_up(s: &Snapshot, entry: &Entry, now: Time) -> bool {
    entry.unanswered >= MAX_UNANSWERED && s.word_for(entry, now).is_none()
}

fn open(s: &Snapshot, login: &LoginSecret, entry: &Entry, now: Time) -> Flow {
    match entry.again_at(now) {
        _ if used_up(s, entry, now) => Flow::hold(
            Reason::LoginOutcomeUnknown,
            "the login was sent three times and never completely answered; check the sign-in log, then change the login or ask for another try",
            None,
        ),
        Some(at) if at > now => {
            let reason = s
                .login_failure
                .as_ref()
                .map_or(Reason::LoggingIn, |f| f.refusal.reason);
            Flow::hold(reason, shown_message(s, reason), Some(at))
        }
        _ => send(s, login, entry, now),
    }
}

/// Records an attempt, unless it must wait for its turn or for a permit.
fn send(s: &Snapshot, login: &LoginSecret, entry: &Entry, now: Time) -> Flow {
    if let Some(waits) = waits_for_leave(s, now) {
        return waits;
    }
    let paused = entry
        .spaced(schedule::AFTER_LOST, now)
        .filter(|_| entry.unanswered > 0);
    if let Some(at) = paused.into_iter().chain(s.turn_at).max().filter(|at| *at > now) {
        return Flow::hold(
            Reason::LoggingIn,
            "the next sign-in of this account waits for its turn",
            Some(at),
        );
    }
    if matches!(s.client, Client::Credential { .. }) && s.object.inputs.client.content.is_none() {
        return read_client(s, now);
    }
    match next_entry(s, login, entry) {
        Some(name) => Flow::Start(Step::RecordAttempt {
            content: entry.content.clone(),
            entry: name,
        }),
        None => Flow::Nothing,
    }
}

/// The entry whose scopes go with the next send: one that was not refused for this content, else each in its turn.
fn next_entry(s: &Snapshot, login: &LoginSecret, entry: &Entry) -> Option<EntryName> {
    let changed = inputs(s, login).changed_since(entry.inputs.as_ref()) != Changed::No;
    let refused = |name: &&EntryName| !changed && entry.refused_entries.contains(name);
    let usable = s.tokens.iter().filter(|t| t.ownership != Ownership::Foreign);
    let usable: Vec<&EntryName> = usable.map(|t| &t.name).collect();
    let untried = usable.iter().find(|name| !refused(name));
    let in_turn = || usable.get(entry.proven as usize % usable.len().max(1));
    let chosen = untried.or_else(in_turn).copied();
    chosen.or_else(|| s.tokens.first().map(|t| &t.name)).cloned()
}

fn last_verdict(s: &Snapshot) -> Option<LastVerdict> {
    s.session.last_login.as_ref().and_then(|l| l.verdict)
}
