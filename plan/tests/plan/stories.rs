//! Stories: what happens, and what the user sees, at every stop that the contract names.

mod answers;
mod condemned;
mod deeds;
mod dues;
mod entries;
mod held;
mod identity;
mod kept;
mod keys;
mod labels;
mod login;
mod obstacles;
mod permits;
mod policy;
mod refresh;
mod renewal;
mod restart;
mod returned;
mod search;
mod sends;
mod told;
mod wakes;

use entra_plan::conditions::conditions;
use entra_plan::reason::Reason;
use entra_plan::{Decision, Snapshot, Step, Time};

use entra_plan::Known;

use super::build::NOW;
use super::check;

/// What is decided now.
fn decide(s: &Snapshot) -> Decision {
    check::decide(s, NOW)
}

/// The step that is decided now.
fn step(s: &Snapshot) -> Step {
    decide(s).step
}

/// The step that is decided `seconds` from now.
fn step_in(s: &Snapshot, seconds: i64) -> Step {
    check::decide(s, NOW.plus(seconds)).step
}

/// The facts with what is known, as a shell would see them.
fn with_known(s: &Snapshot, known: &Known) -> Snapshot {
    let mut s = Snapshot {
        failure: known.failure.clone(),
        login_failure: known.login_failure.clone(),
        holds: known.holds.clone(),
        handled: known.handled,
        withheld: known.withheld.clone(),
        ..s.clone()
    };
    for token in &mut s.tokens {
        let note = known.entries.get(&token.name);
        token.failure = note.and_then(|n| n.failure.clone());
        token.deferred_until = note.and_then(|n| n.deferred_until);
    }
    s
}

/// At rest: the step, the headline and seconds until the wake time.
fn rests(s: &Snapshot) -> (Step, Reason, Option<i64>) {
    let d = decide(s);
    assert!(d.step.is_final(), "{d:?}");
    (d.step, d.reason, d.wake.map(|at| at.since(NOW)))
}

/// The conditions at rest that are `True`.
fn shows(s: &Snapshot) -> Vec<&'static str> {
    shows_at(s, NOW)
}

/// The conditions at rest that are `True` at `now`.
fn shows_at(s: &Snapshot, now: Time) -> Vec<&'static str> {
    let d = check::decide(s, now);
    assert!(d.step.is_final(), "{d:?}");
    let all = conditions(s, &d, now);
    all.into_iter().filter(|c| c.status).map(|c| c.kind).collect()
}
