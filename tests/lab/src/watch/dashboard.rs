//! The dashboard of the chart: its panels and what they ask.

use serde::Deserialize;

use super::Error;

const DASHBOARD: &str = include_str!("../../../../deploy/chart/dashboards/entra-operator.json");

/// A panel.
#[derive(Debug, Clone, Deserialize)]
pub struct Panel {
    /// What stands above it.
    pub title: String,
    /// Whether it shows lines, a number or a table.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Where it is.
    #[serde(rename = "gridPos")]
    pub place: Place,
    /// What it asks.
    pub targets: Vec<Target>,
    /// How values are told.
    #[serde(rename = "fieldConfig")]
    fields: Fields,
}

/// What a panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Lines over time.
    TimeSeries,
    /// The last value.
    Stat,
    /// Rows.
    Table,
}

/// In units of a grid that is 24 wide.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Place {
    /// From the left.
    pub x: u32,
    /// From above.
    pub y: u32,
    /// Width.
    pub w: u32,
    /// Height.
    pub h: u32,
}

/// A query.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    /// As Grafana has it.
    pub expr: String,
    /// What stands beside a line: text with `{{label}}`.
    #[serde(rename = "legendFormat")]
    pub legend: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Fields {
    defaults: Defaults,
}

#[derive(Debug, Clone, Deserialize)]
struct Defaults {
    #[serde(default)]
    unit: String,
}

#[derive(Debug, Deserialize)]
struct Dashboard {
    panels: Vec<Panel>,
}

/// All panels.
///
/// # Errors
/// The file is not what it should be.
pub fn panels() -> Result<Vec<Panel>, Error> {
    let read: Dashboard = serde_json::from_str(DASHBOARD)
        .map_err(|error| Error::Chart("deploy/chart/dashboards/entra-operator.json", error.to_string()))?;
    Ok(read.panels)
}

impl Panel {
    /// Grafana's name of the unit.
    pub fn unit(&self) -> &str {
        &self.fields.defaults.unit
    }
}

impl Target {
    /// The query with a real window in place of Grafana's variable.
    pub fn query(&self, window: &str) -> String {
        self.expr.replace("$__rate_interval", window)
    }
}
