//! A refresh token that came back with a renewal: stored at once, or not yet.

use entra_plan::identity::Pin;
use entra_plan::keys::{KeyName, Keys};
use entra_plan::schedule::DAY;
use entra_plan::settle::renewal::{self, Returned};
use entra_plan::snapshot::{Binding, RefreshOutcome, Session, Snapshot, StoredToken};

use super::super::build::*;

/// What came back, `age` seconds after the stored one.
fn after(age: i64) -> Returned {
    Returned {
        answered_at: stored(binding()).issued_at.plus(age),
        ends_at: None,
        redeemed_stays_valid: true,
    }
}

fn is_stored(s: &Snapshot, returned: Returned) -> bool {
    matches!(
        renewal::brought(s, Some(returned), &pin()),
        Some(RefreshOutcome::Newer(newer)) if newer.answered_at == returned.answered_at
    )
}

fn with_session(change: impl FnOnce(&mut Session)) -> Snapshot {
    let mut s = healthy();
    change(&mut s.session);
    s
}

fn with_stored(change: impl FnOnce(&mut StoredToken)) -> Snapshot {
    with_session(|session| change(session.token.as_mut().unwrap()))
}

#[test]
fn where_a_used_token_stays_valid_the_stored_one_is_replaced_once_a_day() {
    let s = healthy();
    for (age, stored) in [
        (0, false),
        (3600, false),
        (DAY - 1, false),
        (DAY, true),
        (30 * DAY, true),
    ] {
        assert_eq!(is_stored(&s, after(age)), stored, "{age} s");
    }
    assert!(
        is_stored(&s, after(-1)),
        "what is of the future is no younger than what is old"
    );
}

#[test]
fn elsewhere_each_that_comes_back_is_stored() {
    let elsewhere = Returned {
        redeemed_stays_valid: false,
        ..after(1)
    };
    assert!(is_stored(&healthy(), elsewhere));
}

#[test]
fn a_told_life_is_used_by_a_quarter_before_the_token_is_replaced() {
    let life = 8 * 3600;
    let told = with_stored(|token| token.ends_at = Some(token.issued_at.plus(life)));
    assert!(!is_stored(&told, after(life / 4 - 1)));
    assert!(is_stored(&told, after(life / 4)));
    let now_told = |age| Returned {
        ends_at: Some(after(age).answered_at.plus(life)),
        ..after(age)
    };
    assert!(!is_stored(&healthy(), now_told(life / 4 - 1)));
    assert!(
        is_stored(&healthy(), now_told(life / 4)),
        "the shorter of both lives counts"
    );
    let long = with_stored(|token| token.ends_at = Some(token.issued_at.plus(90 * DAY)));
    assert!(
        is_stored(&long, after(DAY)),
        "a day is enough, however long it lives"
    );
    let over = with_stored(|token| token.ends_at = Some(token.issued_at));
    assert!(is_stored(&over, after(0)), "a life of nothing is used up");
}

#[test]
fn what_must_be_written_anyway_takes_it_along() {
    let dead = with_stored(|token| token.dead_since = Some(NOW));
    let elsewhere = with_stored(|token| {
        token.binding = Binding {
            tenant: TENANT_ID.to_owned(),
            ..binding()
        };
    });
    let unlabelled = with_session(|session| session.unlabelled = true);
    let older_key = Snapshot {
        keys: Keys {
            generation: 1,
            sealing: KeyName("20260601T000000Z-bb".to_owned()),
        },
        ..healthy()
    };
    for (what, s) in [
        ("a death is taken back", dead),
        ("its binding is written otherwise", elsewhere),
        ("its labels are asked for", unlabelled),
        ("an older key sealed it", older_key),
    ] {
        assert!(is_stored(&s, after(1)), "{what}");
    }
    let completed = Pin {
        user: "another-form@contoso.example".to_owned(),
        ..pin()
    };
    assert!(
        renewal::brought(&healthy(), Some(after(1)), &completed).is_some(),
        "its pin is completed"
    );
}
