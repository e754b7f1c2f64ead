//! After a restart: what the annotations tell of the last login is enough to leave its Secret unread, or it is not.

use entra_plan::Step;
use entra_plan::answer::Effect;
use entra_plan::mac::TargetMac;
use entra_plan::reason::Reason;
use entra_plan::snapshot::{Content, LastLogin, LastVerdict, LoginSecret, Opened, Session, Snapshot};

use super::super::build::*;
use super::super::facts::{older_inputs, requested};
use super::{rests, step, step_in};

/// What the annotations tell of the last login, after a restart: nothing was read yet.
fn restarted(change: impl Fn(&mut LastLogin)) -> Snapshot {
    let mut last = LastLogin {
        verdict: Some(LastVerdict::Kept),
        login_uid: Some(uid("login-1")),
        login_version: Some(version("1")),
        sends: 1,
        last_sent_at: Some(NOW.plus(-5)),
        next_attempt_at: None,
        made_for: Some(sent_to()),
        inputs: Some(inputs()),
        word: None,
    };
    change(&mut last);
    Snapshot {
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
    }
}

#[test]
fn a_login_that_is_settled_for_now_is_not_read_again_after_a_restart() {
    assert_eq!(
        rests(&restarted(|_| ())),
        (Step::Blocked, Reason::LoginOutcomeUnknown, None)
    );
    let put_off = |verdict| {
        restarted(move |last| {
            last.verdict = Some(verdict);
            last.next_attempt_at = Some(NOW.plus(40));
        })
    };
    for verdict in [LastVerdict::Kept, LastVerdict::Open] {
        assert_eq!(
            rests(&put_off(verdict)),
            (Step::Idle, Reason::LoggingIn, Some(40))
        );
        assert_eq!(step_in(&put_off(verdict), 40), Step::ReadLogin);
    }
    let shown = Snapshot {
        login_failure: Some(failure(Effect::Person, Reason::AccountLocked, None)),
        ..restarted(|_| ())
    };
    assert_eq!(rests(&shown).1, Reason::AccountLocked);
    let in_force = restarted(|last| last.word = Some(word(-1)));
    let object = requested(&in_force.object);
    assert!(
        step(&Snapshot { object, ..in_force }).is_final(),
        "the word that was in force"
    );
}

#[test]
fn a_login_that_is_not_settled_or_that_changed_is_read_again_after_a_restart() {
    let changes: [fn(&mut LastLogin); 9] = [
        |last| last.made_for = Some(TargetMac("another".to_owned())),
        |last| last.made_for = None,
        |last| last.verdict = Some(LastVerdict::Open),
        |last| last.verdict = Some(LastVerdict::Wrong),
        |last| last.verdict = None,
        |last| last.login_uid = Some(uid("login-0")),
        |last| last.login_version = Some(version("0")),
        |last| last.inputs = Some(older_inputs()),
        |last| last.next_attempt_at = Some(NOW),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert_eq!(step(&restarted(change)), Step::ReadLogin, "{n}");
    }
    for before in [None, Some(word(-2))] {
        let s = restarted(move |last| last.word = before);
        let object = requested(&s.object);
        assert_eq!(step(&Snapshot { object, ..s }), Step::ReadLogin, "a new word");
    }
}
