//! Renewal and publishing: when, which tokens together, what stays published, and what is removed.

use entra_plan::answer::Effect;
use entra_plan::client::{Client, Expiry};
use entra_plan::mac::{RequestMac, ShapeMac};
use entra_plan::reason::Reason;
use entra_plan::schedule::{CERTIFICATE_NOTICE, DAY};
use entra_plan::snapshot::{Leftover, Ownership, Pocket, Published, Repairs, Snapshot, Token};
use entra_plan::{Object, Step};

use super::super::build::*;
use super::super::facts;
use super::{decide, rests, shows, shows_at, step, step_in};

fn with(tokens: Vec<Token>) -> Snapshot {
    Snapshot { tokens, ..healthy() }
}

fn fresh() -> Published {
    published(NOW.plus(-600), LIFE)
}

fn with_published(published: Published) -> Snapshot {
    with(vec![Token {
        published: Some(published),
        ..fresh_token("graph")
    }])
}

#[test]
fn a_fresh_token_is_left_alone_until_sixty_percent_of_its_life() {
    assert_eq!(rests(&healthy()), (Step::Idle, Reason::Fresh, Some(1560)));
    assert_eq!(shows(&healthy()), ["Ready", "LoggedIn", "Published"]);
    assert_eq!(step_in(&healthy(), 1560), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_routine_renewal_is_not_shown() {
    let s = with(vec![Token {
        held: Some(held(REQUEST, 3600)),
        ..published_token("graph", -2160)
    }]);
    assert_eq!(step(&s), Step::Publish(names(&["graph"])));
    assert_eq!(
        shows_at(&healthy(), NOW.plus(1559)),
        ["Ready", "LoggedIn", "Published"]
    );
}

#[test]
fn tokens_that_fall_due_within_a_minute_are_renewed_together() {
    let s = |age| {
        with(vec![
            published_token("graph", -2160),
            published_token("mail", age),
        ])
    };
    assert_eq!(step(&s(-2101)), Step::Redeem(names(&["graph", "mail"])));
    assert_eq!(step(&s(-2099)), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_newer_refresh_token_is_stored_before_the_token_is_published() {
    let s = with(vec![Token {
        held: Some(held(REQUEST, 3600)),
        ..published_token("graph", -2160)
    }]);
    let pocket = Pocket {
        refresh: Some(facts::newer(NOW)),
        login: None,
    };
    assert_eq!(step(&Snapshot { pocket, ..s }), Step::Store);
}

#[test]
fn the_later_expiry_stays_published() {
    let shorter = Token {
        held: Some(held(REQUEST, 1000)),
        ..published_token("graph", -2160)
    };
    let s = with(vec![Token {
        deferred_until: Some(NOW.plus(720)),
        ..shorter
    }]);
    assert_eq!(rests(&s), (Step::Idle, Reason::Fresh, Some(720)));
    assert_eq!(step_in(&s, 720), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_changed_request_is_due_at_once_and_published_whatever_it_expires() {
    let s = with_published(Published {
        request: RequestMac("former".to_owned()),
        ..fresh()
    });
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
    let s = with(vec![Token {
        held: Some(held(REQUEST, 60)),
        ..s.tokens[0].clone()
    }]);
    assert_eq!(step(&s), Step::Publish(names(&["graph"])));
    let s = with_published(Published {
        shape: ShapeMac("former".to_owned()),
        ..fresh()
    });
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
}

#[test]
fn an_expired_answer_is_not_published() {
    let s = with(vec![Token {
        held: Some(held(REQUEST, 0)),
        ..published_token("graph", -3601)
    }]);
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_changed_secret_is_compared_and_repaired() {
    let s = with_published(Published {
        verified: false,
        ..fresh()
    });
    assert_eq!(step(&s), Step::Verify(names(&["graph"])));
    let s = with_published(Published {
        edited: true,
        ..fresh()
    });
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
    assert_eq!(
        step(&with(vec![token("graph")])),
        Step::Redeem(names(&["graph"])),
        "a deleted one likewise"
    );
}

#[test]
fn a_secret_that_keeps_being_deleted_is_repaired_more_and_more_slowly() {
    let repaired = |count: u32, ago: i64| {
        let repairs = Some(Repairs {
            count,
            at: NOW.plus(-ago),
        });
        with(vec![Token {
            repairs,
            ..token("graph")
        }])
    };
    assert_eq!(
        rests(&repaired(1, 5)),
        (Step::Blocked, Reason::SecretConflict, Some(15))
    );
    assert_eq!(rests(&repaired(2, 5)).2, Some(55));
    assert_eq!(rests(&repaired(3, 5)).2, Some(295));
    assert_eq!(step(&repaired(1, 20)), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_secret_that_was_repaired_and_is_whole_is_no_trouble() {
    let s = with(vec![Token {
        repairs: Some(Repairs { count: 3, at: NOW }),
        ..fresh_token("graph")
    }]);
    assert_eq!(rests(&s), (Step::Idle, Reason::Fresh, Some(1560)));
    for change in [
        |p: &mut Published| p.edited = true,
        |p: &mut Published| p.unwritable = true,
        |p: &mut Published| p.unlabelled = true,
    ] {
        let mut broken = s.clone();
        change(broken.tokens[0].published.as_mut().unwrap());
        assert_eq!(rests(&broken).1, Reason::SecretConflict);
    }
}

#[test]
fn an_unwritable_secret_is_replaced_once_its_successor_is_at_hand() {
    let s = with_published(Published {
        unwritable: true,
        ..fresh()
    });
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
    let s = with(vec![Token {
        held: Some(held(REQUEST, 3600)),
        ..s.tokens[0].clone()
    }]);
    assert_eq!(step(&s), Step::Replace(names(&["graph"])));
}

#[test]
fn a_bad_scope_among_good_ones_fails_alone() {
    let consent = failure(Effect::Entry, Reason::ConsentMissing, Some(NOW.plus(1800)));
    let bad = Token {
        failure: Some(consent),
        ..token("graph")
    };
    let s = with(vec![bad.clone(), published_token("mail", -2160)]);
    assert_eq!(step(&s), Step::Redeem(names(&["mail"])));
    let s = with(vec![bad, fresh_token("mail")]);
    assert_eq!(rests(&s), (Step::Blocked, Reason::ConsentMissing, Some(1560)));
    assert_eq!(shows(&s), ["LoggedIn"]);
}

#[test]
fn a_refused_write_of_a_token_keeps_it_at_hand_without_a_call() {
    let refused = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(20)));
    let waiting = Token {
        held: Some(held(REQUEST, 3600)),
        ..published_token("graph", -2160)
    };
    let s = Snapshot {
        holds: [(Object::Token(name("graph")), refused)].into(),
        ..with(vec![waiting])
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::Expiring, Some(20)));
    assert_eq!(step_in(&s, 20), Step::Publish(names(&["graph"])));
}

#[test]
fn a_dropped_entry_goes_after_the_rest_is_published_or_has_failed() {
    let dropped = |tokens| Snapshot {
        leftovers: vec![Leftover {
            name: name("dropped"),
        }],
        ..with(tokens)
    };
    assert_eq!(
        step(&dropped(vec![token("graph")])),
        Step::Redeem(names(&["graph"]))
    );
    assert_eq!(
        step(&dropped(vec![fresh_token("graph")])),
        Step::Prune(names(&["dropped"]))
    );
    let failed = failure(Effect::Entry, Reason::ConsentMissing, Some(NOW.plus(1800)));
    let failed = Token {
        failure: Some(failed),
        ..token("graph")
    };
    assert_eq!(step(&dropped(vec![failed])), Step::Prune(names(&["dropped"])));
    let foreign = Token {
        ownership: Ownership::Foreign,
        ..token("graph")
    };
    assert_eq!(step(&dropped(vec![foreign])), Step::Prune(names(&["dropped"])));
}

#[test]
fn ready_turns_false_when_the_token_expires() {
    let outage = failure(Effect::Transient, Reason::ServiceUnavailable, Some(NOW.plus(75)));
    let s = Snapshot {
        failure: Some(outage),
        ..with(vec![published_token("graph", -3590)])
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::Expiring, Some(10)));
    assert_eq!(shows_at(&s, NOW.plus(10)), ["LoggedIn", "Published"]);
}

#[test]
fn another_owner_s_token_secret_is_never_published_to() {
    for ownership in [Ownership::Foreign, Ownership::Predecessor, Ownership::Adoptable] {
        let s = with(vec![Token {
            ownership,
            held: Some(held(REQUEST, 3600)),
            ..token("graph")
        }]);
        assert!(
            !matches!(step(&s), Step::Publish(_) | Step::Replace(_)),
            "{ownership:?}"
        );
    }
}

fn with_certificate(expires: Expiry) -> Snapshot {
    Snapshot {
        client: Client::Credential { expires },
        ..healthy()
    }
}

#[test]
fn a_certificate_that_ends_within_thirty_days_is_told_of_while_all_is_well() {
    let in_time = with_certificate(Expiry::At(NOW.plus(CERTIFICATE_NOTICE + 1)));
    assert_eq!(rests(&in_time), (Step::Idle, Reason::Fresh, Some(1)));
    let soon = with_certificate(Expiry::At(NOW.plus(12 * DAY + 5)));
    assert_eq!(
        rests(&soon),
        (Step::Idle, Reason::CertificateExpiring, Some(1560))
    );
    assert_eq!(shows(&soon), ["Ready", "LoggedIn", "Published"]);
    assert!(decide(&soon).message.contains("within 13 days"));
    let as_before = decide(&with_certificate(Expiry::Soon));
    assert_eq!(as_before.reason, Reason::CertificateExpiring);
}
