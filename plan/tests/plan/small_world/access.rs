//! Who may touch what: object × target × client × login Secret × owner of the refresh-token Secret × pocket.

use entra_plan::Snapshot;
use entra_plan::record::Verdict;
use entra_plan::snapshot::Login;

use super::super::build::{first_sight, fresh_token, login, record, token, tried};
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
