//! One send after the other: what is noted before each, how far apart they are, and with whose scopes they go.

use entra_plan::Step;
use entra_plan::record::{Entry, FirstForm, Record, Verdict};
use entra_plan::snapshot::Snapshot;

use super::super::build::*;
use super::super::facts::older_inputs;
use super::{rests, step};

fn first_login() -> Snapshot {
    Snapshot {
        login: present(login("A")),
        ..first_sight()
    }
}

/// A password that is proven right is tried with the scopes of each entry in its turn.
#[test]
fn where_all_entries_were_refused_each_has_its_turn() {
    let chosen = |proven| {
        let entry = Entry {
            refused_entries: names(&["graph", "mail", "vault"]),
            proven,
            ..tried(Verdict::Open)
        };
        let s = Snapshot {
            tokens: ["graph", "mail", "vault"].map(token).to_vec(),
            ..with_login(record(entry))
        };
        match step(&s) {
            Step::RecordAttempt { entry, .. } => entry.0,
            other => panic!("{other:?}"),
        }
    };
    let turns: Vec<_> = (0..5).map(chosen).collect();
    assert_eq!(turns, ["graph", "mail", "vault", "graph", "mail"]);
}

#[test]
fn a_lost_answer_is_waited_for_a_minute_before_the_next_send() {
    let sent = |unanswered, ago: i64| {
        with_login(record(Entry {
            unanswered,
            last_sent_at: Some(NOW.plus(-ago)),
            ..tried(Verdict::Open)
        }))
    };
    assert_eq!(rests(&sent(1, 59)).2, Some(1));
    assert_eq!(step(&sent(1, 60)), record_a());
    assert_eq!(step(&sent(0, 1)), record_a(), "it was answered");
    let turn = Snapshot {
        turn_at: Some(NOW.plus(300)),
        ..sent(1, 0)
    };
    assert_eq!(rests(&turn).2, Some(300), "the later of the two");
}

#[test]
fn what_is_recorded_before_a_send_counts_it_and_notes_what_is_in_force() {
    let mut s = first_login();
    s.object.said = said(-1);
    s.object.first_form = FirstForm("scopes".to_owned());
    let mut record = Record::default();
    record.begin(attempt("A"), &s, &login("A"), NOW);
    let once = record.entry(&mac("A")).unwrap().clone();
    let expected = Entry {
        unanswered: 1,
        sends: 1,
        login_uid: Some(uid("login-1")),
        last_sent_at: Some(NOW),
        inputs: Some(inputs()),
        first_form: FirstForm("scopes;leave=false".to_owned()),
        word: Some(word(-1)),
        ..Entry::new(mac("A"))
    };
    assert_eq!(once, expected);
    assert_eq!(record.attempt, Some(attempt("A")));
    record.begin(attempt("A"), &s, &login("A"), NOW.plus(60));
    let twice = record.entry(&mac("A")).unwrap();
    assert_eq!((twice.unanswered, twice.sends), (2, 2));
    assert_eq!((twice.word, twice.word_before), (Some(word(-1)), Some(word(-1))));
}

/// Which scopes were refused is forgotten when something changes that decides it, and when a person says so.
#[test]
fn refused_scopes_are_tried_again_when_something_changes_or_for_a_word() {
    let begun = |change: fn(&mut Snapshot)| {
        let mut s = first_login();
        change(&mut s);
        let mut record = record(Entry {
            refused_entries: names(&["graph"]),
            proven: 2,
            ..tried(Verdict::Open)
        });
        record.begin(attempt("A"), &s, &login("A"), NOW);
        let entry = record.entry(&mac("A")).unwrap();
        (entry.refused_entries.len(), entry.proven)
    };
    assert_eq!(begun(|_| ()), (1, 2));
    assert_eq!(begun(|s| s.object.said = said(-1)), (0, 0));
    assert_eq!(begun(|s| s.object.inputs = older_inputs()), (0, 0));
}
