//! What the user sees: the headline reason and the five conditions, a pure function of facts and time.

use super::hold::Object;
use super::schedule::WITHHELD_TOLD;
use super::snapshot::{Failure, Ownership, Snapshot, Token};
use super::{Decision, Time};
use crate::reason::{Reason, Says};

/// One condition, without its transition time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `Ready`, `LoggedIn`, `Published`, `Reconciling` or `Stalled`.
    pub kind: &'static str,
    /// `True` or `False`.
    pub status: bool,
    /// Why.
    pub reason: Reason,
    /// What happened and what to do; may be empty.
    pub message: String,
}

/// The most important thing to say at rest. `login` is what holds the login up, if anything does.
pub(super) fn headline(s: &Snapshot, login: Option<(Reason, &str)>, now: Time) -> (Reason, String) {
    let trouble = trouble(s, login, now);
    if s.tokens.iter().all(|t| t.is_valid(now)) {
        return while_ready(s, trouble, now);
    }
    trouble.unwrap_or_else(|| without_trouble(s, now))
}

/// The first thing that stands in the way, in the order in which a person would care.
fn trouble(s: &Snapshot, login: Option<(Reason, &str)>, now: Time) -> Option<(Reason, String)> {
    let told = |f: &Failure| (f.refusal.reason, f.refusal.told());
    let of_login = login.map(|(reason, message)| (reason, message.to_owned()));
    let of_session = s.failure_of_renewal(now).map(told).or_else(|| withheld(s, now));
    let of_tokens = s.tokens.iter().find_map(|t| trouble_of_token(s, t, now));
    let needs_login = !s.redeemable();
    if needs_login {
        let of_hold = s.failed(&Object::Session, now).map(told);
        of_hold.or(of_login).or(of_session).or(of_tokens)
    } else {
        of_session.or(of_tokens).or(of_login)
    }
}

/// That no call is made is trouble where a renewal waits for it, and not for its turn only.
fn withheld(s: &Snapshot, now: Time) -> Option<(Reason, String)> {
    let held = s.withheld(now)?;
    let waits = |t: &Token| {
        let due = t.due(s);
        let expired = t.published.as_ref().is_some_and(|p| p.expires_at <= now);
        let lasts = due > Time::ALWAYS && now.since(due) >= WITHHELD_TOLD;
        due <= now && (held.long || lasts || expired)
    };
    s.tokens.iter().any(waits).then(|| {
        (
            held.reason,
            format!(
                "{}; no call is made at the moment, and it is tried again by itself",
                held.message
            ),
        )
    })
}

/// When what is told of a withheld call changes: once it is due, or once it has lasted.
pub(super) fn withheld_told(s: &Snapshot, now: Time) -> impl Iterator<Item = Time> {
    let held = s.withheld(now);
    let waits = s.tokens.iter().filter(move |_| held.is_some());
    waits.flat_map(|t| [t.due(s), t.due(s).plus(WITHHELD_TOLD)])
}

impl Snapshot {
    /// What keeps the renewal of all tokens up: the refresh-token Secret, the client credential, or what was refused.
    pub fn failure_of_renewal(&self, now: Time) -> Option<&Failure> {
        self.failed(&Object::Session, now)
            .or(self.failure.as_ref())
            .or_else(|| self.failed(&Object::Client, now))
            .or_else(|| self.common_failure())
    }

    /// What keeps one entry up: its Secret, or what was refused.
    pub fn failure_of_token<'s>(&'s self, t: &'s Token, now: Time) -> Option<&'s Failure> {
        self.failed(&Object::Token(t.name.clone()), now)
            .or_else(|| self.failed(&Object::Contents(t.name.clone()), now))
            .or(t.failure.as_ref())
    }

    /// What keeps the login up.
    pub fn failure_of_login(&self, now: Time) -> Option<&Failure> {
        self.failed(&Object::Login, now).or(self.login_failure.as_ref())
    }

    /// Why an object is held. Who only waits its turn has not failed, and soon has it: the others are told of.
    fn failed(&self, object: &Object, now: Time) -> Option<&Failure> {
        self.held(object, now).filter(|f| f.consecutive > 0)
    }
}

fn trouble_of_token(s: &Snapshot, t: &Token, now: Time) -> Option<(Reason, String)> {
    if t.ownership == Ownership::Foreign {
        let message = format!(
            "the Secret {} belongs to somebody else; remove it, or choose another secretName",
            t.name
        );
        return Some((Reason::SecretConflict, message));
    }
    if t.deleting {
        let message = format!(
            "the Secret {} is being deleted and something holds it, perhaps a finalizer; it is written again when it is gone",
            t.name
        );
        return Some((Reason::SecretConflict, message));
    }
    let failure = s
        .failure_of_token(t, now)
        .map(|f| (f.refusal.reason, f.refusal.told()));
    failure.or_else(|| t.repair_put_off(now).then(|| repeated_repair(t)))
}

fn repeated_repair(t: &Token) -> (Reason, String) {
    let message = format!(
        "the Secret {} was deleted or edited again right after it was repaired; find out who does it",
        t.name
    );
    (Reason::SecretConflict, message)
}

fn while_ready(s: &Snapshot, trouble: Option<(Reason, String)>, now: Time) -> (Reason, String) {
    match trouble {
        Some((reason, message))
            if reason.verdicts().ready == Says::Facts && renewal_fails(s, reason, now) =>
        {
            (Reason::Expiring, message)
        }
        Some((Reason::AwaitingLogin | Reason::LoggingIn, _)) | None => all_well(s, now),
        Some((reason, message)) => (reason, message),
    }
}

/// What holds the look at a Secret that was touched: while nobody knows what is in it, not all is well.
fn waits_to_be_seen<'s>(s: &'s Snapshot, t: &Token, now: Time) -> Option<&'s Failure> {
    let contents = Object::Contents(t.name.clone());
    t.is_unseen().then(|| s.held(&contents, now)).flatten()
}

/// Ready, with the four things that are worth saying all the same.
fn all_well(s: &Snapshot, now: Time) -> (Reason, String) {
    if let Some(waits) = s.tokens.iter().find_map(|t| waits_to_be_seen(s, t, now)) {
        return (waits.refusal.reason, waits.refusal.told());
    }
    if let Some(days) = s.client.ends_within(now) {
        let message = format!(
            "the client certificate expires within {days} days; upload a new one to the app registration, then replace the Secret"
        );
        return (Reason::CertificateExpiring, message);
    }
    if s.object.ahead != 0 {
        let message = "the node's clock differs from the identity provider's by more than a minute; set the node's time (NTP)";
        return (Reason::ClockSkew, message.to_owned());
    }
    match s.tokens.iter().find(|t| t.reduced) {
        Some(token) => {
            let message = format!(
                "fewer scopes were granted for {} than asked for; status.tokens lists them, consent to the rest or drop them",
                token.name
            );
            (Reason::ScopesReduced, message)
        }
        None => (Reason::Fresh, s.word_ignored(now).unwrap_or_default().to_owned()),
    }
}

/// Whether the trouble concerns the renewal of what is published, and not just a login that came beside it.
fn renewal_fails(s: &Snapshot, reason: Reason, now: Time) -> bool {
    let is = |f: &Failure| f.refusal.reason == reason;
    !s.redeemable()
        || s.failure_of_renewal(now).is_some_and(is)
        || s.withheld(now).is_some_and(|w| w.reason == reason)
        || s.tokens
            .iter()
            .any(|t| s.failure_of_token(t, now).is_some_and(is))
}

fn without_trouble(s: &Snapshot, now: Time) -> (Reason, String) {
    let expired = |t: &Token| {
        t.published
            .as_ref()
            .is_some_and(|p| p.expires_at <= now && t.answers(p))
    };
    if s.tokens.iter().any(expired) {
        return (
            Reason::Expired,
            "a published token has expired and no new one could be obtained yet".to_owned(),
        );
    }
    let reason = if s.tokens.iter().all(Token::is_published) {
        Reason::SpecChanged
    } else {
        Reason::Publishing
    };
    (reason, "the tokens are being obtained and written".to_owned())
}

/// The five conditions that go with a final decision.
pub fn conditions(s: &Snapshot, decision: &Decision, now: Time) -> Vec<Condition> {
    let ready = s.tokens.iter().all(|t| t.is_valid(now));
    let stalled = decision.reason.verdicts().needs_person && !s.tokens.iter().any(|t| t.is_valid(now));
    vec![
        condition("Ready", ready, decision.reason, decision.message.clone()),
        logged_in(s, decision),
        published(s, decision, now),
        reconciling(s, decision, ready, stalled),
        if stalled {
            condition("Stalled", true, decision.reason, decision.message.clone())
        } else {
            condition("Stalled", false, Reason::Settled, String::new())
        },
    ]
}

fn condition(kind: &'static str, status: bool, reason: Reason, message: String) -> Condition {
    Condition {
        kind,
        status,
        reason,
        message,
    }
}

fn logged_in(s: &Snapshot, decision: &Decision) -> Condition {
    if s.redeemable() {
        let message = s.session.good_until().unwrap_or_default().to_owned();
        return condition("LoggedIn", true, Reason::RefreshTokenStored, message);
    }
    let (reason, message) = match () {
        () if s.session.token.as_ref().is_some_and(|t| t.dead_since.is_some()) => (
            Reason::LoginRequired,
            "the refresh token is no longer accepted; create a new login Secret".to_owned(),
        ),
        () if s.session.unsealable() => (
            Reason::Unsealable,
            "the key that sealed the refresh token is gone".to_owned(),
        ),
        () if decision.reason.verdicts().ready == Says::True => {
            (Reason::LoginRequired, decision.message.clone())
        }
        () => (decision.reason, decision.message.clone()),
    };
    condition("LoggedIn", false, reason, message)
}

/// Whether a condition of this type with this reason says that somebody else's Secret bears the name of a token Secret.
pub fn tell_of_a_foreign_secret(kind: &str, reason: &str) -> bool {
    kind == "Published" && reason == Reason::SecretConflict.to_string()
}

fn published(s: &Snapshot, decision: &Decision, now: Time) -> Condition {
    if s.tokens.iter().all(Token::is_published) {
        return condition("Published", true, Reason::UpToDate, String::new());
    }
    let foreign = s
        .tokens
        .iter()
        .find(|t| t.ownership == Ownership::Foreign)
        .and_then(|t| trouble_of_token(s, t, now));
    let of_renewal = decision.reason.verdicts().ready == Says::True || decision.reason == Reason::Expired;
    let (reason, message) = match foreign {
        Some(foreign) => foreign,
        None if of_renewal => (Reason::Publishing, String::new()),
        None => (decision.reason, decision.message.clone()),
    };
    condition("Published", false, reason, message)
}

/// From first sight until first Ready, while a changed spec is applied, and while a login is awaited; never for a
/// routine renewal, and never while only a person can help.
fn reconciling(s: &Snapshot, decision: &Decision, ready: bool, stalled: bool) -> Condition {
    let says = decision.reason.verdicts().reconciling;
    let answered = s
        .tokens
        .iter()
        .all(|t| t.published.as_ref().is_some_and(|p| t.answers(p)));
    let progress = match says {
        Says::True => !ready,
        Says::False => false,
        Says::Facts => !ready && (!s.object.was_ready || !answered),
    };
    if !progress || stalled {
        return condition("Reconciling", false, Reason::Settled, String::new());
    }
    let reason = if says == Says::True {
        decision.reason
    } else {
        Reason::SpecChanged
    };
    condition("Reconciling", true, reason, decision.message.clone())
}
