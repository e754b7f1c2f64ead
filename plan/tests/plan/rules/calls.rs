//! Redeeming, resolving, and what no call is made without.

use entra_plan::Step;
use entra_plan::answer::Effect;
use entra_plan::invariants::Rule;
use entra_plan::policy::{Permission, Permissions};
use entra_plan::reason::Reason;
use entra_plan::record::Record;
use entra_plan::schedule::TOGETHER;
use entra_plan::snapshot::{Ownership, Snapshot, Target, Token, Withheld};

use super::super::build::*;
use super::{broken, unstored};

/// A token that fell due ten seconds ago.
fn due() -> Snapshot {
    with_token(published_token("graph", -2170))
}

fn with_token(token: Token) -> Snapshot {
    Snapshot {
        tokens: vec![token],
        ..healthy()
    }
}

fn redeem() -> Step {
    Step::Redeem(names(&["graph"]))
}

fn asked(s: &Snapshot) -> Snapshot {
    let mut s = s.clone();
    s.object.said = said(-1);
    s
}

#[test]
fn no_call_is_made_while_an_answer_is_unstored() {
    assert_eq!(broken(&due(), &redeem()), []);
    assert_eq!(broken(&due(), &Step::Resolve), []);
    for s in unstored(&due()) {
        assert_eq!(broken(&s, &redeem()), [Rule::StoredBeforeCall]);
        assert_eq!(broken(&s, &Step::Resolve), [Rule::StoredBeforeCall]);
    }
}

#[test]
fn nothing_begins_that_the_policy_does_not_allow() {
    let denied = || Permission::Denied("not here".to_owned());
    let with = |target: Permission, account: Permission, s: Snapshot| Snapshot {
        permissions: Permissions { target, account },
        ..s
    };
    let granted = Permission::Granted;
    for target in [denied(), Permission::Unresolved] {
        let s = with(target.clone(), granted.clone(), due());
        assert_eq!(broken(&s, &redeem()), [Rule::PolicyKept]);
        let s = with(target, granted.clone(), with_login(Record::default()));
        assert_eq!(broken(&s, &record_a()), [Rule::PolicyKept]);
    }
    let s = with(granted.clone(), denied(), due());
    assert_eq!(broken(&s, &redeem()), [Rule::PolicyKept]);
    let s = with(granted.clone(), denied(), with_login(Record::default()));
    assert_eq!(broken(&s, &record_a()), []);
    let resolves = |target| broken(&with(target, granted.clone(), due()), &Step::Resolve);
    assert_eq!(resolves(Permission::Unresolved), []);
    assert_eq!(resolves(denied()), [Rule::PolicyKept]);
}

#[test]
fn a_refresh_token_goes_to_its_binding_and_a_dead_one_only_for_a_word() {
    let mut other = binding();
    other.client_id = "other".to_owned();
    let other = Snapshot {
        target: Target::Known {
            binding: other,
            resolved_tenant: None,
        },
        ..due()
    };
    assert_eq!(broken(&other, &redeem()), [Rule::BindingKept]);
    let mut dead = due();
    dead.session.token.as_mut().unwrap().dead_since = Some(NOW);
    assert_eq!(broken(&dead, &redeem()), [Rule::DeadIsSilent]);
    assert_eq!(broken(&asked(&dead), &redeem()), []);
}

#[test]
fn a_back_off_is_honoured_unless_a_person_asks() {
    let refused = |next| Snapshot {
        failure: Some(failure(Effect::Transient, Reason::ServiceUnavailable, next)),
        ..due()
    };
    assert_eq!(broken(&refused(Some(NOW.plus(TOGETHER))), &redeem()), []);
    for next in [None, Some(NOW.plus(TOGETHER + 1))] {
        assert_eq!(broken(&refused(next), &redeem()), [Rule::BackOffHonoured]);
        assert_eq!(broken(&asked(&refused(next)), &redeem()), []);
    }
}

/// Due at 2160 s of its life.
#[test]
fn only_what_falls_due_within_a_minute_is_renewed_unless_a_person_asks() {
    let soon = with_token(published_token("graph", TOGETHER - 2160));
    assert_eq!(broken(&soon, &redeem()), []);
    let later = with_token(published_token("graph", TOGETHER - 2159));
    assert_eq!(broken(&later, &redeem()), [Rule::NothingBeforeDue]);
    assert_eq!(broken(&asked(&later), &redeem()), []);
    let beside = Snapshot {
        tokens: vec![published_token("graph", -2170), fresh_token("mail")],
        ..healthy()
    };
    assert_eq!(broken(&beside, &redeem()), [], "of the entries that are named");
}

#[test]
fn no_token_is_asked_for_that_cannot_be_published_or_may_be_there() {
    let of = |ownership| {
        with_token(Token {
            ownership,
            ..token("graph")
        })
    };
    for ownership in [Ownership::Absent, Ownership::Ours, Ownership::Adoptable] {
        assert_eq!(broken(&of(ownership), &redeem()), []);
    }
    for ownership in [Ownership::Foreign, Ownership::Predecessor] {
        assert_eq!(broken(&of(ownership), &redeem()), [Rule::OnlyPublishableRedeemed]);
    }
    let hidden = with_token(Token {
        unlooked: true,
        ..token("graph")
    });
    assert_eq!(broken(&hidden, &redeem()), [Rule::LookedForBeforeMade]);
}

#[test]
fn no_call_is_made_while_none_is_permitted() {
    let until = |seconds| Snapshot {
        withheld: Some(Withheld {
            until: NOW.plus(seconds),
            long: seconds >= 20,
            reason: Reason::ServiceUnavailable,
            message: "the host is failing".to_owned(),
            binding: None,
        }),
        login: present(login("A")),
        ..due()
    };
    for step in [redeem(), record_a(), Step::ReadToSignIn] {
        assert_eq!(broken(&until(1), &step), [Rule::PermitAwaited]);
        assert_eq!(broken(&until(0), &step), []);
    }
    assert_eq!(broken(&until(1), &Step::ReadLogin), []);
}
