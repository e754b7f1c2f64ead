//! Every history of a login content × attempt in flight × state of the refresh token × request.

use entra_plan::record::{Record, Verdict};
use entra_plan::snapshot::{Content, Login, LoginSecret, Session, Snapshot};

use super::super::build::{NOW, first_sight, fresh_token, login, record, session, token, tried, uid};
use super::super::choice::Choice;
use super::super::facts;
use super::explore;

#[test]
fn histories_of_a_content() {
    let steps = explore(50_000, |c| {
        let (record, attempt) = facts::record(c);
        Snapshot {
            object: facts::object_asked(c),
            login: Login::Present(login("A")),
            session: Session {
                attempt,
                ..facts::session_that_was_read(c, record)
            },
            tokens: vec![token("graph"), token("mail")],
            ..first_sight()
        }
    });
    assert!(
        steps >= 6,
        "record, exchange, read, delete, redeem and rest must occur"
    );
}

#[test]
fn a_final_verdict_and_the_deletion() {
    explore(2_000, |c| {
        let verdict = c.of(&[Verdict::Accepted, Verdict::Wrong]);
        let entry = entra_plan::record::Entry {
            login_uid: Some(uid(c.of(&["login-1", "login-0"]))),
            ..tried(verdict)
        };
        Snapshot {
            object: facts::object(c),
            login: Login::Present(login("A")),
            session: facts::session_with(c, record(entry)),
            login_failure: facts::login_failure(c),
            deleted_login_at: if c.flag() {
                Some(c.moment(&[-5, -70]))
            } else {
                None
            },
            tokens: vec![if c.flag() {
                fresh_token("graph")
            } else {
                token("graph")
            }],
            ..first_sight()
        }
    });
}

#[test]
fn what_annotations_say_without_a_read() {
    explore(2_000, |c| {
        let session = Session {
            last_login: facts::last_login(c),
            ..facts::session_with(c, Record::default())
        };
        Snapshot {
            object: facts::object_asked(c),
            login: unread_or_absent(c),
            session,
            login_failure: facts::login_failure(c),
            tokens: vec![fresh_token("graph")],
            ..first_sight()
        }
    });
}

fn unread_or_absent(c: &mut Choice<'_>) -> Login {
    match c.index(3) {
        0 => Login::Absent,
        1 => Login::WrongType,
        _ => Login::Present(LoginSecret {
            content: Content::Unread,
            ..login("A")
        }),
    }
}

#[test]
fn turns_and_permits_put_a_send_off() {
    explore(10_000, |c| Snapshot {
        object: facts::object_asked(c),
        login: Login::Present(login("A")),
        turn_at: c.of(&[None, Some(NOW.plus(40))]),
        withheld: facts::withheld(c),
        session: with(record(facts::history(c))),
        ..first_sight()
    });
}

#[test]
fn refused_reads_and_writes_put_a_send_off() {
    explore(9_000, |c| Snapshot {
        object: facts::object_asked(c),
        login: Login::Present(login("A")),
        holds: facts::holds(c),
        session: with(record(facts::history(c))),
        ..first_sight()
    });
}

fn with(record: Record) -> Session {
    Session {
        opened: super::super::build::opened(record, None),
        token: None,
        ..session()
    }
}
