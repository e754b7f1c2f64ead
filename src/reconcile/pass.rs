//! One pass over one credential: observe, decide, act and settle until the plan rests, then report. Every pass ends in a
//! decision, and every decision is reported.

use super::act::Pass;
use super::credential::Credential;
use super::leave::Leave;
use super::look::Look;
use super::memory::{Hand, Memory};
use super::observe::{first_ahead, observe};
use super::ports::{Clock, Ports};
use super::report::{Rested, report};
use super::shared::Shared;
use crate::api::Reason;
use crate::plan::settle::pass::{self as settle, Allowed};
use crate::plan::snapshot::{Snapshot, Token};
use crate::plan::tokens::Need;
use crate::plan::{Decision, Time, next_step, rest_of_pass};

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

/// Takes one credential as far as it can go now, and begins nothing without `leave`.
pub async fn pass<P: Ports>(
    ports: &P,
    shared: &Shared,
    credential: &Credential,
    memory: &mut Memory,
    leave: Leave<'_>,
) -> Passed {
    let start = ports.clock().monotonic();
    let look = Look::take(ports, credential);
    let mut under_way = Pass {
        ports,
        shared,
        credential,
        memory,
        look,
        hand: Hand::default(),
        permit: None,
        leave,
    };
    let first = begin(&mut under_way);
    let rested = steps(under_way, first).await;
    settle::ends(&mut memory.known, &rested.facts, rested.now);
    drop_stale(memory, &rested);
    report(ports, shared, credential, memory, &rested).await;
    let took = ports.clock().monotonic().saturating_sub(start);
    shared.observer.passed(&rested.decision.step, took);
    conclude(memory, &rested)
}

/// Facts, and when they were taken.
type Facts = (Snapshot, Time);

/// Begins a pass. The facts that it went by, if they are as they were: a pass that rests at once, as nearly all of a start do,
/// takes them together once.
fn begin<P: Ports>(pass: &mut Pass<'_, P>) -> Option<Facts> {
    let (ports, credential, memory) = (pass.ports, pass.credential, &mut *pass.memory);
    let first = !memory.restored;
    memory.restore(credential, || first_ahead(ports, credential));
    let before = memory.generation.replace(credential.generation);
    let edited = before.is_some_and(|generation| generation != credential.generation);
    let new = first && credential.status.is_none();
    let (facts, now) = facts(pass);
    let known = pass.memory.known.clone();
    settle::begins(&mut pass.memory.known, &facts, new || edited, first && !new, now);
    (pass.memory.known == known).then_some((facts, now))
}

async fn steps<P: Ports>(mut pass: Pass<'_, P>, mut first: Option<Facts>) -> Rested {
    loop {
        let (facts, now) = first.take().unwrap_or_else(|| facts(&pass));
        let decision = next_step(&facts, now);
        tell(pass.credential, &decision);
        if decision.step.is_final() {
            return Rested { facts, decision, now };
        }
        if decision.step.begins() && !pass.leave.stands() {
            let decision = rest_of_pass(&facts, now);
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
        pass.look = Look::take(pass.ports, pass.credential);
    }
}

fn facts<P: Ports>(pass: &Pass<'_, P>) -> Facts {
    let now = pass.now();
    let facts = observe(pass.ports, pass.credential, &pass.look, pass.memory, now);
    (facts, now)
}

fn tell(credential: &Credential, decision: &Decision) {
    tracing::debug!(
        namespace = &*credential.key.namespace,
        name = &*credential.key.name,
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
