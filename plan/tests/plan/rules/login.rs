//! Recording, sending and deleting a login.

use entra_plan::Step;
use entra_plan::invariants::Rule;
use entra_plan::reason::Reason;
use entra_plan::record::{Entry, Record, Verdict};
use entra_plan::schedule::{DAY, WORD_AHEAD};
use entra_plan::snapshot::{Claim, Content, LastVerdict, Login, Opened, Ownership, Session, Snapshot};
use entra_plan::word::Said;

use super::super::build::*;
use super::{broken, owned_by, unstored, with_other_login};

/// Content A was sent once and not answered.
fn open() -> Snapshot {
    with_login(record(tried(Verdict::Open)))
}

fn with_entry(entry: Entry) -> Snapshot {
    with_login(record(entry))
}

/// The record is there and cannot be opened; it was written for the login Secret of this uid.
fn locked(login_uid: Option<&str>) -> Snapshot {
    let last = noted(LastVerdict::Open, login_uid);
    let opened = Opened::Read {
        record: None,
        session: None,
        unsealable: false,
    };
    let mut s = open();
    s.session.opened = opened;
    s.session.last_login = Some(last);
    s
}

fn told(said: Option<Said>, s: Snapshot) -> Snapshot {
    let mut s = s;
    s.object.said = said;
    s
}

#[test]
fn only_the_content_that_was_claimed_and_read_is_recorded() {
    assert_eq!(broken(&open(), &record_a()), []);
    let other = Step::RecordAttempt {
        content: mac("B"),
        entry: name("graph"),
    };
    assert_eq!(broken(&open(), &other), [Rule::OnlyClaimedSent]);
    for s in [
        with_other_login(&open(), |l| l.claim = Claim::Free),
        with_other_login(&open(), |l| l.deleting = true),
        with_other_login(&open(), |l| l.content = Content::Unread),
        Snapshot {
            login: Login::Absent,
            ..open()
        },
    ] {
        assert_eq!(broken(&s, &record_a()), [Rule::OnlyClaimedSent]);
    }
}

#[test]
fn what_is_recorded_has_the_scopes_of_an_entry_and_comes_after_what_is_unstored() {
    let nobody = Step::RecordAttempt {
        content: mac("A"),
        entry: name("nobody"),
    };
    assert_eq!(broken(&open(), &nobody), [Rule::ScopesOfSpec]);
    for s in unstored(&open()) {
        assert_eq!(broken(&s, &record_a()), [Rule::StoredBeforeCall]);
    }
}

#[test]
fn the_record_is_read_first_and_a_locked_one_is_not_empty() {
    let unread = Snapshot {
        session: Session {
            opened: Opened::Unread,
            ..session()
        },
        ..open()
    };
    assert_eq!(broken(&unread, &record_a()), [Rule::RecordReadBeforeSend]);
    assert_eq!(broken(&owned_by(Ownership::Absent, &unread), &record_a()), []);
    assert_eq!(
        broken(&locked(Some("login-1")), &record_a()),
        [Rule::LockedIsNotEmpty]
    );
    assert_eq!(broken(&locked(None), &record_a()), [Rule::LockedIsNotEmpty]);
    assert_eq!(broken(&locked(Some("login-0")), &record_a()), []);
}

#[test]
fn an_outcome_is_stored_beside_a_locked_record_only_for_another_login() {
    let [refresh, login] = unstored(&locked(Some("login-1")));
    assert_eq!(broken(&refresh, &Step::Store), []);
    assert_eq!(broken(&login, &Step::Store), [Rule::LockedIsNotEmpty]);
    let [_, another] = unstored(&locked(Some("login-0")));
    assert_eq!(broken(&another, &Step::Store), []);
    let [_, opened] = unstored(&open());
    assert_eq!(broken(&opened, &Step::Store), []);
}

#[test]
fn an_accepted_content_is_silent_while_its_token_lives() {
    let accepted = with_entry(tried(Verdict::Accepted));
    assert_eq!(broken(&accepted, &record_a()), [], "no token is there");
    let mut living = accepted;
    living.session = Session {
        opened: opened(record(tried(Verdict::Accepted)), Some(pin())),
        ..session()
    };
    assert_eq!(broken(&living, &record_a()), [Rule::AcceptedNotSent]);
}

#[test]
fn a_condemned_content_is_lifted_by_a_word_that_counts_three_times_a_day() {
    let wrong = || with_entry(tried(Verdict::Wrong));
    let lifted = |ages: [i64; 3]| {
        with_entry(Entry {
            lifts: ages.map(|age| NOW.plus(-age)).to_vec(),
            ..tried(Verdict::Wrong)
        })
    };
    let used = with_entry(Entry {
        word: Some(word(-1)),
        ..tried(Verdict::Wrong)
    });
    for kept in [
        told(said(-1), wrong()),
        told(said(0), used.clone()),
        told(said(WORD_AHEAD), wrong()),
        told(said(-DAY), wrong()),
        told(said(-1), lifted([1, 2, DAY])),
    ] {
        assert_eq!(broken(&kept, &record_a()), [], "{:?}", kept.object.said);
    }
    for s in [
        wrong(),
        told(Some(Said::Unreadable), wrong()),
        told(said(-1), used),
        told(said(WORD_AHEAD + 1), wrong()),
        told(said(-DAY - 1), wrong()),
        told(said(-1), lifted([1, 2, DAY - 1])),
    ] {
        assert_eq!(
            broken(&s, &record_a()),
            [Rule::CondemnedNotSent],
            "{:?}",
            s.object.said
        );
    }
}

#[test]
fn three_sends_without_an_answer_are_all_but_for_a_word() {
    let unanswered = |times| {
        with_entry(Entry {
            unanswered: times,
            ..tried(Verdict::Open)
        })
    };
    assert_eq!(broken(&unanswered(2), &record_a()), []);
    assert_eq!(broken(&unanswered(3), &record_a()), [Rule::ThreeUnanswered]);
    assert_eq!(broken(&told(said(-1), unanswered(3)), &record_a()), []);
}

/// An attempt that this process recorded five seconds ago.
fn recorded() -> Snapshot {
    let mut s = with_login(in_flight(NOW.plus(-5)));
    s.session.attempt = Some(seen(NOW.plus(-5), true));
    s.tokens.push(token("mail"));
    s
}

fn exchange(attempt: &str, entry: &str) -> Step {
    Step::Exchange {
        attempt: attempt.to_owned(),
        entry: name(entry),
    }
}

fn of_graph() -> Step {
    exchange("attempt-1", "graph")
}

#[test]
fn only_what_was_recorded_is_sent() {
    assert_eq!(broken(&recorded(), &of_graph()), []);
    assert_eq!(broken(&open(), &of_graph()), [Rule::RecordedBeforeSent]);
    let mut unread = recorded();
    unread.session.opened = Opened::Unread;
    assert_eq!(broken(&unread, &of_graph()), [Rule::RecordedBeforeSent]);
    assert_eq!(
        broken(&recorded(), &exchange("attempt-1", "mail")),
        [Rule::OnlyRecordedSent]
    );
    let mut another = recorded();
    another.session.attempt.as_mut().unwrap().id = "attempt-2".to_owned();
    assert_eq!(
        broken(&another, &exchange("attempt-2", "graph")),
        [Rule::OnlyRecordedSent]
    );
    let mut dropped = recorded();
    dropped.tokens.remove(0);
    assert_eq!(broken(&dropped, &of_graph()), [Rule::ScopesOfSpec]);
    let other = with_other_login(&recorded(), |l| l.content = Content::Valid { mac: mac("B") });
    assert_eq!(broken(&other, &of_graph()), [Rule::OnlyClaimedSent]);
    for s in unstored(&recorded()) {
        assert_eq!(broken(&s, &of_graph()), [Rule::StoredBeforeCall]);
    }
}

#[test]
fn it_is_sent_once_by_the_process_that_recorded_it() {
    let seen_as = |attempt| {
        let mut s = recorded();
        s.session.attempt = attempt;
        s
    };
    let mut another = seen(NOW, true);
    another.id = "attempt-2".to_owned();
    for attempt in [None, Some(seen(NOW, false)), Some(another)] {
        assert_eq!(broken(&seen_as(attempt), &of_graph()), [Rule::SentOnce]);
    }
}

#[test]
fn what_was_accepted_meanwhile_is_not_sent() {
    let accepted = Record {
        attempt: Some(attempt("A")),
        ..record(tried(Verdict::Accepted))
    };
    let mut s = recorded();
    s.session = Session {
        attempt: Some(seen(NOW, true)),
        opened: opened(accepted, Some(pin())),
        ..session()
    };
    assert_eq!(broken(&s, &of_graph()), [Rule::AcceptedNotSent]);
}

#[test]
fn a_login_is_deleted_for_a_final_verdict_and_an_accepted_one_once_its_token_was_read_back() {
    let deleting = |s: &Snapshot| broken(s, &Step::DeleteLogin);
    assert_eq!(deleting(&with_entry(tried(Verdict::Wrong))), []);
    assert_eq!(
        deleting(&with_login(Record::default())),
        [Rule::DeletedForVerdict]
    );
    for verdict in [Verdict::Open, Verdict::Kept(Reason::ConsentMissing)] {
        assert_eq!(deleting(&with_entry(tried(verdict))), [Rule::UndecidedKept]);
    }
    let accepted = with_entry(tried(Verdict::Accepted));
    assert_eq!(deleting(&accepted), [Rule::ReadBackBeforeDeleted]);
    let mut stored = accepted;
    stored.session = Session {
        opened: opened(record(tried(Verdict::Accepted)), Some(pin())),
        ..session()
    };
    assert_eq!(deleting(&stored), []);
    let mut dead = stored.clone();
    dead.session.token.as_mut().unwrap().dead_since = Some(NOW);
    assert_eq!(deleting(&dead), [Rule::ReadBackBeforeDeleted]);
    stored.session.opened = opened(record(tried(Verdict::Accepted)), None);
    assert_eq!(deleting(&stored), [Rule::ReadBackBeforeDeleted]);
}
