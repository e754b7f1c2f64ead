//! The rules notice: for each of them decisions that break it, and only it, and beside them the nearest that keep it. What
//! judges the small world, the histories and the simulation is judged here.

mod calls;
mod login;
mod rest;
mod writes;

use std::collections::BTreeSet;

use entra_plan::invariants::{Rule, violations};
use entra_plan::reason::Reason;
use entra_plan::snapshot::{Login, LoginOutcome, LoginSecret, Ownership, Pocket, Snapshot};
use entra_plan::{Decision, Object, Step, Time};
use strum::IntoEnumIterator as _;

use super::build::*;
use super::facts;

/// The rules that a step breaks which is taken now.
fn broken(s: &Snapshot, step: &Step) -> Vec<Rule> {
    judge(s, step.clone(), None)
}

/// The rules that a rest breaks which ends at `wake`.
fn broken_by_rest(s: &Snapshot, wake: Option<Time>) -> Vec<Rule> {
    judge(s, Step::Idle, wake)
}

fn judge(s: &Snapshot, step: Step, wake: Option<Time>) -> Vec<Rule> {
    let decision = Decision {
        step,
        reason: Reason::Settled,
        message: String::new(),
        wake,
    };
    violations(s, &decision, NOW)
}

/// The facts with an answer that is not stored: of a redemption, or of a sign-in.
fn unstored(s: &Snapshot) -> [Snapshot; 2] {
    let login = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result: Ok(granted(NOW, LIFE)),
    };
    let pockets = [
        Pocket {
            refresh: Some(facts::newer(NOW)),
            login: None,
        },
        Pocket {
            login: Some(login),
            refresh: None,
        },
    ];
    pockets.map(|pocket| Snapshot { pocket, ..s.clone() })
}

fn owned_by(ownership: Ownership, s: &Snapshot) -> Snapshot {
    let mut s = s.clone();
    s.session.ownership = ownership;
    s
}

/// The login Secret, but for one thing.
fn with_other_login(s: &Snapshot, change: impl Fn(&mut LoginSecret)) -> Snapshot {
    let mut s = s.clone();
    let Login::Present(login) = &mut s.login else {
        unreachable!("a login Secret is there")
    };
    change(login);
    s
}

fn token_object() -> Object {
    Object::Token(name("graph"))
}

#[test]
fn each_prints_as_a_sentence_of_its_own() {
    let sentences: BTreeSet<_> = Rule::iter().map(|rule| rule.to_string()).collect();
    assert_eq!(sentences.len(), Rule::iter().count());
    assert!(sentences.iter().all(|text| text.contains(' ')));
}
