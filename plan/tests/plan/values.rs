//! Values: what each fact says of itself.

use entra_plan::Known;
use entra_plan::Time;
use entra_plan::answer::{Account, Effect, Granted};
use entra_plan::identity::AccountTag;
use entra_plan::known::Note;
use entra_plan::mac::{RequestMac, ScopesMac};
use entra_plan::reason::Reason;
use entra_plan::record::{Changed, Entry, Inputs, Record, Verdict};
use entra_plan::snapshot::{
    Binding, Held, LastVerdict, Login, Opened, Ownership, Session, Snapshot, Target, Token, Unopened, Wanted,
    Withheld,
};

use super::build::{self, *};

#[test]
fn time_saturates() {
    assert_eq!(Time(i64::MAX).plus(1), Time(i64::MAX));
    assert_eq!(Time::ALWAYS.plus(-1), Time::ALWAYS);
    assert_eq!((Time(7).plus(3), Time(7).since(Time(9))), (Time(10), -2));
    assert_eq!(Time(0).since(Time::ALWAYS), i64::MAX);
}

#[test]
fn the_tenant_of_an_account_is_in_whichever_identifier_holds_it() {
    let account = |home: &str, tenant: &str| Account {
        home_account_id: home.to_owned(),
        tenant_id: tenant.to_owned(),
        ..Account::default()
    };
    for (account, tenant) in [
        (account("u.home", "t"), "t"),
        (account("u.home", ""), "home"),
        (account("odd", ""), ""),
        (account("", ""), ""),
    ] {
        assert_eq!(account.tenant(), tenant);
    }
}

#[test]
fn a_refresh_token_ends_after_its_life_by_the_answer_s_own_time() {
    let answer = |refresh_token_life| Granted {
        answered_at: NOW,
        refresh_token_life,
        ..granted(NOW.plus(-9), LIFE)
    };
    assert_eq!(answer(None).refresh_token_ends_at(), None);
    assert_eq!(answer(Some(90)).refresh_token_ends_at(), Some(NOW.plus(90)));
}

fn contents(record: &Record) -> Vec<&str> {
    record.entries.iter().map(|e| e.content.0.as_str()).collect()
}

#[test]
fn a_record_forgets_the_oldest_that_is_not_condemned() {
    let mut record = Record::default();
    for n in 0..Record::LIMIT {
        record.entry_mut(&mac(&n.to_string()));
    }
    record.entry_mut(&mac("0")).verdict = Verdict::Wrong;
    assert_eq!(record.entries.len(), Record::LIMIT);
    assert_eq!(contents(&record).last(), Some(&"0"), "the newest is last");
    record.entries.rotate_right(1);
    record.entry_mut(&mac("new"));
    assert_eq!(record.entries.len(), Record::LIMIT);
    assert_eq!(contents(&record)[..2], ["0", "2"], "the condemned one stays");
    assert_eq!(record.entry(&mac("1")), None);
    for entry in &mut record.entries {
        entry.verdict = Verdict::Wrong;
    }
    record.entry_mut(&mac("newer"));
    assert_eq!(contents(&record)[0], "2");
}

#[test]
fn inputs_changed_if_anything_that_decides_did() {
    let changed = |change: fn(&mut Inputs)| {
        let mut now = inputs();
        change(&mut now);
        now.changed_since(Some(&inputs()))
    };
    assert_eq!(changed(|_| ()), Changed::No);
    assert_eq!(
        changed(|i| i.scopes = ScopesMac("others".to_owned())),
        Changed::Yes
    );
    assert_eq!(changed(|i| i.leave = true), Changed::Yes);
    assert_eq!(
        changed(|i| i.client = client_input("2", Some("public"))),
        Changed::No
    );
    assert_eq!(
        changed(|i| i.client = client_input("2", Some("other"))),
        Changed::Yes
    );
    assert_eq!(changed(|i| i.client = client_input("2", None)), Changed::MustRead);
    assert_eq!(changed(|i| i.client = client_input("public", None)), Changed::No);
    assert_eq!(inputs().changed_since(None), Changed::No);
    let unread = Inputs {
        client: client_input("1", None),
        ..inputs()
    };
    assert_eq!(inputs().changed_since(Some(&unread)), Changed::Yes);
}

#[test]
fn a_pause_that_began_in_the_future_is_over() {
    let entry = |sent: i64| Entry {
        last_sent_at: Some(NOW.plus(sent)),
        next_attempt_at: Some(NOW.plus(40)),
        ..tried(Verdict::Open)
    };
    assert_eq!(entry(0).again_at(NOW), Some(NOW.plus(40)));
    assert_eq!(entry(1).again_at(NOW), Some(NOW));
    assert_eq!(entry(-5).spaced(60, NOW), Some(NOW.plus(55)));
    assert_eq!(entry(5).spaced(60, NOW), Some(NOW));
    assert_eq!(Entry::new(mac("A")).spaced(60, NOW), None);
}

/// The authority's clock is ahead of the node's.
#[test]
fn a_token_s_times_are_told_by_the_node_s_clock() {
    let token = fresh_token("graph").earlier(90);
    let published = token.published.unwrap();
    let before = fresh_token("graph").published.unwrap();
    assert_eq!(published.issued_at, before.issued_at.plus(-90));
    assert_eq!(published.expires_at, before.expires_at.plus(-90));
    assert_eq!(published.refresh_at, before.refresh_at.plus(-90));
    assert_eq!(published.version, before.version);
    let mut held = held(REQUEST, 600);
    held.granted.refresh_at = Some(NOW.plus(300));
    let Held { granted, request } = held.earlier(90);
    assert_eq!(request, RequestMac(REQUEST.to_owned()));
    assert_eq!(
        (granted.issued_at, granted.expires_at, granted.refresh_at),
        (NOW.plus(-90), NOW.plus(510), Some(NOW.plus(210)))
    );
}

#[test]
fn what_is_wanted_is_answered_by_its_own_request_only() {
    let request = RequestMac(REQUEST.to_owned());
    assert!(Wanted::Anything.is_answered_by(&request));
    assert!(!Wanted::Another.is_answered_by(&request));
    assert!(Wanted::Request(request.clone()).is_answered_by(&request));
    assert!(!Wanted::Request(RequestMac("other".to_owned())).is_answered_by(&request));
}

#[test]
fn who_must_remove_a_secret_first() {
    for (ownership, waits) in [
        (Ownership::Absent, false),
        (Ownership::Ours, false),
        (Ownership::Adoptable, false),
        (Ownership::Predecessor, true),
        (Ownership::Foreign, true),
    ] {
        assert_eq!(ownership.waits_for_others(), waits);
        let token = |deleting| Token {
            ownership,
            deleting,
            ..token("graph")
        };
        assert_eq!(token(false).waits_for_others(), waits);
        assert!(token(true).waits_for_others());
    }
}

#[test]
fn what_a_read_opened_and_what_it_did_not() {
    let read = |record, session| Session {
        opened: Opened::of(record, session),
        ..build::session()
    };
    let whole = read(Some(Ok(Record::default())), Some(Ok(sealed(pin()))));
    assert!(whole.is_open() && !whole.unsealable() && !whole.record_is_locked());
    assert_eq!(whole.pinned(), Some(&pin()));
    let locked = read(Some(Err(Unopened::Locked)), Some(Ok(sealed(pin()))));
    assert!(!locked.is_open() && locked.record_is_locked() && locked.record().is_none());
    let damaged = read(Some(Err(Unopened::Damaged)), Some(Ok(sealed(pin()))));
    assert_eq!(
        damaged.record(),
        Some(&Record::default()),
        "its own key refuses it"
    );
    for unopened in [Unopened::Locked, Unopened::Damaged] {
        let broken = read(None, Some(Err(unopened)));
        assert!(broken.unsealable() && !broken.is_open() && broken.pinned().is_none());
    }
    let gone = read(None, None);
    assert!(gone.unsealable(), "it is described, and not there");
    let none = Session { token: None, ..gone };
    assert!(!none.unsealable() && none.is_open());
    let unread = Session {
        opened: Opened::Unread,
        ..session()
    };
    assert!(!unread.unsealable() && !unread.is_open() && !unread.record_is_locked());
}

#[test]
fn whose_token_it_is_and_where_it_may_go() {
    let to = |change: fn(&mut Binding), resolved: Option<&str>| {
        let mut binding = binding();
        change(&mut binding);
        let target = Target::Known {
            binding,
            resolved_tenant: resolved.map(str::to_owned),
        };
        Snapshot { target, ..healthy() }.session_matches()
    };
    let renamed = |b: &mut Binding| b.tenant = "contoso.other".to_owned();
    assert!(to(|_| (), None));
    assert!(!to(renamed, None) && to(renamed, Some(TENANT_ID)) && !to(renamed, Some("other")));
    assert!(!to(|b| b.client_id = "other".to_owned(), Some(TENANT_ID)));
    assert!(!to(
        |b| b.authority = "elsewhere.example".to_owned(),
        Some(TENANT_ID)
    ));
    let target = Target::Refused {
        reason: Reason::AppMisconfigured,
        message: String::new(),
    };
    assert_eq!(target.binding(), None);
    assert_eq!(healthy().binding(), Some(&binding()));
    let s = Snapshot { target, ..healthy() };
    assert!(!s.session_matches() && !s.redeemable());
    let mut s = healthy();
    s.session.token.as_mut().unwrap().account = AccountTag("annotated".to_owned());
    assert_eq!(s.account_tag(), Some(&tag()), "the sealed one counts");
    s.session.opened = Opened::Unread;
    assert_eq!(s.account_tag(), Some(&AccountTag("annotated".to_owned())));
}

#[test]
fn only_a_living_token_of_ours_that_opens_is_redeemed() {
    let redeemable = |change: fn(&mut Snapshot)| {
        let mut s = healthy();
        change(&mut s);
        s.redeemable()
    };
    assert!(redeemable(|_| ()));
    assert!(redeemable(|s| s.session.opened = Opened::Unread));
    let changes: [fn(&mut Snapshot); 5] = [
        |s| s.session.ownership = Ownership::Foreign,
        |s| s.session.token = None,
        |s| s.session.token.as_mut().unwrap().dead_since = Some(NOW),
        |s| s.session.token.as_mut().unwrap().binding.tenant = "other".to_owned(),
        |s| s.session.opened = Opened::of(None, None),
    ];
    for change in changes {
        assert!(!redeemable(change));
    }
}

/// Only a person, who creates another login Secret, gives a record up that does not open.
#[test]
fn a_locked_record_is_given_up_for_another_login_only() {
    let last = |uid_of_last: Option<&str>| noted(LastVerdict::Open, uid_of_last);
    let record = |login: Login, noted: Option<Option<&str>>, opened: Opened| {
        let mut s = healthy();
        s.login = login;
        s.session.last_login = noted.map(last);
        s.session.opened = opened;
        s.record().cloned()
    };
    let locked = || Opened::of(Some(Err(Unopened::Locked)), None);
    let here = || present(login("A"));
    assert_eq!(
        record(here(), Some(Some("login-0")), locked()),
        Some(Record::empty())
    );
    assert_eq!(record(here(), Some(Some("login-1")), locked()), None);
    assert_eq!(record(here(), Some(None), locked()), None);
    assert_eq!(record(here(), None, locked()), None);
    assert_eq!(record(Login::Absent, Some(Some("login-0")), locked()), None);
    assert_eq!(record(here(), Some(Some("login-0")), Opened::Unread), None);
}

#[test]
fn a_permit_is_withheld_until_then_from_its_own_binding() {
    let withheld = |seconds, binding: Option<Binding>| {
        let s = Snapshot {
            withheld: Some(Withheld {
                until: NOW.plus(seconds),
                long: seconds >= 20,
                reason: Reason::Throttled,
                message: String::new(),
                binding,
            }),
            ..healthy()
        };
        s.withheld(NOW).is_some()
    };
    let other = || Binding {
        client_id: "other".to_owned(),
        ..binding()
    };
    assert!(withheld(1, None) && withheld(1, Some(binding())));
    assert!(!withheld(0, None) && !withheld(1, Some(other())));
}

#[test]
fn what_another_process_may_have_changed_is_forgotten() {
    let failure = || failure(Effect::Transient, Reason::Throttled, None);
    let mut known = Known {
        failure: Some(failure()),
        login_failure: Some(failure()),
        holds: [(entra_plan::Object::Session, failure())].into(),
        turn_at: Some(NOW),
        ..Known::default()
    };
    known.forget_failures();
    let expected = Known {
        turn_at: Some(NOW),
        ..Known::default()
    };
    assert_eq!(known, expected);
}

#[test]
fn a_note_that_says_nothing_is_no_memory() {
    let mut known = Known::default();
    known.note(&name("asked-about"));
    known.note(&name("written")).verified = Some(version("3"));
    known.forget_empty_notes();
    assert_eq!(known.entries.into_keys().collect::<Vec<_>>(), names(&["written"]));
}

#[test]
fn only_what_is_missed_is_looked_for() {
    let note = |verified, looked_at, gone| Note {
        verified,
        looked_at,
        gone,
        ..Note::default()
    };
    let missed = |verified, looked_at, gone| note(verified, looked_at, gone).is_missed(Ownership::Absent);
    let written = Some(version("3"));
    assert!(!note(written.clone(), None, false).is_missed(Ownership::Foreign));
    assert!(missed(written.clone(), None, false));
    assert!(missed(None, Some(NOW), false));
    assert!(!missed(written, Some(NOW), true));
    assert!(!missed(None, None, false));
}
