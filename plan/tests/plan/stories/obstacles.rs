//! What stands in the way before anything is tried: foreign objects, wrong Secrets, policy, suspension, deletion.

use entra_plan::reason::Reason;

use crate::build::CLIENT_SECRET_TYPE;
use entra_plan::answer::Effect;
use entra_plan::known::{Known, SessionSeen};
use entra_plan::record::{Record, Verdict};
use entra_plan::settle::{self, trouble::Trouble};
use entra_plan::snapshot::{
    Claim, Content, Login, LoginSecret, Object, Opened, Ownership, Pocket, Session, Snapshot, Target, Token,
};
use entra_plan::{Object as Hold, Step};

use super::super::build::*;
use super::super::facts;
use super::{decide, rests, shows, shows_at, step};

fn with_content(content: Content) -> Snapshot {
    Snapshot {
        login: Login::Present(LoginSecret {
            content,
            ..login("A")
        }),
        ..first_sight()
    }
}

#[test]
fn suspended_means_no_step_and_conditions_stay_true() {
    let s = healthy();
    let object = Object {
        suspended: true,
        ..s.object.clone()
    };
    let s = Snapshot {
        object,
        tokens: vec![published_token("graph", -3500)],
        ..s
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::Suspended, Some(100)));
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
    assert_eq!(shows_at(&s, NOW.plus(100)), ["LoggedIn", "Published"]);
}

#[test]
fn a_deleted_credential_gets_nothing() {
    let object = Object {
        deleting: true,
        ..first_sight().object
    };
    let s = Snapshot {
        object,
        tokens: vec![token("graph")],
        ..with_login(record(tried(Verdict::Wrong)))
    };
    assert_eq!(decide(&s).step, Step::Idle);
    assert_eq!(decide(&s).wake, None);
    let mut touched = s;
    touched.tokens = vec![fresh_token("graph")];
    touched.tokens[0].published.as_mut().unwrap().verified = false;
    assert_eq!((decide(&touched).step, decide(&touched).wake), (Step::Idle, None));
}

#[test]
fn a_foreign_token_secret_is_left_alone_and_does_not_delay_the_others() {
    let foreign = Token {
        ownership: Ownership::Foreign,
        ..token("graph")
    };
    let s = Snapshot {
        tokens: vec![foreign.clone(), token("mail")],
        ..healthy()
    };
    assert_eq!(step(&s), Step::Redeem(names(&["mail"])));
    let held = Token {
        held: Some(held(REQUEST, 3600)),
        ..foreign
    };
    let s = Snapshot {
        tokens: vec![held, fresh_token("mail")],
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::SecretConflict, Some(300)));
    assert_eq!(
        shows(&s),
        ["LoggedIn"],
        "one valid token is left, so it is not stalled"
    );
}

/// One that lost the label that the watch selects by goes without a word.
#[test]
fn what_somebody_else_must_remove_is_looked_at_again() {
    let looked_at = |ago: i64| Some(NOW.plus(-ago));
    let held = |ago| Token {
        deleting: true,
        looked_at: looked_at(ago),
        ..fresh_token("graph")
    };
    let old = |ago| Token {
        ownership: Ownership::Predecessor,
        looked_at: looked_at(ago),
        ..token("graph")
    };
    let decided = |token: Token| {
        step(&Snapshot {
            tokens: vec![token],
            ..healthy()
        })
    };
    for token in [held(300), old(300)] {
        assert_eq!(decided(token), Step::Look(vec![Hold::Token(name("graph"))]));
    }
    for token in [held(299), old(299)] {
        assert!(!matches!(decided(token), Step::Look(_)));
    }
}

#[test]
fn a_foreign_refresh_token_secret_stops_everything() {
    let session = Session {
        ownership: Ownership::Foreign,
        ..Session::default()
    };
    let s = Snapshot {
        session,
        ..with_content(Content::Unread)
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::SecretConflict, Some(300)));
    assert_eq!(shows(&s), ["Stalled"]);
}

#[test]
fn an_immutable_refresh_token_secret_is_a_conflict() {
    let session = Session {
        immutable: true,
        ..session()
    };
    let s = Snapshot { session, ..healthy() };
    assert_eq!(rests(&s).1, Reason::SecretConflict);
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
}

#[test]
fn the_secrets_of_a_deleted_namesake_are_waited_for() {
    let session = Session {
        ownership: Ownership::Predecessor,
        ..Session::default()
    };
    let s = Snapshot {
        session,
        ..first_sight()
    };
    assert_eq!(rests(&s), (Step::Wait, Reason::SpecChanged, Some(2)));
    assert_eq!(shows(&s), ["Reconciling"]);
}

#[test]
fn secrets_restored_from_a_backup_are_adopted() {
    let session = Session {
        ownership: Ownership::Adoptable,
        ..session()
    };
    assert_eq!(
        step(&Snapshot { session, ..healthy() }),
        Step::Adopt(vec![Hold::Session])
    );
    let restored = Token {
        ownership: Ownership::Adoptable,
        ..fresh_token("graph")
    };
    let s = Snapshot {
        tokens: vec![restored, fresh_token("mail")],
        ..healthy()
    };
    assert_eq!(step(&s), Step::Adopt(vec![Hold::Token(name("graph"))]));
}

#[test]
fn what_is_being_deleted_is_not_adopted() {
    let token = Token {
        ownership: Ownership::Adoptable,
        deleting: true,
        ..token("graph")
    };
    let s = Snapshot {
        tokens: vec![token],
        ..healthy()
    };
    assert!(step(&s).is_final());
}

#[test]
fn another_credential_s_login_is_a_conflict() {
    let claimed = |claim| Snapshot {
        login: Login::Present(LoginSecret { claim, ..login("A") }),
        ..first_sight()
    };
    assert_eq!(step(&claimed(Claim::Unchecked)), Step::ReadLogin);
    assert_eq!(
        rests(&claimed(Claim::Held)),
        (Step::Blocked, Reason::SecretConflict, Some(60))
    );
    assert_eq!(step(&claimed(Claim::Free)), Step::ClaimLogin);
}

#[test]
fn an_unusable_or_forbidden_login_is_never_claimed_nor_sent() {
    let invalid = with_content(Content::Invalid("the key password is missing".to_owned()));
    assert_eq!(rests(&invalid), (Step::Blocked, Reason::InvalidLoginSecret, None));
    let forbidden = with_content(Content::Forbidden("this user is not allowed here".to_owned()));
    assert_eq!(rests(&forbidden), (Step::Blocked, Reason::NotAllowed, None));
    let wrong_type = Snapshot {
        login: Login::WrongType,
        ..first_sight()
    };
    assert_eq!(
        rests(&wrong_type),
        (Step::Blocked, Reason::InvalidLoginSecret, None)
    );
}

#[test]
fn without_a_target_or_the_client_s_secret_nothing_is_called() {
    let target = Target::Refused {
        reason: Reason::AppMisconfigured,
        message: "no such authority".to_owned(),
    };
    let s = Snapshot {
        target,
        ..with_content(Content::Unread)
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::AppMisconfigured, None));
    let client = missing_client();
    let s = Snapshot {
        client,
        tokens: vec![published_token("graph", -3000)],
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::AppMisconfigured, Some(600)));
    let message = decide(&s).message;
    assert!(
        message.contains("the Secret app ") && message.contains(CLIENT_SECRET_TYPE),
        "{message}"
    );
}

#[test]
fn what_was_obtained_is_published_even_without_the_client_s_secret() {
    let client = missing_client();
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(20)));
    let waiting = Token {
        held: Some(held(REQUEST, 3600)),
        ..fresh_token("graph")
    };
    let s = Snapshot {
        client,
        holds: [(Hold::Token(name("graph")), refused)].into(),
        tokens: vec![waiting],
        ..healthy()
    };
    assert_eq!(decide(&s).wake, Some(NOW.plus(20)));
    assert_eq!(super::step_in(&s, 20), Step::Publish(names(&["graph"])));
}

#[test]
fn while_a_write_is_refused_the_answer_waits_and_no_call_is_made() {
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(20)));
    let pocket = Pocket {
        refresh: Some(facts::newer(NOW)),
        login: None,
    };
    let s = Snapshot {
        holds: [(Hold::Session, refused)].into(),
        pocket,
        tokens: vec![token("graph")],
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::WriteRefused, Some(20)));
    assert_eq!(super::step_in(&s, 20), Step::Store);
}

#[test]
fn a_record_of_another_login_does_not_stop_a_first_one() {
    let s = Snapshot {
        login: Login::Present(login("B")),
        ..with_login(Record::default())
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
fn a_write_that_is_refused_again_and_again_waits_longer_although_reads_succeed() {
    let mut known = Known::default();
    let mut now = NOW;
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let seen = SessionSeen {
            version: healthy().session.version.unwrap(),
            keys: 0,
            sealed_by: None,
            opened: Opened::of(None, None),
        };
        settle::reads::session(&mut known, seen, false, now);
        let s = Snapshot {
            holds: known.holds.clone(),
            ..healthy()
        };
        let refused = Trouble::WriteRefused("the quota is used up".to_owned());
        settle::trouble::with(&mut known, &s, &Hold::Session, &refused, now);
        settle::pass::ends(&mut known, &s, now);
        let until = known.holds[&Hold::Session].next_attempt_at.unwrap();
        pauses.push(until.since(now));
        now = until;
    }
    assert!(pauses.is_sorted_by(|a, b| 2 * a <= *b), "{pauses:?}");
    settle::pass::ends(&mut known, &healthy(), now);
    assert!(known.holds.is_empty(), "what was not refused again is over");
}

/// A renewal is begun anew for want of one of the two, and reads both each time.
#[test]
fn what_a_renewal_reads_waits_longer_whichever_of_it_is_lost() {
    let mut known = Known::default();
    let mut now = NOW;
    let mut pauses = Vec::new();
    for lost in [Hold::Session, Hold::Client, Hold::Session] {
        let s = Snapshot {
            holds: known.holds.clone(),
            ..healthy()
        };
        let away = Trouble::Away("the answer was lost".to_owned(), None);
        settle::trouble::with(&mut known, &s, &lost, &away, now);
        settle::pass::ends(&mut known, &s, now);
        let until = known.holds[&lost].next_attempt_at.unwrap();
        pauses.push(until.since(now));
        now = until;
    }
    assert!(pauses.is_sorted_by(|a, b| a < b), "{pauses:?}");
}
