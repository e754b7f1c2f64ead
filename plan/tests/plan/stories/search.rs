//! Looking where no watch shows anything: when the search for a login Secret of another type begins, and how it slows down.

use entra_plan::answer::Effect;
use entra_plan::hold::Holds;
use entra_plan::looks::Search;
use entra_plan::reason::Reason;
use entra_plan::schedule::{LOOK_AGAIN, REQUEST_SPACING, SEARCH_FIRST, SEARCH_LAST};
use entra_plan::snapshot::{Ownership, Session, Snapshot};
use entra_plan::{Object, Step};

use super::super::build::*;
use super::super::facts;
use super::{rests, step};

fn next(search: Search) -> i64 {
    search.next.unwrap().since(NOW)
}

#[test]
fn it_begins_soon_for_what_is_worked_on_and_spread_over_ten_minutes_as_a_process_starts() {
    let begun = |young, starting, spread| next(Search::begun(NOW, young, starting, spread));
    assert_eq!(begun(true, false, 77), 5);
    assert_eq!(begun(true, true, 77), 5);
    assert_eq!(begun(false, false, 77), SEARCH_FIRST);
    assert_eq!(begun(false, true, 77), SEARCH_FIRST + 77);
    assert_eq!(begun(false, true, 569), SEARCH_LAST - 1);
    assert_eq!(begun(false, true, 570), SEARCH_FIRST);
}

#[test]
fn it_slows_down_to_ten_minutes() {
    let mut search = Search::begun(NOW, false, false, 0);
    let pauses = [60, 120, 240, 480, 600, 600, 600].map(|_| {
        search = search.looked(false, NOW);
        next(search)
    });
    assert_eq!(pauses, [60, 120, 240, 480, 600, 600, 600]);
}

/// One sight may be a watch that is late.
#[test]
fn a_type_is_wrong_once_two_looks_in_a_row_have_shown_it_the_second_soon() {
    let begun = Search::begun(NOW, false, false, 0);
    let once = begun.looked(true, NOW);
    assert_eq!((next(once), once.found()), (10, false));
    let twice = once.looked(true, NOW);
    assert_eq!((next(twice), twice.found()), (120, true));
    let gone = twice.looked(false, NOW);
    assert!(!gone.found() && !gone.looked(true, NOW).found());
    let later = begun.looked(false, NOW).looked(true, NOW);
    assert_eq!(next(later), 120, "the first look only is followed so soon");
}

fn searched(seconds: i64, s: Snapshot) -> Snapshot {
    let search = Search {
        next: Some(NOW.plus(seconds)),
        ..Search::default()
    };
    Snapshot { search, ..s }
}

#[test]
fn a_login_is_searched_for_only_where_one_is_needed_and_none_is_seen() {
    let look = Step::Look(vec![Object::Login]);
    assert_eq!(step(&searched(0, first_sight())), look);
    assert_eq!(rests(&searched(1, first_sight())).2, Some(1));
    assert_eq!(rests(&searched(0, healthy())).2, Some(1560));
    assert_eq!(rests(&searched(1, healthy())).2, Some(1560), "and wakes nobody");
    let there = Snapshot {
        login: present(login("A")),
        ..first_sight()
    };
    assert_eq!(step(&searched(0, there)), record_a());
    let mut suspended = searched(1, first_sight());
    suspended.object.suspended = true;
    assert_eq!(rests(&suspended).2, None);
}

fn foreign(looked_ago: i64) -> Snapshot {
    let session = Session {
        ownership: Ownership::Foreign,
        ..Session::default()
    };
    let mut s = Snapshot {
        session,
        ..first_sight()
    };
    s.search.session_looked_at = Some(NOW.plus(-looked_ago));
    s
}

#[test]
fn what_is_in_the_way_is_looked_at_every_five_minutes_and_sooner_for_a_word() {
    let look = Step::Look(vec![Object::Session]);
    assert_eq!(step(&foreign(LOOK_AGAIN)), look);
    assert_eq!(rests(&foreign(LOOK_AGAIN - 100)).2, Some(100));
    let asked = |ago| Snapshot {
        object: facts::requested(&first_sight().object),
        ..foreign(ago)
    };
    assert_eq!(step(&asked(REQUEST_SPACING)), look);
    assert_eq!(rests(&asked(REQUEST_SPACING - 1)).2, Some(1));
}

/// A look that is due and held is no reason to wake at once, again and again.
#[test]
fn what_is_in_the_way_and_held_is_looked_at_once_it_is_free() {
    let held = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(40)));
    let holds: Holds = [(Object::Token(name("mail")), held)].into();
    let mut mail = fresh_token("mail");
    mail.ownership = Ownership::Foreign;
    mail.looked_at = Some(NOW.plus(-LOOK_AGAIN));
    let s = Snapshot {
        tokens: vec![fresh_token("graph"), mail],
        holds,
        ..healthy()
    };
    assert_eq!(rests(&s).2, Some(40));
}

#[test]
fn a_missed_token_secret_is_looked_for_at_once_even_while_suspended() {
    let mut missed = healthy();
    missed.tokens = vec![token("graph")];
    missed.tokens[0].unlooked = true;
    let look = Step::Look(vec![Object::Token(name("graph"))]);
    assert_eq!(step(&missed), look);
    missed.object.suspended = true;
    assert_eq!(step(&missed), look);
    let refused = failure(Effect::Transient, Reason::ClusterUnavailable, Some(NOW.plus(5)));
    missed.holds = [(Object::Token(name("graph")), refused)].into();
    assert!(step(&missed).is_final());
    missed.holds.clear();
    missed.object.deleting = true;
    assert_eq!(step(&missed), Step::Idle);
}

#[test]
fn what_somebody_else_changed_is_looked_at_before_anything_is_decided_on_it() {
    let moved = |holds| Snapshot {
        moved: vec![Object::Session, Object::Token(name("graph"))],
        tokens: vec![token("graph")],
        holds,
        ..healthy()
    };
    let look = |objects: &[Object]| Step::Look(objects.to_vec());
    let token = Object::Token(name("graph"));
    assert_eq!(
        step(&moved(Holds::new())),
        look(&[Object::Session, token.clone()])
    );
    let away = |object: &Object| {
        let failure = failure(Effect::Transient, Reason::ClusterUnavailable, Some(NOW.plus(5)));
        (object.clone(), failure)
    };
    assert_eq!(
        step(&moved([away(&Object::Session)].into())),
        look(std::slice::from_ref(&token))
    );
    let both = [away(&Object::Session), away(&token)].into();
    assert_eq!(rests(&moved(both)).2, Some(5), "what is held waits");
}
