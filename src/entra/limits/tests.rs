//! The gate under a clock that the test moves.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::plan::schedule::Life;
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::Request;

mod circuits;

/// Wall and monotonic clock in milliseconds.
#[derive(Default)]
struct Hand(AtomicU64);

impl Hand {
    fn forward(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Time {
        Time(i64::try_from(self.0.load(Ordering::SeqCst) / 1000).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn nonce(&self) -> String {
        String::new()
    }
}

fn gate(in_flight: usize, per_second: u32) -> (Arc<Gate>, Arc<Hand>) {
    let hand = Arc::new(Hand::default());
    let clock: Arc<dyn Clock> = Arc::<Hand>::clone(&hand);
    (
        Gate::new(
            Limits {
                in_flight,
                per_second_per_tenant: per_second,
            },
            clock,
        ),
        hand,
    )
}

fn caller(namespace: &str, authority: &str, tenant: &str) -> Caller {
    Caller {
        credential: Key::new(namespace, next().to_string()),
        authority: authority.to_owned(),
        circuit: authority.to_owned(),
        tenant: tenant.to_owned(),
        client: "c".to_owned(),
        life: None,
    }
}

/// Callers of one namespace are credentials of their own.
fn next() -> u64 {
    static CALLERS: AtomicU64 = AtomicU64::new(0);
    CALLERS.fetch_add(1, Ordering::Relaxed)
}

fn life(seconds: i64) -> Life {
    Life {
        issued_at: Time(0),
        expires_at: Time(seconds),
    }
}

fn failing() -> Experience {
    Experience::Failing {
        message: "The host said no.".to_owned(),
        retry_after: None,
    }
}

fn one() -> Caller {
    caller("n", "a", "t")
}

#[test]
fn slots_are_counted_and_given_back() {
    let (gate, _hand) = gate(2, 1000);
    let first = gate.admit(one()).unwrap();
    let _second = gate.admit(one()).unwrap();
    let third = one();
    assert_eq!(gate.admit(third.clone()).unwrap_err().until, Time(1));
    drop(first);
    assert!(gate.admit(third).is_ok());
}

#[test]
fn two_permits_in_a_row_share_one_slot() {
    let (gate, _hand) = gate(1, 1000);
    let first = gate.admit(caller("n", "sts", "")).unwrap();
    let second = first.slot().permit(one()).unwrap();
    first.finish(Experience::Answered);
    let other = one();
    assert!(gate.admit(other.clone()).is_err(), "the second still holds it");
    second.finish(Experience::Answered);
    assert!(gate.admit(other).is_ok());
}

/// A call of a sign-in at its federation server.
fn at_server(of: &Caller) -> Caller {
    Caller {
        authority: "sts".to_owned(),
        circuit: "sts".to_owned(),
        tenant: String::new(),
        ..of.clone()
    }
}

/// Who asks its authority first, and then has to wait for its federation server, does not wait for both again and again.
#[test]
fn a_crowd_of_federated_accounts_gets_through() {
    for capacity in [1, 2, 4, 32] {
        let (gate, hand) = gate(capacity, 1000);
        let mut crowd: Vec<_> = (0..100).map(|n| of("n", &n.to_string())).collect();
        for _ in 0..400 {
            let mut passes = Vec::new();
            for who in &crowd {
                if let Ok(permit) = gate.admit(who.clone()) {
                    passes.push((who.clone(), permit.slot()));
                }
            }
            // All have asked their authority by then.
            for (who, slot) in &passes {
                if slot.permit_there(at_server(who)).is_ok() && slot.permit(who.clone()).is_ok() {
                    crowd.retain(|other| other != who);
                }
            }
            drop(passes);
            hand.forward(1000);
        }
        assert_eq!(crowd.len(), 0, "{capacity} at a time");
    }
}

#[test]
fn a_slot_is_counted_where_its_call_is() {
    let (gate, _hand) = gate(8, 1000);
    let busy: Vec<_> = (0..6).map(|_| gate.admit(one()).unwrap()).collect();
    let slots: Vec<_> = busy.iter().map(Permit::slot).collect();
    let there = |slot: &Arc<Slot>| slot.permit_there(at_server(&one()));
    let hanging: Vec<_> = slots.iter().map(|slot| there(slot).unwrap()).collect();
    drop((busy, slots));
    let others = [gate.admit(one()).unwrap(), gate.admit(one()).unwrap()];
    assert!(gate.admit(one()).is_err(), "eight are in flight");
    assert!(
        there(&others[0].slot()).is_err(),
        "six are there, and a quarter stays free"
    );
    let full = hanging[0].slot();
    assert!(there(&full).is_ok(), "it is counted there already");
    drop(hanging);
    drop(full);
    assert!(gate.admit(one()).is_ok());
}

#[test]
fn a_second_permit_is_subject_to_its_own_hosts_limits() {
    let (gate, hand) = gate(32, 1000);
    gate.admit(one()).unwrap().finish(Experience::Throttled(17));
    let slot = gate.admit(caller("n", "sts", "")).unwrap().slot();
    assert_eq!(slot.permit(one()).unwrap_err().until, Time(17), "a pause");
    hand.forward(17_000);
    for _ in 0..circuit::TRIPS {
        slot.permit(one()).unwrap().finish(failing());
    }
    assert_eq!(slot.permit(one()).unwrap_err().until, Time(47), "the circuit");
    assert!(
        gate.admit(caller("n", "sts", "other")).is_ok(),
        "that of another host is closed"
    );
}

#[test]
fn a_tenants_rate_is_kept_and_the_crowd_comes_back_one_by_one() {
    let (gate, hand) = gate(1000, 10);
    let permits: Vec<_> = (0..10).map(|_| gate.admit(one()).unwrap()).collect();
    let turns: Vec<i64> = (0..25).map(|_| gate.admit(one()).unwrap_err().until.0).collect();
    assert_eq!(turns.iter().filter(|t| **t == 1).count(), 10, "{turns:?}");
    assert_eq!(turns.iter().filter(|t| **t == 2).count(), 10, "{turns:?}");
    assert!(gate.admit(caller("n", "a", "other")).is_ok());
    drop(permits);
    hand.forward(1000);
    let served = (0..25).filter(|_| gate.admit(one()).is_ok()).count();
    assert_eq!(served, 10);
}

#[test]
fn the_time_to_come_back_is_at_most_a_minute() {
    let (gate, _hand) = gate(1000, 1);
    let last = (0..500)
        .filter_map(|_| gate.admit(one()).err().map(|l| l.until))
        .max()
        .unwrap();
    assert_eq!(last, Time(60));
}

#[test]
fn who_was_let_through_asks_the_rest_at_once_and_the_next_waits_for_it() {
    let (gate, hand) = gate(32, 1);
    let permit = gate.admit(one()).unwrap();
    drop(permit.for_one_more().unwrap());
    drop(permit.slot().permit(one()).unwrap());
    assert_eq!(gate.admit(one()).unwrap_err().until, Time(3));
    hand.forward(2999);
    assert!(gate.admit(one()).is_err());
    hand.forward(1);
    assert!(gate.admit(one()).is_ok());
    assert!(gate.admit(one()).is_err(), "one a second again");
}

#[test]
fn what_is_left_of_the_allowance_is_taken_before_anything_is_owed() {
    let (gate, hand) = gate(32, 3);
    let permit = gate.admit(one()).unwrap();
    drop(permit.for_one_more().unwrap());
    assert!(gate.admit(one()).is_ok(), "two of three were taken");
    assert!(gate.admit(one()).is_err());
    hand.forward(334);
    assert!(gate.admit(one()).is_ok(), "and nothing is owed");
}

#[test]
fn nothing_is_owed_when_the_allowance_has_come_together_since() {
    let (gate, hand) = gate(32, 1);
    let permit = gate.admit(one()).unwrap();
    for _ in 0..4 {
        drop(permit.for_one_more().unwrap());
    }
    hand.forward(5000);
    assert!(
        gate.admit(one()).is_ok(),
        "at once, and not after paying for what time has paid"
    );
}

#[test]
fn a_429_pauses_its_own_client_only() {
    let (gate, hand) = gate(32, 1000);
    gate.admit(one()).unwrap().finish(Experience::Throttled(17));
    assert_eq!(gate.admit(one()).unwrap_err().until, Time(17));
    assert!(
        gate.admit(Caller {
            client: "d".to_owned(),
            ..one()
        })
        .is_ok()
    );
    assert!(gate.admit(caller("n", "b", "t")).is_ok());
    hand.forward(16_999);
    assert_eq!(gate.admit(one()).unwrap_err().until, Time(17));
    hand.forward(1);
    assert!(gate.admit(one()).is_ok());
}

/// A request of a credential: its namespace and name.
fn of(namespace: &str, name: &str) -> Caller {
    Caller {
        credential: Key::new(namespace, name),
        ..caller(namespace, "a", "t")
    }
}

/// Who is called as soon as somebody gives a slot back.
fn called(gate: &Gate) -> Vec<String> {
    std::iter::from_fn(|| gate.lock().tell())
        .map(|(Called::Place(key) | Called::Answers(key))| key.name.to_string())
        .collect()
}

#[test]
fn a_host_keeps_a_quarter_while_another_waits() {
    let (gate, hand) = gate(8, 1000);
    let mut slow: Vec<_> = (0..8)
        .map(|_| gate.admit(caller("n", "slow", "t")).unwrap())
        .collect();
    let fast = caller("n", "fast", "t");
    assert!(gate.admit(fast.clone()).is_err());
    slow.truncate(7);
    assert!(
        gate.admit(caller("n", "slow", "t")).is_err(),
        "what is free is kept for who was called"
    );
    let _fast = gate.admit(fast).unwrap();
    slow.truncate(6);
    assert!(
        gate.admit(caller("n", "slow", "t")).is_err(),
        "holds 6, and a quarter stays free for other hosts"
    );
    slow.truncate(4);
    hand.forward(5_000);
    assert!(gate.admit(caller("n", "slow", "t")).is_ok());
}

#[test]
fn a_host_that_hangs_holds_up_no_other() {
    let (gate, _hand) = gate(8, 1000);
    drop(gate.admit(caller("n", "fast", "t")));
    let hang = || gate.admit(caller("n", "slow", "t"));
    let held: Vec<_> = std::iter::from_fn(|| hang().ok()).collect();
    assert_eq!(held.len(), 6);
    let _first = gate.admit(caller("n", "fast", "t")).unwrap();
    assert!(gate.admit(caller("n", "fast", "t")).is_ok());
}

#[test]
fn a_namespace_cannot_keep_another_out() {
    let (gate, _hand) = gate(4, 1000);
    let mut greedy: Vec<_> = (0..4)
        .map(|_| gate.admit(caller("greedy", "a", "t")).unwrap())
        .collect();
    assert!(gate.admit(of("greedy", "g")).is_err());
    assert!(gate.admit(of("modest", "m")).is_err());
    greedy.truncate(3);
    assert_eq!(called(&gate), ["m"], "half is enough for one while another waits");
    assert!(gate.admit(of("greedy", "g")).is_err());
    assert!(gate.admit(of("modest", "m")).is_ok());
}

#[test]
fn a_slot_that_is_given_back_is_kept_for_what_expires_first() {
    let (gate, hand) = gate(1, 1000);
    let with = |name: &str, expires| Caller {
        life: Some(life(expires)),
        ..of("n", name)
    };
    let busy = gate.admit(one()).unwrap();
    assert!(gate.admit(with("calm", 3000)).is_err());
    assert!(gate.admit(of("n", "signs-in")).is_err());
    assert!(gate.admit(with("urgent", 59)).is_err());
    drop(busy);
    assert_eq!(called(&gate), ["urgent"]);
    assert!(gate.admit(with("calm", 3000)).is_err(), "it is kept");
    drop(gate.admit(with("urgent", 59)).unwrap());
    assert_eq!(called(&gate), ["signs-in"]);
    hand.forward(2_000);
    assert!(gate.admit(of("n", "comes-late")).is_err());
    assert_eq!(called(&gate), ["calm"], "who does not come loses it");
    assert!(gate.admit(of("n", "signs-in")).is_err());
    assert!(gate.admit(with("calm", 3000)).is_ok());
}

#[test]
fn who_was_called_and_may_not_send_gives_its_slot_on() {
    let (gate, _hand) = gate(1, 1000);
    let busy = gate.admit(one()).unwrap();
    assert!(gate.admit(of("n", "b")).is_err() && gate.admit(of("n", "c")).is_err());
    busy.finish(Experience::Throttled(17));
    assert_eq!(called(&gate), ["b"]);
    assert_eq!(gate.admit(of("n", "b")).unwrap_err().until, Time(17));
    assert_eq!(called(&gate), ["c"]);
}

#[tokio::test]
async fn a_turn_is_told_as_soon_as_it_comes() {
    let (gate, _hand) = gate(1, 1000);
    let busy = gate.admit(one()).unwrap();
    assert!(gate.admit(of("n", "waits")).is_err());
    let turn = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { gate.turn().await }
    });
    tokio::task::yield_now().await;
    assert!(!turn.is_finished());
    drop(busy);
    assert_eq!(turn.await.unwrap(), Called::Place(Key::new("n", "waits")));
}

#[test]
fn zero_limits_count_as_one() {
    let (gate, _hand) = gate(0, 0);
    let permit = gate.admit(one()).unwrap();
    assert!(gate.admit(one()).is_err());
    drop(permit);
}

proptest! {
    #[test]
    fn what_is_asked_besides_is_made_up_for(
        rate in 1_u32..8,
        moves in prop::collection::vec((0_usize..4, 0_u64..700), 1..200),
    ) {
        let (gate, hand) = gate(1000, rate);
        let (mut started, mut ahead) = (0, 0);
        for (besides, milliseconds) in moves {
            hand.forward(milliseconds);
            if let Ok(permit) = gate.admit(one()) {
                let due = u64::from(rate) * (1000 + hand.0.load(Ordering::SeqCst)) / 1000;
                started += 1;
                prop_assert!(started <= due, "{started} of {due} when the next is let through");
                for _ in 0..besides {
                    drop(permit.for_one_more().unwrap());
                }
                started += u64::try_from(besides).unwrap();
                ahead = ahead.max(started.saturating_sub(due));
            }
        }
        prop_assert!(ahead <= 3);
    }

    #[test]
    fn never_more_than_the_capacity_and_always_a_later_time(
        capacity in 1_usize..6,
        moves in prop::collection::vec((0_u8..4, 0_u8..3, 0_u8..3, 0_u64..2000), 1..200),
    ) {
        let (gate, hand) = gate(capacity, 5);
        let mut held = Vec::new();
        for (action, namespace, authority, milliseconds) in moves {
            hand.forward(milliseconds);
            if action == 0 && !held.is_empty() {
                let permit: Permit = held.swap_remove(0);
                permit.finish(failing());
                continue;
            }
            match gate.admit(caller(&namespace.to_string(), &authority.to_string(), "t")) {
                Ok(permit) => held.push(permit),
                Err(later) => {
                    prop_assert!(later.until > hand.now());
                    prop_assert!(later.until <= hand.now().plus(62));
                }
            }
            prop_assert!(held.len() <= capacity);
        }
        drop(held);
        hand.forward(120_000);
        prop_assert!(gate.admit(caller("last", "other", "t")).is_ok(), "nothing leaks");
    }
}
