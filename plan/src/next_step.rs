//! The policy chain: the first rule that applies and whose objects are not held names the step. Its order is the order of
//! importance. What is held waits by itself, and the chain goes on with whatever does not depend on it.

use super::client::Client;
use super::hold::Object;
use super::login::{self, Flow};
use super::looks;
use super::metadata::EntryName;
use super::policy::Permission;
use super::schedule::LOOK_AGAIN;
use super::snapshot::{Opened, Ownership, Snapshot, Target};
use super::tokens::Need;
use super::{Decision, Step, Time, conditions};
use crate::reason::Reason;

/// How often the garbage collector is waited for.
const COLLECTOR: i64 = 2;

/// Decides what to do now. Total and deterministic.
pub fn next_step(s: &Snapshot, now: Time) -> Decision {
    let decision = chain(s, now);
    if !decision.step.is_final() || s.object.deleting {
        return decision;
    }
    verify(s, now).unwrap_or_else(|| Decision {
        // Holds end and looks fall due whatever else stands in the way.
        wake: earliest_of([
            decision.wake,
            s.next_release(now),
            looks::wake(s, now),
            s.next_repair(now),
        ]),
        ..decision
    })
}

/// What a pass ends with that has no step left: how things stand, and that it goes on at once.
pub fn rest_of_pass(s: &Snapshot, now: Time) -> Decision {
    Decision {
        wake: Some(now),
        ..rest(s, &login::flow(s, now), now)
    }
}

fn chain(s: &Snapshot, now: Time) -> Decision {
    let login = login::flow(s, now);
    looks::due_while_suspended(s, now)
        .map(act)
        .or_else(|| untouchable(s, now))
        .or_else(|| moved(s, now))
        .or_else(|| looks::due(s, now).map(act))
        .or_else(|| session_in_the_way(s, now))
        .or_else(|| adopt_session(s, now))
        .or_else(|| store(s, now))
        .or_else(|| unstored(s, &login, now))
        .or_else(|| finish_login(&login))
        .or_else(|| publish(s, now))
        .or_else(|| label(s, now))
        .or_else(|| reseal(s, now))
        .or_else(|| refused_target(s, &login, now))
        .or_else(|| start_login(&login))
        .or_else(|| tend_tokens(s, now))
        .or_else(|| redeem(s, now))
        .or_else(|| prune(s, now))
        .or_else(|| account_denied(s, &login, now))
        .unwrap_or_else(|| rest(s, &login, now))
}

fn act(step: Step) -> Decision {
    Decision {
        step,
        reason: Reason::Settled,
        message: String::new(),
        wake: None,
    }
}

fn blocked(reason: Reason, message: impl Into<String>, wake: Option<Time>) -> Decision {
    Decision {
        step: Step::Blocked,
        reason,
        message: message.into(),
        wake,
    }
}

/// The step, unless something that it needs is held.
fn act_if_free(s: &Snapshot, step: Step, now: Time) -> Option<Decision> {
    s.free(&step, now).then(|| act(step))
}

/// What somebody else changed since it was looked at is looked at first.
fn moved(s: &Snapshot, now: Time) -> Option<Decision> {
    let free = s.moved.iter().filter(|o| s.held(o, now).is_none());
    let objects: Vec<_> = free.cloned().collect();
    (!objects.is_empty()).then(|| act(Step::Look(objects)))
}

/// Deleted objects get nothing; suspended ones nothing but a status that stays true.
fn untouchable(s: &Snapshot, now: Time) -> Option<Decision> {
    if s.object.deleting {
        return Some(act(Step::Idle));
    }
    let wake = next_expiry(s, now);
    s.object.suspended.then(|| {
        let until = s.session.good_until().map(|until| format!("; {until}"));
        let message = format!(
            "spec.suspend is set: no call and no write until it is unset{}",
            until.unwrap_or_default()
        );
        blocked(Reason::Suspended, message, wake)
    })
}

/// The refresh-token Secret must be ours and writable before anything else can be.
fn session_in_the_way(s: &Snapshot, now: Time) -> Option<Decision> {
    let wake = Some(earliest(now.plus(LOOK_AGAIN), next_expiry(s, now)));
    match s.session.ownership {
        Ownership::Foreign => Some(blocked(
            Reason::SecretConflict,
            "the Secret <name>.refresh-token belongs to somebody else; remove it, or rename this credential",
            wake,
        )),
        Ownership::Ours if s.session.immutable => Some(blocked(
            Reason::SecretConflict,
            "the Secret <name>.refresh-token was made immutable, so nothing can be stored in it; delete it and create a new login Secret",
            wake,
        )),
        Ownership::Predecessor => Some(Decision {
            step: Step::Wait,
            reason: if s.tokens.iter().all(|t| t.is_valid(now)) {
                Reason::Settled
            } else {
                Reason::SpecChanged
            },
            message: "waiting for the Secrets of a deleted resource of this name to be collected".to_owned(),
            wake: Some(earliest(now.plus(COLLECTOR), next_expiry(s, now))),
        }),
        Ownership::Absent | Ownership::Ours | Ownership::Adoptable => None,
    }
}

/// Restored from a backup: ours by its proof, but without a controller. Nothing else can be done before.
fn adopt_session(s: &Snapshot, now: Time) -> Option<Decision> {
    if s.session.ownership != Ownership::Adoptable {
        return None;
    }
    let step = Step::Adopt(vec![Object::Session]);
    act_if_free(s, step, now).or_else(|| {
        let held = s.held(&Object::Session, now)?;
        let wake = earliest_of([held.next_attempt_at, next_expiry(s, now)]);
        Some(blocked(held.refusal.reason, held.refusal.told(), wake))
    })
}

/// What the pocket holds is stored before anything else happens.
fn store(s: &Snapshot, now: Time) -> Option<Decision> {
    let ours = s.session.ownership == Ownership::Ours;
    let step = if ours && s.session.opened == Opened::Unread {
        Step::ReadSession
    } else {
        Step::Store
    };
    let fits = step == Step::ReadSession || !ours || s.pocket.login.is_none() || s.record().is_some();
    (holds_unstored(s) && fits)
        .then(|| act_if_free(s, step, now))
        .flatten()
}

fn holds_unstored(s: &Snapshot) -> bool {
    s.pocket.login.is_some() || s.pocket.refresh.is_some()
}

/// While it cannot be stored, no call is made, nothing of it is published, and the answer stays in the pocket.
fn unstored(s: &Snapshot, login: &Flow, now: Time) -> Option<Decision> {
    holds_unstored(s).then(|| tend_tokens(s, now).unwrap_or_else(|| rest(s, login, now)))
}

fn finish_login(login: &Flow) -> Option<Decision> {
    match login {
        Flow::Finish(step) => Some(act(step.clone())),
        Flow::Nothing | Flow::Start(_) | Flow::Hold { .. } => None,
    }
}

fn publish(s: &Snapshot, now: Time) -> Option<Decision> {
    some_names(s, now, |n| n == Need::Replace)
        .map(Step::Replace)
        .or_else(|| some_names(s, now, |n| n == Need::Publish).map(Step::Publish))
        .map(act)
}

/// Labels and annotations need no call.
fn label(s: &Snapshot, now: Time) -> Option<Decision> {
    let tokens = some_names(s, now, |n| n == Need::Label).unwrap_or_default();
    let session = s.session.unlabelled
        && s.session.ownership == Ownership::Ours
        && s.held(&Object::Session, now).is_none();
    let objects = tokens.into_iter().map(Object::Token);
    let objects: Vec<_> = objects.chain(session.then_some(Object::Session)).collect();
    (!objects.is_empty()).then(|| act(Step::Label(objects)))
}

/// What an older key sealed is sealed anew, as far as it opens: also where no call can be made.
fn reseal(s: &Snapshot, now: Time) -> Option<Decision> {
    let due = s.is_sealed_by_older() && s.reseal_at.is_some_and(|at| at <= now);
    let step = match s.session.opened {
        Opened::Unread => Step::ReadSession,
        Opened::Read { .. } if s.session.is_open() => Step::Reseal,
        Opened::Read { .. } => return None,
    };
    due.then(|| act_if_free(s, step, now)).flatten()
}

/// No call can be made without a known authority, the administrator's leave and the client's credential.
fn refused_target(s: &Snapshot, login: &Flow, now: Time) -> Option<Decision> {
    let wake = wake(s, login, now);
    if let Target::Refused { reason, message } = &s.target {
        return Some(blocked(*reason, message, wake));
    }
    if let Permission::Denied(message) = &s.permissions.target {
        return Some(blocked(Reason::NotAllowed, message, wake));
    }
    match &s.client {
        Client::Missing { secret, kind } => Some(blocked(
            Reason::AppMisconfigured,
            format!("the Secret {secret} of the client credential does not exist or is not of type {kind}"),
            wake,
        )),
        Client::Public | Client::Credential { .. } => None,
    }
}

fn start_login(login: &Flow) -> Option<Decision> {
    match login {
        Flow::Start(step) => Some(act(step.clone())),
        Flow::Nothing | Flow::Finish(_) | Flow::Hold { .. } => None,
    }
}

fn tend_tokens(s: &Snapshot, now: Time) -> Option<Decision> {
    some_names(s, now, |n| n == Need::Adopt)
        .map(|names| act(Step::Adopt(names.into_iter().map(Object::Token).collect())))
        .or_else(|| verify(s, now))
}

/// A token Secret that was touched is looked at whatever else stands in the way: Ready must be true of it.
fn verify(s: &Snapshot, now: Time) -> Option<Decision> {
    let free = |name: &EntryName| s.held(&Object::Contents(name.clone()), now).is_none();
    let unseen = s.tokens.iter().filter(|t| t.is_unseen() && free(&t.name));
    let names: Vec<_> = unseen.map(|t| t.name.clone()).collect();
    (!names.is_empty()).then(|| act(Step::Verify(names)))
}

fn redeem(s: &Snapshot, now: Time) -> Option<Decision> {
    let due = s.due_together(now);
    let first = due.first()?.clone();
    if s.redeemable() || (s.requested(now) && s.dead_but_ours()) {
        // Whose tokens are wanted is taken from the seal, not from what is written beside it.
        let step = match (s.session.pinned(), &s.permissions) {
            (None, _) => Step::ReadToRenew(first),
            (_, p) if p.account != Permission::Granted => return None,
            (_, p) if p.target != Permission::Granted => Step::Resolve,
            (Some(_), _) => Step::Redeem(due),
        };
        return act_if_free(s, step, now);
    }
    s.tenant_unresolved().then(|| act(Step::Resolve))
}

/// A renewal is due, and the administrator's policy does not allow it for the account that signed in.
fn account_denied(s: &Snapshot, login: &Flow, now: Time) -> Option<Decision> {
    let Permission::Denied(message) = &s.permissions.account else {
        return None;
    };
    let due = s.redeemable() && !s.due_together(now).is_empty();
    due.then(|| blocked(Reason::NotAllowed, message, wake(s, login, now)))
}

/// Entries that the spec dropped go last: after the rest is published or has failed.
fn prune(s: &Snapshot, now: Time) -> Option<Decision> {
    let settled = s.failure.is_some()
        || s.tokens
            .iter()
            .all(|t| t.is_valid(now) || t.failure.is_some() || t.ownership == Ownership::Foreign)
        || s.tokens.iter().any(|t| s.token_held(&t.name, now).is_some());
    let names: Vec<_> = s
        .leftovers
        .iter()
        .filter(|l| s.token_held(&l.name, now).is_none())
        .map(|l| l.name.clone())
        .collect();
    (settled && !names.is_empty()).then(|| act(Step::Prune(names)))
}

/// Nothing to do now: say how things stand and when to look again.
fn rest(s: &Snapshot, login: &Flow, now: Time) -> Decision {
    let (reason, message) = conditions::headline(s, hold(login), now);
    let step = if reason.verdicts().needs_person {
        Step::Blocked
    } else {
        Step::Idle
    };
    Decision {
        step,
        reason,
        message,
        wake: wake(s, login, now),
    }
}

fn hold(login: &Flow) -> Option<(Reason, &str)> {
    match login {
        Flow::Hold { reason, message, .. } => Some((*reason, message)),
        Flow::Nothing | Flow::Start(_) | Flow::Finish(_) => None,
    }
}

fn wake(s: &Snapshot, login: &Flow, now: Time) -> Option<Time> {
    let of_login = match login {
        Flow::Hold { wake, .. } => *wake,
        Flow::Nothing | Flow::Start(_) | Flow::Finish(_) => None,
    };
    let of_word = s.word_for_renewal(now).map(|_| s.request_ready_at());
    let of_tokens = s.tokens.iter().filter_map(|t| token_wake(s, t, now));
    of_tokens
        .chain(of_login)
        .chain(of_word)
        .chain(s.word_counts_at())
        .chain(s.reseal_at.filter(|_| s.is_sealed_by_older()))
        .chain(s.withheld(now).map(|w| w.until))
        .chain(conditions::withheld_told(s, now))
        .chain(next_expiry(s, now))
        .chain(s.client.notice_at())
        .filter(|at| *at > now)
        .min()
}

fn token_wake(s: &Snapshot, t: &super::snapshot::Token, now: Time) -> Option<Time> {
    match t.need(s, now) {
        Need::Held(at) => at,
        Need::RedeemAt(at) if s.redeemable() || s.tenant_unresolved() => at,
        Need::Deleting => Some(now.plus(LOOK_AGAIN)),
        Need::Predecessor => Some(now.plus(COLLECTOR)),
        Need::Foreign
        | Need::Look
        | Need::RedeemAt(_)
        | Need::Redeem(_)
        | Need::Label
        | Need::Adopt
        | Need::Replace
        | Need::Publish
        | Need::Verify => None,
    }
}

/// Ready turns False at expiry while an operator runs: that is a time to wake at, too.
fn next_expiry(s: &Snapshot, now: Time) -> Option<Time> {
    s.tokens
        .iter()
        .filter_map(|t| t.published.as_ref())
        .map(|p| p.expires_at)
        .filter(|at| *at > now)
        .min()
}

fn earliest_of<const N: usize>(times: [Option<Time>; N]) -> Option<Time> {
    times.into_iter().flatten().min()
}

fn earliest(a: Time, b: Option<Time>) -> Time {
    b.map_or(a, |b| a.min(b))
}

fn some_names(s: &Snapshot, now: Time, wanted: impl Fn(Need) -> bool) -> Option<Vec<EntryName>> {
    let names: Vec<_> = s
        .tokens
        .iter()
        .filter(|t| wanted(t.need(s, now)))
        .map(|t| t.name.clone())
        .collect();
    (!names.is_empty()).then_some(names)
}

impl Snapshot {
    /// A token of ours for this binding that was declared dead: a person may ask for one more try.
    fn dead_but_ours(&self) -> bool {
        self.session.ownership == Ownership::Ours && self.session_matches() && !self.session.unsealable()
    }

    /// When the next repair that was put off is due.
    fn next_repair(&self, now: Time) -> Option<Time> {
        let tokens = self.tokens.iter().filter(|_| !self.object.suspended);
        tokens.filter_map(|t| t.repair_put_off_until(now)).min()
    }

    /// The stored token differs from the spec in nothing but the way the tenant is written.
    pub(super) fn tenant_unresolved(&self) -> bool {
        let (
            Some(stored),
            Target::Known {
                binding,
                resolved_tenant: None,
            },
        ) = (&self.session.token, &self.target)
        else {
            return false;
        };
        let held_off = self.failure.as_ref().is_some_and(|f| f.next_attempt_at.is_none());
        !held_off
            && stored.dead_since.is_none()
            && stored.binding.authority == binding.authority
            && stored.binding.client_id == binding.client_id
            && stored.binding.tenant != binding.tenant
    }
}
