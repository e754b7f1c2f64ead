//! What each outcome leaves: of reads, looks and writes, of troubles with them, of answers.

use entra_plan::answer::{Deed, Effect, Refusal};
use entra_plan::hold::Holds;
use entra_plan::known::{ClientSeen, Known, LoginSeen, SessionSeen};
use entra_plan::looks::Search;
use entra_plan::mac::ClientMac;
use entra_plan::reason::Reason;
use entra_plan::record::{ClientVersion, Entry, Record, Verdict};
use entra_plan::schedule::{DAY, SUSPECT, UNREADABLE};
use entra_plan::settle::renewal::Refused;
use entra_plan::settle::trouble::Trouble;
use entra_plan::settle::{
    client, failure as failures, login as logins, reads, renewal, store, tokens, trouble,
};
use entra_plan::snapshot::{Claim, Content, LastVerdict, Opened, RefreshOutcome, Repairs, Session, Token};
use entra_plan::{Object, Snapshot};

use super::super::build::*;
use super::{contents, token_object};

/// What was read of each object.
fn all_read() -> Known {
    Known {
        login: Some(LoginSeen {
            uid: uid("login-1"),
            version: version("1"),
            content: Content::Valid { mac: mac("A") },
            claim: Claim::Free,
            at: NOW,
            made_for: sent_to(),
        }),
        session: Some(SessionSeen {
            version: version("7"),
            keys: 0,
            sealed_by: None,
            opened: opened(Record::default(), Some(pin())),
        }),
        client: Some(ClientSeen {
            version: ClientVersion("1".to_owned()),
            content: ClientMac("c".to_owned()),
            expires_at: None,
        }),
        ..Known::default()
    }
}

/// What a watch shows is tried again when it changes; a ServiceAccount is shown by none.
#[test]
fn what_a_client_credential_lacks_is_a_person_s_where_a_watch_shows_it() {
    for refusal in [
        client::no_client_secret("app", "client-secret"),
        client::no_certificate("app"),
    ] {
        assert_eq!(
            (refusal.effect, refusal.deed),
            (Effect::Person, Deed::ClientCredential)
        );
    }
    for refusal in [
        client::no_service_account("app"),
        client::not_annotated("app", "id"),
        client::no_role("app", "forbidden"),
        client::not_needed(),
    ] {
        assert_eq!((refusal.effect, refusal.deed), (Effect::Transient, Deed::Wait));
        let mut known = Known::default();
        reads::client_refused(&mut known, &healthy(), refusal, NOW);
        let next = known.holds[&Object::Client].next_attempt_at;
        assert_eq!(next, Some(NOW.plus(60)), "it is looked at again by itself");
    }
}

#[test]
fn what_does_not_exist_or_moved_is_not_known_any_more() {
    let after = |object: Object, trouble: &Trouble| {
        let mut known = all_read();
        trouble::with(&mut known, &healthy(), &object, trouble, NOW);
        (
            [
                known.login.is_some(),
                known.session.is_some(),
                known.client.is_some(),
            ],
            known.moved,
        )
    };
    let gone = |object| after(object, &Trouble::Gone).0;
    assert_eq!(gone(Object::Login), [false, true, true]);
    assert_eq!(gone(Object::Session), [true, false, true]);
    assert_eq!(gone(Object::Client), [true, true, false]);
    assert_eq!(gone(token_object()), [true, true, true]);
    let moved = |object| after(object, &Trouble::Moved);
    assert_eq!(moved(Object::Login), ([false, true, true], vec![Object::Login]));
    assert_eq!(
        moved(Object::Session),
        ([true, true, true], vec![Object::Session])
    );
    let mut known = Known::default();
    for _ in 0..2 {
        trouble::with(&mut known, &healthy(), &Object::Session, &Trouble::Moved, NOW);
    }
    assert_eq!(known.moved, [Object::Session], "it is looked at once");
    reads::looked(&mut known, &healthy(), &token_object(), true, NOW);
    assert_eq!(known.moved, [Object::Session]);
    reads::looked(&mut known, &healthy(), &Object::Session, true, NOW);
    assert_eq!(known.moved, []);
}

#[test]
fn what_is_immutable_is_known_in_its_version() {
    let after = |object: Object| {
        let mut known = Known::default();
        trouble::with(&mut known, &healthy(), &object, &Trouble::Immutable, NOW);
        known
    };
    assert_eq!(after(Object::Session).immutable_session, Some(version("7")));
    let known = after(token_object());
    assert_eq!(known.entries[&name("graph")].unwritable, Some(version("3")));
    assert!(known.holds.is_empty());
    assert!(after(Object::Login).holds.contains_key(&Object::Login));
    let seen = all_read().session.unwrap();
    let mut known = Known::default();
    reads::session(&mut known, seen.clone(), false, NOW);
    assert_eq!(known.immutable_session, None);
    reads::session(&mut known, seen, true, NOW);
    assert_eq!(known.immutable_session, Some(version("7")));
}

#[test]
fn what_a_read_found_is_known_and_what_it_did_not_find_is_not() {
    let mut known = Known::default();
    reads::login(&mut known, all_read().login.unwrap());
    assert_eq!(known.login, all_read().login);
    let mut known = all_read();
    reads::no_session(&mut known);
    assert!(known.session.is_none() && known.login.is_some());
    reads::no_login(&mut known);
    assert!(known.login.is_none());
    let mut known = all_read();
    reads::login_of_another_type(&mut known);
    assert!(known.login.is_none() && known.search.found());
}

#[test]
fn a_claim_is_ours_in_the_version_that_it_made() {
    let mut known = all_read();
    known.holds = held_back(Object::Login);
    reads::claimed(&mut known, version("2"));
    let login = known.login.unwrap();
    assert_eq!((login.version, login.claim), (version("2"), Claim::Ours));
    assert!(known.holds.is_empty());
}

fn held_back(object: Object) -> Holds {
    [(object, failure(Effect::Transient, Reason::WriteRefused, None))].into()
}

/// The minute after which an attempt is taken over counts from when this process first saw it.
#[test]
fn an_attempt_is_known_since_it_was_first_seen() {
    let read = |known: &mut Known, record: Record, now| {
        let seen = SessionSeen {
            opened: opened(record, None),
            ..all_read().session.unwrap()
        };
        reads::session(known, seen, false, now);
        known.attempt.as_ref().map(|a| (a.first_seen, a.unsent_ours))
    };
    let mut known = Known::default();
    assert_eq!(read(&mut known, in_flight(NOW), NOW), Some((NOW, false)));
    let later = NOW.plus(30);
    assert_eq!(read(&mut known, in_flight(NOW), later), Some((NOW, false)));
    let mut another = in_flight(NOW);
    another.attempt.as_mut().unwrap().id = "attempt-2".to_owned();
    assert_eq!(read(&mut known, another, later), Some((later, false)));
    assert_eq!(read(&mut known, Record::default(), later), None);
}

#[test]
fn a_look_for_a_login_goes_on_with_the_search_where_one_is_lacking() {
    let search = Search::begun(NOW, false, false, 7);
    let looked = |s: &Snapshot| {
        let mut known = Known {
            search,
            ..Known::default()
        };
        reads::looked(&mut known, s, &Object::Login, false, NOW.plus(60));
        known.search
    };
    let next = search.looked(false, NOW.plus(60));
    assert_ne!(next, search);
    assert_eq!(looked(&first_sight()), next);
    assert_eq!(looked(&healthy()), search);
}

#[test]
fn what_a_look_does_not_find_is_certainly_absent() {
    let looked = |exists| {
        let mut known = Known::default();
        reads::looked(&mut known, &healthy(), &token_object(), exists, NOW);
        let note = &known.entries[&name("graph")];
        assert_eq!(note.looked_at, Some(NOW));
        note.gone
    };
    assert!(looked(false) && !looked(true));
}

#[test]
fn what_was_recorded_and_what_a_login_left_is_known_without_another_read() {
    for opened_before in [Opened::Unread, opened(Record::default(), Some(pin()))] {
        let mut s = with_login(Record::default());
        s.session.opened = opened_before.clone();
        let (mut known, record) = (Known::default(), in_flight(NOW));
        logins::recorded(&mut known, &s, record.clone(), version("8"), NOW);
        let seen = known.session.unwrap();
        assert_eq!(seen.version, version("8"));
        let token = Session {
            opened: opened_before,
            ..Session::default()
        };
        let expected = Opened::Read {
            record: Some(record),
            session: token.sealed().cloned(),
            unsealable: false,
        };
        assert_eq!(seen.opened, expected);
        assert!(known.attempt.as_ref().unwrap().unsent_ours);
    }
    let mut known = all_read();
    known.attempt = Some(seen(NOW, true));
    logins::leaves(&mut known);
    assert!(!known.attempt.as_ref().unwrap().unsent_ours, "it is sent once");
    let last = logins::described(&known, &in_flight(NOW.plus(-5)));
    assert_eq!(last.verdict, Some(LastVerdict::Open));
    assert_eq!(
        (last.login_uid, last.login_version),
        (Some(uid("login-1")), Some(version("1")))
    );
    assert_eq!((last.sends, last.last_sent_at), (1, Some(NOW.plus(-5))));
    logins::deleted(&mut known, NOW);
    assert!(known.login.is_none());
    assert_eq!(known.deleted_login_at, Some(NOW));
}

#[test]
fn each_verdict_is_described_without_its_reason() {
    for (verdict, described) in [
        (Verdict::Open, LastVerdict::Open),
        (Verdict::Accepted, LastVerdict::Accepted),
        (Verdict::Wrong, LastVerdict::Wrong),
        (Verdict::Kept(Reason::AccountLocked), LastVerdict::Kept),
    ] {
        assert_eq!(verdict.without_reason(), described);
    }
}

/// One odd answer must not end a credential that lives for months.
#[test]
fn a_refresh_token_is_dead_after_equal_doubtful_answers_only() {
    let s = healthy();
    for (effect, (enough, pause)) in [(Effect::Suspect, SUSPECT), (Effect::Unreadable, UNREADABLE)] {
        let mut known = Known::default();
        let doubtful = || refusal(effect, Reason::LoginRequired);
        for n in 1..enough {
            let refused = renewal::refused(&mut known, &s, &s.tokens[0], doubtful(), NOW);
            assert_eq!(refused, Refused::Stop);
            let failure = known.failure.as_ref().unwrap();
            assert_eq!(failure.consecutive, n);
            assert_eq!(failure.next_attempt_at, Some(NOW.plus(pause)));
        }
        let refused = renewal::refused(&mut known, &s, &s.tokens[0], doubtful(), NOW);
        let death = RefreshOutcome::Dead {
            redeemed: token_mac("stored"),
            since: NOW,
        };
        assert_eq!(refused, Refused::Dead(death));
        assert_eq!(known.failure, None);
        assert_eq!(known.login_failure.unwrap().refusal.deed, Deed::NewLogin);
    }
    let mut known = Known::default();
    for code in 1..=9 {
        let odd = Refusal {
            code: Some(code),
            ..refusal(Effect::Suspect, Reason::LoginRequired)
        };
        let refused = renewal::refused(&mut known, &s, &s.tokens[0], odd, NOW);
        assert_eq!(refused, Refused::Stop, "each says something else");
    }
}

#[test]
fn a_lost_or_edited_secret_that_is_written_counts_as_a_repair_and_a_quiet_time_ends_the_row() {
    let written = |token: &Token, wrote_before: bool, repairs| {
        let mut known = Known::default();
        let note = known.note(&token.name);
        note.verified = wrote_before.then(|| version("3"));
        note.repairs = repairs;
        tokens::published(&mut known, token, version("9"), NOW);
        let note = &known.entries[&token.name];
        assert_eq!(note.verified, Some(version("9")));
        note.repairs
    };
    let count = |n| Some(Repairs { count: n, at: NOW });
    let mut edited = fresh_token("graph");
    edited.published.as_mut().unwrap().edited = true;
    assert_eq!(written(&fresh_token("graph"), true, None), None, "a renewal");
    assert_eq!(written(&token("graph"), false, None), None, "the first one");
    assert_eq!(written(&token("graph"), true, None), count(1));
    assert_eq!(written(&edited, true, None), count(1));
    let before = |ago: i64| {
        Some(Repairs {
            count: 2,
            at: NOW.plus(-ago),
        })
    };
    assert_eq!(written(&edited, true, before(599)), count(3));
    assert_eq!(written(&edited, true, before(600)), count(1));
}

#[test]
fn what_was_compared_is_known_in_its_version() {
    let compared = |intact, immutable| {
        let mut known = Known {
            holds: [token_object(), contents()]
                .into_iter()
                .flat_map(held_back)
                .collect(),
            ..Known::default()
        };
        tokens::verified(&mut known, &name("graph"), version("4"), intact, immutable);
        assert!(
            known.holds.keys().eq([&token_object()]),
            "it may be refused to be written all the same"
        );
        let note = known.entries.remove(&name("graph")).unwrap();
        [note.verified, note.edited, note.unwritable].map(|v| v == Some(version("4")))
    };
    assert_eq!(compared(true, false), [true, false, false]);
    assert_eq!(compared(false, false), [false, true, false]);
    assert_eq!(compared(true, true), [true, false, true]);
    let mut known = Known::default();
    tokens::unlabelled(&mut known, &name("graph"), version("4"));
    let note = &known.entries[&name("graph")];
    assert_eq!(
        (&note.verified, &note.unlabelled),
        (&Some(version("4")), &Some(version("4")))
    );
    known.holds = held_back(token_object());
    tokens::pruned(&mut known, &name("graph"));
    assert!(known.entries.is_empty() && known.holds.is_empty());
    known.holds = held_back(Object::Session);
    tokens::adopted(&mut known, &Object::Session);
    assert!(known.holds.is_empty());
}

#[test]
fn what_the_operator_s_own_limits_hold_back_may_go_after_a_second_at_least() {
    for (asked, pause) in [(-5, 1), (0, 1), (1, 1), (40, 40)] {
        let refusal = logins::withheld(asked, Reason::ServiceUnavailable, "no permit".to_owned());
        assert_eq!(
            (refusal.effect, refusal.reason, refusal.retry_after),
            (Effect::Withheld, Reason::ServiceUnavailable, Some(pause))
        );
    }
    let stopped = logins::not_begun();
    assert_eq!((stopped.effect, stopped.retry_after), (Effect::Withheld, Some(1)));
    let away = Trouble::Away("it stands still".to_owned(), Some(300));
    let mut known = Known::default();
    trouble::with(&mut known, &healthy(), &Object::Session, &away, NOW);
    let held = &known.holds[&Object::Session];
    assert_eq!(held.refusal.retry_after, Some(300));
    assert_eq!(held.next_attempt_at, Some(NOW.plus(300)));
}

/// The next try is due at half of what is left; an answer that can be published by nobody is a failure.
#[test]
fn an_answer_that_does_not_outlive_what_is_published_puts_the_renewal_off() {
    let renewed = |wanted: &str, left: i64| {
        let s = healthy();
        let mut known = Known::default();
        known.note(&name("graph")).failure = Some(failure(Effect::Entry, Reason::ConsentMissing, None));
        let held = held(wanted, left);
        let (go_on, kept) = renewal::granted(&mut known, &s, &s.tokens[0], &pin(), &held, NOW);
        assert!(go_on.is_continue());
        let note = known.entries.remove(&name("graph")).unwrap();
        (
            kept.token,
            note.deferred_until.map(|at| at.since(NOW)),
            note.failure.map(|f| f.refusal.reason),
        )
    };
    assert_eq!(renewed(REQUEST, 3001), (true, None, None));
    for left in [3000, 1] {
        assert_eq!(renewed(REQUEST, left), (false, Some(1500), None));
    }
    for (wanted, left) in [(REQUEST, 0), (REQUEST, -1), ("former", 3600)] {
        assert_eq!(
            renewed(wanted, left),
            (false, None, Some(Reason::UnexpectedResponse))
        );
    }
}

#[test]
fn what_was_written_into_the_refresh_token_secret_is_known_in_its_version() {
    let s = healthy();
    let mut known = Known {
        holds: held_back(Object::Session),
        ..Known::default()
    };
    store::labelled(&mut known, version("8"));
    assert!(
        known.session.is_none() && known.holds.is_empty(),
        "what is in it was not read"
    );
    store::resealed(&mut known, &s, version("9"));
    let sealed = known.session.clone().unwrap();
    assert_eq!(
        (sealed.version, sealed.opened),
        (version("9"), s.session.opened.clone())
    );
    store::labelled(&mut known, version("10"));
    assert_eq!(known.session.unwrap().version, version("10"));
}

#[test]
fn the_login_is_held_up_by_its_secret_before_what_was_refused() {
    let refused = failure(Effect::Person, Reason::AppMisconfigured, None);
    let unwritable = failure(Effect::Transient, Reason::WriteRefused, Some(NOW.plus(40)));
    let mut s = Snapshot {
        login_failure: Some(refused.clone()),
        ..first_sight()
    };
    assert_eq!(s.failure_of_login(NOW), Some(&refused));
    s.holds = [(Object::Login, unwritable.clone())].into();
    assert_eq!(s.failure_of_login(NOW), Some(&unwritable));
}

#[test]
fn a_call_that_is_withheld_is_tried_when_its_permit_is_free() {
    let withheld = Refusal {
        retry_after: Some(7),
        ..refusal(Effect::Withheld, Reason::Throttled)
    };
    let next = failures::next(None, withheld, NOW, 5, None);
    assert_eq!(next.next_attempt_at, Some(NOW.plus(7)));
}

#[test]
fn a_turn_that_comes_early_ends_the_waiting() {
    let (s, mut known) = (first_sight(), Known::default());
    renewal::withheld(
        &mut known,
        &s,
        NOW.plus(40),
        (Reason::Throttled, String::new()),
        NOW,
    );
    assert!(known.withheld.is_some());
    renewal::turn_came(&mut known);
    assert_eq!(known.withheld, None);
}

#[test]
fn lifts_of_more_than_a_day_ago_are_forgotten_with_the_next() {
    let old = Entry {
        lifts: vec![NOW.plus(-DAY), NOW.plus(1 - DAY)],
        ..tried(Verdict::Wrong)
    };
    let mut record = record(old);
    record.begin(attempt("A"), &first_sight(), &login("A"), NOW);
    assert_eq!(record.entries[0].lifts, [NOW.plus(1 - DAY), NOW]);
}
