//! What a run comes to: figures, violations, and what was done before them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::evidence::{Done, Evidence, before};
use super::judges::{Judgement, Violation};
use super::leaks::Found;
use super::plan::{Deed, Settings};
use crate::simulator::{Entry, Outcome};

/// Deeds that are told with a violation: those of so many seconds before.
const BACKGROUND: SignedDuration = SignedDuration::from_secs(20);

/// Violations that are told with the deeds before them; of the others only JSON has those.
const TOLD_WHOLE: usize = 10;

/// Copies of secrets in the memory of one process, at one time.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Memory {
    /// Access tokens published by then.
    pub(super) renewals: usize,
    /// Copies by the kind of secret; absent if the memory cannot be read.
    pub(super) copies: Option<BTreeMap<&'static str, usize>>,
}

/// Everything that is told at the end.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    settings: Settings,
    minutes: String,
    kills: usize,
    stops: usize,
    swaps: usize,
    outages: BTreeMap<String, usize>,
    lost_answers: usize,
    rotations: usize,
    acts_of_people: usize,
    ended_by_themselves: usize,
    sign_ins: usize,
    refused_sign_ins: usize,
    redemptions: usize,
    renewals: usize,
    latest_renewal_seconds: String,
    latest_renewal_seconds_when_well: String,
    samples_judged: usize,
    calls_judged: usize,
    bystanders: usize,
    searched_places: usize,
    searched_bytes: usize,
    memory: Vec<Memory>,
    violations: Vec<Told>,
}

/// A violation with the deeds before it.
#[derive(Clone, Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    violation: Violation,
    after: Vec<String>,
}

/// What is not in the evidence.
#[derive(Debug)]
pub(super) struct Figures {
    /// When the plan began.
    pub(super) start: Timestamp,
    pub(super) lost_answers: usize,
    pub(super) ended: usize,
    pub(super) bystanders: usize,
    pub(super) found: Found,
    pub(super) memory: Vec<Memory>,
}

impl Report {
    pub(super) fn new(
        settings: Settings,
        evidence: &Evidence,
        judgement: &Judgement,
        figures: Figures,
    ) -> Self {
        let count = |of: fn(&Deed) -> bool| evidence.deeds.iter().filter(|done| of(&done.deed)).count();
        let sent = |grant, of: fn(&Entry) -> bool| {
            let journal = evidence.journal.iter();
            journal.filter(|e| e.grant() == Some(grant) && of(e)).count()
        };
        let lasted = evidence.end.unwrap_or_default().duration_since(figures.start);
        let tokens = judgement.tokens;
        Self {
            minutes: format!("{:.1}", lasted.as_secs_f64() / 60.0),
            kills: count(|d| matches!(d, Deed::Kill(_) | Deed::KillInWrite(_) | Deed::Swap(_))),
            stops: count(|d| matches!(d, Deed::Stop(..))),
            swaps: count(|d| matches!(d, Deed::Swap(_))),
            outages: outages(&evidence.deeds),
            lost_answers: figures.lost_answers,
            rotations: count(|d| matches!(d, Deed::Rotate)),
            acts_of_people: count(|d| matches!(d, Deed::Of(..))),
            ended_by_themselves: figures.ended,
            sign_ins: sent("password", |e| e.status() == Some(200)),
            refused_sign_ins: sent("password", |e| e.code() == Some(50126)),
            redemptions: sent("refresh_token", |e| e.status() == Some(200)),
            renewals: tokens.renewals,
            latest_renewal_seconds: format!("{:.1}", tokens.latest.as_secs_f64()),
            latest_renewal_seconds_when_well: format!("{:.1}", tokens.latest_when_well.as_secs_f64()),
            samples_judged: tokens.samples,
            calls_judged: judgement.calls,
            bystanders: figures.bystanders,
            searched_places: figures.found.places,
            searched_bytes: figures.found.bytes,
            memory: figures.memory,
            violations: judgement
                .violations
                .iter()
                .map(|v| told(v, evidence, figures.start))
                .collect(),
            settings,
        }
    }

    /// How many promises were broken.
    pub(super) fn violations(&self) -> usize {
        self.violations.len()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        let figures = value.as_object().into_iter().flatten();
        let figures = figures
            .filter(|(name, _)| *name != "violations")
            .map(|(name, value)| {
                let value = value.to_string();
                format!("{:<34} {}", name.replace('_', " "), value.trim_matches('"'))
            });
        let violations = self.violations.iter().enumerate().map(|(number, told)| {
            let Violation { rule, what, .. } = &told.violation;
            let after = if number < TOLD_WHOLE { &*told.after } else { &[] };
            [vec![format!("VIOLATION {rule}: {what}")], after.to_vec()]
                .concat()
                .join("\n    ")
        });
        let count = format!("{} violations", self.violations.len());
        figures
            .chain(violations)
            .chain([count])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn outages(deeds: &[Done]) -> BTreeMap<String, usize> {
    let mut outages = BTreeMap::new();
    for done in deeds {
        if let Deed::Outage(kind, _) = done.deed {
            *outages.entry(kind.to_string()).or_default() += 1;
        }
    }
    outages
}

fn told(violation: &Violation, evidence: &Evidence, start: Timestamp) -> Told {
    let since = before(violation.at, BACKGROUND);
    let recent = evidence
        .deeds
        .iter()
        .filter(|done| done.span.meets(since, violation.at));
    let line =
        |at: Timestamp, what: &str| format!("{:8.1} s  {what}", at.duration_since(start).as_secs_f64());
    let mut after: Vec<_> = recent
        .map(|done| line(done.span.from, &done.deed.to_string()))
        .collect();
    after.push(line(violation.at, "the violation"));
    Told {
        violation: violation.clone(),
        after,
    }
}

/// Answers of the provider and of the API server that were lost.
pub(super) fn lost_at_provider(journal: &[Entry]) -> usize {
    let lost = |entry: &&Entry| matches!(entry.outcome, Outcome::Lost { .. });
    journal.iter().filter(lost).count()
}
