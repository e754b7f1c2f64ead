//! The life of the stored refresh token: dead, set aside, unopenable, of a tenant written differently.

use entra_plan::answer::Effect;
use entra_plan::mac::RequestMac;
use entra_plan::reason::Reason;
use entra_plan::record::{Record, Verdict};
use entra_plan::snapshot::{
    Binding, Login, Opened, Pocket, RefreshOutcome, Session, Snapshot, StoredToken, Target, Token, Wanted,
};
use entra_plan::{Step, Time};

use super::super::build::*;
use super::super::facts;
use super::{decide, rests, shows, step, step_in};

fn dead() -> Snapshot {
    let token = StoredToken {
        dead_since: Some(NOW.plus(-60)),
        ..stored(binding())
    };
    Snapshot {
        session: Session {
            token: Some(token),
            ..session()
        },
        tokens: vec![published_token("graph", -3000)],
        ..healthy()
    }
}

#[test]
fn a_death_is_stored_first() {
    let pocket = Pocket {
        refresh: Some(RefreshOutcome::Dead {
            redeemed: token_mac("stored"),
            since: NOW,
        }),
        login: None,
    };
    assert_eq!(step(&Snapshot { pocket, ..healthy() }), Step::Store);
}

#[test]
fn dead_means_silent_while_the_token_lasts_and_after() {
    let s = dead();
    assert_eq!(rests(&s), (Step::Idle, Reason::Expiring, Some(600)));
    assert_eq!(shows(&s), ["Ready", "Published"]);
    assert_eq!(step_in(&s, 600), Step::Blocked);
    assert_eq!(super::shows_at(&s, NOW.plus(600)), ["Published", "Stalled"]);
    for day in 1..100 {
        assert!(step_in(&s, day * 86_400).is_final());
    }
}

#[test]
fn a_dead_token_gets_one_try_when_a_person_asks() {
    let s = Snapshot {
        object: facts::requested(&healthy().object),
        ..dead()
    };
    assert_eq!(step(&s), Step::Redeem(names(&["graph"])));
    let mut elsewhere = s.clone();
    elsewhere.session.token.as_mut().unwrap().binding = other_tenant();
    let mut unsealable = s.clone();
    unsealable.session.opened = Opened::of(None, None);
    let mut gone = s;
    gone.session.token = None;
    for s in [elsewhere, unsealable, gone] {
        assert!(
            decide(&s).step.is_final(),
            "not one of another tenant, nor one that does not open"
        );
    }
}

#[test]
fn a_new_login_revives_a_dead_credential() {
    let s = Snapshot {
        login: Login::Present(login("B")),
        ..dead()
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
fn requests_are_spaced_by_twenty_seconds() {
    let s = Snapshot {
        object: facts::requested(&healthy().object),
        last_redeemed_at: Some(NOW.plus(-5)),
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::Fresh, Some(15)));
    assert_eq!(step_in(&s, 15), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_word_asks_for_one_renewal() {
    let s = |handled| Snapshot {
        object: facts::requested(&healthy().object),
        handled,
        ..healthy()
    };
    for earlier in [None, Some(word(-2))] {
        assert_eq!(step(&s(earlier)), Step::Redeem(names(&["graph"])));
    }
    for handled in [word(-1), word(0)] {
        assert!(step(&s(Some(handled))).is_final());
    }
}

#[test]
fn a_renewal_that_happens_anyway_takes_a_request_along() {
    let refused = failure(Effect::Entry, Reason::ConsentMissing, Some(NOW.plus(1700)));
    let s = Snapshot {
        object: facts::requested(&healthy().object),
        last_redeemed_at: Some(NOW.plus(-5)),
        tokens: vec![
            published_token("graph", -2400),
            Token {
                failure: Some(refused),
                ..token("mail")
            },
        ],
        ..healthy()
    };
    assert_eq!(
        step(&s),
        Step::Redeem(names(&["mail", "graph"])),
        "in order of expiry"
    );
}

#[test]
fn an_outage_is_retried_with_back_off_and_changes_nothing_published() {
    let outage = |next: Time| failure(Effect::Transient, Reason::ServiceUnavailable, Some(next));
    let s = Snapshot {
        failure: Some(outage(NOW.plus(20))),
        tokens: vec![published_token("graph", -2400)],
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::Expiring, Some(20)));
    assert_eq!(shows(&s), ["Ready", "LoggedIn", "Published"]);
    assert_eq!(step_in(&s, 20), Step::Redeem(names(&["graph"])));
    let expired = Snapshot {
        tokens: vec![published_token("graph", -3601)],
        ..s
    };
    assert_eq!(rests(&expired).1, Reason::ServiceUnavailable);
    assert_eq!(shows(&expired), ["LoggedIn", "Published"]);
}

#[test]
fn a_renewal_that_needs_a_person_is_probed_and_does_not_kill_the_token() {
    let person = failure(Effect::Person, Reason::InteractionRequired, Some(NOW.plus(1800)));
    let s = Snapshot {
        failure: Some(person),
        tokens: vec![published_token("graph", -3601)],
        ..healthy()
    };
    assert_eq!(
        rests(&s),
        (Step::Blocked, Reason::InteractionRequired, Some(1800))
    );
    assert_eq!(shows(&s), ["LoggedIn", "Published", "Stalled"]);
    assert_eq!(step_in(&s, 1800), Step::Redeem(names(&["graph"])));
}

fn other_tenant() -> Binding {
    Binding {
        tenant: "other.example".to_owned(),
        ..binding()
    }
}

/// The spec names another tenant than the one for which the token was issued; `resolved` is its GUID, if known.
fn renamed(resolved: Option<&str>) -> Snapshot {
    let target = Target::Known {
        binding: other_tenant(),
        resolved_tenant: resolved.map(str::to_owned),
    };
    let tokens = vec![Token {
        wanted: Wanted::Request(RequestMac("of the other tenant".to_owned())),
        ..fresh_token("graph")
    }];
    Snapshot {
        target,
        tokens,
        ..healthy()
    }
}

#[test]
fn a_tenant_written_differently_is_resolved_once() {
    assert_eq!(step(&renamed(None)), Step::Resolve);
    assert_eq!(
        step(&renamed(Some(TENANT_ID))),
        Step::Redeem(names(&["graph"])),
        "it is the same tenant"
    );
}

#[test]
fn an_accepted_login_is_not_sent_again_before_its_tenant_is_resolved() {
    let accepted = record(tried(Verdict::Accepted));
    let again = |resolved| {
        let session = Session {
            opened: opened(accepted.clone(), Some(pin())),
            ..session()
        };
        let login = Login::Present(login("A"));
        Snapshot {
            session,
            login,
            ..renamed(resolved)
        }
    };
    assert_eq!(step(&again(None)), Step::Resolve);
    let outage = failure(Effect::Transient, Reason::ServiceUnavailable, Some(NOW.plus(20)));
    let failed = Snapshot {
        failure: Some(outage),
        ..again(None)
    };
    assert_eq!(rests(&failed).2, Some(20), "nor while that is put off");
    assert_eq!(step_in(&failed, 20), Step::Resolve);
    let foreign = Token {
        ownership: entra_plan::snapshot::Ownership::Foreign,
        ..token("graph")
    };
    let alone = Snapshot {
        tokens: vec![foreign],
        ..failed
    };
    assert_eq!(step_in(&alone, 20), Step::Resolve, "for the login alone");
    assert_eq!(step(&again(Some(TENANT_ID))), Step::DeleteLogin);
    assert_eq!(step(&again(Some("another"))), record_a());
}

#[test]
fn a_resolve_that_failed_is_tried_again() {
    let outage = failure(Effect::Transient, Reason::ServiceUnavailable, Some(NOW.plus(20)));
    let s = Snapshot {
        failure: Some(outage),
        ..renamed(None)
    };
    assert_eq!(decide(&s).wake, Some(NOW.plus(20)));
    assert_eq!(step_in(&s, 20), Step::Resolve);
}

#[test]
fn another_tenant_sets_the_token_aside_and_changing_back_uses_it_again() {
    let s = renamed(Some("22222222-0000-4000-8000-000000000002"));
    assert_eq!(rests(&s).1, Reason::LoginRequired);
    assert_eq!(shows(&s), ["Published", "Stalled"]);
    let back = Snapshot {
        target: healthy().target,
        tokens: vec![token("graph")],
        ..s
    };
    assert_eq!(step(&back), Step::Redeem(names(&["graph"])));
}

#[test]
fn another_client_is_never_given_the_token() {
    let binding = Binding {
        client_id: "other".to_owned(),
        ..binding()
    };
    let s = Snapshot {
        target: Target::Known {
            binding,
            resolved_tenant: Some(TENANT_ID.to_owned()),
        },
        ..renamed(None)
    };
    assert_eq!(rests(&s).1, Reason::LoginRequired);
}

#[test]
fn a_lost_key_is_said_and_a_new_login_is_awaited() {
    let opened = Opened::Read {
        record: Some(Record::default()),
        session: None,
        unsealable: true,
    };
    let s = Snapshot {
        session: Session { opened, ..session() },
        tokens: vec![token("graph")],
        ..healthy()
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::Unsealable, None));
    assert_eq!(shows(&s), ["Stalled"]);
    let s = Snapshot {
        login: Login::Present(login("A")),
        ..s
    };
    assert_eq!(step(&s), record_a());
}

#[test]
fn a_token_that_is_described_but_not_there_counts_as_unopenable() {
    let s = Snapshot {
        session: Session {
            opened: opened(Record::default(), None),
            ..session()
        },
        ..healthy()
    };
    assert!(!s.redeemable());
    assert_eq!(rests(&s).1, Reason::Expiring);
}
