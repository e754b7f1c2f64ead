//! The table of reasons is the committed one: `reasons.txt`. `UPDATE=1 cargo test --test plan` writes it anew.

use std::fmt::Write as _;

use entra_operator::api::{Reason, Says};
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
        let [a, b, c, d] = [row.ready, row.logged_in, row.published, row.reconciling].map(word);
        let person = if row.needs_person { "yes" } else { "no" };
        text += &line(
            &reason.to_string(),
            [a, b, c, d, person],
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

fn line(reason: &str, [a, b, c, d, e]: [&str; 5], retry: &str) -> String {
    let mut line = String::new();
    writeln!(line, "{reason:<22} {a:<6} {b:<9} {c:<10} {d:<12} {e:<7} {retry}").unwrap();
    line
}
