//! What is said in words: each text names what happened and what to do about it.

use entra_plan::answer::{Deed, Effect, Refusal};
use entra_plan::client::{Client, Expiry};
use entra_plan::conditions::{Condition, conditions};
use entra_plan::mac::RequestMac;
use entra_plan::reason::Reason;
use entra_plan::record::Verdict;
use entra_plan::schedule::DAY;
use entra_plan::snapshot::{Opened, Session, Snapshot};
use entra_plan::word::Said;
use entra_plan::{Decision, Object, Step, rest_of_pass};
use strum::IntoEnumIterator as _;

use super::super::build::*;
use super::decide;

/// The condition of this kind at rest.
fn condition(kind: &str, s: &Snapshot) -> Condition {
    let all = conditions(s, &decide(s), NOW);
    all.into_iter().find(|c| c.kind == kind).unwrap()
}

fn of_login(s: &Snapshot) -> (Reason, String) {
    let c = condition("LoggedIn", s);
    assert!(!c.status);
    (c.reason, c.message)
}

#[test]
fn why_nobody_is_logged_in() {
    let mut dead = healthy();
    dead.session.token.as_mut().unwrap().dead_since = Some(NOW.plus(-60));
    let (reason, message) = of_login(&dead);
    assert_eq!(reason, Reason::LoginRequired);
    assert!(message.contains("no longer accepted"), "{message}");
    dead.object.suspended = true;
    assert_eq!(decide(&dead).reason, Reason::Suspended);
    assert_eq!(of_login(&dead), (reason, message), "whatever the headline is");
    let mut unsealable = healthy();
    unsealable.session.opened = Opened::of(None, None);
    let (reason, message) = of_login(&unsealable);
    assert_eq!(reason, Reason::Unsealable);
    assert!(message.contains("the key that sealed"), "{message}");
    let (reason, message) = of_login(&first_sight());
    assert_eq!(reason, Reason::AwaitingLogin);
    assert!(message.contains("spec.login.secretName"), "{message}");
    let ready = Snapshot {
        session: Session::default(),
        ..healthy()
    };
    assert_eq!(decide(&ready).reason, Reason::Expiring);
    assert_eq!(of_login(&ready).0, Reason::LoginRequired);
}

/// The headline of a renewal says nothing about what is not written yet.
#[test]
fn why_something_is_not_published() {
    let published = |reason, s: &Snapshot| {
        let decision = Decision {
            step: Step::Idle,
            reason,
            message: "why".to_owned(),
            wake: None,
        };
        let c = conditions(s, &decision, NOW).swap_remove(2);
        (c.reason, c.message)
    };
    let s = first_sight();
    for of_renewal in [Reason::Expiring, Reason::Expired, Reason::ClockSkew] {
        assert_eq!(published(of_renewal, &s), (Reason::Publishing, String::new()));
    }
    for other in [Reason::AwaitingLogin, Reason::WriteRefused] {
        assert_eq!(published(other, &s), (other, "why".to_owned()));
    }
    let mut foreign = s;
    foreign.tokens[0].ownership = entra_plan::snapshot::Ownership::Foreign;
    let (reason, message) = published(Reason::AwaitingLogin, &foreign);
    assert_eq!(reason, Reason::SecretConflict);
    assert!(
        message.contains("the Secret graph belongs to somebody else"),
        "{message}"
    );
}

#[test]
fn within_how_many_days_a_certificate_ends() {
    let days = |expires| {
        decide(&Snapshot {
            client: Client::Credential { expires },
            ..healthy()
        })
        .message
    };
    for (expires, told) in [
        (Expiry::Soon, "within 30 days"),
        (Expiry::At(NOW.plus(-DAY)), "within 1 days"),
        (Expiry::At(NOW.plus(DAY - 1)), "within 1 days"),
        (Expiry::At(NOW.plus(DAY)), "within 2 days"),
    ] {
        let message = days(expires);
        assert!(message.contains(told), "{message}");
    }
}

#[test]
fn what_is_wrong_with_a_word() {
    let told = |said| {
        let mut s = healthy();
        s.object.said = said;
        s.handled = Some(word(300));
        decide(&s).message
    };
    assert!(told(Some(Said::Unreadable)).contains("no RFC 3339 time"));
    assert!(told(said(301)).contains("more than 5 minutes ahead"));
    assert!(told(said(9000)).contains("more than 5 minutes ahead"));
    for right in [None, said(300), said(-1)] {
        assert_eq!(told(right), "");
    }
}

#[test]
fn until_when_a_refresh_token_is_good_if_the_provider_said_so() {
    let until = "good until status.refreshToken.expiresAt";
    let mut s = healthy();
    assert_eq!(condition("LoggedIn", &s).message, "");
    s.session.token.as_mut().unwrap().ends_at = Some(NOW.plus(9000));
    assert!(condition("LoggedIn", &s).message.contains(until));
    s.object.suspended = true;
    assert!(decide(&s).message.contains(until));
}

#[test]
fn what_a_kept_login_ended_with() {
    let kept = with_login(record(tried(Verdict::Kept(Reason::AccountLocked))));
    let told = |reason| {
        decide(&Snapshot {
            login_failure: Some(failure(Effect::Person, reason, None)),
            ..kept.clone()
        })
        .message
    };
    assert_eq!(told(Reason::AccountLocked), "AccountLocked happened");
    for unknown in [decide(&kept).message, told(Reason::Throttled)] {
        assert!(unknown.contains("ended with AccountLocked"), "{unknown}");
        assert!(unknown.contains("change what it names"), "{unknown}");
    }
}

#[test]
fn what_a_person_must_do_comes_between_what_happened_and_where_to_read_more() {
    let told = |deed| {
        Refusal {
            deed,
            message: "it was refused.".to_owned(),
            remedy: "See the guide.".to_owned(),
            ..refusal(Effect::Person, Reason::AppMisconfigured)
        }
        .told()
    };
    for deed in Deed::iter() {
        let names = match deed {
            Deed::NewLogin => "login Secret anew",
            Deed::WordAndNewLogin | Deed::Word => "entra-operator.dev/refresh-requested-at",
            Deed::Spec => "changed spec",
            Deed::ClientCredential => "client credential",
            Deed::Leave => "entra-operator.dev/allow-identity-change",
            Deed::Wait => "",
        };
        let text = told(deed);
        assert!(text.starts_with("it was refused. ") && text.ends_with("See the guide."));
        assert!(text.contains(names), "{text}");
    }
    assert_eq!(told(Deed::Wait), "it was refused. See the guide.");
}

#[test]
fn which_object_is_in_the_way() {
    let texts = [
        (Object::Login, "the login Secret"),
        (Object::Session, "the refresh-token Secret"),
        (Object::Client, "the client credential"),
        (Object::Token(name("graph")), "the Secret graph"),
    ];
    for (object, text) in texts {
        assert_eq!(object.named(), text);
    }
}

#[test]
fn what_keeps_tokens_from_being_renewed_is_said_before_a_login_beside_it_and_after_one_that_is_needed() {
    let kept = || record(tried(Verdict::Kept(Reason::AccountLocked)));
    let outage = || failure(Effect::Transient, Reason::ServiceUnavailable, Some(NOW.plus(40)));
    let beside = Snapshot {
        login: present(login("A")),
        session: Session {
            opened: opened(kept(), Some(pin())),
            ..session()
        },
        tokens: vec![token("graph")],
        failure: Some(outage()),
        ..healthy()
    };
    assert_eq!(decide(&beside).reason, Reason::ServiceUnavailable);
    let needed = Snapshot {
        failure: Some(outage()),
        ..with_login(kept())
    };
    assert_eq!(decide(&needed).reason, Reason::AccountLocked);
}

/// The pass is not over: nothing stands in the way, and it goes on at once.
#[test]
fn what_is_said_while_tokens_are_being_obtained() {
    let said = |tokens| {
        let s = Snapshot { tokens, ..healthy() };
        let rest = rest_of_pass(&s, NOW);
        assert_eq!(rest.wake, Some(NOW));
        rest.reason
    };
    let former = |age| {
        let mut token = published_token("graph", age);
        token.published.as_mut().unwrap().request = RequestMac("former".to_owned());
        token
    };
    assert_eq!(said(vec![fresh_token("graph")]), Reason::Fresh);
    assert_eq!(said(vec![published_token("graph", -LIFE)]), Reason::Expired);
    assert_eq!(said(vec![former(-LIFE)]), Reason::SpecChanged);
    assert_eq!(said(vec![former(-600)]), Reason::SpecChanged);
    assert_eq!(said(vec![former(-600), token("mail")]), Reason::Publishing);
}

#[test]
fn what_is_reconciled_and_until_when() {
    let reconciling = |reason, s: &Snapshot| {
        let decision = Decision {
            step: Step::Idle,
            reason,
            message: "why".to_owned(),
            wake: None,
        };
        let c = conditions(s, &decision, NOW).swap_remove(3);
        (c.status, c.reason)
    };
    let settled = (false, Reason::Settled);
    let first = first_sight();
    assert_eq!(
        reconciling(Reason::AwaitingLogin, &first),
        (true, Reason::AwaitingLogin)
    );
    assert_eq!(
        reconciling(Reason::Throttled, &first),
        (true, Reason::SpecChanged)
    );
    assert_eq!(
        reconciling(Reason::AccountLocked, &first),
        settled,
        "only a person can help"
    );
    assert_eq!(reconciling(Reason::Throttled, &healthy()), settled, "it is Ready");
    let expired = Snapshot {
        tokens: vec![published_token("graph", -LIFE)],
        ..healthy()
    };
    assert_eq!(
        reconciling(Reason::Throttled, &expired),
        settled,
        "a routine renewal"
    );
    assert_eq!(
        reconciling(Reason::LoggingIn, &expired),
        (true, Reason::LoggingIn)
    );
    let mut changed = healthy();
    changed.tokens[0].published.as_mut().unwrap().request = RequestMac("former".to_owned());
    assert_eq!(
        reconciling(Reason::Throttled, &changed),
        (true, Reason::SpecChanged)
    );
    let dropped = Snapshot {
        tokens: vec![fresh_token("graph"), token("mail")],
        ..healthy()
    };
    assert_eq!(
        reconciling(Reason::Throttled, &dropped),
        (true, Reason::SpecChanged)
    );
}
