//! What is written, whose it is, and what is held.

use entra_plan::answer::Effect;
use entra_plan::invariants::Rule;
use entra_plan::mac::RequestMac;
use entra_plan::reason::Reason;
use entra_plan::record::Record;
use entra_plan::snapshot::{Held, Opened, Ownership, Published, Snapshot, Token};
use entra_plan::{Object, Step, Time};

use super::super::build::*;
use super::{broken, owned_by, token_object, unstored};

fn with_token(token: Token) -> Snapshot {
    Snapshot {
        tokens: vec![token],
        ..healthy()
    }
}

/// The published token, which has 3000 s left, and one at hand that has `left`.
fn at_hand(left: i64, change: impl Fn(&mut Published)) -> Snapshot {
    let mut published = published(NOW.plus(-600), LIFE);
    change(&mut published);
    with_token(Token {
        published: Some(published),
        held: Some(held(REQUEST, left)),
        ..fresh_token("graph")
    })
}

fn absent(held: Option<Held>) -> Snapshot {
    with_token(Token {
        held,
        ..token("graph")
    })
}

fn publish() -> Step {
    Step::Publish(names(&["graph"]))
}

#[test]
fn what_is_published_lasts_and_is_what_the_spec_asks_for() {
    assert_eq!(broken(&absent(Some(held(REQUEST, 1))), &publish()), []);
    assert_eq!(
        broken(&absent(Some(held(REQUEST, 0))), &publish()),
        [Rule::ExpiredNotPublished]
    );
    assert_eq!(
        broken(&absent(Some(held("former", 3600))), &publish()),
        [Rule::OnlyWantedPublished]
    );
    assert_eq!(
        broken(&absent(None), &publish()),
        [Rule::ExpiredNotPublished, Rule::OnlyWantedPublished]
    );
    let beside = Snapshot {
        tokens: vec![token("mail"), absent(Some(held(REQUEST, 1))).tokens.remove(0)],
        ..healthy()
    };
    assert_eq!(broken(&beside, &publish()), [], "of the entries that are named");
}

#[test]
fn of_two_tokens_for_one_request_the_later_stays() {
    let plain = |_: &mut Published| ();
    assert_eq!(broken(&at_hand(3001, plain), &publish()), []);
    assert_eq!(
        broken(&at_hand(3000, plain), &publish()),
        [Rule::LaterExpiryStays]
    );
    let changes: [fn(&mut Published); 3] = [
        |p| p.request = RequestMac("former".to_owned()),
        |p| p.edited = true,
        |p| p.unwritable = true,
    ];
    for change in changes {
        assert_eq!(broken(&at_hand(1, change), &publish()), []);
    }
    let mut restored = at_hand(1, plain);
    restored.tokens[0].ownership = Ownership::Absent;
    assert_eq!(broken(&restored, &publish()), [], "what is not ours is no token");
}

#[test]
fn a_token_is_written_to_secrets_of_ours_after_the_refresh_token_and_a_look() {
    let fresh = || absent(Some(held(REQUEST, LIFE)));
    let of = |ownership| {
        let mut s = fresh();
        s.tokens[0].ownership = ownership;
        s
    };
    for ownership in [Ownership::Foreign, Ownership::Predecessor, Ownership::Adoptable] {
        assert_eq!(broken(&of(ownership), &publish()), [Rule::ForeignNotWritten]);
    }
    assert_eq!(broken(&of(Ownership::Ours), &publish()), []);
    for s in unstored(&fresh()) {
        assert_eq!(broken(&s, &publish()), [Rule::StoredBeforePublished]);
    }
    let mut hidden = fresh();
    hidden.tokens[0].unlooked = true;
    assert_eq!(broken(&hidden, &publish()), [Rule::LookedForBeforeMade]);
}

#[test]
fn a_secret_of_ours_is_replaced_once_its_successor_is_at_hand() {
    let replace = Step::Replace(names(&["graph"]));
    assert_eq!(broken(&at_hand(1, |_| ()), &replace), []);
    assert_eq!(broken(&healthy(), &replace), [Rule::SuccessorFirst]);
    let mut foreign = at_hand(1, |_| ());
    foreign.tokens[0].ownership = Ownership::Foreign;
    assert_eq!(broken(&foreign, &replace), [Rule::OnlyOursReplaced]);
    assert_eq!(broken(&foreign, &Step::Replace(names(&["mail"]))), []);
}

#[test]
fn only_what_the_spec_dropped_is_pruned() {
    assert_eq!(broken(&healthy(), &Step::Prune(names(&["dropped"]))), []);
    assert_eq!(
        broken(&healthy(), &Step::Prune(names(&["dropped", "graph"]))),
        [Rule::OnlyDroppedPruned]
    );
}

#[test]
fn whose_a_secret_is_decides_what_is_done_with_it() {
    let of = |ownership| {
        let mut s = owned_by(ownership, &healthy());
        s.tokens[0].ownership = ownership;
        s
    };
    let both = || vec![Object::Session, token_object()];
    assert_eq!(broken(&of(Ownership::Adoptable), &Step::Adopt(both())), []);
    assert_eq!(broken(&of(Ownership::Ours), &Step::Label(both())), []);
    let verify = Step::Verify(names(&["graph"]));
    assert_eq!(broken(&of(Ownership::Ours), &verify), []);
    assert_eq!(broken(&of(Ownership::Adoptable), &verify), [Rule::OnlyOursRead]);
    for object in both().into_iter().chain([Object::Login, Object::Client]) {
        assert_eq!(
            broken(&of(Ownership::Ours), &Step::Adopt(vec![object.clone()])),
            [Rule::OnlyAdoptableAdopted]
        );
        assert_eq!(
            broken(&of(Ownership::Adoptable), &Step::Label(vec![object])),
            [Rule::OnlyOursLabelled]
        );
    }
}

#[test]
fn only_what_was_opened_is_sealed_anew() {
    let with = |opened| {
        let mut s = healthy();
        s.session.opened = opened;
        s
    };
    let read = |record, unsealable| Opened::Read {
        record,
        session: None,
        unsealable,
    };
    assert_eq!(
        broken(&with(read(Some(Record::default()), false)), &Step::Reseal),
        []
    );
    for opened in [
        Opened::Unread,
        read(None, false),
        read(Some(Record::default()), true),
    ] {
        assert_eq!(broken(&with(opened), &Step::Reseal), [Rule::OnlyOpenedResealed]);
    }
}

#[test]
fn what_is_held_waits_for_its_back_off() {
    let held = |next: Option<Time>| Snapshot {
        holds: [(
            Object::Session,
            failure(Effect::Transient, Reason::WriteRefused, next),
        )]
        .into(),
        ..healthy()
    };
    assert_eq!(broken(&held(Some(NOW)), &Step::ReadSession), []);
    for next in [None, Some(NOW.plus(1))] {
        assert_eq!(broken(&held(next), &Step::ReadSession), [Rule::HeldWaits]);
        assert_eq!(broken(&held(next), &Step::ReadLogin), [], "another object");
    }
}

#[test]
fn what_is_deleted_or_suspended_or_in_the_way_gets_looks_at_most() {
    let looks = [Step::Look(vec![Object::Session]), Step::Verify(names(&["graph"]))];
    let mut deleted = healthy();
    deleted.object.deleting = true;
    for step in looks.iter().chain([&Step::ReadLogin]) {
        assert_eq!(broken(&deleted, step), [Rule::DeletedUntouched]);
    }
    let mut suspended = healthy();
    suspended.object.suspended = true;
    let mut immutable = healthy();
    immutable.session.immutable = true;
    for (s, rule) in [
        (suspended, Rule::SuspendedUntouched),
        (immutable, Rule::SessionIsOurs),
        (owned_by(Ownership::Foreign, &healthy()), Rule::SessionIsOurs),
        (owned_by(Ownership::Predecessor, &healthy()), Rule::SessionIsOurs),
    ] {
        assert_eq!(broken(&s, &Step::ReadLogin), [rule]);
        for step in &looks {
            assert_eq!(broken(&s, step), []);
        }
    }
    assert_eq!(broken(&healthy(), &Step::ReadLogin), []);
    let mut absent = owned_by(Ownership::Absent, &healthy());
    absent.session.immutable = true;
    assert_eq!(broken(&absent, &Step::ReadLogin), []);
}
