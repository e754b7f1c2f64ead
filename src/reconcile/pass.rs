//! One pass over one credential: observe, decide and act until the plan rests, then report.

use std::sync::Arc;
use std::time::Duration;

use super::act::Pass;
use super::credential::Credential;
use super::look::Look;
use super::memory::{Allowance, Hand, Memory};
use super::observe::{self, observe};
use super::ports::{Clock, Cluster, ClusterError, Kind, Ports, View};
use super::report;
use crate::api::{Reason, Retry};
use crate::plan::snapshot::{Login, Ownership, Snapshot, Token};
use crate::plan::tokens::Need;
use crate::plan::{Decision, Step, Time, next_step};

/// Steps that one pass may take; a whole login of two tokens needs eleven. What is left goes on in the next pass.
const STEPS: usize = 12;

/// Pause after the API server did not answer.
const AFTER_OUTAGE: i64 = 5;

/// Pauses between looks for a login Secret of the wrong type.
const FIRST_LOOK: i64 = 30;
const LAST_LOOK: i64 = 600;

/// What all credentials of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Sends per user.
    pub allowance: Allowance,
    /// Who wants to know what happened: metrics.
    pub observer: Arc<dyn Observer>,
}

/// Hears what a pass did.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// A new token was published over what `token` describes.
    fn published(&self, token: &Token, now: Time);
    /// A renewal failed.
    fn failed(&self, reason: Reason);
    /// A pass ended with this step, after so much time.
    fn passed(&self, step: &Step, took: Duration);
}

/// An observer that does not listen.
#[derive(Debug)]
pub struct Deaf;

impl Observer for Deaf {
    fn published(&self, _: &Token, _: Time) {}
    fn failed(&self, _: Reason) {}
    fn passed(&self, _: &Step, _: Duration) {}
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// When to look again; `None`: only when something changes.
    pub wake: Option<Time>,
    /// Headline.
    pub reason: Reason,
    /// Steps taken.
    pub steps: usize,
    /// The API server did not answer: the pass ended early.
    pub outage: Option<ClusterError>,
}

/// Takes one credential as far as it can go now.
pub async fn pass<P: Ports>(
    ports: &P,
    shared: &Shared,
    credential: &Credential,
    memory: &mut Memory,
) -> Passed {
    let start = ports.clock().monotonic();
    let stored = ports
        .view()
        .secret(Kind::Session, &credential.session_key())
        .is_some();
    memory.restore(credential, stored);
    lift_failures(ports, credential, memory);
    let mut passed = steps(ports, shared, credential, memory).await;
    if let Err(outage) = report::report(ports, credential, memory, passed.decision.as_ref()).await {
        passed.outage = passed.outage.or(Some(outage));
    }
    if let Some((_, decision, _)) = &passed.decision {
        shared
            .observer
            .passed(&decision.step, ports.clock().monotonic().saturating_sub(start));
    }
    conclude(ports, memory, passed)
}

struct Taken {
    decision: Option<(Snapshot, Decision, Time)>,
    steps: usize,
    outage: Option<ClusterError>,
}

async fn steps<P: Ports>(ports: &P, shared: &Shared, credential: &Credential, memory: &mut Memory) -> Taken {
    let mut pass = Pass {
        ports,
        shared,
        credential,
        memory,
        look: Look::default(),
        hand: Hand::default(),
    };
    for steps in 0..STEPS {
        let now = pass.memory.correction.now(ports.clock());
        if let Err(outage) = look_beyond_the_watches(&mut pass, now).await {
            return Taken {
                decision: None,
                steps,
                outage: Some(outage),
            };
        }
        pass.look = Look::take(ports, credential);
        let snapshot = observe(ports, credential, &pass.look, pass.memory, now);
        let decision = next_step(&snapshot, now);
        tracing::debug!(
            namespace = credential.key.namespace,
            name = credential.key.name,
            step = decision.step.name(),
            reason = %decision.reason,
            "step"
        );
        if decision.step.is_final() {
            drop_stale(pass.memory, &snapshot, now);
            return Taken {
                decision: Some((snapshot, decision, now)),
                steps,
                outage: None,
            };
        }
        if decision.step.is_call() && pass.memory.permit_at.is_some() {
            break;
        }
        if let Err(outage) = pass.act(&decision.step, &snapshot).await {
            return Taken {
                decision: None,
                steps,
                outage: Some(outage),
            };
        }
    }
    Taken {
        decision: None,
        steps: STEPS,
        outage: None,
    }
}

/// What is held and not about to be published was overtaken: by another replica, or by a change of the spec.
fn drop_stale(memory: &mut Memory, s: &Snapshot, now: Time) {
    let wanted = |t: &Token| matches!(t.need(s, now), Need::Publish | Need::PublishAt(_) | Need::Replace);
    memory
        .pocket
        .tokens
        .retain(|name, _| s.tokens.iter().any(|t| t.name == *name && wanted(t)));
}

fn conclude<P: Ports>(ports: &P, memory: &mut Memory, taken: Taken) -> Passed {
    let now = ports.clock().now();
    let reason = taken
        .decision
        .as_ref()
        .map_or(Reason::Publishing, |(_, d, _)| d.reason);
    // Decisions are made on the corrected clock, wake times are kept by the machine's own.
    let ahead = memory.correction.seconds(ports.clock());
    let own = |at: Time| at.plus(-ahead);
    let planned = match &taken.decision {
        Some((_, decision, _)) => decision.wake.map(own),
        None => Some(memory.permit_at.take().unwrap_or(now).max(now)),
    };
    let wake = if taken.outage.is_some() {
        Some(now.plus(AFTER_OUTAGE))
    } else {
        planned
    };
    let looks = memory.wrong_type.next.map(own).filter(|at| *at > now);
    let wake = wake.into_iter().chain(looks).min();
    Passed {
        wake,
        reason,
        steps: taken.steps,
        outage: taken.outage,
    }
}

/// A failure that only a person can end is tried again at once when the spec or the client credential changes.
fn lift_failures<P: Ports>(ports: &P, credential: &Credential, memory: &mut Memory) {
    let generation_moved = memory
        .lifted_generation
        .replace(credential.generation)
        .is_some_and(|g| g != credential.generation);
    let client = observe::client(credential, &Look::take(ports, credential), memory);
    let inputs = observe::inputs(credential, &client);
    let inputs_moved = !memory.failure_inputs.is_empty() && memory.failure_inputs != inputs;
    if !generation_moved && !inputs_moved {
        return;
    }
    let probe = |reason: Reason| matches!(reason.verdicts().retry, Retry::Probe | Retry::Person);
    if memory.failure.as_ref().is_some_and(|f| probe(f.refusal.reason)) {
        memory.failure = None;
    }
    for note in memory.tokens.values_mut() {
        if note.failure.as_ref().is_some_and(|f| probe(f.refusal.reason)) {
            note.failure = None;
        }
    }
    memory.failure_inputs = inputs;
}

/// Two things no watch shows: a login Secret of the wrong type, and whether a foreign Secret is still in the way.
async fn look_beyond_the_watches<P: Ports>(pass: &mut Pass<'_, P>, now: Time) -> Result<(), ClusterError> {
    if pass.credential.deleting || pass.credential.spec.suspend {
        return Ok(());
    }
    pass.look = Look::take(pass.ports, pass.credential);
    let s = observe(pass.ports, pass.credential, &pass.look, pass.memory, now);
    look_for_wrong_type(pass, &s, now).await?;
    look_at_foreign(pass, &s, now).await
}

async fn look_for_wrong_type<P: Ports>(
    pass: &mut Pass<'_, P>,
    s: &Snapshot,
    now: Time,
) -> Result<(), ClusterError> {
    let awaiting = !matches!(s.login, Login::Present(_)) && !s.redeemable();
    let look = &mut pass.memory.wrong_type;
    if !awaiting {
        *look = super::memory::WrongType::default();
        return Ok(());
    }
    match look.next {
        None => (look.pause, look.next) = (FIRST_LOOK, Some(now.plus(FIRST_LOOK))),
        Some(at) if at > now => {}
        Some(_) => {
            let exists = pass
                .ports
                .cluster()
                .peek(&pass.credential.login_key())
                .await?
                .is_some();
            let look = &mut pass.memory.wrong_type;
            look.seen = if exists { look.seen.saturating_add(1) } else { 0 };
            look.pause = look.pause.saturating_mul(2).min(LAST_LOOK);
            look.next = Some(now.plus(look.pause));
        }
    }
    Ok(())
}

/// Foreign Secrets are outside of the watches, so their removal is found by looking, every 5 min and when a person asks.
async fn look_at_foreign<P: Ports>(
    pass: &mut Pass<'_, P>,
    s: &Snapshot,
    now: Time,
) -> Result<(), ClusterError> {
    let asked = s.requested(now);
    for token in s.tokens.iter().filter(|t| t.ownership == Ownership::Foreign) {
        let key = pass.credential.sibling(&token.name);
        if look_due(pass, &token.name, asked, now) {
            pass.peek(Kind::Token, &key).await?;
        }
    }
    let session = crate::api::REFRESH_TOKEN_SUFFIX;
    if s.session.ownership == Ownership::Foreign && look_due(pass, session, asked, now) {
        pass.peek(Kind::Session, &pass.credential.session_key()).await?;
    }
    Ok(())
}

fn look_due<P: Ports>(pass: &mut Pass<'_, P>, name: &str, asked: bool, now: Time) -> bool {
    let note = pass.memory.note(name);
    let due = note
        .looked_at
        .is_some_and(|at| now.since(at) >= 290 || (asked && now > at));
    if due || note.looked_at.is_none() {
        note.looked_at = Some(now);
    }
    due
}
