//! When a rest ends: each thing that ends one, alone.

use entra_plan::Object;
use entra_plan::Step;
use entra_plan::answer::Effect;
use entra_plan::reason::Reason;
use entra_plan::snapshot::{Leftover, Ownership, Session, Snapshot, Token};

use super::super::build::*;
use super::{decide, rests, step};

fn with_token(token: Token) -> Snapshot {
    Snapshot {
        tokens: vec![token],
        ..healthy()
    }
}

/// The published token has so many seconds left.
fn expiring(left: i64) -> Vec<Token> {
    vec![published_token("graph", left - LIFE)]
}

fn session_of(ownership: Ownership, tokens: Vec<Token>) -> Snapshot {
    let mut s = Snapshot { tokens, ..healthy() };
    s.session.ownership = ownership;
    s
}

fn held(object: Object, next: Option<i64>, s: Snapshot) -> Snapshot {
    let refused = failure(
        Effect::Transient,
        Reason::WriteRefused,
        next.map(|seconds| NOW.plus(seconds)),
    );
    Snapshot {
        holds: [(object, refused)].into(),
        ..s
    }
}

#[test]
fn a_foreign_session_is_waited_for_five_minutes_and_a_token_that_expires_meanwhile_is_told() {
    let of = |tokens| rests(&session_of(Ownership::Foreign, tokens));
    assert_eq!(
        of(expiring(3000)),
        (Step::Blocked, Reason::SecretConflict, Some(300))
    );
    assert_eq!(of(expiring(100)).2, Some(100));
    assert_eq!(of(expiring(0)).2, Some(300), "it has expired");
    let mut immutable = healthy();
    immutable.session.immutable = true;
    assert_eq!(rests(&immutable).2, Some(300));
}

#[test]
fn the_garbage_collector_is_waited_for_two_seconds() {
    let of = |tokens| rests(&session_of(Ownership::Predecessor, tokens));
    assert_eq!(of(expiring(3000)), (Step::Wait, Reason::Settled, Some(2)));
    assert_eq!(of(expiring(1)).2, Some(1));
    assert_eq!(of(expiring(0)), (Step::Wait, Reason::SpecChanged, Some(2)));
    let former = Token {
        ownership: Ownership::Predecessor,
        looked_at: Some(NOW),
        ..token("graph")
    };
    assert_eq!(rests(&with_token(former)).2, Some(2));
}

#[test]
fn a_token_secret_that_is_being_deleted_is_looked_at_after_five_minutes() {
    let deleting = Token {
        deleting: true,
        looked_at: Some(NOW),
        ..fresh_token("graph")
    };
    assert_eq!(
        rests(&with_token(deleting)),
        (Step::Blocked, Reason::SecretConflict, Some(300))
    );
}

#[test]
fn an_adoption_that_is_refused_is_told_and_tried_again() {
    let adopt = Step::Adopt(vec![Object::Session]);
    let adoptable = |tokens| session_of(Ownership::Adoptable, tokens);
    assert_eq!(step(&adoptable(expiring(3000))), adopt);
    let refused = |next, tokens| rests(&held(Object::Session, next, adoptable(tokens)));
    assert_eq!(
        refused(Some(40), expiring(3000)),
        (Step::Blocked, Reason::WriteRefused, Some(40))
    );
    assert_eq!(refused(Some(40), expiring(10)).2, Some(10));
    assert_eq!(refused(None, expiring(3000)).2, Some(3000));
}

/// Nothing is stored that could be redeemed: only the expiry is told.
#[test]
fn a_renewal_that_cannot_be_wakes_nobody() {
    let s = Snapshot {
        session: Session::default(),
        ..healthy()
    };
    assert_eq!(rests(&s).2, Some(3000));
    assert_eq!(rests(&healthy()).2, Some(1560));
}

#[test]
fn a_refused_secret_wakes_when_it_may_be_written() {
    let graph = || Object::Token(name("graph"));
    assert_eq!(
        rests(&held(graph(), Some(40), with_token(token("graph")))).2,
        Some(40)
    );
    assert_eq!(rests(&held(graph(), None, with_token(token("graph")))).2, None);
}

/// Whatever else stands in the way meanwhile: who asks for a renewal may have removed it.
#[test]
fn a_word_that_counts_later_looks_again_for_what_others_must_remove() {
    let foreign = |looked_at| Token {
        ownership: Ownership::Foreign,
        looked_at: Some(NOW.plus(looked_at)),
        ..token("graph")
    };
    let of = |looked_at, word: i64, redeemed| {
        let mut s = session_of(Ownership::Adoptable, vec![foreign(looked_at)]);
        s.object.said = said(word);
        s.last_redeemed_at = Some(NOW.plus(redeemed));
        rests(&held(Object::Session, Some(1000), s)).2
    };
    assert_eq!(of(-10, 0, -3), Some(17), "20 s after the last renewal");
    assert_eq!(of(-2, 0, -15), Some(18), "20 s after the last look");
    assert_eq!(of(-10, 320, -3), Some(20), "when the word counts");
    assert_eq!(of(-10, 0, 3000), Some(290), "five minutes after the last look");
}

/// A renewal that happens anyway takes the word along, also where its own Secret cannot be written.
#[test]
fn a_word_counts_as_soon_as_a_renewal_is_due_anyway() {
    let of = |due: i64| {
        let foreign = Token {
            ownership: Ownership::Foreign,
            looked_at: Some(NOW.plus(-10)),
            ..token("graph")
        };
        let mail = published_token("mail", due - 2160);
        let mut s = session_of(Ownership::Ours, vec![foreign, mail]);
        s.object.said = said(0);
        s.last_redeemed_at = Some(NOW.plus(-3));
        rests(&held(Object::Token(name("mail")), Some(1000), s)).2
    };
    assert_eq!(of(14), Some(14));
    assert_eq!(of(-1), Some(10), "20 s after the last look");
    assert_eq!(of(100), Some(17), "20 s after the last renewal");
}

#[test]
fn labels_are_written_to_sessions_of_ours_that_are_not_held() {
    let unlabelled = |ownership| {
        let mut s = session_of(ownership, expiring(3000));
        s.session.unlabelled = true;
        s
    };
    assert_eq!(
        step(&unlabelled(Ownership::Ours)),
        Step::Label(vec![Object::Session])
    );
    let held = held(Object::Session, Some(40), unlabelled(Ownership::Ours));
    assert_eq!(rests(&held).2, Some(40));
    assert!(decide(&unlabelled(Ownership::Absent)).step.is_final());
}

#[test]
fn what_was_dropped_is_deleted_when_nothing_better_can_be_done() {
    let dropped = |s: Snapshot| Snapshot {
        leftovers: ["one", "two"].map(|n| Leftover { name: name(n) }).to_vec(),
        ..s
    };
    let both = Step::Prune(names(&["one", "two"]));
    let absent = || with_token(token("graph"));
    let outage = Snapshot {
        failure: Some(failure(Effect::Transient, Reason::Throttled, Some(NOW.plus(40)))),
        ..absent()
    };
    assert_eq!(step(&dropped(outage)), both);
    let refused = held(Object::Token(name("graph")), Some(40), absent());
    assert_eq!(step(&dropped(refused)), both);
    let one_held = held(Object::Token(name("one")), Some(40), dropped(healthy()));
    assert_eq!(step(&one_held), Step::Prune(names(&["two"])));
    let without_login = Snapshot {
        session: Session::default(),
        ..absent()
    };
    assert!(
        decide(&dropped(without_login)).step.is_final(),
        "a login comes first"
    );
}
