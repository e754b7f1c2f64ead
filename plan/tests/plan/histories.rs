//! Whole lives of a credential: passes, crashes, faults, answers and the user's hand, in any order. The model's ledger
//! checks the rules after every effect; when the faults stop and a good login is there, the credential becomes Ready.

mod events;

use entra_plan::Step;
use proptest::prelude::*;

use super::model::World;
use events::{Event, any_event};

/// Seconds within which a credential with a good login becomes Ready once the faults have stopped.
const RECOVERY: i64 = 2 * 3600;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_rule_and_all_recover(
        events in prop::collection::vec(any_event(), 1..50),
        redeemed_stays_valid: bool,
    ) {
        let mut world = World::new();
        world.entra.redeemed_stays_valid = redeemed_stays_valid;
        for event in &events {
            event.happen(&mut world);
        }
        recover(&mut world);
    }
}

/// The faults stop and a good login is created: Ready within [`RECOVERY`], then no more to do.
fn recover(world: &mut World) {
    if world.spec.deleting {
        return;
    }
    events::faults_stop(world);
    Event::CreateLogin {
        password: 200,
        leave: true,
    }
    .happen(world);
    let until = world.now.plus(RECOVERY);
    world.pass();
    while !(world.ready() && world.cluster.login.is_none()) {
        assert!(
            world.now < until,
            "not Ready after {RECOVERY} s: {:?}\n{world:#?}",
            world.rest
        );
        world.sleep(RECOVERY);
        world.pass();
    }
    let (calls, writes) = (world.ledger.calls, world.ledger.writes);
    assert_eq!(world.pass().step, Step::Idle);
    assert_eq!(
        (world.ledger.calls, world.ledger.writes),
        (calls, writes),
        "a no-op pass does nothing"
    );
}

#[test]
fn a_calm_month_never_shows_an_expired_token() {
    let (passes, writes) = calm_month(false);
    assert!(
        writes <= 3 * passes + 12,
        "k + 2 writes for each renewal, status included"
    );
}

#[test]
fn a_calm_month_stores_thirty_tokens_where_used_ones_stay_valid() {
    let (passes, writes) = calm_month(true);
    assert!(
        writes <= 2 * passes + 30 + 12,
        "k + 1 writes for each renewal, status included, and one more a day"
    );
}

/// How many passes and writes of Secrets two tokens take in a month in which nothing happens.
fn calm_month(redeemed_stays_valid: bool) -> (u64, u64) {
    let mut world = World::new();
    world.entra.redeemed_stays_valid = redeemed_stays_valid;
    Event::CreateLogin {
        password: 0,
        leave: false,
    }
    .happen(&mut world);
    world.one_pass();
    assert!(world.ready(), "{world:#?}");
    assert!(world.cluster.login.is_none(), "the password is gone");
    world.ledger.calm = true;
    let end = world.now.plus(30 * 86_400);
    let mut passes = 0;
    while world.now < end {
        world.sleep(86_400);
        world.one_pass();
        assert!(world.ready());
        passes += 1;
    }
    let renewals = 30 * 86_400 / 2160;
    assert!(
        (renewals * 8 / 10..renewals * 13 / 10).contains(&passes),
        "{passes} passes for about {renewals} renewals"
    );
    assert!(
        world.ledger.calls <= 2 * passes + 2,
        "two tokens: two calls for each renewal"
    );
    (passes, world.ledger.writes)
}

#[test]
fn a_restart_costs_no_call() {
    let mut world = World::new();
    Event::CreateLogin {
        password: 0,
        leave: false,
    }
    .happen(&mut world);
    world.pass();
    let calls = world.ledger.calls;
    world.restart();
    assert_eq!(world.pass().step, Step::Idle);
    assert_eq!(world.ledger.calls, calls);
}

#[test]
fn a_crash_at_every_step_of_the_first_login_recovers() {
    for nth in 0..entra_plan::schedule::STEPS {
        for death in [super::model::Death::Before, super::model::Death::After] {
            let mut world = World::new();
            Event::CreateLogin {
                password: 0,
                leave: false,
            }
            .happen(&mut world);
            world.dying_pass(nth, death);
            world.pass();
            for _ in 0..5 {
                world.sleep(120);
                world.pass();
            }
            assert!(world.ready(), "after {death:?} in step {nth}: {world:#?}");
            assert!(world.cluster.login.is_none());
        }
    }
}
