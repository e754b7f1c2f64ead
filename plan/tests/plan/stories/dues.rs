//! What each token needs next, which of them are renewed together, and what puts a renewal off.

use entra_plan::answer::Effect;
use entra_plan::mac::RequestMac;
use entra_plan::reason::Reason;
use entra_plan::snapshot::{
    Binding, Failure, Ownership, Published, Repairs, Session, Snapshot, Target, Token, Withheld,
};
use entra_plan::tokens::Need;
use entra_plan::{Object, Step, Time};

use super::super::build::*;
use super::super::facts::requested;
use super::{decide, step};

fn with(tokens: Vec<Token>) -> Snapshot {
    Snapshot { tokens, ..healthy() }
}

fn need(token: Token) -> Need {
    let s = with(vec![token]);
    s.tokens[0].need(&s, NOW)
}

fn owned_by(ownership: Ownership) -> Token {
    Token {
        ownership,
        ..token("graph")
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the facts have it")]
fn put_off(seconds: Option<i64>) -> Option<Failure> {
    let next = seconds.map(|s| NOW.plus(s));
    Some(failure(Effect::Transient, Reason::ServiceUnavailable, next))
}

fn of(token: &mut Token) -> &mut Published {
    token.published.as_mut().unwrap()
}

#[test]
fn whose_a_secret_is_comes_before_what_is_in_it() {
    assert_eq!(need(owned_by(Ownership::Foreign)), Need::Foreign);
    assert_eq!(need(owned_by(Ownership::Predecessor)), Need::Predecessor);
    assert_eq!(need(owned_by(Ownership::Adoptable)), Need::Adopt);
    assert_eq!(need(owned_by(Ownership::Absent)), Need::Redeem(Time::ALWAYS));
    for ownership in [Ownership::Ours, Ownership::Adoptable, Ownership::Absent] {
        let deleting = Token {
            deleting: true,
            ..owned_by(ownership)
        };
        assert_eq!(need(deleting), Need::Deleting);
    }
    let foreign = Token {
        deleting: true,
        ..owned_by(Ownership::Foreign)
    };
    assert_eq!(need(foreign), Need::Foreign);
}

#[test]
fn what_is_at_hand_is_written_before_labels_are_and_those_before_a_look() {
    let with_published = |change: fn(&mut Token)| {
        let mut token = fresh_token("graph");
        change(&mut token);
        need(token)
    };
    let due = NOW.plus(1560);
    assert_eq!(with_published(|_| ()), Need::RedeemAt(Some(due)));
    assert_eq!(with_published(|t| of(t).verified = false), Need::Verify);
    assert_eq!(with_published(|t| of(t).unlabelled = true), Need::Label);
    let both = |t: &mut Token| (of(t).unlabelled, of(t).verified) = (true, false);
    assert_eq!(with_published(both), Need::Label);
    assert_eq!(
        with_published(|t| t.held = Some(held(REQUEST, 3001))),
        Need::Publish
    );
    assert_eq!(
        with_published(|t| t.held = Some(held(REQUEST, 3000))),
        Need::RedeemAt(Some(due))
    );
    assert_eq!(
        with_published(|t| {
            of(t).unwritable = true;
            t.held = Some(held(REQUEST, 1));
        }),
        Need::Replace
    );
    assert_eq!(
        with_published(|t| {
            of(t).edited = true;
            of(t).unlabelled = true;
        }),
        Need::Redeem(Time::ALWAYS),
        "an edited one is made anew"
    );
    assert_eq!(with_published(|t| t.unlooked = true), Need::Look);
}

#[test]
fn a_token_of_another_owner_is_none_of_ours() {
    for ownership in [Ownership::Absent, Ownership::Adoptable, Ownership::Foreign] {
        let token = Token {
            ownership,
            ..fresh_token("graph")
        };
        assert!(!token.is_valid(NOW) && !token.is_published() && !token.is_unseen());
        let s = with(vec![token.clone()]);
        assert_eq!(token.due(&s), Time::ALWAYS);
    }
    let token = fresh_token("graph");
    assert!(token.is_valid(NOW.plus(2999)) && !token.is_valid(NOW.plus(3000)));
    assert!(token.is_published());
    for (verified, edited) in [(false, false), (true, true), (false, true)] {
        let published = token.published.clone().unwrap();
        let published = Published {
            verified,
            edited,
            ..published
        };
        let other = Token {
            published: Some(published),
            ..token.clone()
        };
        assert!(!other.is_published(), "verified: {verified}, edited: {edited}");
    }
}

#[test]
fn the_longest_back_off_of_entry_and_session_counts_and_never_is_the_longest() {
    let scheduled = |of_entry, of_session, age| {
        let token = Token {
            failure: of_entry,
            ..published_token("graph", age)
        };
        let s = Snapshot {
            failure: of_session,
            ..with(vec![token])
        };
        s.tokens[0].need(&s, NOW)
    };
    let at = |seconds: i64| Need::RedeemAt(Some(NOW.plus(seconds)));
    let due = Need::Redeem(NOW.plus(-10));
    assert_eq!(scheduled(None, None, -2170), due);
    assert_eq!(scheduled(put_off(Some(40)), None, -2170), at(40));
    assert_eq!(scheduled(put_off(Some(40)), put_off(Some(90)), -2170), at(90));
    assert_eq!(scheduled(put_off(Some(90)), put_off(Some(40)), -2170), at(90));
    assert_eq!(
        scheduled(put_off(None), put_off(Some(90)), -2170),
        Need::RedeemAt(None)
    );
    assert_eq!(
        scheduled(put_off(Some(90)), put_off(None), -2170),
        Need::RedeemAt(None)
    );
    assert_eq!(scheduled(put_off(Some(0)), put_off(Some(-5)), -2170), due);
    assert_eq!(
        scheduled(put_off(Some(40)), None, -600),
        at(1560),
        "not before it is due"
    );
    assert_eq!(scheduled(None, None, -2160), Need::Redeem(NOW));
    assert_eq!(scheduled(None, None, -2159), at(1));
}

#[test]
fn what_falls_due_within_a_minute_goes_along_if_it_is_past_half_of_its_life_and_nothing_failed() {
    let beside = |mail: Token| {
        let s = with(vec![published_token("graph", -2170), mail]);
        s.due_together(NOW)
    };
    let soon = || published_token("mail", -2101);
    assert_eq!(beside(soon()), names(&["graph", "mail"]));
    let failed = Token {
        failure: put_off(Some(5)),
        ..soon()
    };
    assert_eq!(beside(failed), names(&["graph"]));
    let young = |age| Token {
        deferred_until: Some(NOW.plus(30)),
        ..published_token("mail", age)
    };
    assert_eq!(beside(young(-1799)), names(&["graph"]));
    assert_eq!(beside(young(-1800)), names(&["graph", "mail"]));
    let mut held = with(vec![published_token("graph", -2170), soon()]);
    held.holds = [(Object::Token(name("mail")), put_off(Some(30)).unwrap())].into();
    assert_eq!(held.due_together(NOW), names(&["graph"]));
    assert_eq!(with(vec![soon()]).due_together(NOW), [], "nobody is due");
    let expires_first = Token {
        published: Some(published(NOW.plus(-1500), 1600)),
        ..published_token("mail", 0)
    };
    assert_eq!(beside(expires_first), names(&["mail", "graph"]));
}

#[test]
fn one_probe_is_sent_for_what_failed_alike_unless_a_person_asks() {
    let failed = |entry: &str, reason| Token {
        failure: Some(failure(Effect::Entry, reason, Some(NOW.plus(-1)))),
        ..published_token(entry, -2170)
    };
    let pair = |one, two| with(vec![failed("graph", one), failed("mail", two)]);
    let alike = pair(Reason::ConsentMissing, Reason::ConsentMissing);
    assert_eq!(alike.due_together(NOW).len(), 1);
    assert!(alike.common_failure().is_some());
    let asked = Snapshot {
        object: requested(&healthy().object),
        ..alike.clone()
    };
    assert_eq!(asked.due_together(NOW).len(), 2);
    let apart = pair(Reason::ConsentMissing, Reason::BlockedByPolicy);
    assert_eq!(apart.due_together(NOW).len(), 2);
    assert!(apart.common_failure().is_none());
    let mut one_well = alike.clone();
    one_well.tokens[1].failure = None;
    assert!(one_well.common_failure().is_none());
    let mut first_well = alike.clone();
    first_well.tokens[0].failure = None;
    assert!(first_well.common_failure().is_none());
    for ownership in [Ownership::Foreign, Ownership::Predecessor] {
        let mut beside = one_well.clone();
        beside.tokens[1].ownership = ownership;
        assert!(beside.common_failure().is_some(), "it is none of ours");
    }
    let mut other_code = alike;
    other_code.tokens[1].failure.as_mut().unwrap().refusal.code = Some(65_001);
    assert!(other_code.common_failure().is_none());
}

#[test]
fn a_request_goes_along_with_a_renewal_of_ours_that_can_be_made() {
    let asked = |change: fn(&mut Snapshot)| {
        let mut s = Snapshot {
            object: requested(&healthy().object),
            last_redeemed_at: Some(NOW.plus(-19)),
            ..with(vec![published_token("graph", -2170)])
        };
        change(&mut s);
        s.requested(NOW)
    };
    assert!(asked(|_| ()));
    assert!(!asked(|s| s.tokens = vec![fresh_token("graph")]));
    assert!(asked(|s| {
        s.tokens = vec![fresh_token("graph")];
        s.last_redeemed_at = Some(NOW.plus(-20));
    }));
    assert!(!asked(|s| s.tokens[0].ownership = Ownership::Foreign));
    assert!(!asked(|s| s.session = Session::default()));
    assert!(!asked(|s| s.object.said = None));
    assert!(!asked(|s| s.handled = Some(word(-1))));
}

#[test]
fn while_no_call_is_permitted_a_request_waits_with_what_is_due() {
    let withheld = |seconds, age| {
        let s = Snapshot {
            object: requested(&healthy().object),
            withheld: Some(Withheld {
                until: NOW.plus(seconds),
                long: seconds >= 20,
                reason: Reason::ServiceUnavailable,
                message: String::new(),
                binding: None,
            }),
            ..with(vec![published_token("graph", age)])
        };
        s.tokens[0].need(&s, NOW)
    };
    assert_eq!(withheld(9, -2170), Need::RedeemAt(Some(NOW.plus(9))));
    assert_eq!(withheld(0, -2170), Need::Redeem(NOW));
    assert_eq!(withheld(0, -600), Need::Redeem(NOW));
    assert_eq!(withheld(9, -600), Need::RedeemAt(Some(NOW.plus(1560))));
}

#[test]
fn the_next_repair_waits_although_the_secret_is_missing_or_edited() {
    let repaired = |ago: i64, change: fn(&mut Token)| {
        let mut token = Token {
            repairs: Some(Repairs {
                count: 1,
                at: NOW.plus(-ago),
            }),
            ..fresh_token("graph")
        };
        change(&mut token);
        (need(token.clone()), token.repair_put_off(NOW))
    };
    let waits = (Need::RedeemAt(Some(NOW.plus(1))), true);
    let edited = |t: &mut Token| t.published.as_mut().unwrap().edited = true;
    assert_eq!(repaired(19, edited), waits);
    assert_eq!(
        repaired(19, |t| *t = Token {
            repairs: t.repairs,
            ..token("graph")
        }),
        waits
    );
    assert_eq!(repaired(20, edited), (Need::Redeem(NOW), false));
    let unlabelled = |t: &mut Token| t.published.as_mut().unwrap().unlabelled = true;
    assert_eq!(repaired(20, unlabelled), (Need::Label, false));
    assert!(repaired(19, unlabelled).1);
    assert_eq!(repaired(0, |_| ()), (Need::RedeemAt(Some(NOW.plus(1560))), false));
}

/// Only the way in which the tenant is written may be resolved.
#[test]
fn a_tenant_is_resolved_for_a_living_token_of_this_authority_and_client() {
    let renamed = |change: fn(&mut Snapshot, &mut Binding)| {
        let mut s = with(vec![Token {
            wanted: entra_plan::snapshot::Wanted::Request(RequestMac("other".to_owned())),
            ..fresh_token("graph")
        }]);
        let mut other = Binding {
            tenant: "contoso.other".to_owned(),
            ..binding()
        };
        change(&mut s, &mut other);
        s.target = Target::Known {
            binding: other,
            resolved_tenant: None,
        };
        decide(&s).step
    };
    assert_eq!(renamed(|_, _| ()), Step::Resolve);
    let changes: [fn(&mut Snapshot, &mut Binding); 4] = [
        |_, b| b.client_id = "another".to_owned(),
        |_, b| b.authority = "elsewhere.example".to_owned(),
        |s, _| s.session.token.as_mut().unwrap().dead_since = Some(NOW),
        |s, _| s.failure = put_off(None),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        assert_ne!(renamed(change), Step::Resolve, "{n}");
    }
    assert_eq!(renamed(|s, _| s.failure = put_off(Some(-5))), Step::Resolve);
    assert!(step(&healthy()).is_final(), "it is the same");
}

#[test]
fn a_token_that_waits_for_its_turn_is_planned_by_its_schedule_if_it_has_one() {
    let planned = |token: Token, seconds| {
        let s = Snapshot {
            withheld: Some(Withheld {
                until: NOW.plus(seconds),
                long: seconds >= 20,
                reason: Reason::ServiceUnavailable,
                message: String::new(),
                binding: None,
            }),
            ..with(vec![token])
        };
        s.tokens[0].planned(&s, NOW).map(|at| at.since(NOW))
    };
    let due = || published_token("graph", -2170);
    assert_eq!(planned(due(), 19), Some(-10));
    assert_eq!(planned(due(), 20), Some(20), "that is no turn like another");
    assert_eq!(planned(token("graph"), 19), Some(19), "it has always been due");
    assert_eq!(planned(fresh_token("graph"), 19), Some(1560));
}
