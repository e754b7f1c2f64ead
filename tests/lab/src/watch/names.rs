//! Which metrics a query names.

use std::collections::BTreeSet;

/// What names of the operator's metrics begin with.
const OURS: [&str; 2] = ["entra_", "process_"];

/// The operator's metrics in a query; what stands in quotes is no name.
pub fn names(query: &str) -> BTreeSet<String> {
    let outside = query.split('"').step_by(2);
    let words = outside.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words
        .filter(|word| OURS.iter().any(|prefix| word.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_outside_of_quotes() {
        let query = r#"sum(rate(entra_a_total{reason="entra_b"}[5m])) / process_c and on (job) up"#;
        let expected = ["entra_a_total", "process_c"].map(str::to_owned);
        assert_eq!(names(query), BTreeSet::from(expected));
    }
}
