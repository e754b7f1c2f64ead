//! Sealing keys that change: what is sealed anew and when, and what is not said before a key is known.

use entra_plan::identity::Pin;
use entra_plan::keys::{KeyName, Keys};
use entra_plan::policy::{Permission, Permissions};
use entra_plan::reason::Reason;
use entra_plan::record::{Record, Verdict};
use entra_plan::schedule::DAY;
use entra_plan::settle::{pass, reseal, store};
use entra_plan::snapshot::{LastVerdict, Login, Object, Opened, Pocket, Sealed, Session, Snapshot, Unopened};
use entra_plan::{Known, Step, Time};

use super::{decide, rests, step};
use crate::build::{
    NOW, first_sight, granted, healthy, login, mac, name, noted, pin, present, record, record_a, sealed,
    session, tried, version, with_login,
};
use crate::check;

const OLD: &str = "20260101T000000Z-aa";
const NEW: &str = "20260601T000000Z-bb";

/// The same, after a rotation: the old key has sealed it, the new one seals.
fn rotated(s: Snapshot) -> Snapshot {
    Snapshot {
        keys: Keys {
            generation: 1,
            sealing: KeyName(NEW.to_owned()),
        },
        session: Session {
            sealed_by: Some(KeyName(OLD.to_owned())),
            ..s.session
        },
        ..s
    }
}

/// The facts of a pass that begins at `now`.
fn begun(s: &Snapshot, known: &mut Known, now: Time) -> Snapshot {
    pass::begins(known, s, false, false, now);
    Snapshot {
        reseal_at: known.reseal_at,
        ..s.clone()
    }
}

/// Seconds until it is sealed anew, and the step until then.
fn waits(s: &Snapshot, spread: u32) -> (i64, Step) {
    let s = Snapshot {
        object: Object {
            spread,
            ..s.object.clone()
        },
        ..s.clone()
    };
    let s = begun(&s, &mut Known::default(), NOW);
    (s.reseal_at.unwrap().since(NOW), step(&s))
}

fn suspended(s: &Snapshot) -> Snapshot {
    Snapshot {
        object: Object {
            suspended: true,
            ..s.object.clone()
        },
        ..s.clone()
    }
}

/// A record that cannot be opened, written for this login Secret.
fn locked(s: &Snapshot, named: &str, token: Option<Pin>) -> Snapshot {
    let last = noted(LastVerdict::Wrong, Some(named));
    Snapshot {
        session: Session {
            last_login: Some(last),
            opened: Opened::of(Some(Err(Unopened::Locked)), token.map(|pin| Ok(sealed(pin)))),
            ..s.session.clone()
        },
        ..s.clone()
    }
}

#[test]
fn what_does_not_renew_is_sealed_anew_within_a_day_each_at_its_own_time() {
    let awaiting = rotated(Snapshot {
        login: Login::Absent,
        ..with_login(record(tried(Verdict::Wrong)))
    });
    let mut times: Vec<_> = (0..10)
        .map(|n| waits(&awaiting, n * 8_640 + 3))
        .inspect(|(at, now)| assert!((0..DAY).contains(at) && now.is_final(), "{at} {now:?}"))
        .map(|(at, _)| at)
        .collect();
    times.sort_unstable();
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] == 8_640),
        "{times:?}"
    );
    let mut known = Known::default();
    let s = begun(&awaiting, &mut known, NOW);
    let at = s.reseal_at.unwrap();
    assert_eq!(decide(&s).wake, Some(at), "it wakes for it");
    assert_eq!(check::decide(&s, at).step, Step::Reseal);
    let later = begun(&awaiting, &mut Known::default(), at.plus(-1));
    assert_eq!(later.reseal_at, Some(at), "a restart does not put it off");
    store::resealed(&mut known, &s, version("8"));
    let current = Snapshot {
        keys: Keys::default(),
        ..awaiting
    };
    assert_eq!(begun(&current, &mut known, NOW).reseal_at, None);
}

#[test]
fn what_was_not_read_is_read_and_what_does_not_open_is_left_alone() {
    let due = |s: &Snapshot| Snapshot {
        reseal_at: Some(NOW),
        ..rotated(s.clone())
    };
    let with = |opened: Opened| Snapshot {
        session: Session { opened, ..session() },
        ..healthy()
    };
    assert_eq!(step(&due(&healthy())), Step::Reseal);
    assert_eq!(step(&due(&with(Opened::Unread))), Step::ReadSession);
    for (record, token) in [(Some(Unopened::Locked), None), (None, Some(Unopened::Damaged))] {
        let record = record.map_or_else(|| Ok(Record::default()), Err);
        let token = token.map_or_else(|| Ok(sealed(pin())), Err::<Sealed, _>);
        let s = due(&with(Opened::of(Some(record), Some(token))));
        assert!(step(&s).is_final());
    }
    let damaged = Opened::of(Some(Err(Unopened::Damaged)), Some(Ok(sealed(pin()))));
    assert_eq!(step(&due(&with(damaged))), Step::Reseal, "it counts as empty");
    let unnamed = Snapshot {
        session: Session {
            sealed_by: None,
            ..session()
        },
        ..due(&healthy())
    };
    assert_eq!(step(&unnamed), Step::Reseal, "it is to show under its key");
}

#[test]
fn an_administrator_s_refusal_does_not_keep_an_old_key_alive() {
    let refused = Snapshot {
        permissions: Permissions {
            target: Permission::Denied("not here".to_owned()),
            ..Permissions::default()
        },
        reseal_at: Some(NOW),
        ..rotated(healthy())
    };
    assert_eq!(step(&refused), Step::Reseal);
}

#[test]
fn what_renews_is_sealed_anew_at_once_and_what_is_suspended_when_it_is_resumed() {
    let mut known = Known::default();
    let s = rotated(healthy());
    assert!(begun(&s, &mut known, NOW).reseal_at > Some(NOW));
    reseal::renewed(&mut known, NOW);
    assert_eq!(begun(&s, &mut known, NOW).reseal_at, Some(NOW));

    let mut known = Known::default();
    let s = begun(&suspended(&s), &mut known, NOW);
    assert_eq!(rests(&s).1, Reason::Suspended);
    let resumed = begun(&rotated(healthy()), &mut known, NOW.plus(5));
    assert_eq!(check::decide(&resumed, NOW.plus(5)).step, Step::Reseal);

    reseal::renewed(&mut known, NOW);
    let mut known = Known::default();
    reseal::renewed(&mut known, NOW);
    assert_eq!(known.reseal_at, None, "nothing is old");
}

#[test]
fn nothing_is_sent_for_a_record_that_cannot_be_opened() {
    let wrong = with_login(record(tried(Verdict::Wrong)));
    let s = locked(&wrong, "login-1", None);
    assert_eq!(rests(&s).1, Reason::Unsealable);
    let accepted = Snapshot {
        login: present(login("A")),
        ..healthy()
    };
    let s = locked(&accepted, "login-1", Some(pin()));
    assert_eq!(rests(&s).1, Reason::LoginSecretNotDeleted);
    let nobody_s = Snapshot {
        session: Session {
            last_login: None,
            ..s.session
        },
        ..s
    };
    assert!(step(&nobody_s).is_final(), "it may be the one");
    let gone = Snapshot {
        login: Login::Absent,
        ..locked(&wrong, "login-1", None)
    };
    let gone = Snapshot {
        session: Session {
            last_login: None,
            ..gone.session
        },
        ..gone
    };
    assert_eq!(rests(&gone).1, Reason::Unsealable);
}

#[test]
fn another_login_secret_gives_up_a_record_that_cannot_be_opened() {
    let s = locked(&with_login(Record::default()), "login-0", None);
    assert_eq!(step(&s), record_a());
}

#[test]
fn an_outcome_waits_for_the_key_of_the_record_that_it_belongs_to() {
    let outcome = entra_plan::snapshot::LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: "svc@contoso.example".to_owned(),
        result: Ok(granted(NOW, 3600)),
    };
    let s = Snapshot {
        pocket: Pocket {
            login: Some(outcome),
            refresh: None,
        },
        ..with_login(Record::default())
    };
    assert_eq!(step(&s), Step::Store);
    assert_eq!(rests(&locked(&s, "login-1", None)).1, Reason::Unsealable);
}

#[test]
fn a_healthy_session_goes_on_beside_a_record_that_cannot_be_opened() {
    let s = locked(&healthy(), "login-1", Some(pin()));
    assert_eq!(rests(&s).1, Reason::Fresh);
    let none = Snapshot {
        session: Session::default(),
        ..first_sight()
    };
    assert_eq!(rests(&none).1, Reason::AwaitingLogin);
}

#[test]
fn an_older_key_is_due_and_another_one_is_replaced_with_the_next_write() {
    let sealed_by = |key: Option<&str>| {
        let mut s = rotated(healthy());
        s.session.sealed_by = key.map(|id| KeyName(id.to_owned()));
        (s.is_sealed_by_older(), s.is_sealed_by_another())
    };
    assert_eq!(sealed_by(Some(OLD)), (true, true));
    assert_eq!(sealed_by(Some(NEW)), (false, false));
    assert_eq!(sealed_by(Some("20270101T000000Z-cc")), (false, true));
    assert_eq!(
        sealed_by(None),
        (true, true),
        "what does not say counts as that old"
    );
    let mut foreign = rotated(healthy());
    foreign.session.ownership = entra_plan::snapshot::Ownership::Foreign;
    assert!(!foreign.is_sealed_by_older());
}
