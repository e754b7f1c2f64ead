//! Arbitrary facts: the domains of [`super::facts`] mixed freely, with moments that are a little off or quite wild.
//!
//! The choices come from a tape of random bytes. It shrinks towards the first option of every choice, which is the
//! healthy one, so a failure is shown with little else in it.

use entra_plan::snapshot::{Session, Snapshot};
use entra_plan::{Time, next_step};
use proptest::prelude::*;

use super::build::{NOW, first_sight};
use super::check;
use super::choice::Choice;
use super::facts;

/// Any facts that can be true at once.
fn any_snapshot(c: &mut Choice<'_>) -> Snapshot {
    let tokens = ["graph", "mail", "vault"];
    let count = 1 + c.index(tokens.len());
    let session = session(c);
    let s = Snapshot {
        object: facts::object(c),
        target: facts::target(c),
        permissions: facts::permissions(c),
        client: facts::client(c),
        login: facts::any_login(c),
        pocket: facts::pocket(c),
        tokens: tokens
            .iter()
            .take(count)
            .map(|name| facts::any_token(c, name))
            .collect(),
        leftovers: facts::leftovers(c),
        failure: facts::any_failure(c),
        login_failure: facts::login_failure(c),
        deleted_login_at: c.flag().then(|| c.moment(&[-5, -70])),
        last_redeemed_at: c.flag().then(|| c.moment(&[-5, -70])),
        holds: facts::holds(c),
        withheld: facts::withheld(c),
        turn_at: c.of(&[None, Some(NOW.plus(40))]),
        handled: c.of(&[None, Some(super::build::word(-1))]),
        session,
        ..first_sight()
    };
    facts::with_keys(c, s)
}

fn session(c: &mut Choice<'_>) -> Session {
    if c.flag() {
        return facts::any_session(c);
    }
    let (record, attempt) = facts::record(c);
    Session {
        attempt,
        last_login: facts::last_login(c),
        ..facts::session_with(c, record)
    }
}

fn tape() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn every_decision_keeps_the_rules(tape in tape()) {
        check::decide(&any_snapshot(&mut Choice::tape(&tape)), NOW);
    }

    #[test]
    fn any_time_of_day_will_do(tape in tape(), now in any::<i64>()) {
        let s = any_snapshot(&mut Choice::tape(&tape));
        let decision = next_step(&s, Time(now));
        prop_assert_eq!(decision, next_step(&s, Time(now)));
    }

    #[test]
    fn clocks_do_not_matter_only_differences(tape in tape(), by in -1_000_000_000_i64..1_000_000_000) {
        let mut choice = Choice::tape(&tape);
        let s = Snapshot { pocket: facts::pocket(&mut choice), ..any_snapshot(&mut choice) };
        check::decide_shifted(&s, NOW, by);
    }
}
