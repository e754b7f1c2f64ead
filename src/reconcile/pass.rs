//! One pass over one credential: observe, decide, act and settle until the plan rests, then report. Every pass ends in a
//! decision, and every decision is reported.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::act::Pass;
use super::credential::Credential;
use super::look::Look;
use super::memory::{Hand, Memory};
use super::observe::{first_ahead, observe};
use super::ports::{Clock, Ports};
use super::report;
use crate::api::Reason;
use crate::plan::allowance::Allowance;
use crate::plan::settle::pass::{self as settle, Allowed};
use crate::plan::snapshot::{Snapshot, Token};
use crate::plan::tokens::Need;
use crate::plan::{Decision, Step, Time, next_step, rest_of_pass};

/// What all credentials of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Sends by account and namespace.
    allowance: Mutex<Allowance>,
    /// Who wants to know what happened: metrics.
    pub observer: Arc<dyn Observer>,
}

impl Shared {
    /// With nothing sent yet.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            allowance: Mutex::default(),
            observer,
        }
    }

    /// Sends by account and namespace.
    pub(super) fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
pub struct NoOp;

impl Observer for NoOp {
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
    /// The status says what was decided.
    pub reported: bool,
}

/// What a pass rests with.
pub(super) struct Rested {
    pub(super) facts: Snapshot,
    pub(super) decision: Decision,
    pub(super) now: Time,
}

/// Takes one credential as far as it can go now.
pub async fn pass<P: Ports>(
    ports: &P,
    shared: &Shared,
    credential: &Credential,
    memory: &mut Memory,
) -> Passed {
    let start = ports.clock().monotonic();
    let look = Look::take(ports, credential);
    begin(ports, credential, &look, memory);
    let rested = steps(ports, shared, credential, look, memory).await;
    settle::ends(&mut memory.known, &rested.facts, rested.now);
    drop_stale(memory, &rested);
    report::report(ports, credential, memory, &rested).await;
    let took = ports.clock().monotonic().saturating_sub(start);
    shared.observer.passed(&rested.decision.step, took);
    conclude(memory, &rested)
}

fn begin<P: Ports>(ports: &P, credential: &Credential, look: &Look, memory: &mut Memory) {
    let first = !memory.restored;
    memory.restore(credential, first_ahead(ports, credential, look, memory));
    let before = memory.generation.replace(credential.generation);
    let edited = before.is_some_and(|generation| generation != credential.generation);
    let new = first && credential.status.is_none();
    let now = ports.clock().now();
    let facts = observe(ports, credential, look, memory, now);
    settle::begins(&mut memory.known, &facts, new || edited, first && !new, now);
}

async fn steps<P: Ports>(
    ports: &P,
    shared: &Shared,
    credential: &Credential,
    look: Look,
    memory: &mut Memory,
) -> Rested {
    let mut pass = Pass {
        ports,
        shared,
        credential,
        memory,
        look,
        hand: Hand::default(),
    };
    loop {
        let now = pass.now();
        let facts = observe(ports, credential, &pass.look, pass.memory, now);
        let decision = next_step(&facts, now);
        tell(credential, &decision);
        if decision.step.is_final() {
            return Rested { facts, decision, now };
        }
        match settle::may_take(&mut pass.memory.known, &facts, &decision.step, now) {
            Allowed::Yes => pass.act(&decision.step, &facts).await,
            Allowed::Held => {}
            Allowed::PassIsOver => {
                let decision = rest_of_pass(&facts, now);
                return Rested { facts, decision, now };
            }
        }
        pass.look = Look::take(ports, credential);
    }
}

fn tell(credential: &Credential, decision: &Decision) {
    tracing::debug!(
        namespace = credential.key.namespace,
        name = credential.key.name,
        step = decision.step.name(),
        reason = %decision.reason,
        "step"
    );
}

/// What is held and not about to be published was overtaken: by another replica, or by a change of the spec.
fn drop_stale(memory: &mut Memory, rested: &Rested) {
    let s = &rested.facts;
    let wanted = |t: &Token| {
        let need = t.need(s, rested.now);
        matches!(
            need,
            Need::Publish | Need::Held(_) | Need::Replace | Need::Deleting
        )
    };
    memory
        .pocket
        .tokens
        .retain(|name, _| s.tokens.iter().any(|t| t.name == *name && wanted(t)));
}

fn conclude(memory: &Memory, rested: &Rested) -> Passed {
    let unwritten = memory.unwritten.as_ref().map(|u| u.next_attempt_at);
    Passed {
        wake: rested.decision.wake.into_iter().chain(unwritten).min(),
        reason: rested.decision.reason,
        steps: memory.known.taken.len(),
        reported: memory.unwritten.is_none(),
    }
}
