//! The table of metrics: read from a scrape in which each of them has a sample.
//!
//! Guarantee: what is registered and has no sample here is found by a test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use entra_operator::api::Reason;
use entra_operator::plan::Time;
use entra_operator::telemetry::credentials::{Observed, Row, SealedRow, TokenRow};
use entra_operator::telemetry::labels::{Answer, Grant, Object, Pass, Refresh, Verb, Written};
use entra_operator::telemetry::metrics::Metrics;

use super::markdown;

/// A metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// Its name in the scrape, without what a sample has behind it.
    pub family: String,
    kind: String,
    help: String,
    labels: Vec<String>,
    /// Names that queries may use.
    pub series: BTreeSet<String>,
}

/// One row for each metric, by name.
pub(super) fn table() -> String {
    let mut all = described();
    all.sort_by(|one, other| one.family.cmp(&other.family));
    markdown(
        ["Metric", "Type", "Labels", "Unit", "Meaning, and what to do"],
        all.iter().map(row),
    )
}

fn row(metric: &Described) -> [String; 5] {
    let quoted = |text: &String| format!("`{text}`");
    let labels: Vec<_> = metric.labels.iter().map(quoted).collect();
    [
        quoted(&metric.name()),
        metric.kind.clone(),
        labels.join(", "),
        metric.unit().to_owned(),
        metric.help.trim_end_matches('.').to_owned(),
    ]
}

impl Described {
    /// As queries name it; a histogram by its family.
    fn name(&self) -> String {
        let suffix = match self.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        format!("{}{suffix}", self.family)
    }

    fn unit(&self) -> &'static str {
        let units = [
            ("_timestamp_seconds", "Unix time"),
            ("_seconds", "seconds"),
            ("_bytes", "bytes"),
        ];
        let unit = units.iter().find(|(suffix, _)| self.family.ends_with(suffix));
        unit.map_or("number", |(_, unit)| unit)
    }

    fn sample(&mut self, line: &str) {
        let (series, rest) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
        self.series.insert(series.to_owned());
        for label in labels(rest) {
            if label != "le" && !self.labels.contains(&label) {
                self.labels.push(label);
            }
        }
    }
}

/// Names of the labels in `{name="value",…} 1`.
fn labels(text: &str) -> Vec<String> {
    let outside = text.split('"').step_by(2);
    outside
        .filter_map(|piece| piece.strip_suffix('='))
        .map(|name| name.trim_start_matches(['{', ',']).to_owned())
        .collect()
}

/// Every metric of the operator.
pub fn described() -> Vec<Described> {
    let mut found: Vec<Described> = Vec::new();
    for line in example().lines() {
        if let Some((family, help)) = line.strip_prefix("# HELP ").and_then(|l| l.split_once(' ')) {
            found.push(Described {
                family: family.to_owned(),
                help: help.to_owned(),
                ..Described::default()
            });
        } else if let Some(last) = found.last_mut() {
            match line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
                Some((_, kind)) => kind.clone_into(&mut last.kind),
                None if line.starts_with('#') => {}
                None => last.sample(line),
            }
        }
    }
    found
}

/// A scrape with a sample of each.
fn example() -> String {
    let metrics = Metrics::new(true);
    metrics.observe(Box::new(observed));
    metrics.refresh(Refresh::Renewed, Reason::Fresh);
    metrics.token_request(Grant::RefreshToken, Answer::Granted, Duration::ZERO);
    metrics.held_back(Reason::Throttled);
    metrics.late(Duration::ZERO);
    metrics.pass(Pass::Idle, Duration::ZERO);
    metrics.write(Object::Secret, Verb::Update, Written::Done);
    metrics.encode().unwrap_or_default()
}

fn observed() -> Observed {
    let token = TokenRow {
        secret: "token".to_owned(),
        issued_at: Some(Time(0)),
        expires_at: Some(Time(2)),
        refresh_at: Some(Time(1)),
    };
    let row = Row {
        namespace: "namespace".into(),
        name: "name".into(),
        ready: true,
        reason: Reason::Fresh,
        logged_in: (true, Reason::RefreshTokenStored),
        refresh_token_issued_at: Some(Time(0)),
        refresh_token_expires_at: Some(Time(3)),
        login_waiting_since: None,
        certificate_expires_at: Some(Time(4)),
        tokens: vec![token],
    };
    let sealed = SealedRow {
        key_id: "key".to_owned(),
        suspended: false,
    };
    Observed {
        rows: vec![row],
        sealed: BTreeMap::from([(sealed, 1)]),
        ..Observed::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_metric_has_a_row() {
        let metrics = Metrics::new(true);
        metrics.observe(Box::new(Observed::default));
        let rows: BTreeSet<_> = described().into_iter().map(|metric| metric.family).collect();
        assert_eq!(rows, metrics.families().unwrap());
        assert!(described().iter().all(|metric| !metric.series.is_empty()));
    }

    #[test]
    fn labels_are_read_from_a_sample() {
        assert_eq!(labels(r#"{a="x, y=1",le="0.5"} 1"#), ["a", "le"]);
        assert!(labels(" 1").is_empty());
    }
}
