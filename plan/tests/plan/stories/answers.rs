//! Every answer to a login that is not yes: what is kept, when it is sent again, and when no more.

use entra_plan::Step;
use entra_plan::answer::{Effect, Refusal};
use entra_plan::reason::Reason;
use entra_plan::record::{Entry, Record, Verdict};
use entra_plan::settle::login::uses_turn;
use entra_plan::snapshot::{LoginOutcome, LoginSecret, Snapshot};

use super::super::build::*;
use super::super::facts;
use super::{decide, rests, shows, step, step_in};

#[test]
fn a_login_that_a_person_must_put_right_is_kept_and_not_sent_again() {
    let kept = || record(tried(Verdict::Kept(Reason::InteractionRequired)));
    let s = with_login(kept());
    assert_eq!(rests(&s), (Step::Blocked, Reason::InteractionRequired, None));
    assert_eq!(shows(&s), ["Stalled"]);
    let changed = entra_plan::snapshot::Object {
        inputs: facts::older_inputs(),
        ..first_sight().object
    };
    assert_eq!(
        step(&Snapshot {
            object: changed,
            ..s.clone()
        }),
        record_a(),
        "the spec or the client changed"
    );
    let leave = LoginSecret {
        allows_identity_change: true,
        ..login("A")
    };
    assert_eq!(
        step(&Snapshot {
            login: present(leave),
            ..s.clone()
        }),
        record_a(),
        "the leave changed"
    );
    let other = Snapshot {
        login: present(login("B")),
        ..s
    };
    assert!(
        matches!(step(&other), Step::RecordAttempt { .. }),
        "the content changed"
    );
}

#[test]
fn a_kept_login_that_had_all_its_sends_waits_for_a_request() {
    let kept = Entry {
        unanswered: 3,
        inputs: Some(facts::older_inputs()),
        ..tried(Verdict::Kept(Reason::InteractionRequired))
    };
    let s = with_login(record(kept));
    assert_eq!(rests(&s), (Step::Blocked, Reason::InteractionRequired, None));
    let object = facts::requested(&s.object);
    assert_eq!(step(&Snapshot { object, ..s }), record_a());
}

#[test]
fn a_kept_login_that_is_created_again_is_sent_every_half_hour_at_most() {
    let sent = |age: i64| Entry {
        last_sent_at: Some(NOW.plus(-age)),
        ..tried(Verdict::Kept(Reason::AccountLocked))
    };
    let again = |age| Snapshot {
        login: present(LoginSecret {
            uid: uid("login-2"),
            ..login("A")
        }),
        ..with_login(record(sent(age)))
    };
    assert_eq!(
        rests(&again(600)),
        (Step::Blocked, Reason::AccountLocked, Some(1200))
    );
    assert_eq!(step(&again(1800)), record_a());
}

#[test]
fn three_sends_without_an_answer_are_all() {
    let lost = |unanswered| {
        let entry = Entry {
            unanswered,
            last_sent_at: Some(NOW.plus(-20)),
            next_attempt_at: Some(NOW.plus(40)),
            ..tried(Verdict::Open)
        };
        with_login(record(entry))
    };
    assert_eq!(rests(&lost(1)), (Step::Idle, Reason::LoggingIn, Some(40)));
    assert_eq!(step_in(&lost(2), 40), record_a());
    assert_eq!(
        rests(&lost(3)),
        (Step::Blocked, Reason::LoginOutcomeUnknown, None)
    );
    assert!(step_in(&lost(3), 86_400).is_final());
    let object = facts::requested(&first_sight().object);
    assert_eq!(
        step_in(&Snapshot { object, ..lost(3) }, 40),
        record_a(),
        "a person asks for one more"
    );
}

#[test]
fn one_request_gives_one_more_send_even_if_it_still_looks_pending() {
    let entry = Entry {
        unanswered: 4,
        word: Some(word(-1)),
        ..tried(Verdict::Open)
    };
    let object = facts::requested(&first_sight().object);
    let s = Snapshot {
        object,
        ..with_login(record(entry))
    };
    assert_eq!(rests(&s), (Step::Blocked, Reason::LoginOutcomeUnknown, None));
}

#[test]
fn a_bad_scope_makes_way_for_another_entry_s_scopes_after_half_a_minute() {
    let mut record = in_flight(NOW);
    let outcome = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: pin().user,
        result: Err(refusal(Effect::Entry, Reason::ConsentMissing)),
    };
    let all = names(&["graph", "mail"]);
    record.settle(&outcome, &all, NOW);
    let tokens = vec![token("graph"), token("mail")];
    let s = Snapshot {
        tokens: tokens.clone(),
        ..with_login(record.clone())
    };
    assert_eq!(decide(&s).wake, Some(NOW.plus(30)));
    assert_eq!(
        step_in(&s, 30),
        Step::RecordAttempt {
            content: mac("A"),
            entry: name("mail")
        }
    );
    record.settle(
        &LoginOutcome {
            entry: name("mail"),
            ..outcome
        },
        &all,
        NOW.plus(30),
    );
    let s = Snapshot {
        tokens,
        ..with_login(record)
    };
    assert_eq!(rests(&s).1, Reason::ConsentMissing);
    assert_eq!(shows(&s), ["Stalled"]);
}

#[test]
fn a_refusal_does_not_give_a_content_new_sends() {
    let lost = Entry {
        unanswered: 2,
        ..tried(Verdict::Open)
    };
    let after = |effect, reason| {
        let mut record = Record {
            attempt: Some(attempt("A")),
            ..record(Entry {
                unanswered: 3,
                ..lost.clone()
            })
        };
        let entry = name("graph");
        let result = Err(refusal(effect, reason));
        let outcome = LoginOutcome {
            content: mac("A"),
            attempt: "attempt-1".to_owned(),
            entry,
            client: None,
            user: pin().user,
            result,
        };
        record.settle(&outcome, &names(&["graph", "mail"]), NOW);
        record.entries.remove(0).unanswered
    };
    assert_eq!(after(Effect::Entry, Reason::ConsentMissing), 2);
    assert_eq!(after(Effect::Person, Reason::InteractionRequired), 2);
    assert_eq!(after(Effect::Transient, Reason::Throttled), 2);
    assert_eq!(after(Effect::Unanswered, Reason::UnexpectedResponse), 3);
}

/// What is remembered of a login in flight that was put off.
fn put_off(effect: Effect, retry_after: Option<i64>) -> Entry {
    refused(Refusal {
        retry_after,
        ..refusal(effect, Reason::Throttled)
    })
}

/// What is remembered of a login in flight that was refused.
fn refused(refusal: Refusal) -> Entry {
    let mut record = in_flight(NOW);
    let entry = name("graph");
    let outcome = LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry,
        client: None,
        user: pin().user,
        result: Err(refusal),
    };
    record.settle(&outcome, &names(&["graph"]), NOW);
    record.entries.remove(0)
}

fn next_attempt(entry: &Entry) -> Option<i64> {
    entry.next_attempt_at.map(|at| at.since(NOW))
}

#[test]
fn being_throttled_uses_no_send_and_obeys_retry_after() {
    let throttled = |retry_after| put_off(Effect::Transient, retry_after);
    let soon = throttled(None);
    assert_eq!((soon.unanswered, next_attempt(&soon)), (0, Some(60)));
    assert_eq!(next_attempt(&throttled(Some(600))), Some(600));
    let shown = failure(Effect::Transient, Reason::Throttled, Some(NOW.plus(600)));
    let s = Snapshot {
        login_failure: Some(shown),
        ..with_login(record(throttled(Some(600))))
    };
    assert_eq!(rests(&s), (Step::Idle, Reason::Throttled, Some(600)));
    assert_eq!(shows(&s), ["Reconciling"]);
}

#[test]
fn what_the_operator_s_own_limits_hold_back_goes_as_soon_as_they_allow() {
    let held = put_off(Effect::Withheld, Some(2));
    assert_eq!((held.unanswered, held.sends, held.postponed), (0, 0, 0));
    assert_eq!(next_attempt(&held), Some(2));
}

/// It is found out on the way, after the attempt was recorded.
#[test]
fn a_login_that_cannot_be_used_uses_no_send_and_no_turn() {
    let invalid = refusal(Effect::Person, Reason::InvalidLoginSecret);
    assert!(!uses_turn(&Err(invalid.clone())));
    let kept = refused(invalid);
    assert_eq!((kept.unanswered, kept.sends), (0, 0));
    assert_eq!(kept.verdict, Verdict::Kept(Reason::InvalidLoginSecret));
    let s = with_login(record(kept));
    assert_eq!(rests(&s), (Step::Blocked, Reason::InvalidLoginSecret, None));
    let sent = refusal(Effect::Person, Reason::InteractionRequired);
    assert!(uses_turn(&Err(refusal(Effect::Person, Reason::AccountLocked))));
    assert_eq!(refused(sent).sends, 1);
}
