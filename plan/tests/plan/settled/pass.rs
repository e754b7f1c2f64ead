//! What begins and ends a pass: waits that are over, clocks that were set back, words, the search for a login.

use entra_plan::answer::{Account, Effect, Refusal};
use entra_plan::known::{Known, Note, Unsteady};
use entra_plan::reason::Reason;
use entra_plan::schedule::{DAY, RETRY_AFTER_CAP, SEARCH_FIRST, SEARCH_LAST, SEND_WINDOW, UNSTEADY};
use entra_plan::settle::{client, pass, reads, renewal};
use entra_plan::snapshot::{
    AttemptSeen, Failure, Login, Ownership, Repairs, Session, Snapshot, Token, Withheld,
};
use entra_plan::{Object, Time};

use super::super::build::*;

fn begun(mut known: Known, s: &Snapshot) -> Known {
    pass::begins(&mut known, s, false, false, NOW);
    known
}

fn withheld_until(seconds: i64) -> Known {
    Known {
        withheld: Some(Withheld {
            until: NOW.plus(seconds),
            long: seconds >= 20,
            reason: Reason::ServiceUnavailable,
            message: String::new(),
            binding: None,
        }),
        turn_at: Some(NOW.plus(seconds)),
        ..Known::default()
    }
}

#[test]
fn a_permit_and_a_turn_are_awaited_until_then_and_no_longer_than_they_can_be() {
    let waits = |seconds| {
        let known = begun(withheld_until(seconds), &healthy());
        (known.withheld.is_some(), known.turn_at.is_some())
    };
    assert_eq!(waits(0), (false, false), "it is over");
    assert_eq!(waits(1), (true, true));
    assert_eq!(waits(SEND_WINDOW), (true, true));
    assert_eq!(waits(SEND_WINDOW + 1), (true, false), "the clock was set back");
    assert_eq!(waits(RETRY_AFTER_CAP), (true, false));
    assert_eq!(waits(RETRY_AFTER_CAP + 1), (false, false));
}

#[test]
fn a_back_off_that_ended_in_the_future_is_not_gone_on_from() {
    let longest = RETRY_AFTER_CAP + UNSTEADY;
    for (until, kept) in [(longest, true), (longest + 1, false)] {
        let unsteady = Some(Unsteady {
            consecutive: 2,
            until: NOW.plus(until),
        });
        let known = Known {
            unsteady,
            ..Known::default()
        };
        assert_eq!(begun(known, &healthy()).unsteady.is_some(), kept);
    }
}

/// The clock was set back.
#[test]
fn what_was_noted_in_the_future_holds_nothing_up() {
    let noted = |seconds: i64| {
        let refused = |at: Time| Failure {
            at,
            ..failure(Effect::Transient, Reason::Throttled, Some(at.plus(40)))
        };
        let at = NOW.plus(seconds);
        let mut known = Known {
            failure: Some(refused(at)),
            attempt: Some(AttemptSeen {
                first_seen: at,
                ..seen(at, true)
            }),
            last_redeemed_at: Some(at),
            deleted_login_at: Some(at),
            ..Known::default()
        };
        let note = known.note(&name("graph"));
        note.failure = Some(refused(at));
        note.looked_at = Some(at);
        note.repairs = Some(Repairs { at, count: 3 });
        known.search.session_looked_at = Some(at);
        begun(known, &healthy())
    };
    let next = |f: &Option<Failure>| f.as_ref().unwrap().next_attempt_at.unwrap();
    let past = noted(0);
    assert_eq!(next(&past.failure), NOW.plus(40));
    assert_eq!(next(&past.entries[&name("graph")].failure), NOW.plus(40));
    assert_eq!(
        (past.last_redeemed_at, past.deleted_login_at),
        (Some(NOW), Some(NOW))
    );
    let future = noted(1);
    assert_eq!(next(&future.failure), NOW);
    assert_eq!(next(&future.entries[&name("graph")].failure), NOW);
    assert_eq!((future.last_redeemed_at, future.deleted_login_at), (None, None));
    for known in [past, future] {
        let note = &known.entries[&name("graph")];
        assert_eq!(known.attempt.unwrap().first_seen, NOW);
        assert_eq!((note.looked_at, note.repairs.unwrap().at), (Some(NOW), NOW));
        assert_eq!(known.search.session_looked_at, Some(NOW));
    }
}

/// What is planned further ahead than it can be was planned before the clock was set back.
#[test]
fn a_search_and_a_sealing_are_planned_anew_once_the_clock_was_set_back() {
    let planned = |search: i64, reseal: i64| {
        let mut s = first_sight();
        s.session = Session {
            sealed_by: None,
            ..session()
        };
        let mut known = Known {
            reseal_at: Some(NOW.plus(reseal)),
            ..Known::default()
        };
        known.search.next = Some(NOW.plus(search));
        let known = begun(known, &s);
        (known.search.next, known.reseal_at)
    };
    assert!(planned(0, DAY + 1).1.unwrap() < NOW.plus(DAY));
    assert_eq!(planned(0, DAY).1, Some(NOW.plus(DAY)));
    let search = |seconds| {
        let mut known = Known::default();
        known.search.next = Some(NOW.plus(seconds));
        begun(known, &first_sight()).search.next.unwrap().since(NOW)
    };
    assert_eq!(search(SEARCH_LAST), SEARCH_LAST);
    assert_eq!(search(SEARCH_LAST + 1), SEARCH_FIRST);
}

#[test]
fn a_word_that_leads_to_nothing_is_handled_by_having_been_looked_at() {
    let ended = |change: fn(&mut Snapshot)| {
        let mut s = first_sight();
        s.object.said = said(-1);
        change(&mut s);
        let mut known = Known::default();
        pass::ends(&mut known, &s, NOW);
        known.handled
    };
    assert_eq!(ended(|_| ()), Some(word(-1)));
    let changes: [fn(&mut Snapshot); 5] = [
        |s| s.session = session(),
        |s| s.login = present(login("A")),
        |s| s.object.suspended = true,
        |s| s.object.deleting = true,
        |s| s.last_redeemed_at = Some(NOW),
    ];
    for change in changes {
        assert_eq!(ended(change), None);
    }
}

#[test]
fn the_latest_word_that_any_process_handled_counts() {
    let mut known = Known::default();
    for (told, counts) in [(-5, -5), (-9, -5), (-1, -1)] {
        pass::word_was_handled(&mut known, word(told));
        assert_eq!(known.handled, Some(word(counts)));
    }
}

#[test]
fn a_person_s_word_lifts_what_the_client_credential_lacked() {
    let lacking = || {
        let mut known = Known::default();
        let lacks = client::no_client_secret("app", "client-secret");
        reads::client_refused(&mut known, &healthy(), lacks, NOW);
        known
    };
    let held = |s: &Snapshot| begun(lacking(), s).holds.contains_key(&Object::Client);
    assert!(held(&healthy()));
    let mut asked = healthy();
    asked.object.said = said(-1);
    assert!(!held(&asked));
}

#[test]
fn who_signed_in_is_shown_with_the_name_that_was_sent_where_the_answer_gave_none() {
    assert_eq!(pass::shown(&account(), "sent").username, account().username);
    assert_eq!(pass::shown(&Account::default(), "sent").username, "sent");
}

#[test]
fn which_troubles_are_worth_an_event() {
    for reason in [
        Reason::Expiring,
        Reason::Expired,
        Reason::WriteRefused,
        Reason::ClusterUnavailable,
        Reason::CertificateExpiring,
        Reason::ConsentMissing,
    ] {
        assert!(pass::is_trouble(reason), "{reason}");
    }
    for reason in [Reason::Fresh, Reason::Throttled, Reason::LoggingIn] {
        assert!(!pass::is_trouble(reason), "{reason}");
    }
}

#[test]
fn a_search_lasts_while_a_login_is_needed_and_begins_anew_after_an_edit() {
    let begins = |s: &Snapshot, known: Known, young| {
        let mut known = known;
        pass::begins(&mut known, s, young, false, NOW);
        known.search
    };
    let searching = || {
        let mut known = Known::default();
        known.search.next = Some(NOW.plus(400));
        known.search.looks = 5;
        known.search.session_looked_at = Some(NOW.plus(-9));
        known
    };
    let goes_on = begins(&first_sight(), searching(), false);
    assert_eq!((goes_on.next, goes_on.looks), (Some(NOW.plus(400)), 5));
    let edited = begins(&first_sight(), searching(), true);
    assert_eq!((edited.next, edited.looks), (Some(NOW.plus(5)), 0));
    let begun = begins(&first_sight(), Known::default(), false);
    assert_eq!(begun.next, Some(NOW.plus(30)));
    let with_login = Snapshot {
        login: Login::Present(login("A")),
        ..first_sight()
    };
    for s in [healthy(), with_login] {
        let over = begins(&s, searching(), true);
        assert_eq!((over.next, over.looks), (None, 0));
        assert_eq!(over.session_looked_at, Some(NOW.plus(-9)), "that is another look");
    }
}

/// It may come from a look of an earlier resource of this name, and then no watch tells that it is gone.
#[test]
fn what_others_must_remove_is_looked_at_again_from_the_first_sight_on() {
    let sees = |ownership, known: Known| {
        let mut s = healthy();
        s.session.ownership = ownership;
        s.tokens[0].ownership = ownership;
        let known = begun(known, &s);
        let note = known.entries.get(&name("graph"));
        (note.and_then(|n| n.looked_at), known.search.session_looked_at)
    };
    for ownership in [Ownership::Foreign, Ownership::Predecessor] {
        let first = sees(ownership, Known::default());
        assert_eq!(first, (Some(NOW), Some(NOW)));
        let at = Some(NOW.plus(-9));
        let mut before = Known::default();
        before.note(&name("graph")).looked_at = at;
        before.search.session_looked_at = at;
        assert_eq!(sees(ownership, before), (at, at));
    }
    for ownership in [Ownership::Ours, Ownership::Absent, Ownership::Adoptable] {
        assert_eq!(sees(ownership, Known::default()), (None, None));
    }
}

#[test]
fn notes_are_kept_of_the_entries_that_the_spec_names() {
    let mut known = Known::default();
    known.note(&name("graph"));
    known.note(&name("dropped"));
    let kept = begun(known, &healthy()).entries;
    assert_eq!(kept.into_keys().collect::<Vec<_>>(), names(&["graph"]));
}

#[test]
fn what_is_shown_is_gone_no_longer() {
    let gone = |token: Token| {
        let mut known = Known::default();
        known.note(&token.name).gone = true;
        let name = token.name.clone();
        let s = Snapshot {
            tokens: vec![token],
            ..healthy()
        };
        begun(known, &s).entries[&name].gone
    };
    assert!(gone(token("graph")));
    assert!(!gone(fresh_token("graph")));
}

/// What a host that failed for all put off is tried again once the host answers, at 20 s from the failure and what the
/// provider asked for; what is one's own keeps its pause.
#[test]
fn a_host_that_answers_again_ends_the_pauses_that_it_caused() {
    let failed = |reason, retry_after| Failure {
        refusal: Refusal {
            retry_after,
            ..refusal(Effect::Transient, reason)
        },
        at: NOW,
        ..failure(Effect::Transient, reason, Some(NOW.plus(600)))
    };
    let after = |reason, retry_after| {
        let note = Note {
            failure: Some(failed(reason, retry_after)),
            ..Note::default()
        };
        let mut known = Known {
            failure: Some(failed(reason, retry_after)),
            entries: [(name("graph"), Box::new(note))].into(),
            ..Known::default()
        };
        renewal::turn_came(&mut known);
        let of_entry = known.entries[&name("graph")].failure.clone();
        [known.failure, of_entry].map(|f| f.unwrap().next_attempt_at.unwrap().since(NOW))
    };
    assert_eq!(after(Reason::ServiceUnavailable, None), [20, 20]);
    assert_eq!(after(Reason::Throttled, Some(5)), [20, 20]);
    assert_eq!(after(Reason::Throttled, Some(300)), [300, 300]);
    assert_eq!(after(Reason::Throttled, Some(9000)), [600, 600], "never later");
    assert_eq!(after(Reason::UnexpectedResponse, None), [600, 600]);
    assert_eq!(after(Reason::ConsentMissing, None), [600, 600]);
}
