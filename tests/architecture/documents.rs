//! The documents say what the code does: a section for every reason, and its row in the table.

use std::path::Path;

use entra_operator::api::{Reason, Retry, Says};
use strum::IntoEnumIterator;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    std::fs::read_to_string(&path).unwrap()
}

#[test]
fn every_reason_has_a_section_that_says_what_to_do() {
    let text = document("troubleshooting.md");
    for reason in Reason::iter() {
        let heading = format!("\n## {reason}\n");
        let section = text
            .split(&heading)
            .nth(1)
            .unwrap_or_else(|| panic!("no section ## {reason}"));
        let section = section.split("\n## ").next().unwrap();
        assert!(
            section.split_whitespace().count() >= 12,
            "## {reason} says too little"
        );
    }
}

#[test]
fn the_table_of_reasons_is_the_one_in_the_code() {
    let text = document("troubleshooting.md");
    for reason in Reason::iter() {
        assert!(
            text.contains(&row(reason)),
            "the table lacks this row:\n{}",
            row(reason)
        );
    }
}

fn row(reason: Reason) -> String {
    let v = reason.verdicts();
    let person = if v.needs_person { "yes" } else { "no" };
    format!(
        "| [`{reason}`](#{}) | {} | {} | {} | {} | {person} | {} |",
        reason.to_string().to_lowercase(),
        says(v.ready),
        says(v.logged_in),
        says(v.published),
        says(v.reconciling),
        retry(v.retry),
    )
}

fn says(says: Says) -> &'static str {
    match says {
        Says::True => "True",
        Says::False => "False",
        Says::Facts => "facts",
    }
}

fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::None => "None",
        Retry::BackOff => "BackOff",
        Retry::Probe => "Probe",
        Retry::Write => "Write",
        Retry::Person => "Person",
    }
}
