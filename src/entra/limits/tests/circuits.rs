//! Circuits, and who waits for one to close.

use super::*;

#[test]
fn a_short_life_does_not_wait_out_the_half_minute_of_a_circuit() {
    let (gate, hand) = gate(1000, 1000);
    let of_life = |seconds: i64| Caller {
        life: Some(life(seconds)),
        ..one()
    };
    for _ in 0..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    assert_eq!(gate.admit(of_life(24)).unwrap_err().until, Time(3));
    assert_eq!(gate.admit(of_life(3600)).unwrap_err().until, Time(30));
    hand.forward(3000);
    assert!(gate.admit(of_life(3600)).is_err());
    let probe = gate.admit(of_life(24)).unwrap();
    assert!(gate.admit(of_life(24)).is_err(), "one probes");
    probe.finish(Experience::Answered);
    assert!(gate.admit(of_life(3600)).is_ok(), "and closes it for all");
}

/// They may trust different certificates.
#[test]
fn two_authorities_of_one_host_have_a_circuit_each() {
    let (gate, _hand) = gate(32, 1000);
    let named = |name: &str| Caller {
        circuit: format!("{name} a"),
        ..one()
    };
    for _ in 0..circuit::TRIPS {
        gate.admit(named("wrong-ca")).unwrap().finish(failing());
    }
    let held = gate.admit(named("wrong-ca")).unwrap_err();
    assert_eq!(held.reason, Reason::ServiceUnavailable);
    assert_eq!(
        held.message,
        "a failed several times in a row, the last time so: The host said no"
    );
    assert!(gate.admit(named("right-ca")).is_ok());
}

/// RFC 9110 §10.2.3: with 503 it says how long the service is expected to be away.
#[test]
fn a_failure_that_asks_to_wait_pauses_its_own_client_only_and_counts_for_the_circuit() {
    let (gate, hand) = gate(32, 1000);
    let asking = |seconds| Experience::Failing {
        message: String::new(),
        retry_after: Some(seconds),
    };
    gate.admit(one()).unwrap().finish(asking(17));
    let held = gate.admit(one()).unwrap_err();
    assert_eq!((held.until, held.reason), (Time(17), Reason::ServiceUnavailable));
    let other = || caller("n", "a", "other");
    assert!(gate.admit(other()).is_ok());
    hand.forward(17_000);
    assert!(gate.admit(one()).is_ok());
    for _ in 1..circuit::TRIPS {
        gate.admit(other()).unwrap().finish(failing());
    }
    assert!(gate.admit(one()).is_err(), "the circuit is everybody's");
}

#[test]
fn a_circuit_belongs_to_the_declaration_and_a_pause_to_the_host() {
    let binding = Binding {
        authority: "a:8443".to_owned(),
        tenant: String::new(),
        client_id: String::new(),
    };
    let credential = Key::new("n", "c");
    let of = |authority| {
        Caller::of(&Request {
            credential: &credential,
            authority,
            binding: &binding,
            client: None,
            scopes: &[],
            life: None,
        })
    };
    assert_eq!(
        (of(None).circuit, of(None).authority),
        ("a:8443".to_owned(), "a:8443".to_owned())
    );
    assert_ne!(of(Some("one")).circuit, of(Some("two")).circuit);
    assert_eq!(of(Some("one")).authority, "a:8443");
}

#[test]
fn five_failures_open_the_circuit_and_one_probe_closes_it() {
    let (gate, hand) = gate(32, 1000);
    for _ in 0..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    assert_eq!(gate.admit(one()).unwrap_err().until, Time(30));
    assert!(
        gate.admit(caller("n", "b", "t")).is_ok(),
        "another authority is not concerned"
    );
    hand.forward(30_000);
    let probe = gate.admit(one()).unwrap();
    assert_eq!(
        gate.admit(one()).unwrap_err().until,
        Time(35),
        "one probe at a time"
    );
    probe.finish(failing());
    assert_eq!(gate.admit(one()).unwrap_err().until, Time(60));
    hand.forward(30_000);
    gate.admit(one()).unwrap().finish(Experience::Answered);
    let _first = gate.admit(one()).unwrap();
    assert!(gate.admit(one()).is_ok());
}

/// Who checks a password is asked before the password is sent, by the same leave.
#[test]
fn who_probes_may_ask_for_what_its_request_needs_first() {
    let (gate, hand) = gate(1, 1000);
    for _ in 0..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    hand.forward(30_000);
    let probe = gate.admit(one()).unwrap();
    let before = probe.for_one_more().unwrap();
    assert!(gate.admit(one()).is_err(), "one place, and one probe");
    before.finish(Experience::Throttled(17));
    assert!(probe.for_one_more().is_err(), "a pause holds for all");
}

#[test]
fn a_cancelled_probe_lets_the_next_one_probe() {
    let (gate, hand) = gate(32, 1000);
    for _ in 0..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    hand.forward(30_000);
    drop(gate.admit(one()).unwrap());
    let _next = gate.admit(one()).unwrap();
    assert!(gate.admit(one()).is_err());
}

#[test]
fn an_answer_in_between_or_a_minute_starts_the_count_anew() {
    let (gate, hand) = gate(32, 1000);
    for experience in [(); 4]
        .map(|()| failing())
        .into_iter()
        .chain([Experience::Answered])
        .chain([(); 4].map(|()| failing()))
    {
        gate.admit(one()).unwrap().finish(experience);
    }
    assert!(gate.admit(one()).is_ok());
    hand.forward(61_000);
    for _ in 0..4 {
        gate.admit(one()).unwrap().finish(failing());
    }
    assert!(gate.admit(one()).is_ok());
}

#[test]
fn a_429_closes_the_circuit_for_others() {
    let (gate, _hand) = gate(32, 1000);
    for _ in 0..4 {
        gate.admit(one()).unwrap().finish(failing());
    }
    gate.admit(one()).unwrap().finish(Experience::Throttled(5));
    gate.admit(caller("n", "a", "t2")).unwrap().finish(failing());
    assert!(gate.admit(caller("n", "a", "t2")).is_ok());
}

#[tokio::test]
async fn who_waits_for_a_failing_authority_is_called_when_it_answers() {
    let (gate, hand) = gate(8, 1000);
    for name in ["a", "b", "c", "d", "e"] {
        gate.admit(of("n", name)).unwrap().finish(failing());
    }
    hand.forward(29_000);
    assert!(gate.admit(of("n", "held back")).is_err());
    hand.forward(1000);
    let probe = gate.admit(of("n", "a")).unwrap();
    assert_eq!(called(&gate), Vec::<String>::new());
    probe.finish(Experience::Answered);
    let next = tokio::time::timeout(Duration::from_secs(9), gate.turn()).await;
    assert_eq!(next.unwrap(), Called::Answers(Key::new("n", "a")));
    assert_eq!(called(&gate), ["b", "c", "d", "e", "held back"]);
}

#[test]
fn ten_in_a_second_come_again_however_many_an_open_circuit_holds_back() {
    let (gate, _hand) = gate(32, 1000);
    for _ in 0..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    let times: Vec<i64> = (0..100).map(|_| gate.admit(one()).unwrap_err().until.0).collect();
    let in_second = |second| times.iter().filter(|at| **at == second).count();
    assert!(
        (30..41).all(|second| (1..=10).contains(&in_second(second))),
        "{times:?}"
    );
    assert_eq!(times.iter().max(), Some(&40));
}

#[test]
fn a_probe_that_hangs_keeps_nobody_from_the_next() {
    let (gate, hand) = gate(8, 1000);
    for _ in 0..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    hand.forward(30_000);
    let hangs: Vec<_> = (0..6)
        .map(|_| {
            let probe = gate.admit(one()).unwrap();
            hand.forward(4_999);
            assert!(gate.admit(one()).is_err(), "one probe in five seconds");
            hand.forward(1);
            probe
        })
        .collect();
    for probe in hangs {
        probe.finish(failing());
        hand.forward(5_000);
    }
    gate.admit(one()).unwrap().finish(Experience::Answered);
    assert!(gate.admit(one()).is_ok(), "half a minute after the first failed");
}

/// It would be given a slot only to be told that the authority fails, and the next one after it.
#[test]
fn who_waits_for_a_slot_is_not_called_by_a_circuit_that_opens() {
    let (gate, hand) = gate(1, 1000);
    for _ in 1..circuit::TRIPS {
        gate.admit(one()).unwrap().finish(failing());
    }
    let last = gate.admit(one()).unwrap();
    assert!(gate.admit(of("n", "waits")).is_err());
    last.finish(failing());
    assert_eq!(called(&gate), Vec::<String>::new());
    hand.forward(30_000);
    gate.admit(one()).unwrap().finish(Experience::Answered);
    assert!(called(&gate).contains(&"waits".to_owned()));
}

#[test]
fn whose_client_was_throttled_is_called_when_another_of_it_is_answered() {
    let (gate, hand) = gate(8, 1000);
    let permits = ["a", "b"].map(|name| gate.admit(of("n", name)).unwrap());
    let late = gate.admit(of("n", "late")).unwrap();
    for permit in permits {
        permit.finish(Experience::Throttled(5));
    }
    hand.forward(5000);
    gate.admit(caller("n", "a", "another tenant"))
        .unwrap()
        .finish(Experience::Answered);
    assert_eq!(called(&gate), Vec::<String>::new());
    gate.admit(of("n", "c")).unwrap().finish(Experience::Answered);
    assert_eq!(called(&gate), ["a", "b"]);
    late.finish(Experience::Throttled(5));
    assert_eq!(called(&gate), ["late"], "the end of it overtook this one");
}
