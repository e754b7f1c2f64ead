//! What the record keeps of each answer to a sign-in, and what else is known then.

use entra_plan::Object;
use entra_plan::answer::{Account, CheckedBy, Deed, Effect, Granted, Refusal};
use entra_plan::known::{ClientSeen, Known};
use entra_plan::mac::ClientMac;
use entra_plan::reason::Reason;
use entra_plan::record::{ClientInput, ClientVersion, Entry, Inputs, Record, Verdict};
use entra_plan::schedule::{AFTER_LOST, PROVEN_PAUSE, PROVEN_TRIES};
use entra_plan::settle::{login as logins, reads, renewal};
use entra_plan::snapshot::{Held, LoginOutcome, Opened, Snapshot};

use super::super::build::*;

fn outcome(result: Result<Granted, Refusal>) -> LoginOutcome {
    LoginOutcome {
        content: mac("A"),
        attempt: "attempt-1".to_owned(),
        entry: name("graph"),
        client: None,
        user: "sent@contoso.example".to_owned(),
        result,
    }
}

fn sent() -> Entry {
    Entry {
        unanswered: 2,
        sends: 2,
        word: Some(word(-1)),
        word_before: Some(word(-9)),
        doubtful: 1,
        proven: 1,
        postponed: 3,
        lifts: vec![NOW.plus(-5)],
        last_sent_at: Some(NOW),
        ..tried(Verdict::Open)
    }
}

/// What is remembered after an answer to what was sent so.
fn answered(entry: Entry, result: Result<Granted, Refusal>) -> Entry {
    let mut record = Record {
        entries: vec![entry],
        attempt: Some(attempt("A")),
    };
    record.settle(&outcome(result), &names(&["graph"]), NOW);
    assert_eq!(record.attempt, None);
    record.entries.remove(0)
}

fn refused(entry: Entry, effect: Effect, reason: Reason) -> Entry {
    answered(entry, Err(refusal(effect, reason)))
}

#[test]
fn an_accepted_content_has_nothing_against_it() {
    let expected = Entry {
        verdict: Verdict::Accepted,
        unanswered: 0,
        doubtful: 0,
        proven: 0,
        postponed: 0,
        ..sent()
    };
    assert_eq!(answered(sent(), Ok(granted(NOW, LIFE))), expected);
}

#[test]
fn what_was_not_sent_gives_its_send_and_its_word_back() {
    let back = Entry {
        unanswered: 1,
        sends: 1,
        word: Some(word(-9)),
        ..sent()
    };
    let throttled = Entry {
        postponed: 4,
        next_attempt_at: Some(NOW.plus(480)),
        ..back.clone()
    };
    assert_eq!(refused(sent(), Effect::Transient, Reason::Throttled), throttled);
    let withheld = Entry {
        next_attempt_at: Some(NOW.plus(1)),
        ..back
    };
    assert_eq!(refused(sent(), Effect::Withheld, Reason::Throttled), withheld);
    let lifted = Entry {
        verdict: Verdict::Wrong,
        ..sent()
    };
    assert_eq!(
        refused(lifted.clone(), Effect::Withheld, Reason::Throttled).lifts,
        []
    );
    let still = refused(lifted, Effect::Unanswered, Reason::UnexpectedResponse);
    assert_eq!(still.lifts.len(), 1);
}

/// The client credential is read after the attempt was recorded: it may be another one than was known then.
#[test]
fn an_answer_is_kept_with_the_client_credential_that_was_sent() {
    let client = |version: &str| ClientInput {
        version: ClientVersion(version.to_owned()),
        content: Some(ClientMac(version.to_owned())),
    };
    let recorded = Inputs {
        client: client("known"),
        ..inputs()
    };
    let kept = |client: Option<ClientInput>| {
        let mut record = Record {
            entries: vec![Entry {
                inputs: Some(recorded.clone()),
                ..sent()
            }],
            attempt: Some(attempt("A")),
        };
        let refused = Err(refusal(Effect::Person, Reason::AppMisconfigured));
        let outcome = LoginOutcome {
            client,
            ..outcome(refused)
        };
        record.settle(&outcome, &names(&["graph"]), NOW);
        record.entries.remove(0).inputs
    };
    let with_read = Inputs {
        client: client("read"),
        ..recorded.clone()
    };
    assert_eq!(kept(Some(client("read"))), Some(with_read));
    assert_eq!(kept(None), Some(recorded.clone()));
}

#[test]
fn a_lost_answer_uses_the_send_up_and_a_complete_one_does_not_count_as_lost() {
    let lost = Entry {
        next_attempt_at: Some(NOW.plus(AFTER_LOST)),
        ..sent()
    };
    assert_eq!(
        refused(sent(), Effect::Unanswered, Reason::UnexpectedResponse),
        lost
    );
    let complete = |verdict| Entry {
        verdict,
        unanswered: 1,
        postponed: 0,
        ..sent()
    };
    assert_eq!(
        refused(sent(), Effect::Condemned, Reason::WrongPassword),
        complete(Verdict::Wrong)
    );
    assert_eq!(
        refused(sent(), Effect::Doubtful, Reason::WrongPassword),
        Entry {
            doubtful: 2,
            ..complete(Verdict::Kept(Reason::WrongPassword))
        }
    );
    assert_eq!(
        refused(sent(), Effect::Person, Reason::AccountLocked),
        complete(Verdict::Kept(Reason::AccountLocked))
    );
    assert_eq!(
        refused(sent(), Effect::Person, Reason::InvalidLoginSecret),
        Entry {
            sends: 1,
            ..complete(Verdict::Kept(Reason::InvalidLoginSecret))
        }
    );
}

#[test]
fn a_proven_password_is_tried_again_so_many_times() {
    let tries = |proven| {
        let entry = Entry { proven, ..sent() };
        let after = refused(entry, Effect::Entry, Reason::ConsentMissing);
        (after.proven, after.next_attempt_at)
    };
    let next = Some(NOW.plus(PROVEN_PAUSE));
    assert_eq!(tries(0), (1, next));
    assert_eq!(tries(PROVEN_TRIES - 1), (PROVEN_TRIES, next));
    assert_eq!(tries(PROVEN_TRIES), (PROVEN_TRIES, None));
    let policy = refused(sent(), Effect::Person, Reason::BlockedByPolicy);
    assert_eq!(policy.next_attempt_at, next);
    let unassigned = Refusal {
        code: Some(50_105),
        ..refusal(Effect::Person, Reason::AppMisconfigured)
    };
    assert_eq!(answered(sent(), Err(unassigned)).next_attempt_at, next);
    let other = refused(sent(), Effect::Person, Reason::AppMisconfigured);
    assert_eq!(other.next_attempt_at, None);
}

#[test]
fn another_content_s_attempt_stays_in_flight() {
    let mut record = Record {
        entries: vec![sent()],
        attempt: Some(attempt("B")),
    };
    record.settle(&outcome(Ok(granted(NOW, LIFE))), &names(&["graph"]), NOW);
    assert_eq!(record.attempt, Some(attempt("B")));
}

/// What is known after a login was stored; before, every kind of failure was.
fn stored(s: &Snapshot, result: Result<Granted, Refusal>) -> Known {
    let mut known = Known {
        failure: Some(failure(Effect::Transient, Reason::Throttled, None)),
        login_failure: Some(failure(Effect::Transient, Reason::Throttled, None)),
        attempt: Some(seen(NOW, false)),
        ..Known::default()
    };
    known.note(&name("mail")).failure = Some(failure(Effect::Entry, Reason::ConsentMissing, None));
    known.holds.insert(
        Object::Session,
        failure(Effect::Transient, Reason::WriteRefused, None),
    );
    let outcome = outcome(result);
    let mut record = in_flight(NOW);
    record.settle(&outcome, &names(&["graph"]), NOW);
    logins::stored(&mut known, s, &outcome, record, version("8"), NOW);
    assert_eq!((known.attempt.clone(), known.stored), (None, 1));
    assert!(known.holds.is_empty());
    known
}

fn asked(s: Snapshot) -> Snapshot {
    let mut s = s;
    s.object.said = said(-1);
    s
}

#[test]
fn after_an_accepted_login_the_sealed_token_is_read_back_and_all_failures_are_over() {
    let answer = Granted {
        account: None,
        checked_by: Some(CheckedBy::Authority),
        ..granted(NOW, LIFE)
    };
    let known = stored(&asked(with_login(in_flight(NOW))), Ok(answer.clone()));
    assert_eq!(
        (known.session, known.failure, known.login_failure),
        (None, None, None)
    );
    assert!(known.entries.values().all(|note| note.failure.is_none()));
    assert_eq!(known.handled, Some(word(-1)));
    let shown = Account {
        username: "sent@contoso.example".to_owned(),
        ..Account::default()
    };
    assert_eq!(
        (known.account, known.checked_by),
        (Some(shown), Some(CheckedBy::Authority))
    );
    let unusable = Granted {
        unusable: Some(Box::new(refusal(Effect::Transient, Reason::UnexpectedResponse))),
        ..answer
    };
    let known = stored(&with_login(in_flight(NOW)), Ok(unusable));
    let failure = known.entries[&name("graph")].failure.as_ref().unwrap();
    assert_eq!(failure.refusal.reason, Reason::UnexpectedResponse);
}

#[test]
fn after_a_refused_login_its_failure_is_known_and_the_record_needs_no_read() {
    let throttled = || Err(refusal(Effect::Transient, Reason::Throttled));
    let s = asked(with_login(in_flight(NOW)));
    let known = stored(&s, throttled());
    let failure = known.login_failure.unwrap();
    assert_eq!((failure.at, failure.consecutive), (NOW, 1));
    assert_eq!(failure.next_attempt_at, Some(NOW.plus(60)));
    let written = known.session.unwrap();
    assert_eq!(written.version, version("8"));
    let Opened::Read {
        record: Some(record), ..
    } = written.opened
    else {
        panic!("the record is known")
    };
    assert_eq!(record.entries[0].postponed, 1);
    assert_eq!(known.handled, Some(word(-1)), "the word has led to this send");
    assert!(known.failure.is_some(), "that of the renewal is not over");
    let mut beside = s;
    beside.session = session();
    assert_eq!(
        stored(&beside, throttled()).handled,
        None,
        "it is for the renewal"
    );
}

#[test]
fn an_answer_without_a_refresh_token_is_refused_all_the_same() {
    let bare = Granted {
        has_refresh_token: false,
        ..granted(NOW, LIFE)
    };
    let refusal = logins::judged(&first_sight(), "user", &bare).unwrap_err();
    assert_eq!(
        (refusal.effect, refusal.reason, refusal.deed),
        (Effect::Person, Reason::AppMisconfigured, Deed::Word)
    );
    assert_eq!(
        logins::judged(&first_sight(), "user", &granted(NOW, LIFE)),
        Ok(())
    );
}

#[test]
fn what_uses_a_turn_up_has_left_and_was_refused_for_more_than_a_scope() {
    let uses = |effect, reason| logins::uses_turn(&Err(refusal(effect, reason)));
    assert!(!logins::uses_turn(&Ok(granted(NOW, LIFE))));
    assert!(uses(Effect::Condemned, Reason::WrongPassword));
    assert!(uses(Effect::Unanswered, Reason::UnexpectedResponse));
    assert!(uses(Effect::Person, Reason::AccountLocked));
    assert!(!uses(Effect::Entry, Reason::ConsentMissing));
    assert!(!uses(Effect::Person, Reason::BlockedByPolicy));
    assert!(!uses(Effect::Transient, Reason::Throttled));
    assert!(!uses(Effect::Withheld, Reason::Throttled));
}

#[test]
fn a_renewal_for_another_account_costs_the_session_a_back_off_that_a_person_ends() {
    let s = healthy();
    let answer = Held {
        granted: Granted {
            account: Some(Account {
                home_account_id: "other.tenant".to_owned(),
                ..Account::default()
            }),
            ..granted(NOW, LIFE)
        },
        ..held(REQUEST, 0)
    };
    let mut known = Known::default();
    let (go_on, kept) = renewal::granted(&mut known, &s, &s.tokens[0], &pin(), &answer, NOW);
    assert!(go_on.is_break() && !kept.token && kept.pin.is_none());
    let failure = known.failure.unwrap();
    assert_eq!(
        (
            failure.refusal.effect,
            failure.refusal.reason,
            failure.refusal.deed
        ),
        (Effect::Person, Reason::IdentityChanged, Deed::Word)
    );
    assert_eq!(failure.next_attempt_at, Some(NOW.plus(1800)));
    assert_eq!(known.last_redeemed_at, None);
}

#[test]
fn a_client_credential_that_was_read_is_known_and_held_no_more() {
    let mut known = Known::default();
    known.holds.insert(
        Object::Client,
        failure(Effect::Transient, Reason::ClusterUnavailable, None),
    );
    let seen = ClientSeen {
        version: ClientVersion("2".to_owned()),
        content: ClientMac("c".to_owned()),
        expires_at: None,
    };
    reads::client(&mut known, seen.clone());
    assert_eq!(known.client, Some(seen));
    assert!(known.holds.is_empty());
}

#[test]
fn a_resolved_tenant_is_known_for_its_binding_and_a_word_by_its_renewal() {
    let mut known = Known::default();
    renewal::resolved(&mut known, binding(), TENANT_ID.to_owned());
    assert_eq!(known.resolved, Some((binding(), TENANT_ID.to_owned())));
    renewal::word_led(&mut known, &healthy(), NOW);
    assert_eq!(known.handled, None);
    renewal::word_led(&mut known, &asked(healthy()), NOW);
    assert_eq!(known.handled, Some(word(-1)));
    renewal::word_led(&mut known, &healthy(), NOW);
    assert_eq!(known.handled, Some(word(-1)), "it stays handled");
}

#[test]
fn a_permit_is_known_with_the_binding_that_it_is_for() {
    let mut known = Known::default();
    let why = || (Reason::Throttled, "why".to_owned());
    renewal::withheld(&mut known, &healthy(), NOW.plus(20), why(), NOW);
    assert!(
        known.withheld.as_ref().unwrap().long,
        "that is no turn like another"
    );
    renewal::withheld(&mut known, &healthy(), NOW.plus(19), why(), NOW);
    let withheld = known.withheld.unwrap();
    assert!(!withheld.long);
    assert_eq!(
        (withheld.until, withheld.reason),
        (NOW.plus(19), Reason::Throttled)
    );
    assert_eq!(
        (withheld.message.as_str(), withheld.binding),
        ("why", Some(binding()))
    );
    let mut known = Known::default();
    logins::waits_for_turn(&mut known, NOW.plus(9));
    assert_eq!(known.turn_at, Some(NOW.plus(9)));
}
