//! The documents say what the code does: a section for every reason, and tables that are written from the code.

use std::collections::BTreeSet;

use entra_lab::docs::DOCUMENTS;
use entra_operator::api::Reason;
use entra_operator::telemetry::credentials::Observed;
use entra_operator::telemetry::metrics::Metrics;
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

#[test]
fn every_metric_is_on_the_page_of_metrics_and_no_other() {
    let metrics = Metrics::new(true);
    metrics.observe(Box::new(Observed::default));
    let families = metrics.families().unwrap();
    let text = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `entra_"));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let named: BTreeSet<_> = cells
        .flat_map(|cell| cell.split(", "))
        .map(|name| format!("entra_{}", name.trim_matches('`').trim_start_matches("entra_")))
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    assert_eq!(named, families);
}
