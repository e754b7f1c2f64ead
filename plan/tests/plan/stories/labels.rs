//! Labels and annotations that are not those that are asked for, and Secrets that lost the label by which they are watched.

use entra_plan::known::Known;
use entra_plan::settle::{reads, tokens};
use entra_plan::snapshot::{Ownership, Published, Repairs, Snapshot, Token};
use entra_plan::{Object, Step};

use super::step;
use crate::build::{NOW, fresh_token, healthy, name, names, published_token, token, version};
use crate::check::decide;

fn unlabelled(token: Token) -> Token {
    let published = token.published.clone().map(|p| Published {
        unlabelled: true,
        ..p
    });
    Token { published, ..token }
}

fn of(tokens: Vec<Token>) -> Snapshot {
    Snapshot { tokens, ..healthy() }
}

#[test]
fn other_labels_are_put_right_without_a_call_and_keep_nobody_from_being_ready() {
    let mut s = of(vec![unlabelled(fresh_token("a")), fresh_token("b")]);
    s.session.unlabelled = true;
    let objects = vec![Object::Token(name("a")), Object::Session];
    assert_eq!(step(&s), Step::Label(objects));
    assert!(s.tokens.iter().all(|t| t.is_valid(NOW)));
}

#[test]
fn labels_that_keep_being_taken_away_are_put_back_more_and_more_slowly_and_renewals_go_on() {
    let again = Some(Repairs { count: 1, at: NOW });
    let taken = Token {
        repairs: again,
        ..unlabelled(fresh_token("a"))
    };
    let decision = decide(&of(vec![taken]), NOW);
    assert!(decision.step.is_final(), "{decision:?}");
    assert!(decision.message.contains("find out who does it"), "{decision:?}");
    let due = Token {
        repairs: again,
        ..unlabelled(published_token("a", -2400))
    };
    assert_eq!(step(&of(vec![due])), Step::Redeem(names(&["a"])));
}

#[test]
fn what_was_written_and_is_not_shown_is_looked_for_before_it_is_made_anew() {
    let mut s = of(vec![token("a")]);
    let mut known = Known::default();
    let looks_for = |known: &Known| known.entries[&name("a")].is_missed(Ownership::Absent);
    known.note(&name("a")).verified = Some(version("3"));
    assert!(looks_for(&known));
    s.tokens[0].unlooked = true;
    assert_eq!(step(&s), Step::Look(vec![Object::Token(name("a"))]));
    reads::looked(&mut known, &s, &Object::Token(name("a")), false, NOW);
    assert!(!looks_for(&known));
    s.tokens[0].unlooked = false;
    assert_eq!(step(&s), Step::Redeem(names(&["a"])));
    // It is written again, of which its watch tells nothing new: the next time that it is missed it is looked for again, even
    // in the same pass.
    tokens::published(&mut known, &s.tokens[0], version("4"), NOW);
    assert!(looks_for(&known));
}

#[test]
fn what_was_deleted_here_is_not_looked_for() {
    let mut known = Known::default();
    known.note(&name("a")).verified = Some(version("3"));
    tokens::deleted(&mut known, &name("a"));
    assert!(!known.entries[&name("a")].is_missed(Ownership::Absent));
}

#[test]
fn what_is_not_shown_of_a_suspended_credential_is_looked_for_and_nothing_else_is_done() {
    let mut s = of(vec![token("a"), unlabelled(fresh_token("b"))]);
    s.object.suspended = true;
    s.tokens[0].unlooked = true;
    assert_eq!(step(&s), Step::Look(vec![Object::Token(name("a"))]));
    s.tokens[0] = unlabelled(fresh_token("a"));
    let decision = decide(&s, NOW);
    assert_eq!(decision.step, Step::Blocked, "{decision:?}");
}

#[test]
fn labels_that_were_there_before_count_as_a_repair_and_new_ones_do_not() {
    let mut known = Known::default();
    tokens::labelled(&mut known, &name("a"), version("4"), false, NOW);
    assert_eq!(known.entries[&name("a")].repairs, None);
    tokens::labelled(&mut known, &name("a"), version("5"), true, NOW);
    assert_eq!(
        known.entries[&name("a")].repairs,
        Some(Repairs { count: 1, at: NOW })
    );
}
