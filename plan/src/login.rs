//! What the login Secret asks for: read, claim, record, exchange, delete, or hold with a reason.

use super::answer::{Effect, Refusal};
use super::record::{Attempt, ContentMac, Entry, Record, Verdict};
use super::schedule;
use super::snapshot::{Claim, Content, LastLogin, Login, LoginOutcome, LoginSecret, Ownership, Snapshot};
use super::{Step, Time};
use crate::reason::Reason;

/// Sends without a complete answer that a content gets: product rule 1.
pub(super) const MAX_UNANSWERED: u32 = 3;

/// How often a claim of another credential is looked at again.
const CLAIM_RECHECK: i64 = 60;

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
            held_back(s, flow, now)
        }
    }
}

/// A login whose claim or record the API server refused waits, and does not keep the renewals waiting. What was
/// recorded is sent in its time.
fn held_back(s: &Snapshot, flow: Flow, now: Time) -> Flow {
    let refused = s
        .login_failure
        .as_ref()
        .filter(|f| f.refusal.reason == Reason::WriteRefused);
    let starts = matches!(&flow, Flow::Start(step) if !matches!(step, Step::Exchange { .. }));
    match refused.and_then(|f| f.next_attempt_at.map(|at| (f, at))) {
        Some((f, at)) if starts && at > now => Flow::hold(f.refusal.reason, f.refusal.told(), Some(at)),
        _ => flow,
    }
}

/// What must be read to delete a used login comes before anything else: its password is to be gone.
fn used_first(s: &Snapshot, login: &LoginSecret, flow: Flow) -> Flow {
    let last = s
        .session
        .last_login
        .as_ref()
        .filter(|last| last.login_uid == login.uid);
    let used = last.is_some_and(|last| last.verdict == "Accepted" || last.verdict == "Wrong");
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
        Some("Wrong") => Flow::hold(
            Reason::WrongPassword,
            message.unwrap_or_else(|| {
                "the last user name or password was refused; create a new login Secret".to_owned()
            }),
            None,
        ),
        _ if s.session.token.is_some() => needs_new_login(s),
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
        (Content::Unread, _) | (_, Claim::Unchecked) => Flow::Start(Step::ReadLogin),
        (Content::Invalid(problem), _) => Flow::hold(Reason::InvalidLoginSecret, problem, None),
        (Content::Forbidden(problem), _) => Flow::hold(Reason::NotAllowed, problem, None),
        (Content::Valid { .. }, Claim::Held) => Flow::hold(
            Reason::SecretConflict,
            "another EntraCredential uses this login Secret; give every credential a login Secret of its own",
            Some(now.plus(CLAIM_RECHECK)),
        ),
        (Content::Valid { .. }, Claim::Free) => Flow::Start(Step::ClaimLogin),
        (Content::Valid { mac, not_before }, Claim::Ours) => claimed(s, login, mac, *not_before, now),
    }
}

/// A login that the clear annotations show to be settled: nothing is read for it, not even after a restart.
fn settled_without_reading(s: &Snapshot, login: &LoginSecret, now: Time) -> Option<Flow> {
    let last = s
        .session
        .last_login
        .as_ref()
        .filter(|_| login.content == Content::Unread)?;
    let same =
        last.login_uid == login.uid && last.login_version == login.version && last.inputs == inputs(s, login);
    let due = last.next_attempt_at.is_some_and(|at| at <= now);
    let known = last.verdict == "Kept" || (last.verdict == "Open" && last.next_attempt_at.is_some());
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

/// What decides whether a kept content is sent again: the object's inputs and the login's own leave.
pub(super) fn inputs(s: &Snapshot, login: &LoginSecret) -> String {
    format!("{};leave={}", s.object.inputs, login.allows_identity_change)
}

fn claimed(s: &Snapshot, login: &LoginSecret, mac: &ContentMac, not_before: Time, now: Time) -> Flow {
    if s.session.ownership == Ownership::Absent {
        return send(s, login, &Entry::new(mac.clone()), not_before, now);
    }
    let Some(record) = s.session.record() else {
        return Flow::Finish(Step::ReadSession);
    };
    let entry = record
        .entry(mac)
        .cloned()
        .unwrap_or_else(|| Entry::new(mac.clone()));
    match in_flight(s, record, mac, &entry, now) {
        Some(flow) => flow,
        None => by_verdict(s, login, &entry, not_before, now),
    }
}

/// An attempt with this content that is recorded and not settled: ours to send now, or to be waited for.
fn in_flight(s: &Snapshot, record: &Record, mac: &ContentMac, entry: &Entry, now: Time) -> Option<Flow> {
    let attempt = record
        .attempt
        .as_ref()
        .filter(|a| a.content == *mac && undecided(s, entry))?;
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

fn by_verdict(s: &Snapshot, login: &LoginSecret, entry: &Entry, not_before: Time, now: Time) -> Flow {
    match &entry.verdict {
        Verdict::Wrong => delete(s, login, entry, now),
        Verdict::Accepted if s.redeemable() => delete_accepted(s, login, entry, now),
        Verdict::Accepted if s.tenant_unresolved() => resolve_first(s, now),
        Verdict::Kept(reason) => kept(s, login, entry, *reason, not_before, now),
        Verdict::Accepted | Verdict::Open => open(s, login, entry, not_before, now),
    }
}

/// The stored token may be of the same tenant, written differently: then this content needs no send.
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
    let recreated = entry.login_uid != login.uid;
    let refused = s
        .login_failure
        .as_ref()
        .filter(|f| f.refusal.reason == Reason::LoginSecretNotDeleted);
    match refused.and_then(|f| f.next_attempt_at) {
        Some(at) if at > now => Flow::hold(
            Reason::LoginSecretNotDeleted,
            "the login Secret was used and could not be deleted; delete it yourself, or allow the operator to",
            Some(at),
        ),
        _ if recreated && s.deleted_login_at.is_some_and(|at| at.plus(60) > now) => Flow::hold(
            Reason::LoginSecretNotDeleted,
            "the used login Secret was created again with the same content; it is deleted at most once a minute; remove it from its source",
            s.deleted_login_at.map(|at| at.plus(60)),
        ),
        _ => Flow::Finish(Step::DeleteLogin),
    }
}

fn kept(
    s: &Snapshot,
    login: &LoginSecret,
    entry: &Entry,
    reason: Reason,
    not_before: Time,
    now: Time,
) -> Flow {
    let changed = entry.inputs != inputs(s, login);
    let again_at = entry.last_sent_at.unwrap_or(now).plus(schedule::SAME_CONTENT);
    let recreated = entry.login_uid != login.uid;
    match () {
        () if (changed || (recreated && again_at <= now)) && !used_up(s, entry) => {
            send(s, login, entry, not_before, now)
        }
        () => Flow::hold(reason, shown_message(s, reason), recreated.then_some(again_at)),
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
fn used_up(s: &Snapshot, entry: &Entry) -> bool {
    let request = s.object.request.as_ref();
    let asked = request.is_some_and(|request| !entry.sent_for(request));
    entry.unanswered >= MAX_UNANSWERED && !asked
}

fn open(s: &Snapshot, login: &LoginSecret, entry: &Entry, not_before: Time, now: Time) -> Flow {
    match entry.next_attempt_at {
        _ if used_up(s, entry) => Flow::hold(
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
        _ => send(s, login, entry, not_before, now),
    }
}

/// Records an attempt, unless the allowance says later.
fn send(s: &Snapshot, login: &LoginSecret, entry: &Entry, not_before: Time, now: Time) -> Flow {
    let paused = entry
        .last_sent_at
        .filter(|_| entry.unanswered > 0)
        .map(|at| at.plus(schedule::AFTER_LOST));
    let earliest = paused.unwrap_or(not_before).max(not_before);
    if earliest > now {
        return Flow::hold(
            Reason::LoggingIn,
            "the next sign-in of this account waits for its turn",
            Some(earliest),
        );
    }
    let changed = entry.inputs != inputs(s, login);
    let refused = |name: &String| !changed && entry.refused_entries.contains(name);
    let usable = s
        .tokens
        .iter()
        .filter(|t| t.ownership != Ownership::Foreign)
        .map(|t| &t.name);
    let names = || usable.clone().chain(s.tokens.iter().map(|t| &t.name));
    match names().find(|n| !refused(n)).or_else(|| names().next()) {
        Some(name) => Flow::Start(Step::RecordAttempt {
            content: entry.content.clone(),
            entry: name.clone(),
        }),
        None => Flow::Nothing,
    }
}

fn last_verdict(s: &Snapshot) -> Option<&str> {
    s.session.last_login.as_ref().map(|l| l.verdict.as_str())
}

impl Record {
    /// Writes down that `attempt` is about to be sent from `login`.
    pub fn begin(&mut self, attempt: Attempt, s: &Snapshot, login: &LoginSecret, now: Time) {
        let inputs = inputs(s, login);
        let e = self.entry_mut(&attempt.content);
        if e.inputs != inputs {
            e.refused_entries.clear();
        }
        if e.verdict != Verdict::Accepted {
            e.verdict = Verdict::Open;
        }
        e.unanswered += 1;
        e.sends += 1;
        e.login_uid.clone_from(&login.uid);
        e.last_sent_at = Some(now);
        e.next_attempt_at = None;
        e.inputs = inputs;
        self.attempt = Some(attempt);
    }

    /// Writes down the outcome of a send. `others` are the names of all token entries.
    pub fn settle(&mut self, outcome: &LoginOutcome, others: &[String], now: Time) {
        if self
            .attempt
            .as_ref()
            .is_some_and(|a| a.content == outcome.content)
        {
            self.attempt = None;
        }
        let e = self.entry_mut(&outcome.content);
        match &outcome.result {
            Ok(_) => e.answered(Verdict::Accepted),
            Err(refusal) => e.refused(refusal, &outcome.entry, others, now),
        }
    }
}

impl Entry {
    /// Whether the content was last sent while this request of a person was in force.
    pub fn sent_for(&self, request: &str) -> bool {
        self.inputs.contains(request)
    }

    /// A complete answer came: its send was not one of those that were never answered. Only an accepted login ends
    /// the count of those, since a proven password locks no account.
    fn answered(&mut self, verdict: Verdict) {
        self.unanswered = match verdict {
            Verdict::Accepted => 0,
            Verdict::Open | Verdict::Wrong | Verdict::Kept(_) => self.unanswered.saturating_sub(1),
        };
        self.verdict = verdict;
        self.postponed = 0;
        self.next_attempt_at = None;
    }

    fn refused(&mut self, refusal: &Refusal, entry: &str, others: &[String], now: Time) {
        match refusal.effect {
            Effect::Condemned => self.answered(Verdict::Wrong),
            Effect::Doubtful | Effect::Person | Effect::Dead | Effect::Suspect | Effect::Unreadable => self.answered(Verdict::Kept(refusal.reason)),
            Effect::Entry => self.entry_refused(refusal.reason, entry, others, now),
            Effect::Transient => {
                self.postponed += 1;
                self.not_sent(schedule::retry_login(now, self.postponed, refusal.retry_after));
            }
            Effect::Withheld => self.not_sent(now.plus(refusal.retry_after.unwrap_or(1))),
            Effect::Unanswered => self.next_attempt_at = Some(now.plus(schedule::AFTER_LOST)),
        }
    }

    fn entry_refused(&mut self, reason: Reason, entry: &str, others: &[String], now: Time) {
        self.refused_entries.push(entry.to_owned());
        if others.iter().all(|o| self.refused_entries.contains(o)) {
            return self.answered(Verdict::Kept(reason));
        }
        self.answered(Verdict::Open);
        self.next_attempt_at = Some(now.plus(schedule::NEXT_ENTRY));
    }

    /// No send is used up: the one that was counted when it was recorded is given back.
    fn not_sent(&mut self, next: Time) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.sends = self.sends.saturating_sub(1);
        self.next_attempt_at = Some(next);
    }
}
