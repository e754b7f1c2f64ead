//! The way of a login: from the first look at its Secret to its deletion, and every answer on the way.

use entra_plan::answer::Effect;
use entra_plan::client::{Client, Expiry};
use entra_plan::reason::Reason;
use entra_plan::record::{Record, Verdict};
use entra_plan::snapshot::{
    Claim, Content, LastLogin, LastVerdict, Login, LoginOutcome, LoginSecret, Opened, Ownership, Pocket,
    Session, Snapshot,
};
use entra_plan::{Object, Step};

use super::super::build::*;
use super::{rests, shows, step, step_in};

fn first_login() -> Snapshot {
    Snapshot {
        login: present(login("A")),
        ..first_sight()
    }
}

#[test]
fn before_a_login_the_credential_waits_for_it() {
    let s = first_sight();
    assert_eq!(rests(&s), (Step::Idle, Reason::AwaitingLogin, None));
    assert_eq!(shows(&s), ["Reconciling"]);
}

#[test]
fn a_login_is_read_claimed_recorded_and_sent() {
    let unread = LoginSecret {
        content: Content::Unread,
        claim: Claim::Free,
        ..login("A")
    };
    assert_eq!(
        step(&Snapshot {
            login: present(unread),
            ..first_sight()
        }),
        Step::ReadToSignIn
    );
    let unclaimed = LoginSecret {
        claim: Claim::Free,
        ..login("A")
    };
    assert_eq!(
        step(&Snapshot {
            login: present(unclaimed),
            ..first_sight()
        }),
        Step::ClaimLogin
    );
    assert_eq!(step(&first_login()), record_a());
    assert_eq!(
        step(&recorded(0)),
        Step::Exchange {
            attempt: "attempt-1".to_owned(),
            entry: name("graph")
        }
    );
}

/// Content A was recorded `age` seconds ago by this process, which has not sent it yet.
fn recorded(age: i64) -> Snapshot {
    let at = NOW.plus(-age);
    let s = with_login(in_flight(at));
    Snapshot {
        session: Session {
            attempt: Some(seen(at, true)),
            ..s.session.clone()
        },
        ..s
    }
}

#[test]
fn a_record_is_sent_within_ten_seconds_or_taken_over_after_a_minute() {
    assert!(matches!(step(&recorded(10)), Step::Exchange { .. }));
    assert_eq!(rests(&recorded(11)), (Step::Idle, Reason::LoggingIn, Some(49)));
    assert_eq!(step(&recorded(60)), record_a());
}

#[test]
fn an_attempt_of_a_former_process_is_taken_over_a_minute_after_it_was_seen() {
    let s = with_login(in_flight(NOW.plus(-500)));
    let s = Snapshot {
        session: Session {
            attempt: Some(seen(NOW, false)),
            ..s.session.clone()
        },
        ..s
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::LoggingIn, Some(60)));
    assert_eq!(step_in(&s, 60), record_a());
}

#[test]
fn after_a_restart_an_interrupted_attempt_is_looked_at_again() {
    let last = LastLogin {
        verdict: Some(LastVerdict::Open),
        login_uid: Some(uid("login-1")),
        login_version: Some(version("1")),
        sends: 1,
        last_sent_at: Some(NOW.plus(-5)),
        next_attempt_at: None,
        made_for: Some(sent_to()),
        inputs: Some(inputs()),
        word: None,
    };
    let s = Snapshot {
        login: present(LoginSecret {
            content: Content::Unread,
            ..login("A")
        }),
        session: Session {
            last_login: Some(last),
            token: None,
            opened: Opened::Unread,
            ..session()
        },
        ..first_sight()
    };
    assert_eq!(step(&s), Step::ReadLogin);
}

#[test]
fn other_content_supersedes_an_attempt_at_once() {
    let s = with_login(in_flight(NOW.plus(-5)));
    let s = Snapshot {
        login: present(login("B")),
        ..s
    };
    assert_eq!(
        step(&s),
        Step::RecordAttempt {
            content: mac("B"),
            entry: name("graph")
        }
    );
}

#[test]
fn an_outcome_is_stored_before_anything_else() {
    let outcome = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result: Ok(granted(NOW, LIFE)),
    };
    let tokens = vec![entra_plan::snapshot::Token {
        held: Some(held(REQUEST, 3600)),
        ..token("graph")
    }];
    let pocket = Pocket {
        login: Some(outcome),
        refresh: None,
    };
    assert_eq!(
        step(&Snapshot {
            pocket,
            tokens,
            ..recorded(0)
        }),
        Step::Store
    );
}

fn accepted(opened: fn(Record) -> Opened) -> Snapshot {
    let s = with_login(Record::default());
    Snapshot {
        session: Session {
            opened: opened(record(tried(Verdict::Accepted))),
            ..session()
        },
        ..s
    }
}

#[test]
fn an_accepted_login_is_deleted_only_after_the_sealed_token_was_read_back() {
    assert_eq!(step(&accepted(|_| Opened::Unread)), Step::ReadSession);
    assert_eq!(
        step(&accepted(|record| opened(record, Some(pin())))),
        Step::DeleteLogin
    );
}

#[test]
fn a_used_login_goes_even_while_nothing_can_be_called() {
    let client = missing_client();
    let unread = LoginSecret {
        content: Content::Unread,
        ..login("A")
    };
    let s = accepted(|_| Opened::Unread);
    let session = Session {
        last_login: Some(last(LastVerdict::Accepted)),
        ..s.session.clone()
    };
    let s = Snapshot {
        client,
        session,
        login: present(unread),
        ..s
    };
    assert_eq!(step(&s), Step::ReadLogin, "after a crash, to delete it");
}

#[test]
fn a_refused_deletion_is_said_and_does_not_hold_back_publishing() {
    let not_deleted = failure(
        Effect::Transient,
        Reason::LoginSecretNotDeleted,
        Some(NOW.plus(20)),
    );
    let s = Snapshot {
        holds: [(Object::Login, not_deleted)].into(),
        ..accepted(|r| opened(r, Some(pin())))
    };
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
    let s = Snapshot {
        tokens: vec![fresh_token("graph")],
        ..s
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::LoginSecretNotDeleted, Some(20)));
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
    assert_eq!(step_in(&s, 20), Step::DeleteLogin);
}

#[test]
fn a_wrong_password_is_deleted_and_never_sent_again() {
    let s = with_login(record(tried(Verdict::Wrong)));
    assert_eq!(step(&s), Step::DeleteLogin);
    let recreated = LoginSecret {
        uid: uid("login-2"),
        ..login("A")
    };
    let again = Snapshot {
        login: present(recreated),
        ..s.clone()
    };
    assert_eq!(step(&again), Step::DeleteLogin, "under any Secret");
    let session = Session {
        last_login: Some(last(LastVerdict::Wrong)),
        ..s.session.clone()
    };
    let gone = Snapshot {
        login: Login::Absent,
        session,
        ..s
    };
    assert_eq!(rests(&gone), (Step::Blocked, Reason::WrongPassword, None));
    assert_eq!(shows(&gone), ["Stalled"]);
}

fn last(verdict: LastVerdict) -> LastLogin {
    LastLogin {
        verdict: Some(verdict),
        login_uid: Some(uid("login-1")),
        login_version: Some(version("1")),
        sends: 1,
        last_sent_at: Some(NOW),
        next_attempt_at: None,
        made_for: Some(sent_to()),
        inputs: Some(inputs()),
        word: None,
    }
}

#[test]
fn a_second_login_within_a_minute_of_a_mistyped_one_is_deleted_at_once() {
    let s = Snapshot {
        deleted_login_at: Some(NOW.plus(-20)),
        ..accepted(|r| opened(r, Some(pin())))
    };
    assert_eq!(step(&s), Step::DeleteLogin);
}

#[test]
fn the_same_content_again_is_deleted_unsent_while_its_token_lives_once_a_minute() {
    let s = Snapshot {
        login: present(LoginSecret {
            uid: uid("login-2"),
            ..login("A")
        }),
        tokens: vec![fresh_token("graph")],
        ..accepted(|r| opened(r, Some(pin())))
    };
    assert_eq!(step(&s), Step::DeleteLogin);
    let again = Snapshot {
        deleted_login_at: Some(NOW.plus(-20)),
        ..s
    };
    assert_eq!(
        rests(&again),
        (Step::Idle, Reason::LoginSecretNotDeleted, Some(40))
    );
    assert_eq!(step_in(&again, 40), Step::DeleteLogin);
}

#[test]
fn the_same_content_again_is_sent_once_its_token_is_dead() {
    let s = accepted(|r| opened(r, Some(pin())));
    let mut session = s.session.clone();
    session.token.as_mut().unwrap().dead_since = Some(NOW.plus(-60));
    assert_eq!(step(&Snapshot { session, ..s }), record_a());
}

#[test]
fn an_accepted_content_that_is_tried_again_is_not_sent_once_its_token_lives_again() {
    let s = accepted(|r| opened(r, Some(pin())));
    let Login::Present(login) = &s.login else {
        unreachable!()
    };
    let mut record = record(tried(Verdict::Accepted));
    record.begin(attempt("A"), &s, login, NOW.plus(-70));
    let revived = |record| Snapshot {
        session: Session {
            opened: opened(record, Some(pin())),
            ..session()
        },
        ..s.clone()
    };
    assert_eq!(step(&revived(record)), Step::DeleteLogin);
}

#[test]
fn a_new_login_is_exchanged_while_the_old_one_works() {
    let s = Snapshot {
        login: present(login("B")),
        ..healthy()
    };
    assert_eq!(
        step(&s),
        Step::RecordAttempt {
            content: mac("B"),
            entry: name("graph")
        }
    );
}

#[test]
fn the_allowance_of_a_user_puts_a_send_off() {
    let s = Snapshot {
        turn_at: Some(NOW.plus(300)),
        ..first_login()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::LoggingIn, Some(300)));
}

#[test]
fn a_login_waits_while_the_api_server_refuses_writes() {
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(20)));
    let s = Snapshot {
        holds: [(Object::Login, refused)].into(),
        ..first_login()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::WriteRefused, Some(20)));
    assert_eq!(step_in(&s, 20), record_a());
}

#[test]
fn a_login_that_cannot_be_claimed_waits_and_renewals_go_on() {
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(20)));
    let free = LoginSecret {
        claim: Claim::Free,
        ..login("B")
    };
    let s = Snapshot {
        login: present(free),
        holds: [(Object::Login, refused)].into(),
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::WriteRefused, Some(20)));
    let due = Snapshot {
        tokens: vec![published_token("graph", -2160)],
        ..s.clone()
    };
    assert_eq!(step(&due), Step::Redeem(names(&["graph"])));
    let first = Snapshot {
        session: Session::default(),
        tokens: vec![token("graph")],
        ..s
    };
    assert_eq!(rests(&first), (Step::Idle, Reason::WriteRefused, Some(20)));
    assert_eq!(step_in(&first, 20), Step::ClaimLogin);
}

#[test]
fn entries_that_can_be_written_are_asked_for_first() {
    let foreign = entra_plan::snapshot::Token {
        ownership: Ownership::Foreign,
        ..token("graph")
    };
    let s = Snapshot {
        tokens: vec![foreign, token("mail")],
        ..first_login()
    };
    assert_eq!(
        step(&s),
        Step::RecordAttempt {
            content: mac("A"),
            entry: name("mail")
        }
    );
}

#[test]
fn a_login_that_is_being_deleted_is_as_good_as_gone() {
    let s = Snapshot {
        login: present(LoginSecret {
            deleting: true,
            ..login("A")
        }),
        ..first_sight()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::AwaitingLogin, None));
}

/// An outcome belongs to its record: that is read first, and where the Secret is gone, another one is made.
#[test]
fn an_outcome_is_stored_with_the_record_that_is_there() {
    let outcome = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result: Err(refusal(Effect::Condemned, Reason::WrongPassword)),
    };
    let with = |session| Snapshot {
        session,
        pocket: Pocket {
            login: Some(outcome.clone()),
            refresh: None,
        },
        ..recorded(0)
    };
    let read = recorded(0).session;
    let unread = Session {
        opened: Opened::Unread,
        ..read.clone()
    };
    assert_eq!(step(&with(unread)), Step::ReadSession);
    assert_eq!(step(&with(read)), Step::Store);
    assert_eq!(step(&with(Session::default())), Step::Store);
}

/// A login that was used is read for its deletion even while nothing can be called; one that was not waits unread.
#[test]
fn a_login_that_cannot_be_sent_yet_is_not_read() {
    let unread = LoginSecret {
        content: Content::Unread,
        ..login("A")
    };
    let s = Snapshot {
        login: present(unread),
        client: missing_client(),
        ..first_sight()
    };
    assert_eq!(rests(&s).0, Step::Blocked);
}

#[test]
fn the_client_credential_is_read_before_an_attempt_and_once() {
    let with = |client: Client, content: Option<&str>| {
        let mut s = first_login();
        s.client = client;
        s.object.inputs.client = client_input("2", content);
        step(&s)
    };
    let expires = Expiry::Unknown;
    let credential = Client::Credential { expires };
    assert_eq!(with(credential.clone(), None), Step::ReadClient);
    assert_eq!(with(credential, Some("secret")), record_a());
    assert_eq!(with(Client::Public, None), record_a());
}
