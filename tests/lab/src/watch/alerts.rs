//! The alerts as the chart has them, before Helm puts in what depends on the release.

use serde::Deserialize;
use serde_json::Value;

use super::Error;

const ALERTS: &str = include_str!("../../../../deploy/chart/files/alerts.yaml");
const TESTS: &str = include_str!("rules.test.yaml");

/// An alert.
#[derive(Debug, Clone, Deserialize)]
pub struct Alert {
    /// Its name.
    pub alert: String,
    /// When it fires.
    pub expr: String,
}

#[derive(Debug, Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Alert>,
}

/// The names are those of `promtool`.
#[derive(Debug, Deserialize)]
struct Tests {
    tests: Vec<Test>,
}

#[derive(Debug, Deserialize)]
struct Test {
    alert_rule_test: Vec<Moment>,
}

#[derive(Debug, Deserialize)]
struct Moment {
    alertname: String,
    exp_alerts: Vec<Value>,
}

/// What is tested of an alert: how often that it fires, and that it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tested {
    /// That it fires.
    pub fires: usize,
    /// That it does not.
    pub silent: usize,
}

/// All alerts.
///
/// # Errors
/// The file is not what it should be.
pub fn alerts() -> Result<Vec<Alert>, Error> {
    let read: Groups = serde_saphyr::from_str(ALERTS)
        .map_err(|error| Error::Chart("deploy/chart/files/alerts.yaml", error.to_string()))?;
    Ok(read.groups.into_iter().flat_map(|group| group.rules).collect())
}

/// How the tests of `promtool` deal with this alert.
///
/// # Errors
/// The file is not what it should be.
pub fn tested(alert: &str) -> Result<Tested, Error> {
    let read: Tests = serde_saphyr::from_str(TESTS)
        .map_err(|error| Error::Chart("tests/lab/src/watch/rules.test.yaml", error.to_string()))?;
    let moments = read.tests.into_iter().flat_map(|test| test.alert_rule_test);
    let mut found = Tested::default();
    for moment in moments.filter(|moment| moment.alertname == alert) {
        let fires = !moment.exp_alerts.is_empty();
        found.fires += usize::from(fires);
        found.silent += usize::from(!fires);
    }
    Ok(found)
}
