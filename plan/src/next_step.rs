//! The policy chain: the first rule that applies names the step. Its order is the order of importance.

use super::client::Client;
use super::login::{self, Flow};
use super::snapshot::{Failure, Ownership, Snapshot, Target};
use super::tokens::Need;
use super::{Decision, Step, Time, conditions};
use crate::reason::{Reason, Retry};

/// How often an object in the way (foreign, or waiting for the garbage collector) is looked at again.
const LOOK_AGAIN: i64 = 300;
const COLLECTOR: i64 = 2;

/// Decides what to do now. Total and deterministic.
pub fn next_step(s: &Snapshot, now: Time) -> Decision {
    let decision = chain(s, now);
    let unseen = decision.step.is_final() && !s.object.deleting;
    unseen.then(|| verify(s)).flatten().unwrap_or(decision)
}

fn chain(s: &Snapshot, now: Time) -> Decision {
    let login = login::flow(s, now);
    untouchable(s, now)
        .or_else(|| session_in_the_way(s, now))
        .or_else(|| write_held(s, now))
        .or_else(|| adopt_session(s))
        .or_else(|| store(s))
        .or_else(|| finish_login(&login))
        .or_else(|| publish(s, now))
        .or_else(|| refused_target(s, &login, now))
        .or_else(|| start_login(&login))
        .or_else(|| tend_tokens(s, now))
        .or_else(|| redeem(s, now))
        .or_else(|| prune(s, now))
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

/// Deleted objects get nothing; suspended ones nothing but a status that stays true.
fn untouchable(s: &Snapshot, now: Time) -> Option<Decision> {
    if s.object.deleting {
        return Some(Decision {
            step: Step::Idle,
            ..act(Step::Idle)
        });
    }
    let wake = next_expiry(s, now);
    s.object.suspended.then(|| {
        blocked(
            Reason::Suspended,
            "spec.suspend is set: no call and no write until it is unset",
            wake,
        )
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

/// Restored from a backup: ours by its proof, but without a controller.
fn adopt_session(s: &Snapshot) -> Option<Decision> {
    (s.session.ownership == Ownership::Adoptable).then(|| act(Step::Adopt(Vec::new())))
}

/// While the API server refuses to store, nothing is written and no call is made: the answer stays in the pocket.
fn write_held(s: &Snapshot, now: Time) -> Option<Decision> {
    let refused = |f: &&Failure| f.refusal.reason.verdicts().retry == Retry::Write;
    let failure = s.failure.as_ref().filter(refused)?;
    let at = failure.next_attempt_at.filter(|at| *at > now)?;
    Some(blocked(
        failure.refusal.reason,
        failure.refusal.told(),
        Some(earliest(at, next_expiry(s, now))),
    ))
}

/// What the pocket holds is stored before anything else happens.
fn store(s: &Snapshot) -> Option<Decision> {
    (s.pocket.login.is_some() || s.pocket.refresh.is_some()).then(|| act(Step::Store))
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

/// No call can be made without a known authority and the client's credential.
fn refused_target(s: &Snapshot, login: &Flow, now: Time) -> Option<Decision> {
    let wake = wake(s, login, now);
    if let Target::Refused { reason, message } = &s.target {
        return Some(blocked(*reason, message, wake));
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
        .map(Step::Adopt)
        .map(act)
        .or_else(|| verify(s))
}

/// A token Secret that was touched is looked at whatever else stands in the way: Ready must be true of it.
fn verify(s: &Snapshot) -> Option<Decision> {
    let unseen = s.tokens.iter().filter(|t| t.is_unseen());
    let names: Vec<_> = unseen.map(|t| t.name.clone()).collect();
    (!names.is_empty()).then(|| act(Step::Verify(names)))
}

fn redeem(s: &Snapshot, now: Time) -> Option<Decision> {
    let due = s.due_together(now);
    if due.is_empty() {
        return None;
    }
    if s.redeemable() || (s.requested(now) && s.dead_but_ours()) {
        return Some(act(Step::Redeem(due)));
    }
    s.tenant_unresolved().then(|| act(Step::Resolve))
}

/// Entries that the spec dropped go last: after the rest is published or has failed.
fn prune(s: &Snapshot, now: Time) -> Option<Decision> {
    let settled = s.failure.is_some()
        || s.tokens
            .iter()
            .all(|t| t.is_valid(now) || t.failure.is_some() || t.ownership == Ownership::Foreign);
    let names: Vec<_> = s
        .leftovers
        .iter()
        .filter(|l| l.retry_at.is_none_or(|at| at <= now))
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
    let request = s
        .object
        .request
        .as_ref()
        .map(|_| s.request_ready_at())
        .filter(|at| *at > now);
    let of_tokens = s.tokens.iter().filter_map(|t| token_wake(s, t, now));
    let of_leftovers = s.leftovers.iter().filter_map(|l| l.retry_at);
    of_tokens
        .chain(of_leftovers)
        .chain(of_login)
        .chain(request)
        .chain(next_expiry(s, now))
        .chain(s.client.notice_at())
        .filter(|at| *at > now)
        .min()
}

fn token_wake(s: &Snapshot, t: &super::snapshot::Token, now: Time) -> Option<Time> {
    match t.need(s, now) {
        Need::PublishAt(at) => Some(at),
        Need::RedeemAt(at) if s.redeemable() || s.tenant_unresolved() => at,
        Need::Foreign => Some(now.plus(LOOK_AGAIN)),
        Need::Predecessor => Some(now.plus(COLLECTOR)),
        Need::RedeemAt(_) | Need::Redeem(_) | Need::Adopt | Need::Replace | Need::Publish | Need::Verify => {
            None
        }
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

fn earliest(a: Time, b: Option<Time>) -> Time {
    b.map_or(a, |b| a.min(b))
}

fn some_names(s: &Snapshot, now: Time, wanted: impl Fn(Need) -> bool) -> Option<Vec<String>> {
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
        self.session.ownership == Ownership::Ours
            && self.session.token.is_some()
            && self.session_matches()
            && !self.session.unsealable()
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
