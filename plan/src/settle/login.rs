//! A login: recorded, answered, stored, deleted.

use super::{pass, store, trouble};
use crate::Time;
use crate::answer::{Account, Deed, Effect, Granted, Refusal};
use crate::hold::Object;
use crate::identity::{AccountTag, Names, Pin};
use crate::known::Known;
use crate::metadata::{EntryName, Version};
use crate::reason::Reason;
use crate::record::{Entry, Record, Verdict};
use crate::schedule;
use crate::snapshot::{AttemptSeen, Failure, LastLogin, LastVerdict, Login, LoginOutcome, Opened, Snapshot};

/// The attempt was recorded, in this version of the refresh-token Secret.
pub fn recorded(known: &mut Known, s: &Snapshot, record: Record, version: Version, now: Time) {
    trouble::over(known, &Object::Login);
    known.attempt = record.attempt.as_ref().map(|a| AttemptSeen {
        id: a.id.clone(),
        first_seen: now,
        unsent_ours: true,
    });
    store::written(known, s, version, with_record(s, record));
}

fn with_record(s: &Snapshot, record: Record) -> Opened {
    match &s.session.opened {
        Opened::Read {
            session, unsealable, ..
        } => Opened::Read {
            record: Some(record),
            session: session.clone(),
            unsealable: *unsealable,
        },
        Opened::Unread => Opened::Read {
            record: Some(record),
            session: None,
            unsealable: false,
        },
    }
}

/// There is no turn for this account or namespace before then.
pub const fn waits_for_turn(known: &mut Known, until: Time) {
    known.turn_at = Some(until);
}

/// The attempt is about to be sent: it is sent once.
pub const fn leaves(known: &mut Known) {
    if let Some(seen) = &mut known.attempt {
        seen.unsent_ours = false;
    }
}

/// What an answer means: it is refused all the same without a refresh token, or for another account without leave.
#[expect(
    clippy::result_large_err,
    reason = "it becomes the result of the login, which holds a refusal"
)]
pub fn judged(s: &Snapshot, user: &str, granted: &Granted) -> Result<(), Refusal> {
    if !granted.has_refresh_token {
        return Err(no_refresh_token());
    }
    let answered = granted.account.as_ref();
    let pinned = pinned(s, answered).filter(|_| !may_change(s));
    if pinned.is_some_and(|pin| pin.is_another_login(user, answered)) {
        return Err(other_identity());
    }
    Ok(())
}

/// Judges an answer that is about to be stored by what is stored by then.
///
/// Another process may have bound the session to where this login was sent, and then it belongs to the account that it
/// belonged to before.
pub fn judge_again(s: &Snapshot, outcome: &mut LoginOutcome) {
    if let Ok(granted) = &outcome.result
        && let Err(refusal) = judged(s, &outcome.user, granted)
    {
        outcome.result = Err(refusal);
    }
}

/// The pin of an accepted login of `user`; `tag` makes the tag of another account than the one before.
///
/// Where the account may change and the answer names nobody, it may be another one: the first answer that names it
/// completes the pin.
pub fn pin(
    s: &Snapshot,
    user: &str,
    answered: Option<&Account>,
    tag: impl FnOnce(&Account) -> AccountTag,
) -> Pin {
    let before = pinned(s, answered);
    let stays = |pin: &&Pin| !may_change(s) || pin.names(answered) == Names::Same;
    Pin::of_login(before.filter(stays), user, answered, tag)
}

/// The pin belongs to the binding: that of a session for another one says nothing about this login.
fn pinned<'s>(s: &'s Snapshot, answered: Option<&Account>) -> Option<&'s Pin> {
    let bound = s.session_matches() || answered.is_some_and(|a| s.stored_for_tenant(&a.tenant_id));
    s.session.pinned().filter(|_| bound)
}

/// By leave of the login Secret, or of the one that was there when the attempt was recorded: it may be gone by now.
fn may_change(s: &Snapshot) -> bool {
    let record = s.record();
    let entry = record.and_then(|record| record.entry(&record.attempt.as_ref()?.content));
    let inputs = entry.and_then(|entry| entry.inputs.as_ref());
    inputs.is_some_and(|inputs| inputs.leave)
        || matches!(&s.login, Login::Present(login) if login.allows_identity_change)
}

/// Whether a send with this result uses up a turn of its account and namespace: not one that was accepted, refused for a
/// scope, or did not count as a send.
pub fn uses_turn(result: &Result<Granted, Refusal>) -> bool {
    result
        .as_ref()
        .is_err_and(|r| !r.concerns_entry() && !r.left_nothing())
}

/// No permit was free, and nothing left.
pub fn withheld(seconds: i64, reason: Reason, message: String) -> Refusal {
    Refusal {
        effect: Effect::Withheld,
        retry_after: Some(seconds.max(1)),
        ..trouble::refusal(reason, message, "The sign-in is tried again by itself.")
    }
}

/// The work was stopped before the recorded attempt was sent: it is given back, and whoever goes on may send it.
pub fn not_begun() -> Refusal {
    withheld(
        1,
        Reason::LoggingIn,
        "the sign-in was stopped before the password was sent".to_owned(),
    )
}

/// The outcome was stored with its record, in this version.
pub fn stored(
    known: &mut Known,
    s: &Snapshot,
    outcome: &LoginOutcome,
    record: Record,
    version: Version,
    now: Time,
) {
    known.attempt = None;
    trouble::over(known, &Object::Session);
    known.stored = known.stored.saturating_add(1);
    match &outcome.result {
        Ok(granted) => accepted(known, s, outcome, granted, now),
        Err(refusal) => {
            if s.session.token.is_none() {
                // There is nothing to renew: this send is what a word has led to.
                known.handled = s.word_for_renewal(now).or(known.handled);
            }
            known.login_failure = Some(Failure {
                refusal: refusal.clone(),
                at: now,
                consecutive: 1,
                next_attempt_at: record.entries.last().and_then(|e| e.next_attempt_at),
                under: None,
            });
            store::written(known, s, version, with_record(s, record));
        }
    }
}

/// The sealed token is read back before the login Secret goes, so nothing of it is taken as known here.
fn accepted(known: &mut Known, s: &Snapshot, outcome: &LoginOutcome, granted: &Granted, now: Time) {
    known.session = None;
    known.login_failure = None;
    known.failure = None;
    for note in known.entries.values_mut() {
        note.failure = None;
    }
    known.handled = s.word_for_renewal(now).or(known.handled);
    let account = granted.account.clone().unwrap_or_default();
    known.account = Some(pass::shown(&account, &outcome.user));
    known.checked_by = granted.checked_by;
    if let Some(refusal) = &granted.unusable {
        super::renewal::entry_failed(known, s, &outcome.entry, (**refusal).clone(), now);
    }
}

/// The used login Secret is gone.
pub fn deleted(known: &mut Known, now: Time) {
    trouble::over(known, &Object::Login);
    known.login = None;
    known.deleted_login_at = Some(now);
}

/// The clear description of the last attempt in `record`.
pub fn described(known: &Known, record: &Record) -> LastLogin {
    let last = record.entries.last();
    let login = known.login.as_ref();
    LastLogin {
        verdict: last.map(|e| e.verdict.without_reason()),
        login_uid: login.map(|l| l.uid.clone()),
        login_version: login.map(|l| l.version.clone()),
        sends: last.map_or(0, |e| e.sends),
        last_sent_at: last.and_then(|e| e.last_sent_at),
        next_attempt_at: last.and_then(|e| e.next_attempt_at),
        made_for: login.map(|l| l.made_for.clone()),
        inputs: last.and_then(|e| e.inputs.clone()),
        word: last.and_then(|e| e.word),
    }
}

impl Verdict {
    /// For annotations and status.
    pub const fn without_reason(&self) -> LastVerdict {
        match self {
            Self::Open => LastVerdict::Open,
            Self::Accepted => LastVerdict::Accepted,
            Self::Wrong => LastVerdict::Wrong,
            Self::Kept(_) => LastVerdict::Kept,
        }
    }
}

impl Record {
    /// Writes down the outcome of a send. `others` are the names of all token entries.
    pub fn settle(&mut self, outcome: &LoginOutcome, others: &[EntryName], now: Time) {
        if self
            .attempt
            .as_ref()
            .is_some_and(|a| a.content == outcome.content)
        {
            self.attempt = None;
        }
        let e = self.entry_mut(&outcome.content);
        if let (Some(inputs), Some(client)) = (&mut e.inputs, &outcome.client) {
            inputs.client = client.clone();
        }
        match &outcome.result {
            Ok(_) => e.answered(Verdict::Accepted),
            Err(refusal) => e.refused(refusal, &outcome.entry, others, now),
        }
    }
}

impl Entry {
    /// A complete answer came: its send was not one of those that were never answered. Only an accepted login ends
    /// the count of those, since a proven password locks no account.
    fn answered(&mut self, verdict: Verdict) {
        self.unanswered = match verdict {
            Verdict::Accepted => 0,
            Verdict::Open | Verdict::Wrong | Verdict::Kept(_) => self.unanswered.saturating_sub(1),
        };
        if verdict == Verdict::Accepted {
            self.doubtful = 0;
            self.proven = 0;
        }
        self.verdict = verdict;
        self.postponed = 0;
        self.next_attempt_at = None;
    }

    fn refused(&mut self, refusal: &Refusal, entry: &EntryName, others: &[EntryName], now: Time) {
        if self.verdict == Verdict::Wrong && refusal.leaves_condemned() {
            return self.answered(Verdict::Wrong);
        }
        match refusal.effect {
            Effect::Transient => {
                self.postponed += 1;
                self.not_sent(schedule::retry_login(now, self.postponed, refusal.retry_after));
            }
            Effect::Withheld => self.not_sent(now.plus(refusal.retry_after.unwrap_or(1))),
            Effect::Unanswered => self.next_attempt_at = Some(now.plus(schedule::AFTER_LOST)),
            Effect::Condemned => self.answered(Verdict::Wrong),
            Effect::Doubtful => {
                self.answered(Verdict::Kept(refusal.reason));
                self.doubtful += 1;
            }
            Effect::Entry | Effect::Person | Effect::Dead | Effect::Suspect | Effect::Unreadable => {
                self.kept(refusal, entry, others, now);
            }
        }
    }

    /// Refused for a reason that a person can change: with the scopes of another entry it may be accepted.
    fn kept(&mut self, refusal: &Refusal, entry: &EntryName, others: &[EntryName], now: Time) {
        if refusal.concerns_entry() && !self.refused_entries.contains(entry) {
            self.refused_entries.push(entry.clone());
            if !others.iter().all(|o| self.refused_entries.contains(o)) {
                self.answered(Verdict::Open);
                self.next_attempt_at = Some(now.plus(schedule::NEXT_ENTRY));
                return;
            }
        }
        self.answered(Verdict::Kept(refusal.reason));
        if refusal.left_nothing() {
            self.sends = self.sends.saturating_sub(1);
        }
        if refusal.proves_password() && self.proven < schedule::PROVEN_TRIES {
            self.proven += 1;
            self.next_attempt_at = Some(now.plus(schedule::PROVEN_PAUSE));
        }
    }

    /// No send is used up: the one that was counted when it was recorded is given back, and the word with it.
    fn not_sent(&mut self, next: Time) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.sends = self.sends.saturating_sub(1);
        self.next_attempt_at = Some(next);
        self.word = self.word_before;
        if self.verdict == Verdict::Wrong {
            self.lifts.pop();
        }
    }
}

fn no_refresh_token() -> Refusal {
    Refusal {
        effect: Effect::Person,
        deed: Deed::Word,
        ..trouble::refusal(
            Reason::AppMisconfigured,
            "the sign-in was accepted, but no refresh token came with it".to_owned(),
            "Allow offline_access for this application.",
        )
    }
}

fn other_identity() -> Refusal {
    Refusal {
        effect: Effect::Person,
        deed: Deed::Leave,
        ..trouble::refusal(
            Reason::IdentityChanged,
            "the sign-in was accepted for another account than the pinned one, and was discarded".to_owned(),
            "",
        )
    }
}
