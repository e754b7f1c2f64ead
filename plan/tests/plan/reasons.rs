//! The table of reasons is the committed one: `reasons.txt`. `UPDATE=1 cargo test --test plan` writes it anew.

use std::fmt::Write as _;

use entra_plan::conditions::tell_of_a_foreign_secret;
use entra_plan::reason::{Reason, Says};
use strum::IntoEnumIterator as _;

#[test]
fn table_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plan/reasons.txt");
    let table = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        table, committed,
        "reasons are API: if the change is meant, run with UPDATE=1, and change the docs too"
    );
}

fn table() -> String {
    let mut text = line(
        "reason",
        ["Ready", "LoggedIn", "Published", "Reconciling", "person"],
        "retry",
    );
    for reason in Reason::iter() {
        let row = reason.verdicts();
        let [ready, logged_in, published, reconciling] =
            [row.ready, row.logged_in, row.published, row.reconciling].map(word);
        let person = if row.needs_person { "yes" } else { "no" };
        text += &line(
            reason.as_ref(),
            [ready, logged_in, published, reconciling, person],
            &format!("{:?}", row.retry),
        );
    }
    text
}

const fn word(says: Says) -> &'static str {
    match says {
        Says::True => "True",
        Says::False => "False",
        Says::Facts => "facts",
    }
}

fn line(reason: &str, conditions: [&str; 5], retry: &str) -> String {
    let mut line = String::new();
    let [ready, logged_in, published, reconciling, person] = conditions;
    writeln!(
        line,
        "{reason:<22} {ready:<6} {logged_in:<9} {published:<10} {reconciling:<12} {person:<7} {retry}"
    )
    .unwrap();
    line
}

#[test]
fn each_has_its_section_in_the_guide_and_a_sentence() {
    assert_eq!(
        Reason::LoginRequired.guide(),
        "docs/troubleshooting.md#loginrequired"
    );
    for reason in Reason::iter() {
        assert!(reason.meaning().contains(' '), "{reason}");
    }
}

#[test]
fn one_alone_is_of_the_policy() {
    let of_policy: Vec<_> = Reason::iter().filter(|reason| reason.is_of_policy()).collect();
    assert_eq!(of_policy, [Reason::NotAllowed]);
}

/// A process that takes over goes by the conditions that the one before it wrote.
#[test]
fn a_conflict_of_what_is_published_is_somebody_else_s_secret() {
    assert!(tell_of_a_foreign_secret("Published", "SecretConflict"));
    assert!(!tell_of_a_foreign_secret("Ready", "SecretConflict"));
    assert!(!tell_of_a_foreign_secret("Published", "WriteRefused"));
}
