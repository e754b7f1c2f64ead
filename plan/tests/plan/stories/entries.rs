//! A refusal that is about one resource is its entry's; what all have in common is probed once for all.

use entra_plan::answer::{Effect, Refusal};
use entra_plan::reason::Reason;
use entra_plan::settle;
use entra_plan::settle::renewal::{self, Refused};
use entra_plan::snapshot::{Snapshot, Target, Token, Wanted};
use entra_plan::{Known, Step};

use super::super::build::*;
use super::{rests, shows, step, with_known};

fn due_pair() -> Snapshot {
    Snapshot {
        tokens: vec![published_token("graph", -2400), published_token("mail", -2500)],
        ..healthy()
    }
}

fn by_policy() -> Refusal {
    refusal(Effect::Person, Reason::BlockedByPolicy)
}

/// The entry of this name is refused.
fn refuse(known: &mut Known, s: &Snapshot, name: &str, refusal: Refusal) -> Refused {
    let s = with_known(s, known);
    let token = s.tokens.iter().find(|t| t.name.0 == name).unwrap();
    renewal::refused(known, &s, token, refusal, NOW)
}

#[test]
fn an_entry_that_a_policy_refuses_does_not_delay_the_other_in_any_order() {
    for (bad, good) in [("graph", "mail"), ("mail", "graph")] {
        let mut known = Known::default();
        let after = refuse(&mut known, &due_pair(), bad, by_policy());
        assert_eq!(after, Refused::GoOn, "{bad}");
        assert_eq!(
            step(&with_known(&due_pair(), &known)),
            Step::Redeem(names(&[good]))
        );
    }
}

#[test]
fn what_names_the_user_stops_all() {
    let mut known = Known::default();
    let locked = refusal(Effect::Person, Reason::AccountLocked);
    assert_eq!(refuse(&mut known, &due_pair(), "graph", locked), Refused::Stop);
    assert!(step(&with_known(&due_pair(), &known)).is_final());
}

/// All entries were refused alike, and their next try is due.
fn all_alike() -> (Known, Snapshot) {
    let mut known = Known::default();
    for name in ["graph", "mail"] {
        refuse(&mut known, &due_pair(), name, by_policy());
    }
    let s = with_known(&due_pair(), &known);
    (known, s)
}

#[test]
fn one_probe_stands_for_all_that_are_refused_alike() {
    let (_, s) = all_alike();
    assert_eq!(
        super::decide(&s).wake.map(|at| at.since(NOW)),
        Some(1100),
        "expiry is looked at"
    );
    let probe = super::check::decide(&s, NOW.plus(1800)).step;
    assert_eq!(
        probe,
        Step::Redeem(names(&["mail"])),
        "the one that expires first"
    );
}

#[test]
fn a_probe_that_is_refused_puts_all_off_and_one_that_succeeds_frees_all() {
    let (known, s) = all_alike();
    let (mail, later) = (&s.tokens[1], NOW.plus(1800));
    let mut again = known.clone();
    renewal::refused(&mut again, &s, mail, by_policy(), later);
    for note in again.entries.values() {
        assert_eq!(
            note.failure.as_ref().unwrap().next_attempt_at,
            Some(NOW.plus(3600))
        );
    }
    let mut freed = known;
    let answer = entra_plan::snapshot::Held {
        granted: granted(later, LIFE),
        ..held(REQUEST, 0)
    };
    let (_, kept) = renewal::granted(&mut freed, &s, mail, &pin(), &answer, later);
    assert!(kept.token);
    assert!(
        freed.entries.values().all(|n| n.failure.is_none()),
        "the others are tried at once"
    );
}

/// By now the policy may be about one of them alone.
#[test]
fn the_next_probe_is_for_another_entry() {
    let (mut known, s) = all_alike();
    let (mail, later) = (&s.tokens[1], NOW.plus(1800));
    renewal::refused(&mut known, &s, mail, by_policy(), later);
    let s = with_known(&due_pair(), &known);
    let next = super::check::decide(&s, NOW.plus(3600)).step;
    assert_eq!(next, Step::Redeem(names(&["graph"])));
}

#[test]
fn refusals_that_differ_are_each_their_own() {
    let mut known = Known::default();
    refuse(&mut known, &due_pair(), "graph", by_policy());
    refuse(
        &mut known,
        &due_pair(),
        "mail",
        refusal(Effect::Entry, Reason::ConsentMissing),
    );
    let s = with_known(&due_pair(), &known);
    let both = super::check::decide(&s, NOW.plus(1800)).step;
    assert_eq!(both, Step::Redeem(names(&["mail", "graph"])));
}

#[test]
fn a_spec_that_no_published_token_can_answer_is_not_ready() {
    let s = Snapshot {
        target: Target::Refused {
            reason: Reason::AppMisconfigured,
            message: "not usable".to_owned(),
        },
        tokens: vec![Token {
            wanted: Wanted::Another,
            ..fresh_token("graph")
        }],
        ..healthy()
    };
    assert_eq!(rests(&s).1, Reason::AppMisconfigured);
    assert!(!shows(&s).contains(&"Ready"));
}

#[test]
fn an_answer_that_cannot_be_published_gets_a_back_off() {
    let s = due_pair();
    let odd = refusal(Effect::Transient, Reason::UnexpectedResponse);
    let unusable = entra_plan::answer::Granted {
        unusable: Some(Box::new(odd)),
        ..granted(NOW, LIFE)
    };
    let expired = entra_plan::answer::Granted {
        expires_at: NOW,
        ..granted(NOW, LIFE)
    };
    for granted in [unusable, expired] {
        let mut known = Known::default();
        let answer = entra_plan::snapshot::Held {
            granted,
            ..held(REQUEST, 0)
        };
        let (go_on, kept) = renewal::granted(&mut known, &s, &s.tokens[0], &pin(), &answer, NOW);
        assert!(
            go_on.is_continue() && !kept.token && kept.pin.is_some(),
            "the session is kept"
        );
        let failure = known.entries[&name("graph")].failure.as_ref().unwrap();
        assert_eq!(failure.refusal.reason, Reason::UnexpectedResponse);
        assert!(failure.next_attempt_at >= Some(NOW.plus(20)));
        assert!(known.failure.is_none(), "it costs the entry, not the session");
    }
}

#[test]
fn a_failed_entry_is_tried_again_in_the_time_that_its_own_token_has_left() {
    let mut s = due_pair();
    s.tokens[0].published = Some(published(NOW.plus(-40), 80));
    let failed_again_after = |entry: &str| {
        let mut known = Known::default();
        refuse(
            &mut known,
            &s,
            entry,
            refusal(Effect::Entry, Reason::UnexpectedResponse),
        );
        let failure = known.entries[&name(entry)].failure.clone();
        failure.unwrap().next_attempt_at.unwrap().since(NOW)
    };
    assert_eq!(failed_again_after("graph"), 10);
    assert!(failed_again_after("mail") >= 20);
}

/// Whoever renames entries again and again makes the process remember no more than the spec names.
#[test]
fn what_was_noted_of_an_entry_goes_with_it() {
    let mut known = Known::default();
    refuse(&mut known, &due_pair(), "mail", by_policy());
    let one = Snapshot {
        tokens: vec![published_token("graph", -2400)],
        ..healthy()
    };
    settle::pass::begins(&mut known, &one, false, false, NOW);
    assert!(!known.entries.keys().any(|name| name.0 == "mail"));
}
