//! A read or write that the API server refused or did not answer: the object is held, and nothing else.

use super::failure;
use crate::Time;
use crate::answer::{Deed, Effect, Refusal};
use crate::hold::Object;
use crate::known::{Known, Unsteady};
use crate::reason::Reason;
use crate::schedule::UNSTEADY;
use crate::snapshot::{Failure, Snapshot};

/// What the API server did instead. Texts are bounded and hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Somebody else changed the object since it was looked at, or it exists already.
    Moved,
    /// It does not exist.
    Gone,
    /// It is `immutable`.
    Immutable,
    /// A write was refused: forbidden, quota, admission, terminating namespace.
    WriteRefused(String),
    /// The deletion of a used login Secret was refused.
    DeleteRefused(String),
    /// A read was refused.
    ReadRefused(String),
    /// No answer, or none that is one; and the seconds that it asked us to wait.
    Away(String, Option<i64>),
    /// It was not asked: too many calls of this credential brought nothing; and the seconds until it may be.
    Rationed(i64),
}

/// Settles trouble with `object`.
pub fn with(known: &mut Known, s: &Snapshot, object: &Object, trouble: &Trouble, now: Time) {
    match trouble {
        Trouble::Moved => moved(known, object),
        Trouble::Gone => gone(known, object),
        Trouble::Immutable => immutable(known, s, object, now),
        Trouble::WriteRefused(text) => hold(known, s, object, write_refused(text), now),
        Trouble::DeleteRefused(text) => hold(known, s, object, not_deleted(text), now),
        Trouble::ReadRefused(text) => hold(known, s, object, read_refused(text), now),
        Trouble::Away(text, retry_after) => hold(known, s, object, away(text, *retry_after), now),
        Trouble::Rationed(_) if moved_in_this_pass(known, object) => without_progress(known, s, object, now),
        Trouble::Rationed(wait) => hold_on(known, s, object, *wait, now),
    }
}

/// Something was done with `object`: it is not held any more.
pub fn over(known: &mut Known, object: &Object) {
    let Some(ended) = known.holds.remove(object) else {
        return;
    };
    if let (Reason::ClusterUnavailable, Some(at)) = (ended.refusal.reason, ended.next_attempt_at) {
        answered(known, ended.consecutive, at);
    }
}

/// The API server answers after it had failed `consecutive` times in a row; the last pause ended at `paused_until`.
pub fn answered(known: &mut Known, consecutive: u32, paused_until: Time) {
    let until = paused_until.plus(UNSTEADY);
    known.unsteady = Some(Unsteady {
        consecutive: unsteady(known, paused_until).max(consecutive),
        until,
    });
}

/// Failures in a row that the API server's next one follows, if another call had been answered in between.
pub fn unsteady(known: &Known, now: Time) -> u32 {
    let lately = known.unsteady.filter(|unsteady| now < unsteady.until);
    lately.map_or(0, |unsteady| unsteady.consecutive)
}

fn moved(known: &mut Known, object: &Object) {
    if *object == Object::Login {
        known.login = None;
    }
    if !known.moved.contains(object) {
        known.moved.push(object.clone());
    }
}

/// Whether somebody else changed `object` as this pass went at it. Where the ration ends that pass, the object has had its
/// tries all the same: with no back-off of its own, it would have every call that is left, for ever, and what else is due none.
fn moved_in_this_pass(known: &Known, object: &Object) -> bool {
    let mut before = known.taken.iter().rev().skip(1);
    known.moved.contains(object) && before.any(|step| step.objects().contains(object))
}

/// The view was told; what was read of the object is void.
fn gone(known: &mut Known, object: &Object) {
    match object {
        Object::Login => known.login = None,
        Object::Session => known.session = None,
        Object::Client => known.client = None,
        Object::Token(_) | Object::Contents(_) => {}
    }
}

fn immutable(known: &mut Known, s: &Snapshot, object: &Object, now: Time) {
    match object {
        Object::Session => known.immutable_session.clone_from(&s.session.version),
        Object::Token(name) => {
            let token = s.tokens.iter().find(|t| t.name == *name);
            let version = token
                .and_then(|t| t.published.as_ref())
                .map(|p| p.version.clone());
            known.note(name).unwritable = version;
        }
        Object::Login | Object::Client | Object::Contents(_) => {
            hold(known, s, object, write_refused("the Secret is immutable"), now);
        }
    }
}

/// The same step again and again: its object waits, whatever the outcomes said.
pub fn without_progress(known: &mut Known, s: &Snapshot, object: &Object, now: Time) {
    let told = refusal(
        Reason::SecretConflict,
        format!(
            "{} is changed by somebody else as soon as it is read or written",
            object.named()
        ),
        "find out who does it; it is tried again by itself",
    );
    hold(known, s, object, told, now);
}

/// The watch shows an older spec than the API server has: what would be done with `object` waits. Whether it did before.
pub fn outdated(known: &mut Known, s: &Snapshot, object: &Object, now: Time) -> bool {
    let told = refusal(
        Reason::ClusterUnavailable,
        "the watch shows another spec of this credential than the API server has".to_owned(),
        "it catches up, or begins anew, by itself",
    );
    hold(known, s, object, told, now);
    s.holds.contains_key(object)
}

fn hold(known: &mut Known, s: &Snapshot, object: &Object, refusal: Refusal, now: Time) {
    let previous = held_together(object)
        .iter()
        .filter_map(|other| s.holds.get(other))
        .filter(|f| f.retries_as(&refusal))
        .max_by_key(|f| f.consecutive);
    let unanswered = refusal.reason == Reason::ClusterUnavailable;
    let lately = if unanswered { unsteady(known, now) } else { 0 };
    let consecutive = failure::consecutive(previous, &refusal).max(lately.saturating_add(1));
    let next = failure::nth(consecutive, refusal, now, s.object.spread, None);
    known.holds.insert(object.clone(), next);
}

/// Nothing was tried: what is told of the object stays, and so does its back-off.
fn hold_on(known: &mut Known, s: &Snapshot, object: &Object, wait: i64, now: Time) {
    let told = s.holds.get(object).cloned();
    let held = told.unwrap_or_else(|| failure::nth(0, rationed(), now, s.object.spread, None));
    let next_attempt_at = Some(now.plus(wait));
    known.holds.insert(
        object.clone(),
        Failure {
            next_attempt_at,
            ..held
        },
    );
}

/// What a renewal reads fails together: it is begun anew for want of the one or of the other, and reads both each time.
fn held_together(object: &Object) -> Vec<Object> {
    match object {
        Object::Session | Object::Client => vec![Object::Session, Object::Client],
        Object::Login | Object::Token(_) | Object::Contents(_) => vec![object.clone()],
    }
}

fn write_refused(text: &str) -> Refusal {
    refusal(
        Reason::WriteRefused,
        format!("the API server refused a write: {text}"),
        "check quotas, rights and admission policies in this namespace; the operator keeps the answer and tries again",
    )
}

fn not_deleted(text: &str) -> Refusal {
    refusal(
        Reason::LoginSecretNotDeleted,
        format!("the login Secret was used, but could not be deleted: {text}"),
        "delete it yourself, or allow the operator to delete it",
    )
}

fn read_refused(text: &str) -> Refusal {
    refusal(
        Reason::ClusterUnavailable,
        format!("the API server refused a read: {text}"),
        "give the operator's ServiceAccount the rights of its Role; it is tried again by itself",
    )
}

fn away(text: &str, retry_after: Option<i64>) -> Refusal {
    Refusal {
        retry_after,
        ..refusal(
            Reason::ClusterUnavailable,
            format!("the API server did not answer: {text}"),
            "it is tried again by itself; look at the API server and its webhooks",
        )
    }
}

fn rationed() -> Refusal {
    refusal(
        Reason::ClusterUnavailable,
        "other calls to the API server for this credential failed lately, and it waits its turn".to_owned(),
        "it is tried by itself",
    )
}

/// A refusal that did not come from the identity provider.
pub fn refusal(reason: Reason, message: String, remedy: &str) -> Refusal {
    Refusal {
        effect: Effect::Transient,
        reason,
        code: None,
        message,
        remedy: remedy.to_owned(),
        deed: Deed::Wait,
        correlation_id: None,
        trace_id: None,
        retry_after: None,
    }
}
