//! What a remedy tells a person to do leads to a call when it is done to the letter: every deed, for every refusal that is
//! remembered and may name it.

use entra_plan::answer::{Deed, Effect};
use entra_plan::reason::Reason;
use entra_plan::record::{Entry, Verdict};
use entra_plan::settle::{pass, renewal};
use entra_plan::snapshot::{Binding, Login, LoginSecret, Session, Snapshot, StoredToken, Target};
use entra_plan::{Known, Step};
use strum::IntoEnumIterator as _;

use super::super::build::*;
use super::super::check;
use super::with_known;

/// A refusal that is remembered: of which grant, and as what.
#[derive(Clone, Copy, Debug)]
enum Remembered {
    Kept,
    Condemned,
    Unknown,
    PutOff,
    OfRenewal,
    OfEntry,
    Dead,
}

use Remembered::{Condemned, Dead, Kept, OfEntry, OfRenewal, PutOff, Unknown};

const ALL: [Remembered; 7] = [Kept, Condemned, Unknown, PutOff, OfRenewal, OfEntry, Dead];

/// Whether a refusal that is remembered so may tell a person to do this.
const fn may_name(refusal: Remembered, deed: Deed) -> bool {
    match deed {
        Deed::NewLogin => true,
        // A pause that others share is lifted by no word.
        Deed::Word | Deed::WordAndNewLogin => !matches!(refusal, PutOff),
        Deed::Spec | Deed::ClientCredential => matches!(refusal, Kept | OfRenewal | OfEntry),
        Deed::Leave => matches!(refusal, Kept),
        Deed::Wait => matches!(refusal, PutOff | OfRenewal | OfEntry),
    }
}

fn facts_of(refusal: Remembered) -> (Snapshot, Known) {
    let sent = |entry| (with_login(record(entry)), Known::default());
    match refusal {
        Kept => sent(tried(Verdict::Kept(Reason::AppMisconfigured))),
        Condemned => sent(tried(Verdict::Wrong)),
        Unknown => sent(Entry {
            unanswered: 3,
            ..tried(Verdict::Open)
        }),
        PutOff => sent(Entry {
            next_attempt_at: Some(NOW.plus(600)),
            ..tried(Verdict::Open)
        }),
        OfRenewal => refused(Reason::AppMisconfigured),
        OfEntry => refused(Reason::BlockedByPolicy),
        Dead => (dead(), Known::default()),
    }
}

fn refused(reason: Reason) -> (Snapshot, Known) {
    let s = Snapshot {
        tokens: vec![published_token("graph", -2400)],
        ..healthy()
    };
    let mut known = Known::default();
    renewal::refused(&mut known, &s, &s.tokens[0], refusal(Effect::Person, reason), NOW);
    (s, known)
}

fn dead() -> Snapshot {
    let mut s = Snapshot {
        tokens: vec![published_token("graph", -2400)],
        ..healthy()
    };
    let token = StoredToken {
        dead_since: Some(NOW),
        ..stored(binding())
    };
    s.session.token = Some(token);
    s
}

/// The login Secret is created anew, with this content.
fn new_login(s: &mut Snapshot, content: &str) {
    s.login = Login::Present(LoginSecret {
        uid: uid("login-2"),
        ..login(content)
    });
}

/// A person does it; returns after how many seconds the call is due.
fn perform(deed: Deed, s: &mut Snapshot) -> i64 {
    match deed {
        Deed::NewLogin => new_login(s, "B"),
        Deed::WordAndNewLogin => {
            s.object.said = said(0);
            new_login(s, "A");
        }
        Deed::Word => s.object.said = said(0),
        Deed::Spec => {
            s.object.generation += 1;
            s.object.inputs = super::super::facts::older_inputs();
        }
        Deed::ClientCredential => s.object.inputs.client = client_input("2", Some("rotated")),
        Deed::Leave => leave(s),
        Deed::Wait => return 1800,
    }
    0
}

fn leave(s: &mut Snapshot) {
    if let Login::Present(login) = &mut s.login {
        login.allows_identity_change = true;
    }
}

fn calls(step: &Step) -> bool {
    matches!(step, Step::RecordAttempt { .. } | Step::Redeem(_))
}

#[test]
fn every_deed_that_a_refusal_names_leads_to_a_call() {
    for refusal in ALL {
        for deed in Deed::iter().filter(|deed| may_name(refusal, *deed)) {
            let (mut s, mut known) = facts_of(refusal);
            pass::begins(&mut known, &s, false, false, NOW);
            let before = check::decide(&with_known(&s, &known), NOW).step;
            assert!(!calls(&before), "{refusal:?}: {before:?} without {deed:?}");
            let at = NOW.plus(perform(deed, &mut s));
            pass::begins(&mut known, &s, false, false, at);
            let after = check::decide(&with_known(&s, &known), at).step;
            assert!(calls(&after), "{refusal:?} and {deed:?} lead to {after:?}");
        }
    }
}

#[test]
fn a_spec_that_names_another_tenant_or_client_makes_another_content() {
    for refusal in [Kept, Condemned, Unknown] {
        let (mut s, _) = facts_of(refusal);
        let other = Binding {
            tenant: "other.example".to_owned(),
            ..binding()
        };
        s.target = Target::Known {
            binding: other,
            resolved_tenant: None,
        };
        new_login(&mut s, "A in another tenant");
        assert!(calls(&check::decide(&s, NOW).step), "{refusal:?}");
    }
}

#[test]
fn a_new_login_is_asked_for_with_the_reason_why_the_stored_session_does_not_serve() {
    let told = |s: &Snapshot| super::decide(s).message;
    let elsewhere = |s: Snapshot| Snapshot {
        session: Session {
            token: Some(StoredToken {
                binding: Binding {
                    tenant: "other.example".to_owned(),
                    ..binding()
                },
                ..s.session.token.clone().unwrap()
            }),
            ..s.session.clone()
        },
        ..s
    };
    let gone = "the refresh token is no longer accepted";
    let another = "the stored refresh token belongs to another tenant";
    assert!(told(&dead()).starts_with(gone));
    assert!(told(&elsewhere(dead())).starts_with(another));
    assert!(told(&elsewhere(healthy())).starts_with(another));
}
