//! No permit is a fact like any other: it is told, and Ready stays true to the clock.

use entra_plan::Step;
use entra_plan::mac::RequestMac;
use entra_plan::reason::Reason;
use entra_plan::snapshot::{Binding, Content, Login, LoginSecret, Session, Snapshot, Withheld};

use super::super::build::*;
use super::super::check;
use super::{rests, shows, shows_at, step};

fn withheld(seconds: i64, s: &Snapshot) -> Snapshot {
    Snapshot {
        withheld: Some(Withheld {
            until: NOW.plus(seconds),
            long: seconds >= 20,
            reason: Reason::ServiceUnavailable,
            message: "the host is failing".to_owned(),
            binding: s.binding().cloned(),
        }),
        ..s.clone()
    }
}

fn due() -> Snapshot {
    Snapshot {
        tokens: vec![published_token("graph", -3000)],
        ..healthy()
    }
}

#[test]
fn without_a_permit_for_an_hour_ready_turns_false_at_expiry_and_says_why() {
    let s = withheld(3600, &due());
    assert_eq!(rests(&s), (Step::Idle, Reason::Expiring, Some(600)));
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
    let expired = check::decide(&s, NOW.plus(600));
    assert_eq!(
        (expired.step, expired.reason),
        (Step::Idle, Reason::ServiceUnavailable)
    );
    assert_eq!(shows_at(&s, NOW.plus(600)), ["LoggedIn", "Published"]);
}

#[test]
fn a_turn_that_comes_soon_is_not_told() {
    let s = Snapshot {
        tokens: vec![published_token("graph", -2162)],
        ..healthy()
    };
    assert_eq!(rests(&withheld(5, &s)), (Step::Idle, Reason::Fresh, Some(5)));
}

#[test]
fn a_renewal_that_has_waited_for_twenty_seconds_is_told_however_near_its_turn_is() {
    let due_since = |seconds: i64| Snapshot {
        tokens: vec![published_token("graph", -2160 - seconds)],
        ..healthy()
    };
    assert_eq!(
        rests(&withheld(5, &due_since(19))),
        (Step::Idle, Reason::Fresh, Some(1))
    );
    let told = withheld(5, &due_since(20));
    assert_eq!(rests(&told), (Step::Idle, Reason::Expiring, Some(5)));
    assert!(check::decide(&told, NOW).message.contains("the host is failing"));
}

/// Turns are seconds apart, and each of them would be a write of the status.
#[test]
fn a_renewal_that_waits_for_its_turn_is_planned_by_its_schedule() {
    let s = due();
    let planned = |seconds: i64| {
        let s = withheld(seconds, &s);
        s.tokens[0].planned(&s, NOW).unwrap()
    };
    assert_eq!(planned(5), planned(10));
    assert!(planned(5) < NOW);
    assert_eq!(planned(60), NOW.plus(60));
}

#[test]
fn while_a_changed_spec_waits_for_its_turn_what_was_written_is_as_written() {
    let mut s = healthy();
    s.tokens[0].published.as_mut().unwrap().request = RequestMac("former".to_owned());
    assert_eq!(
        rests(&withheld(5, &s)),
        (Step::Idle, Reason::SpecChanged, Some(5))
    );
    assert_eq!(shows(&withheld(5, &s)), ["LoggedIn", "Published", "Reconciling"]);
}

#[test]
fn a_permit_of_another_binding_is_none_that_is_withheld_here() {
    let other = Binding {
        client_id: "other".to_owned(),
        ..binding()
    };
    let mut s = withheld(3600, &due());
    s.withheld.as_mut().unwrap().binding = Some(other);
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_sign_in_waits_for_its_permit_and_says_so() {
    let s = Snapshot {
        login: Login::Present(login("A")),
        ..first_sight()
    };
    assert_eq!(rests(&withheld(5, &s)), (Step::Idle, Reason::LoggingIn, Some(5)));
    assert_eq!(rests(&withheld(3600, &s)).1, Reason::ServiceUnavailable);
    assert_eq!(step(&s), record_a());
}

#[test]
fn a_person_s_word_lifts_no_pause_that_others_share() {
    let object = super::super::facts::requested(&due().object);
    let s = withheld(3600, &Snapshot { object, ..due() });
    assert!(step(&s).is_final());
}

/// Where nothing is stored that could be redeemed, no renewal ends the sleep.
#[test]
fn a_long_wait_is_told_when_the_token_falls_due_whether_or_not_it_can_be_renewed() {
    let s = Snapshot {
        session: Session::default(),
        login: Login::Absent,
        tokens: vec![published_token("graph", -1900)],
        ..healthy()
    };
    let s = withheld(3600, &s);
    let due = s.tokens[0].due(&s).since(NOW);
    assert!(due > 0);
    let (_, _, wake) = rests(&s);
    assert!(wake.is_some_and(|at| at <= due), "{wake:?} is after {due}");
}

/// What an earlier sign-in left may say that the login is to be deleted.
#[test]
fn a_first_sign_in_is_not_even_read_without_a_permit() {
    let unread = |s: Snapshot| Snapshot {
        login: Login::Present(LoginSecret {
            content: Content::Unread,
            ..login("A")
        }),
        ..s
    };
    let first = unread(first_sight());
    assert_eq!(step(&first), Step::ReadToSignIn);
    assert_eq!(
        rests(&withheld(5, &first)),
        (Step::Idle, Reason::LoggingIn, Some(5))
    );
    assert_eq!(
        rests(&withheld(3600, &first)),
        (Step::Idle, Reason::ServiceUnavailable, Some(3600))
    );
    let another = unread(healthy());
    assert_eq!(step(&withheld(3600, &another)), Step::ReadLogin);
}
