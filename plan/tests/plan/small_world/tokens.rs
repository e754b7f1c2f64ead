//! Token entries: owner × published × held × failure × repair, alone against the session, and in pairs.

use entra_plan::snapshot::{Ownership, Session, Snapshot, Token, Wanted};

use super::super::build::{NOW, first_sight, fresh_token, healthy, held, published_token, session, token};
use super::super::check;
use super::super::choice::{Choice, every};
use super::super::facts;
use super::explore;
use entra_plan::Step;
use entra_plan::reason::Reason;

#[test]
fn one_entry_and_the_session() {
    explore(50_000, |c| Snapshot {
        object: facts::object_asked(c),
        tokens: vec![facts::any_token(c, "graph")],
        session: Session {
            token: facts::refresh_token(c),
            ..session()
        },
        failure: facts::brief_failure(c),
        ..first_sight()
    });
}

#[test]
fn one_entry_and_the_object() {
    explore(20_000, |c| Snapshot {
        tokens: vec![facts::any_token(c, "graph")],
        object: facts::object(c),
        last_redeemed_at: if c.flag() {
            Some(c.moment(&[-5, -60]))
        } else {
            None
        },
        session: session(),
        ..first_sight()
    });
}

#[test]
fn an_entry_whose_account_is_unknown() {
    explore(1_000, |c| Snapshot {
        tokens: vec![Token {
            wanted: c.of(&[Wanted::Anything, Wanted::Another]),
            ..facts::any_token(c, "graph")
        }],
        session: Session {
            token: facts::refresh_token(c),
            ..session()
        },
        ..first_sight()
    });
}

#[test]
fn pairs_of_entries() {
    explore(10_000, |c| Snapshot {
        tokens: vec![brief_token(c, "graph"), brief_token(c, "mail")],
        object: facts::object_asked(c),
        failure: facts::brief_failure(c),
        leftovers: facts::leftovers(c),
        session: session(),
        ..first_sight()
    });
}

#[test]
fn pairs_of_entries_and_what_is_held() {
    explore(5_000, |c| Snapshot {
        tokens: vec![brief_token(c, "graph"), brief_token(c, "mail")],
        holds: facts::holds(c),
        session: session(),
        ..first_sight()
    });
}

/// The states of an entry that matter to another entry.
fn brief_token(c: &mut Choice<'_>, name: &str) -> Token {
    match c.index(10) {
        0 => fresh_token(name),
        1 => published_token(name, -2130),
        2 => published_token(name, -2170),
        3 => published_token(name, -3601),
        4 => token(name),
        5 => Token {
            held: Some(held("request", 3600)),
            ..published_token(name, -2170)
        },
        6 => Token {
            ownership: Ownership::Foreign,
            ..token(name)
        },
        7 => Token {
            ownership: Ownership::Adoptable,
            ..token(name)
        },
        8 => Token {
            failure: facts::token_failure(c),
            ..published_token(name, -2170)
        },
        _ => Token {
            published: facts::any_published(c),
            ..fresh_token(name)
        },
    }
}

#[test]
fn nothing_to_do_is_idle() {
    every(|c| {
        let s = Snapshot {
            login: c.of(&[entra_plan::snapshot::Login::Absent]),
            ..healthy()
        };
        let decision = check::decide(&s, NOW);
        assert_eq!((decision.step, decision.reason), (Step::Idle, Reason::Fresh));
        check::decide_shifted(&s, NOW, 12_345);
    });
}

#[test]
fn time_is_relative() {
    let worlds = every(|c| {
        let s = Snapshot {
            tokens: vec![facts::any_token(c, "graph")],
            failure: facts::any_failure(c),
            ..healthy()
        };
        check::decide_shifted(&s, NOW, 777_777);
    });
    assert!(worlds > 5_000);
}
