//! The rules that the chart gives, before `promtool`.

use std::fs;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use super::programs::{Programs, output};
use crate::chart::helm::Helm;
use crate::chart::sets::{RELEASE, chart};
use crate::chart::written::KUBERNETES;

const TESTS: &str = include_str!("rules.test.yaml");

/// A `PrometheusRule`.
#[derive(Deserialize)]
struct Object {
    spec: Value,
}

/// The groups of the chart's `PrometheusRule` with its defaults. Blocks.
pub(super) fn rules() -> Result<Value, Error> {
    let chart = chart().display().to_string();
    let settings = "prometheusRule.enabled=true,prometheusRule.renderMode=alwaysRender";
    let rendered = Helm::V4.run(&[
        "template",
        RELEASE,
        &chart,
        "--namespace",
        RELEASE,
        "--kube-version",
        KUBERNETES,
        "--set",
        settings,
        "--show-only",
        "templates/prometheusrule.yaml",
    ])?;
    let object: Object = serde_saphyr::from_str(&rendered)
        .map_err(|error| Error::Chart("the chart's PrometheusRule", error.to_string()))?;
    Ok(object.spec)
}

/// Checks them, their texts included, and runs their tests; says what `promtool` said. Blocks.
pub(super) fn judge(programs: &Programs, rules: &Value) -> Result<String, Error> {
    let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).map_err(Error::io(format!("write {name}")))?;
        Ok::<_, Error>(path)
    };
    // JSON is YAML.
    let whole = write("whole.yaml", &rules.to_string())?;
    write("rules.yaml", &bare(rules.clone()).to_string())?;
    let tests = write("rules.test.yaml", TESTS)?;
    let run = |command: &str, file| {
        output(
            Command::new(&programs.promtool)
                .args([command, "rules"])
                .arg(file),
        )
    };
    let checked = run("check", whole)?;
    let tested = run("test", tests)?;
    let words = [checked, tested].concat();
    Ok(words.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
}

/// Without annotations: a test would have to repeat them.
fn bare(rules: Value) -> Value {
    changed(rules, |rule| {
        rule.remove("annotations");
    })
}

/// Without patience: an alert fires at the first look at which its condition holds.
pub(super) fn impatient(rules: Value) -> Value {
    changed(rules, |rule| {
        rule.remove("for");
    })
}

/// Each alert changed.
fn changed(mut rules: Value, change: impl Fn(&mut Map<String, Value>)) -> Value {
    let groups = elements(rules.get_mut("groups"));
    let alerts = groups.flat_map(|group| elements(group.get_mut("rules")));
    alerts.filter_map(Value::as_object_mut).for_each(change);
    rules
}

fn elements(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}
