//! A condemned content: a person's new word buys exactly one send, three times a day.

use entra_plan::Step;
use entra_plan::answer::Effect;
use entra_plan::reason::Reason;
use entra_plan::record::{Entry, Record, Verdict};
use entra_plan::snapshot::{Login, LoginOutcome, Session, Snapshot};
use entra_plan::word::Word;

use super::super::build::*;
use super::super::check;
use super::{step, step_in};

/// Content A is condemned, and a person said something `seconds` from now.
fn condemned(record: Record, seconds: i64) -> Snapshot {
    let mut s = with_login(record);
    s.object.said = said(seconds);
    s
}

fn wrong() -> Record {
    record(tried(Verdict::Wrong))
}

fn begun(mut record: Record, s: &Snapshot, seconds: i64) -> Record {
    record.begin(attempt("A"), s, &login("A"), NOW.plus(seconds));
    record
}

fn answered(record: Record, effect: Effect) -> Record {
    refused(record, effect, Reason::WrongPassword)
}

fn refused(mut record: Record, effect: Effect, reason: Reason) -> Record {
    let outcome = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result: Err(refusal(effect, reason)),
    };
    record.settle(&outcome, &names(&["graph"]), NOW);
    record
}

#[test]
fn a_new_word_buys_one_send() {
    let s = condemned(wrong(), -1);
    assert_eq!(step(&s), record_a());
    let after = answered(begun(wrong(), &s, 0), Effect::Condemned);
    assert_eq!(
        step(&condemned(after.clone(), -1)),
        Step::DeleteLogin,
        "the word is used up"
    );
    assert_eq!(step(&condemned(after, 0)), record_a(), "a later word counts");
}

#[test]
fn without_a_word_that_counts_it_is_deleted() {
    for seconds in [301, -86_401] {
        assert_eq!(step(&condemned(wrong(), seconds)), Step::DeleteLogin, "{seconds}");
    }
    let mut unreadable = condemned(wrong(), 0);
    unreadable.object.said = Some(entra_plan::word::Said::Unreadable);
    assert_eq!(step(&unreadable), Step::DeleteLogin);
}

#[test]
fn a_crash_between_record_and_answer_uses_the_word_up() {
    let s = condemned(wrong(), -1);
    let crashed = Snapshot {
        session: Session {
            attempt: Some(seen(NOW, false)),
            ..condemned(begun(wrong(), &s, 0), -1).session
        },
        ..s
    };
    assert!(step(&crashed).is_final(), "it may be in flight");
    assert_eq!(step_in(&crashed, 60), Step::DeleteLogin);
}

#[test]
fn an_answer_that_was_lost_uses_the_word_up() {
    let s = condemned(wrong(), -1);
    let lost = answered(begun(wrong(), &s, 0), Effect::Unanswered);
    assert_eq!(step_in(&condemned(lost, -1), 3600), Step::DeleteLogin);
}

#[test]
fn only_an_answer_that_proves_it_right_ends_the_condemnation() {
    let s = condemned(wrong(), -1);
    let verdict = |record: &Record| record.entry(&mac("A")).map(|e| e.verdict.clone());
    for (effect, reason) in [
        (Effect::Person, Reason::AppMisconfigured),
        (Effect::Person, Reason::AccountLocked),
        (Effect::Doubtful, Reason::WrongPassword),
        (Effect::Person, Reason::UserNotFound),
    ] {
        let after = refused(begun(wrong(), &s, 0), effect, reason);
        assert_eq!(verdict(&after), Some(Verdict::Wrong), "{reason}");
        assert_eq!(step(&condemned(after, -1)), Step::DeleteLogin, "{reason}");
    }
    for reason in [Reason::BlockedByPolicy, Reason::IdentityChanged] {
        let proven = refused(begun(wrong(), &s, 0), Effect::Person, reason);
        assert_eq!(verdict(&proven), Some(Verdict::Kept(reason)));
    }
}

#[test]
fn what_was_not_sent_costs_no_word() {
    let s = condemned(wrong(), -1);
    let throttled = answered(begun(wrong(), &s, 0), Effect::Withheld);
    assert_eq!(step_in(&condemned(throttled, -1), 60), record_a());
}

#[test]
fn what_was_not_sent_brings_back_the_word_before_and_no_earlier_one() {
    let first = condemned(wrong(), -100);
    let refused = answered(begun(wrong(), &first, -100), Effect::Condemned);
    let second = condemned(refused.clone(), -1);
    let throttled = answered(begun(refused, &second, 0), Effect::Withheld);
    assert_eq!(step_in(&condemned(throttled.clone(), -1), 60), record_a());
    assert_eq!(
        step_in(&condemned(throttled, -100), 60),
        Step::DeleteLogin,
        "the first word was used up"
    );
}

#[test]
fn a_word_for_a_login_that_was_never_answered_is_not_used_up_by_what_was_not_sent() {
    let lost = record(Entry {
        unanswered: 3,
        ..tried(Verdict::Open)
    });
    let s = condemned(lost.clone(), -1);
    assert_eq!(step_in(&s, 60), record_a());
    let throttled = answered(begun(lost, &s, 0), Effect::Withheld);
    assert_eq!(step_in(&condemned(throttled, -1), 3600), record_a());
}

#[test]
fn it_is_lifted_three_times_a_day_at_most() {
    let mut record = wrong();
    for n in 0..3 {
        let s = condemned(record.clone(), n);
        assert_eq!(step(&s), record_a(), "word {n}");
        record = answered(begun(record, &s, 0), Effect::Condemned);
    }
    let s = condemned(record, 3);
    assert_eq!(step(&s), Step::DeleteLogin);
    let tomorrow = Snapshot {
        object: entra_plan::snapshot::Object {
            said: said(86_400),
            ..s.object.clone()
        },
        ..s
    };
    assert_eq!(check::decide(&tomorrow, NOW.plus(86_400)).step, record_a());
}

#[test]
fn the_renewal_does_not_use_the_send_up() {
    let s = Snapshot {
        handled: Some(Word(NOW.plus(-1))),
        ..condemned(wrong(), -1)
    };
    assert_eq!(
        step(&s),
        record_a(),
        "the word led to a renewal, and the Secret came later"
    );
    let gone = Snapshot {
        login: Login::Absent,
        ..s
    };
    assert!(step(&gone).is_final());
}
