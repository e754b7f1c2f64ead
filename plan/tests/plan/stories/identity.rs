//! Whose session it is: pins, answers for somebody else, newer tokens and revivals.

use entra_plan::Known;
use entra_plan::Step;
use entra_plan::answer::{Account, Deed, Effect, Granted};
use entra_plan::identity::{AccountTag, Pin};
use entra_plan::reason::Reason;
use entra_plan::record::{ClientVersion, Inputs, Record};
use entra_plan::settle::renewal::{self, Returned};
use entra_plan::settle::{login as logins, pass, store};
use entra_plan::snapshot::{
    Binding, Held, Login, LoginOutcome, LoginSecret, Opened, RefreshOutcome, Sealed, Session, Snapshot,
    StoredToken,
};

use super::super::build::*;
use super::{step, with_known};

fn answer(account: Option<Account>) -> Granted {
    Granted {
        account,
        ..granted(NOW, LIFE)
    }
}

fn pinned(pin: Pin) -> Snapshot {
    let session = Session {
        opened: opened(Record::default(), Some(pin)),
        ..session()
    };
    Snapshot {
        session,
        login: present(login("B")),
        ..healthy()
    }
}

fn unnamed() -> Pin {
    Pin {
        account: Account::default(),
        ..pin()
    }
}

#[test]
fn a_login_that_names_nobody_counts_under_the_pinned_user_name_only() {
    for pin in [pin(), unnamed()] {
        let s = pinned(pin.clone());
        assert_eq!(logins::judged(&s, &pin.user, &answer(None)), Ok(()));
        let other = logins::judged(&s, "other@contoso.example", &answer(None)).unwrap_err();
        assert_eq!(
            (other.effect, other.reason),
            (Effect::Person, Reason::IdentityChanged)
        );
    }
}

/// With the account before in the pin, the first renewal that named the new one would have been refused for ever.
#[test]
fn a_login_that_may_change_the_account_and_names_nobody_pins_nobody() {
    let own = pin();
    let mut s = pinned(own.clone());
    let tag = |_: &Account| AccountTag("other".to_owned());
    assert_eq!(logins::pin(&s, &own.user, None, tag).account, own.account);
    s.login = present(LoginSecret {
        allows_identity_change: true,
        ..login("B")
    });
    let unnamed = logins::pin(&s, &own.user, None, tag);
    assert_eq!(
        (unnamed.account, unnamed.tag.0.as_str()),
        (Account::default(), "other")
    );
    let same = logins::pin(&s, &own.user, Some(&own.account), tag);
    assert_eq!((same.account, same.tag), (own.account, own.tag));
}

#[test]
fn a_login_for_another_binding_takes_nothing_from_the_pin_before() {
    let mut s = pinned(pin());
    let elsewhere = Binding {
        client_id: "another".to_owned(),
        ..binding()
    };
    s.session.token = Some(stored(elsewhere));
    let tag = |_: &Account| AccountTag("other".to_owned());
    assert_eq!(
        logins::pin(&s, &pin().user, None, tag).account,
        Account::default()
    );
}

/// The spec writes the tenant in another way; the answer names its GUID.
#[test]
fn a_login_of_the_same_tenant_written_differently_keeps_the_pin() {
    let written = |change: fn(&mut Binding)| {
        let mut other = binding();
        change(&mut other);
        let mut s = pinned(pin());
        s.target = entra_plan::snapshot::Target::Known {
            binding: other,
            resolved_tenant: None,
        };
        s
    };
    let tag = |_: &Account| AccountTag("other".to_owned());
    let tag_of = |s: &Snapshot, answered: &Account| {
        let pin = logins::pin(s, &pin().user, Some(answered), tag);
        pin.tag.0
    };
    let renamed = written(|b| b.tenant = "contoso.other".to_owned());
    assert_eq!(tag_of(&renamed, &account()), super::super::build::tag().0);
    let elsewhere = Account {
        tenant_id: "22222222-0000-4000-8000-000000000002".to_owned(),
        ..account()
    };
    let nowhere = Account {
        tenant_id: String::new(),
        ..account()
    };
    for answered in [elsewhere, nowhere] {
        assert_eq!(tag_of(&renamed, &answered), "other");
    }
    let client = written(|b| b.client_id = "another".to_owned());
    let authority = written(|b| b.authority = "elsewhere.example".to_owned());
    for s in [client, authority] {
        assert_eq!(tag_of(&s, &account()), "other");
    }
}

#[test]
fn a_login_for_another_account_needs_the_leave_of_its_secret() {
    let other = Account {
        home_account_id: "other.tenant".to_owned(),
        ..Account::default()
    };
    let s = pinned(pin());
    let refusal = logins::judged(&s, &pin().user, &answer(Some(other.clone()))).unwrap_err();
    assert_eq!(
        (refusal.effect, refusal.reason, refusal.deed),
        (Effect::Person, Reason::IdentityChanged, Deed::Leave)
    );
    let leave = LoginSecret {
        allows_identity_change: true,
        ..login("B")
    };
    let s = Snapshot {
        login: present(leave),
        ..s
    };
    assert_eq!(logins::judged(&s, &pin().user, &answer(Some(other))), Ok(()));
}

/// While the password was under way another process bound the session to where it went, or the login Secret was taken away.
#[test]
fn an_answer_is_judged_by_the_session_that_it_is_stored_over_and_by_the_leave_it_was_sent_with() {
    let stored = |leave| {
        let mut record = in_flight(NOW);
        record.entry_mut(&mac("A")).inputs = Some(Inputs { leave, ..inputs() });
        let s = Snapshot {
            session: Session {
                opened: opened(record, Some(pin())),
                ..session()
            },
            login: Login::Absent,
            ..healthy()
        };
        let mut outcome = LoginOutcome {
            content: mac("A"),
            attempt: "attempt-1".to_owned(),
            entry: name("graph"),
            client: None,
            user: "other@contoso.example".to_owned(),
            result: Ok(answer(None)),
        };
        logins::judge_again(&s, &mut outcome);
        outcome.result.map_err(|refusal| refusal.reason)
    };
    assert_eq!(stored(false), Err(Reason::IdentityChanged));
    assert_eq!(stored(true), Ok(answer(None)));
}

#[test]
fn the_first_answer_that_names_an_account_completes_the_pin_and_nothing_falls_due() {
    let s = Snapshot {
        login: healthy().login,
        ..pinned(unnamed())
    };
    let mut known = Known::default();
    let held = Held {
        granted: answer(Some(account())),
        ..held(REQUEST, 0)
    };
    let (_, kept) = renewal::granted(&mut known, &s, &s.tokens[0], &unnamed(), &held, NOW);
    let completed = kept.pin.unwrap();
    assert_eq!(completed, pin());
    let outcome = renewal::brought(&s, None, &completed).expect("the completed pin is stored");
    assert!(store::still_fits(&outcome, &s));
    store::stored(&mut known, &s, version("8"), Some(sealed(completed.clone())));
    let after = pinned(completed);
    assert_eq!(after.account_tag(), s.account_tag());
    assert!(
        step(&with_known(
            &Snapshot {
                login: healthy().login,
                ..after
            },
            &known
        ))
        .is_final()
    );
}

/// Whoever was renamed signs in under the new name, and is the same account.
#[test]
fn the_pin_has_the_user_name_that_was_sent_last() {
    let tag = |_: &Account| AccountTag("other".to_owned());
    let renamed = logins::pin(&pinned(pin()), "renamed@contoso.example", Some(&account()), tag);
    assert_eq!(renamed.user, "renamed@contoso.example");
    assert_eq!((renamed.account, renamed.tag), (account(), pin().tag));
}

#[test]
fn no_pin_is_empty_and_none_loses_what_it_had() {
    let bare = unnamed().completed(None);
    assert_eq!(bare.user, pin().user);
    assert_eq!(pin().completed(Some(&Account::default())), pin());
}

#[test]
fn a_renewal_for_another_account_is_discarded_whole() {
    let s = pinned(pin());
    let other = Account {
        object_id: "somebody".to_owned(),
        ..Account::default()
    };
    let held = Held {
        granted: answer(Some(other)),
        ..held(REQUEST, 0)
    };
    let mut known = Known::default();
    let (go_on, kept) = renewal::granted(&mut known, &s, &s.tokens[0], &pin(), &held, NOW);
    assert!(go_on.is_break() && !kept.token && kept.pin.is_none());
    let failure = known.failure.unwrap();
    assert_eq!(failure.refusal.reason, Reason::IdentityChanged);
    assert_eq!(failure.next_attempt_at, Some(NOW.plus(1800)));
}

/// What a redemption brought, answered `seconds` from now.
fn brought(s: &Snapshot, seconds: i64) -> RefreshOutcome {
    let returned = Returned::from(&granted(NOW.plus(seconds), LIFE));
    renewal::brought(s, Some(returned), &pin()).unwrap()
}

/// A token of an answer at that time is stored.
fn stored_at(seconds: i64) -> Snapshot {
    one_stored_at("stored", seconds)
}

fn one_stored_at(token: &str, seconds: i64) -> Snapshot {
    let sealed = Sealed {
        token: token_mac(token),
        ..sealed(pin())
    };
    let opened = Opened::Read {
        record: Some(Record::default()),
        session: Some(sealed),
        unsealable: false,
    };
    let token = StoredToken {
        issued_at: NOW.plus(seconds),
        ..stored(binding())
    };
    Snapshot {
        session: Session {
            token: Some(token),
            opened,
            ..session()
        },
        ..healthy()
    }
}

#[test]
fn a_newer_token_is_stored_though_the_clock_went_back() {
    let s = stored_at(5000);
    assert!(store::still_fits(&brought(&s, 0), &s));
}

#[test]
fn of_answers_to_different_tokens_the_later_wins() {
    let earlier = brought(&stored_at(-600), 0);
    assert!(store::still_fits(&earlier, &one_stored_at("another", -100)));
    assert!(
        !store::still_fits(&earlier, &one_stored_at("another", 100)),
        "another replica's answer is later"
    );
}

#[test]
fn a_death_is_that_of_the_token_that_was_redeemed() {
    let dead = RefreshOutcome::Dead {
        redeemed: token_mac("stored"),
        since: NOW,
    };
    assert!(store::still_fits(&dead, &stored_at(-600)));
    assert!(!store::still_fits(&dead, &one_stored_at("another", -600)));
}

#[test]
fn a_dead_token_that_is_accepted_again_lives() {
    let mut s = stored_at(-600);
    s.session.token.as_mut().unwrap().dead_since = Some(NOW.plus(-60));
    let revived = renewal::brought(&s, None, &pin()).expect("its death is taken back");
    assert_eq!(
        revived,
        RefreshOutcome::Alive {
            redeemed: token_mac("stored")
        }
    );
    assert!(store::still_fits(&revived, &s));
    assert_eq!(
        renewal::brought(&stored_at(-600), None, &pin()),
        None,
        "nothing is new otherwise"
    );
}

/// A probe of all tokens waits; a process that starts now takes what is in force for what was in force.
fn restarted() -> (Snapshot, Known) {
    let person = failure(Effect::Person, Reason::AppMisconfigured, Some(NOW.plus(1800)));
    let s = Snapshot {
        tokens: vec![published_token("graph", -2400)],
        ..healthy()
    };
    let mut known = Known {
        failure: Some(person),
        ..Known::default()
    };
    pass::begins(&mut known, &s, false, true, NOW);
    (s, known)
}

#[test]
fn after_a_restart_a_changed_client_credential_lifts_a_probe() {
    let (mut s, mut known) = restarted();
    assert!(step(&with_known(&s, &known)).is_final());
    s.object.inputs.client.version = ClientVersion("2".to_owned());
    pass::begins(&mut known, &s, false, false, NOW);
    assert_eq!(step(&with_known(&s, &known)), Step::Redeem(names(&["graph"])));
}

#[test]
fn a_back_off_that_nobody_can_end_is_not_lifted_by_an_edit() {
    let (mut s, mut known) = restarted();
    known.failure = Some(failure(
        Effect::Transient,
        Reason::ServiceUnavailable,
        Some(NOW.plus(60)),
    ));
    pass::begins(&mut known, &s, false, false, NOW);
    s.object.generation += 1;
    pass::begins(&mut known, &s, true, false, NOW);
    assert!(step(&with_known(&s, &known)).is_final());
}
