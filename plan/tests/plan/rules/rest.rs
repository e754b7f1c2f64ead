//! Resting: nothing unseen is spoken of, and the wake time comes before anything changes.

use entra_plan::answer::Effect;
use entra_plan::invariants::Rule;
use entra_plan::reason::Reason;
use entra_plan::schedule::MARGIN;
use entra_plan::snapshot::{Session, Snapshot, Token, Withheld};
use entra_plan::{Object, Step, Time};

use super::super::build::*;
use super::{broken, broken_by_rest, token_object};

/// When the healthy credential's token expires.
const EXPIRY: Time = NOW.plus(LIFE - 600);

#[test]
fn a_rest_ends_later_and_before_the_margin_of_what_is_published() {
    let s = healthy();
    assert_eq!(broken_by_rest(&s, Some(NOW.plus(1))), []);
    assert_eq!(broken_by_rest(&s, Some(NOW)), [Rule::RestIsRest]);
    assert_eq!(broken_by_rest(&s, Some(EXPIRY.plus(-MARGIN))), []);
    assert_eq!(
        broken_by_rest(&s, Some(EXPIRY.plus(1 - MARGIN))),
        [Rule::MarginKept]
    );
    assert_eq!(broken_by_rest(&s, Some(EXPIRY)), [Rule::MarginKept]);
    for wake in [Some(EXPIRY.plus(1)), None] {
        assert_eq!(broken_by_rest(&s, wake), [Rule::WakesAtExpiry, Rule::MarginKept]);
    }
    assert_eq!(broken(&s, &Step::ReadLogin), [], "no rest");
}

#[test]
fn a_short_life_has_a_margin_of_a_quarter() {
    let s = Snapshot {
        tokens: vec![Token {
            published: Some(published(NOW, 400)),
            ..fresh_token("graph")
        }],
        ..healthy()
    };
    assert_eq!(broken_by_rest(&s, Some(NOW.plus(300))), []);
    assert_eq!(broken_by_rest(&s, Some(NOW.plus(301))), [Rule::MarginKept]);
}

#[test]
fn an_expired_token_wakes_nobody_nor_does_a_deleted_credential() {
    let mut s = healthy();
    s.tokens[0].published.as_mut().unwrap().expires_at = NOW;
    assert_eq!(broken_by_rest(&s, None), []);
    let mut deleted = healthy();
    deleted.object.deleting = true;
    assert_eq!(broken_by_rest(&deleted, None), []);
}

/// The margin is promised where nothing stands in the way; Ready is true of every token to the end.
#[test]
fn whatever_stands_in_the_way_excuses_the_margin_and_not_the_expiry() {
    let changes: [fn(&mut Snapshot); 12] = [
        |s| s.session = Session::default(),
        |s| s.tokens[0].published.as_mut().unwrap().edited = true,
        |s| s.tokens[0].published.as_mut().unwrap().unwritable = true,
        |s| s.failure = Some(failure(Effect::Transient, Reason::Throttled, None)),
        |s| s.tokens[0].failure = Some(failure(Effect::Entry, Reason::ConsentMissing, None)),
        |s| {
            let refused = failure(Effect::Transient, Reason::WriteRefused, None);
            s.holds = [(Object::Session, refused)].into();
        },
        |s| {
            s.withheld = Some(Withheld {
                until: NOW.plus(9000),
                long: true,
                reason: Reason::ServiceUnavailable,
                message: String::new(),
                binding: None,
            });
        },
        |s| s.tokens[0].deleting = true,
        |s| s.object.suspended = true,
        |s| s.session.immutable = true,
        |s| s.client = missing_client(),
        |s| s.tokens[0].held = Some(held(REQUEST, 1000)),
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut s = healthy();
        change(&mut s);
        assert_eq!(broken_by_rest(&s, Some(EXPIRY)), [], "{n}");
        assert_eq!(broken_by_rest(&s, None), [Rule::WakesAtExpiry], "{n}");
    }
    let mut put_off = healthy();
    put_off.tokens[0].deferred_until = Some(NOW.plus(1500));
    assert_eq!(broken_by_rest(&put_off, Some(EXPIRY)), []);
}

#[test]
fn nothing_is_said_of_a_secret_that_was_touched_before_it_is_looked_at() {
    let mut touched = healthy();
    touched.tokens[0].published.as_mut().unwrap().verified = false;
    assert_eq!(broken_by_rest(&touched, Some(EXPIRY)), [Rule::LookedAtBeforeSaid]);
    assert_eq!(broken(&touched, &Step::ReadLogin), [], "no rest");
    let contents = || Object::Contents(name("graph"));
    let hold = |object, next| {
        let refused = failure(Effect::Transient, Reason::ClusterUnavailable, Some(next));
        Snapshot {
            holds: [(object, refused)].into(),
            ..touched.clone()
        }
    };
    assert_eq!(broken_by_rest(&hold(contents(), NOW.plus(1)), Some(EXPIRY)), []);
    for unread in [hold(contents(), NOW), hold(token_object(), NOW.plus(1))] {
        assert_eq!(broken_by_rest(&unread, Some(EXPIRY)), [Rule::LookedAtBeforeSaid]);
    }
    touched.object.deleting = true;
    assert_eq!(broken_by_rest(&touched, None), []);
}
