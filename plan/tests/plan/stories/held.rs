//! What the API server refuses is held by itself: nothing waits that does not depend on it.

use entra_plan::answer::Effect;
use entra_plan::hold::Holds;
use entra_plan::metadata::Version;
use entra_plan::reason::Reason;
use entra_plan::settle::pass::{self, Allowed};
use entra_plan::settle::store;
use entra_plan::settle::trouble::{self, Trouble};
use entra_plan::snapshot::{Claim, Content, LoginSecret, Pocket, Published, Snapshot, Token};
use entra_plan::{Known, Object, Step};

use super::super::build::*;
use super::super::facts;
use super::{rests, step, step_in};

fn token_of(entry: &str) -> Object {
    Object::Token(name(entry))
}

fn refused(object: Object) -> Holds {
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(40)));
    [(object, refused)].into()
}

/// It was never asked for, and waits its turn.
fn turned_away(object: Object) -> Holds {
    [(object, rationed(NOW.plus(7)))].into()
}

fn held_back(object: Object, s: &Snapshot) -> Snapshot {
    Snapshot {
        holds: refused(object),
        ..s.clone()
    }
}

fn pocketed(name: &str) -> Token {
    Token {
        held: Some(held(REQUEST, 3600)),
        ..published_token(name, -2400)
    }
}

fn untouched(name: &str) -> Token {
    let seen = published(NOW.plus(-600), LIFE);
    Token {
        published: Some(Published {
            verified: false,
            ..seen
        }),
        ..fresh_token(name)
    }
}

/// Ready is said of it meanwhile.
#[test]
fn what_cannot_be_written_is_looked_at_all_the_same() {
    let both = Snapshot {
        tokens: vec![untouched("graph"), untouched("mail")],
        ..healthy()
    };
    let read = |held: Object| step(&held_back(held, &both));
    assert_eq!(read(token_of("graph")), Step::Verify(names(&["graph", "mail"])));
    let unreadable = Object::Contents(name("graph"));
    assert_eq!(read(unreadable.clone()), Step::Verify(names(&["mail"])));
    let alone = Snapshot {
        tokens: vec![untouched("graph")],
        ..healthy()
    };
    assert_eq!(rests(&held_back(unreadable.clone(), &alone)).2, Some(40));
    let overwritten = Snapshot {
        tokens: vec![Token {
            held: Some(held(REQUEST, 7200)),
            ..untouched("graph")
        }],
        ..healthy()
    };
    assert_eq!(
        step(&held_back(unreadable, &overwritten)),
        Step::Publish(names(&["graph"]))
    );
}

#[test]
fn a_held_token_secret_delays_no_other_entry() {
    let pair = |graph: Token, mail: Token| {
        held_back(
            token_of("graph"),
            &Snapshot {
                tokens: vec![graph, mail],
                ..healthy()
            },
        )
    };
    let due = |name| published_token(name, -2400);
    assert_eq!(
        step(&pair(due("graph"), due("mail"))),
        Step::Redeem(names(&["mail"]))
    );
    assert_eq!(
        step(&pair(pocketed("graph"), pocketed("mail"))),
        Step::Publish(names(&["mail"]))
    );
    assert_eq!(rests(&pair(pocketed("graph"), fresh_token("mail"))).2, Some(40));
}

#[test]
fn a_held_login_delays_no_renewal() {
    let unread = LoginSecret {
        content: Content::Unread,
        ..login("B")
    };
    let free = LoginSecret {
        claim: Claim::Free,
        ..login("B")
    };
    for (login, first) in [(unread, Step::ReadLogin), (free, Step::ClaimLogin)] {
        let s = Snapshot {
            login: present(login),
            tokens: vec![published_token("graph", -2400)],
            ..healthy()
        };
        assert_eq!(step(&s), first);
        assert_eq!(
            step(&held_back(Object::Login, &s)),
            Step::Redeem(names(&["graph"]))
        );
    }
}

#[test]
fn a_held_session_delays_neither_looks_nor_what_is_at_hand_nor_the_claim() {
    let with = |token| Snapshot {
        tokens: vec![token],
        ..healthy()
    };
    let held = |s: &Snapshot| step(&held_back(Object::Session, s));
    assert_eq!(held(&with(pocketed("graph"))), Step::Publish(names(&["graph"])));
    assert_eq!(held(&with(untouched("graph"))), Step::Verify(names(&["graph"])));
    let free = LoginSecret {
        claim: Claim::Free,
        ..login("B")
    };
    assert_eq!(
        held(&Snapshot {
            login: present(free),
            ..healthy()
        }),
        Step::ClaimLogin
    );
    let due = held_back(Object::Session, &with(published_token("graph", -2400)));
    assert_eq!(rests(&due), (Step::Idle, Reason::Expiring, Some(40)));
    assert_eq!(step_in(&due, 40), Step::Redeem(names(&["graph"])));
}

#[test]
fn what_cannot_be_stored_delays_no_look_but_every_call_and_publication() {
    let pocket = Pocket {
        refresh: Some(facts::newer(NOW)),
        login: None,
    };
    let with = |token| {
        let s = Snapshot {
            tokens: vec![token],
            pocket: pocket.clone(),
            ..healthy()
        };
        held_back(Object::Session, &s)
    };
    assert_eq!(step(&with(untouched("graph"))), Step::Verify(names(&["graph"])));
    assert!(step(&with(pocketed("graph"))).is_final());
    assert!(step(&with(published_token("graph", -2400))).is_final());
}

#[test]
fn a_held_client_credential_delays_nothing_but_calls() {
    let with = |token| Snapshot {
        tokens: vec![token],
        ..healthy()
    };
    let held = |s: &Snapshot| held_back(Object::Client, s);
    assert_eq!(
        step(&held(&with(pocketed("graph")))),
        Step::Publish(names(&["graph"]))
    );
    assert_eq!(
        step(&held(&with(untouched("graph")))),
        Step::Verify(names(&["graph"]))
    );
    let used = with_login(record(tried(entra_plan::record::Verdict::Wrong)));
    assert_eq!(step(&held(&used)), Step::DeleteLogin);
    let due = held(&with(published_token("graph", -2400)));
    assert_eq!(rests(&due).2, Some(40));
}

#[test]
fn the_same_step_is_taken_twice_in_a_pass_and_then_its_objects_are_held() {
    let s = Snapshot {
        tokens: vec![pocketed("graph"), pocketed("mail")],
        ..healthy()
    };
    let mut known = Known::default();
    pass::begins(&mut known, &s, false, false, NOW);
    let publish = Step::Publish(names(&["graph"]));
    let mut take = || pass::may_take(&mut known, &s, &publish, NOW);
    assert_eq!(
        [take(), take(), take()],
        [Allowed::Yes, Allowed::Yes, Allowed::Held]
    );
    let waits = Snapshot {
        holds: known.holds.clone(),
        ..s.clone()
    };
    assert_eq!(known.holds.keys().collect::<Vec<_>>(), [&token_of("graph")]);
    assert_eq!(step(&waits), Step::Publish(names(&["mail"])), "the other goes on");
    pass::begins(&mut known, &s, false, false, NOW.plus(1));
    assert!(
        known.holds.contains_key(&token_of("graph")),
        "the next pass does not start anew"
    );
}

/// A renewal, a login and its first renewal are three things to store in one pass.
#[test]
fn what_was_stored_is_progress_and_the_next_thing_may_be_stored() {
    let s = healthy();
    let mut known = Known::default();
    pass::begins(&mut known, &s, false, false, NOW);
    for _ in 0..3 {
        assert_eq!(pass::may_take(&mut known, &s, &Step::Store, NOW), Allowed::Yes);
        store::stored(&mut known, &s, Version("2".to_owned()), None);
    }
    let mut take = || pass::may_take(&mut known, &s, &Step::Store, NOW);
    assert_eq!(
        [take(), take(), take()],
        [Allowed::Yes, Allowed::Yes, Allowed::Held],
        "and not when it is not"
    );
}

#[test]
fn a_pass_has_so_many_steps_and_no_more() {
    let s = healthy();
    let mut known = Known::default();
    for n in 0..entra_plan::schedule::STEPS {
        let step = Step::Publish(names(&[&n.to_string()]));
        assert_eq!(pass::may_take(&mut known, &s, &step, NOW), Allowed::Yes);
    }
    assert_eq!(
        pass::may_take(&mut known, &s, &Step::Store, NOW),
        Allowed::PassIsOver
    );
    pass::begins(&mut known, &s, false, false, NOW);
    assert_eq!(pass::may_take(&mut known, &s, &Step::Store, NOW), Allowed::Yes);
}

#[test]
fn a_hold_has_its_own_back_off_and_ends_when_the_object_is_written() {
    let (s, mut known) = (healthy(), Known::default());
    let away = Trouble::Away(String::new(), Some(30));
    let graph = token_of("graph");
    trouble::with(&mut known, &s, &graph, &away, NOW);
    let until = known.holds[&graph].next_attempt_at.unwrap();
    assert!(until >= NOW.plus(30), "Retry-After lengthens the pause");
    assert!(known.failure.is_none() && known.holds.len() == 1);
    entra_plan::settle::tokens::published(&mut known, &s.tokens[0], version("9"), NOW);
    assert!(known.holds.is_empty());
}

/// The others are told of, and it is asked for in some seconds.
#[test]
fn who_was_never_asked_for_waits_and_has_not_failed() {
    let waits = |object: Object| Snapshot {
        holds: turned_away(object),
        tokens: vec![pocketed("graph"), pocketed("mail")],
        ..healthy()
    };
    let s = waits(token_of("graph"));
    assert_eq!(step(&s), Step::Publish(names(&["mail"])));
    assert_eq!(s.failure_of_token(&s.tokens[0], NOW), None);
    assert_eq!(waits(Object::Session).failure_of_renewal(NOW), None);
    assert_eq!(waits(Object::Client).failure_of_renewal(NOW), None);
    assert_eq!(waits(Object::Login).failure_of_login(NOW), None);
}

/// What is in it may be wrong: "Fresh" would be a promise.
#[test]
fn a_touched_secret_that_was_not_looked_at_yet_is_not_called_fresh() {
    let waits = |token: Token| {
        rests(&Snapshot {
            holds: turned_away(Object::Contents(name("graph"))),
            tokens: vec![token],
            ..healthy()
        })
    };
    assert_eq!(
        waits(untouched("graph")),
        (Step::Idle, Reason::ClusterUnavailable, Some(7))
    );
    assert_eq!(waits(fresh_token("graph")).1, Reason::Fresh);
}

#[test]
fn a_hold_that_is_over_wakes_nobody() {
    let refused = |seconds| failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(seconds)));
    let s = |seconds| Snapshot {
        holds: [(Object::Client, refused(seconds))].into(),
        ..healthy()
    };
    assert_eq!(rests(&s(0)), (Step::Idle, Reason::Fresh, Some(1560)));
    assert_eq!(rests(&s(1)).2, Some(1));
}

#[test]
fn a_hold_of_the_future_is_void() {
    let (s, mut known) = (healthy(), Known::default());
    trouble::with(
        &mut known,
        &s,
        &Object::Session,
        &Trouble::WriteRefused(String::new()),
        NOW.plus(5000),
    );
    pass::begins(&mut known, &s, false, false, NOW);
    assert!(known.holds.is_empty(), "the clock was set back");
}
