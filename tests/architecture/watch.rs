//! Alerts and dashboard ask for what exists, and every alert is tested and told: without Prometheus, which `cargo lab watch`
//! has.

use std::collections::BTreeSet;

use entra_lab::docs::metrics::described;
use entra_lab::watch::alerts::{alerts, tested};
use entra_lab::watch::dashboard::panels;
use entra_lab::watch::names::names;
use entra_operator::api::Reason;
use strum::IntoEnumIterator;

use crate::source::root;

/// Everything that is asked, with where it is asked.
fn asked() -> Vec<(String, String)> {
    let of_alerts = alerts().unwrap().into_iter().map(|a| (a.alert, a.expr));
    let of_panels = panels().unwrap().into_iter().flat_map(|panel| {
        let title = panel.title;
        panel.targets.into_iter().map(move |t| (title.clone(), t.expr))
    });
    of_alerts.chain(of_panels).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let exist: BTreeSet<_> = described().into_iter().flat_map(|m| m.series).collect();
    let mut named = BTreeSet::new();
    for (place, query) in asked() {
        for name in names(&query) {
            assert!(exist.contains(&name), "{place}: there is no metric {name}");
            named.insert(name);
        }
    }
    assert!(named.len() > 20, "{named:?}");
}

#[test]
fn no_metric_is_there_for_nobody() {
    let shown: BTreeSet<_> = asked().iter().flat_map(|(_, query)| names(query)).collect();
    let hidden: Vec<_> = described()
        .into_iter()
        .filter(|metric| metric.series.is_disjoint(&shown))
        .map(|metric| metric.family)
        .collect();
    assert!(
        hidden.is_empty(),
        "neither an alert nor a panel asks for {hidden:?}"
    );
}

#[test]
fn every_alert_has_a_section_and_a_test() {
    let text = std::fs::read_to_string(root().join("docs/alerts.md")).unwrap();
    let sections: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## Entra"))
        .collect();
    let alerts = alerts().unwrap();
    let names: BTreeSet<_> = alerts
        .iter()
        .filter_map(|a| a.alert.strip_prefix("Entra"))
        .collect();
    assert_eq!(sections, names, "docs/alerts.md has one section for each alert");
    assert_eq!(
        names.len(),
        alerts.len(),
        "an alert is there twice, or is not called Entra…"
    );
    for alert in alerts {
        let tested = tested(&alert.alert).unwrap();
        assert!(
            tested.fires > 0 && tested.silent > 0,
            "{}: rules.test.yaml lacks a moment at which it fires, or one at which it does not: {tested:?}",
            alert.alert
        );
    }
}

/// A reason that is forgotten would let a credential die in silence.
#[test]
fn only_a_person_can_help_is_an_alert() {
    let alerts = alerts().unwrap();
    let of_login = alerts.iter().find(|a| a.alert == "EntraLoginRequired").unwrap();
    let lists: Vec<BTreeSet<_>> = of_login
        .expr
        .split("reason=~\"")
        .skip(1)
        .map(|rest| {
            rest.split('"')
                .next()
                .unwrap()
                .split('|')
                .map(str::to_owned)
                .collect()
        })
        .collect();
    let of_person = Reason::iter().filter(|reason| reason.verdicts().needs_person);
    let expected: BTreeSet<_> = of_person.map(|reason| reason.to_string()).collect();
    assert_eq!(lists, [expected.clone(), expected]);
}
