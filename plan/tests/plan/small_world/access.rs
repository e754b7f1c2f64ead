//! Who may touch what: object × target × client × login Secret × owner of the refresh-token Secret × pocket.

use entra_plan::answer::Effect;
use entra_plan::metadata::EntryName;
use entra_plan::reason::Reason;
use entra_plan::record::Verdict;
use entra_plan::snapshot::{Login, Token};
use entra_plan::{Object, Snapshot, Step, next_step};

use super::super::build::{NOW, failure, first_sight, fresh_token, login, name, record, token, tried};
use super::super::choice::every;
use super::super::facts;
use super::explore;

#[test]
fn owners_and_secrets() {
    explore(15_000, |c| Snapshot {
        object: facts::object(c),
        client: facts::client(c),
        login: facts::any_login(c),
        session: facts::any_session(c),
        tokens: vec![if c.flag() {
            fresh_token("graph")
        } else {
            token("graph")
        }],
        ..first_sight()
    });
}

#[test]
fn targets_and_refresh_tokens() {
    explore(5_000, |c| Snapshot {
        object: facts::object(c),
        target: facts::target(c),
        client: facts::client(c),
        session: facts::any_session(c),
        failure: facts::any_failure(c),
        tokens: vec![if c.flag() {
            fresh_token("graph")
        } else {
            token("graph")
        }],
        ..first_sight()
    });
}

#[test]
fn targets_and_logins() {
    explore(1_000, |c| Snapshot {
        target: facts::target(c),
        login: facts::any_login(c),
        session: facts::session_with(c, record(tried(Verdict::Accepted))),
        ..first_sight()
    });
}

#[test]
fn policies_logins_and_refresh_tokens() {
    explore(5_000, |c| Snapshot {
        object: facts::object_asked(c),
        permissions: facts::permissions(c),
        login: facts::any_login(c),
        session: facts::any_session(c),
        failure: facts::any_failure(c),
        tokens: vec![if c.flag() {
            fresh_token("graph")
        } else {
            token("graph")
        }],
        ..first_sight()
    });
}

#[test]
fn answers_in_the_pocket() {
    explore(15_000, |c| Snapshot {
        object: facts::object(c),
        pocket: facts::pocket(c),
        failure: facts::any_failure(c),
        session: facts::any_session(c),
        login: c.of(&[Login::Absent, Login::Present(login("A"))]),
        tokens: vec![fresh_token("graph")],
        ..first_sight()
    });
}

/// Everything that can be held.
fn objects() -> [Object; 5] {
    let (token, contents) = (Object::Token(name("graph")), Object::Contents(name("graph")));
    [Object::Login, Object::Session, Object::Client, token, contents]
}

/// Whether the step can be taken while `object` is held.
fn does_without(step: &Step, object: &Object) -> bool {
    let entry = |name: &EntryName| *object == Object::Token(name.clone());
    match step {
        Step::Redeem(names) => !names.iter().any(entry) && !step.objects().contains(object),
        // Means to an end, which may be what is held.
        Step::ReadSession
        | Step::ReadToRenew(_)
        | Step::Resolve
        | Step::RecordAttempt { .. }
        | Step::Exchange { .. } => false,
        _ => !step.is_final() && !step.objects().contains(object),
    }
}

#[test]
fn what_is_held_delays_no_step_that_does_without_it() {
    let mut compared = 0;
    every(|c| {
        let s = Snapshot {
            login: facts::any_login(c),
            session: facts::any_session(c),
            tokens: vec![Token {
                published: facts::any_published(c),
                held: facts::any_held(c),
                ..fresh_token("graph")
            }],
            ..first_sight()
        };
        let plain = next_step(&s, NOW).step;
        for object in objects().into_iter().filter(|o| does_without(&plain, o)) {
            let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(40)));
            let holds = [(object, refused)].into();
            let held = Snapshot { holds, ..s.clone() };
            compared += 1;
            assert_eq!(next_step(&held, NOW).step, plain, "{held:?}");
        }
    });
    assert!(compared > 10_000, "{compared}");
}
