//! The documents say what the code does: a section for every reason, and tables that are written from the code.

use entra_lab::docs::DOCUMENTS;
use entra_operator::api::Reason;
use strum::IntoEnumIterator;

use crate::source::root;

#[test]
fn every_reason_has_a_section_that_says_what_to_do() {
    let text = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
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
fn the_generated_parts_are_current() {
    for document in DOCUMENTS {
        let stored = std::fs::read_to_string(root().join(document.path)).unwrap();
        assert!(
            stored == document.fresh(&stored).unwrap(),
            "{} is stale: run cargo lab docs",
            document.path
        );
    }
}
