//! A kept content: what sends it again, and what does not.

use entra_plan::answer::Effect;
use entra_plan::mac::ScopesMac;
use entra_plan::reason::Reason;
use entra_plan::record::{ClientInput, Entry, Inputs, Verdict};
use entra_plan::schedule::{DOUBTFUL_SENDS, PROVEN_TRIES};
use entra_plan::snapshot::{LoginOutcome, LoginSecret, Object, Snapshot};
use entra_plan::word::Said;
use entra_plan::{Step, Time};

use super::super::build::*;
use super::super::facts;
use super::{rests, step, step_in};

fn kept() -> Snapshot {
    with_login(record(tried(Verdict::Kept(Reason::AppMisconfigured))))
}

fn with_object(change: impl FnOnce(&mut Object)) -> Snapshot {
    let mut s = kept();
    change(&mut s.object);
    s
}

fn with_client(client: ClientInput) -> Snapshot {
    with_object(|o| o.inputs.client = client)
}

#[test]
fn what_decides_no_answer_sends_nothing() {
    let changes: [(&str, Snapshot); 4] = [
        ("generation", with_object(|o| o.generation = 7)),
        ("percentage", with_object(|o| o.at_percent = 66)),
        ("status", with_object(|o| o.was_ready = true)),
        (
            "version",
            with_client(client_input("another version", Some("public"))),
        ),
    ];
    for (what, s) in changes {
        assert_eq!(
            rests(&s),
            (Step::Blocked, Reason::AppMisconfigured, None),
            "{what}"
        );
        assert!(step_in(&s, 100 * 86_400).is_final(), "{what}");
    }
    let touched = LoginSecret {
        version: version("9"),
        ..login("A")
    };
    assert!(
        step(&Snapshot {
            login: present(touched),
            ..kept()
        })
        .is_final()
    );
}

#[test]
fn suspending_and_resuming_sends_nothing() {
    let s = with_object(|o| (o.suspended, o.generation) = (true, 2));
    assert_eq!(rests(&s).1, Reason::Suspended);
    assert!(step(&with_object(|o| o.generation = 3)).is_final());
}

#[test]
fn what_decides_the_answer_sends_it_again() {
    let leave = LoginSecret {
        allows_identity_change: true,
        ..login("A")
    };
    let changes: [(&str, Snapshot); 4] = [
        (
            "scopes",
            with_object(|o| o.inputs.scopes = ScopesMac("others".to_owned())),
        ),
        ("client", with_client(client_input("2", Some("rotated")))),
        (
            "leave",
            Snapshot {
                login: present(leave),
                ..kept()
            },
        ),
        ("word", with_object(|o| o.said = said(-1))),
    ];
    for (what, s) in changes {
        assert_eq!(step(&s), record_a(), "{what}");
    }
}

#[test]
fn a_client_credential_of_another_version_is_read_before_it_is_decided_on() {
    assert_eq!(step(&with_client(client_input("2", None))), Step::ReadClient);
    assert!(step(&with_client(client_input("2", Some("public")))).is_final());
}

#[test]
fn inputs_that_were_not_noted_did_not_change() {
    let entry = Entry {
        inputs: None,
        ..tried(Verdict::Kept(Reason::AppMisconfigured))
    };
    let s = Snapshot {
        object: Object {
            inputs: facts::older_inputs(),
            ..kept().object
        },
        ..with_login(record(entry))
    };
    assert!(step(&s).is_final());
}

#[test]
fn words_are_compared_with_words() {
    let under = |said| {
        let entry = Entry {
            word: Some(word(-100)),
            ..tried(Verdict::Kept(Reason::AppMisconfigured))
        };
        let object = Object {
            said,
            ..kept().object
        };
        Snapshot {
            object,
            ..with_login(record(entry))
        }
    };
    assert!(step(&under(said(-100))).is_final(), "the word that was in force");
    assert!(step(&under(said(-200))).is_final(), "an earlier word");
    assert!(step(&under(Some(Said::Unreadable))).is_final());
    assert_eq!(step(&under(said(-99))), record_a());
    assert_eq!(
        step(&under(said(300))),
        record_a(),
        "two clocks may differ by 5 minutes"
    );
    let ahead = under(said(301));
    assert_eq!(rests(&ahead).2, Some(1), "ignored until it counts");
    assert_eq!(step_in(&ahead, 1), record_a());
}

#[test]
fn a_word_older_than_a_day_is_not_meant_for_a_content() {
    let said_ago = |ago: i64| with_object(|o| o.said = said(-ago));
    assert_eq!(step(&said_ago(86_400)), record_a());
    assert!(step(&said_ago(86_401)).is_final());
}

/// Content A sent at `at` and refused so.
fn sent(entry: Entry, effect: Effect, reason: Reason, at: Time) -> Entry {
    let mut record = record(entry);
    let mut s = with_login(record.clone());
    s.object.inputs = Inputs::default();
    record.begin(attempt("A"), &kept(), &login("A"), at);
    let outcome = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result: Err(refusal(effect, reason)),
    };
    record.settle(&outcome, &names(&["graph"]), at);
    record.entries.remove(0)
}

/// The same content in a Secret that was created again.
fn recreated(entry: Entry) -> Snapshot {
    let again = LoginSecret {
        uid: uid("login-2"),
        ..login("A")
    };
    Snapshot {
        login: present(again),
        ..with_login(record(entry))
    }
}

#[test]
fn a_doubtful_refusal_is_not_sent_again_within_half_an_hour_and_three_times_in_all() {
    let doubtful = |e, at| sent(e, Effect::Doubtful, Reason::WrongPassword, at);
    let mut entry = Entry::new(mac("A"));
    for n in 1..DOUBTFUL_SENDS {
        entry = doubtful(entry, NOW);
        assert_eq!(
            (entry.doubtful, entry.verdict.clone()),
            (n, Verdict::Kept(Reason::WrongPassword))
        );
        let s = recreated(entry.clone());
        assert_eq!(rests(&s), (Step::Blocked, Reason::WrongPassword, Some(1800)));
        assert_eq!(step_in(&s, 1800), record_a());
        let mut changed = s.clone();
        changed.object.inputs.scopes = ScopesMac("others".to_owned());
        assert!(step(&changed).is_final(), "not sooner for a change either");
    }
    let s = recreated(doubtful(entry, NOW));
    assert!(step_in(&s, 30 * 86_400).is_final());
    let asked = Snapshot {
        object: facts::requested(&s.object),
        ..s
    };
    assert_eq!(step(&asked), record_a());
}

#[test]
fn a_password_that_is_proven_right_is_tried_every_hour_for_a_day() {
    let mut entry = Entry::new(mac("A"));
    for n in 0..PROVEN_TRIES {
        entry = sent(entry, Effect::Entry, Reason::ConsentMissing, NOW);
        let s = with_login(record(entry.clone()));
        assert_eq!(rests(&s).2, Some(3600), "try {n}");
        assert_eq!(step_in(&s, 3600), record_a());
    }
    entry = sent(entry, Effect::Entry, Reason::ConsentMissing, NOW);
    assert!(step_in(&with_login(record(entry)), 30 * 86_400).is_final());
}

#[test]
fn what_proves_nothing_is_not_tried_again_by_itself() {
    let entry = sent(Entry::new(mac("A")), Effect::Person, Reason::AccountLocked, NOW);
    assert!(step_in(&with_login(record(entry)), 30 * 86_400).is_final());
}
