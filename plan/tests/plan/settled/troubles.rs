//! What trouble with the API server leaves: holds, and how one back-off follows another.

use entra_plan::known::Known;
use entra_plan::reason::Reason;
use entra_plan::settle::trouble::Trouble;
use entra_plan::settle::{tokens, trouble};
use entra_plan::{Object, Snapshot, Step, Time};

use super::super::build::*;
use super::token_object;

/// A renewal is begun anew for want of the one or of the other, and reads both each time.
#[test]
fn what_a_renewal_reads_backs_off_together_and_nothing_else_does() {
    let after = |held: Object, of: fn() -> Trouble, object: &Object| {
        let mut known = Known::default();
        trouble::with(&mut known, &healthy(), &held, &of(), NOW);
        let s = Snapshot {
            holds: known.holds.clone(),
            ..healthy()
        };
        trouble::with(&mut known, &s, object, &away(), NOW);
        known.holds[object].consecutive
    };
    let refused: fn() -> Trouble = || Trouble::WriteRefused(String::new());
    for object in [Object::Session, Object::Client] {
        for held in [Object::Session, Object::Client] {
            assert_eq!(after(held.clone(), away, &object), 2);
            assert_eq!(after(held, refused, &object), 1, "another back-off");
        }
        assert_eq!(after(Object::Login, away, &object), 1);
    }
    assert_eq!(after(Object::Login, away, &Object::Login), 2);
    assert_eq!(after(Object::Session, away, &Object::Login), 1);
    assert_eq!(after(token_object(), away, &token_object()), 2);
}

fn away() -> Trouble {
    Trouble::Away(String::new(), None)
}

/// Otherwise a server that fails every other call is asked every five seconds for each object.
#[test]
fn a_back_off_goes_on_if_the_api_server_fails_again_within_a_minute_of_an_answer() {
    let fails = |known: &mut Known, object: &Object, now: Time| {
        let mut s = healthy();
        s.holds = known.holds.clone();
        trouble::with(known, &s, object, &away(), now);
        known.holds[object].consecutive
    };
    let answered = |after: i64, object: &Object, refusal: &Trouble| {
        let mut known = Known::default();
        assert_eq!(fails(&mut known, &Object::Session, NOW), 1);
        let paused_until = known.holds[&Object::Session].next_attempt_at.unwrap();
        assert_eq!(fails(&mut known, &Object::Session, paused_until), 2);
        let paused_until = known.holds[&Object::Session].next_attempt_at.unwrap();
        tokens::adopted(&mut known, &Object::Session);
        let mut s = healthy();
        s.holds = known.holds.clone();
        let now = paused_until.plus(after);
        trouble::with(&mut known, &s, object, refusal, now);
        known.holds[object].consecutive
    };
    for object in [Object::Session, Object::Login, token_object()] {
        assert_eq!(answered(59, &object, &away()), 3);
        assert_eq!(answered(60, &object, &away()), 1);
    }
    let refused = Trouble::WriteRefused(String::new());
    assert_eq!(answered(1, &Object::Session, &refused), 1, "another back-off");
}

/// An answer after a longer back-off is not outdone by one after a shorter one.
#[test]
fn the_longest_back_off_that_ended_lately_is_gone_on_from() {
    let mut known = Known::default();
    trouble::answered(&mut known, 4, NOW);
    trouble::answered(&mut known, 1, NOW.plus(20));
    assert_eq!(trouble::unsteady(&known, NOW.plus(79)), 4);
    assert_eq!(trouble::unsteady(&known, NOW.plus(80)), 0);
    known.forget_failures();
    assert_eq!(
        trouble::unsteady(&known, NOW.plus(20)),
        0,
        "another process was at work"
    );
}

/// A refused write leaves nothing behind: its cause is lifted by a person.
#[test]
fn only_what_the_api_server_did_not_answer_leaves_it_unsteady() {
    let mut known = Known::default();
    let refused = Trouble::WriteRefused(String::new());
    trouble::with(&mut known, &healthy(), &Object::Session, &refused, NOW);
    tokens::adopted(&mut known, &Object::Session);
    assert_eq!(known.unsteady, None);
}

/// Nothing was tried: it counts as no failure, and says nothing else than before.
#[test]
fn what_was_turned_away_waits_with_the_back_off_and_the_message_that_it_had() {
    let mut known = Known::default();
    let refused = Trouble::WriteRefused("a quota".to_owned());
    trouble::with(&mut known, &healthy(), &token_object(), &refused, NOW);
    let before = known.holds[&token_object()].clone();
    let now = before.next_attempt_at.unwrap();
    let s = Snapshot {
        holds: known.holds.clone(),
        ..healthy()
    };
    trouble::with(&mut known, &s, &token_object(), &Trouble::Rationed(7), now);
    let held = &known.holds[&token_object()];
    assert_eq!(held.next_attempt_at, Some(now.plus(7)));
    assert_eq!(
        (&held.refusal, held.consecutive),
        (&before.refusal, before.consecutive)
    );

    let mut first = Known::default();
    trouble::with(
        &mut first,
        &healthy(),
        &token_object(),
        &Trouble::Rationed(7),
        NOW,
    );
    let held = &first.holds[&token_object()];
    assert_eq!((held.next_attempt_at, held.consecutive), (Some(NOW.plus(7)), 0));
    assert_eq!(held.refusal.reason, Reason::ClusterUnavailable);
}

/// Two tries of a pass are its tries, also where the ration leaves it one; and a new pass is a new pass.
#[test]
fn what_somebody_else_changes_backs_off_also_where_no_call_is_left() {
    let mut known = Known::default();
    let write = Step::Publish(vec![name("graph")]);
    let look = Step::Look(vec![token_object()]);
    let mut turned_away = |taken: &[&Step], moved: bool| {
        let s = Snapshot {
            holds: known.holds.clone(),
            ..healthy()
        };
        known.taken = taken.iter().copied().cloned().collect();
        known.moved.clear();
        if moved {
            trouble::with(&mut known, &s, &token_object(), &Trouble::Moved, NOW);
        }
        trouble::with(&mut known, &s, &token_object(), &Trouble::Rationed(7), NOW);
        let held = known.holds[&token_object()].clone();
        (held.refusal.reason, held.consecutive)
    };
    assert_eq!(
        turned_away(&[&look], true),
        (Reason::ClusterUnavailable, 0),
        "not tried yet"
    );
    assert_eq!(turned_away(&[&write, &look], true), (Reason::SecretConflict, 1));
    assert_eq!(turned_away(&[&write, &look], true), (Reason::SecretConflict, 2));
    assert_eq!(
        turned_away(&[&look, &write], false),
        (Reason::SecretConflict, 2),
        "it was looked at, and is to be written yet"
    );
}

#[test]
fn what_an_outdated_spec_asks_for_waits_and_is_said_once() {
    let mut known = Known::default();
    assert!(!trouble::outdated(&mut known, &healthy(), &token_object(), NOW));
    let held = &known.holds[&token_object()];
    assert_eq!(held.refusal.reason, Reason::ClusterUnavailable);
    let s = Snapshot {
        holds: known.holds.clone(),
        ..healthy()
    };
    assert!(trouble::outdated(&mut known, &s, &token_object(), NOW));
    assert_eq!(known.holds[&token_object()].consecutive, 2);
}
