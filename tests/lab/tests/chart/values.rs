//! Every value is in the schema, is documented, and a set uses it; no object of the schema lets an unknown key pass.

use std::fs;

use entra_lab::chart::sets::{SETS, chart};
use entra_lab::chart::values::values;
use serde_json::Value;

fn schema() -> Value {
    let text = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Calls `visit` with every schema of an object below, and its path.
fn objects(schema: &Value, path: &str, visit: &mut dyn FnMut(&Value, &str)) {
    if schema["type"] == "object" {
        visit(schema, path);
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        objects(inner, &format!("{path}.{key}"), visit);
    }
    if let Some(items) = schema.get("items") {
        objects(items, &format!("{path}[]"), visit);
    }
}

#[test]
fn no_object_lets_an_unknown_key_pass() {
    let (mut closed, mut maps, mut of_kubernetes) = (0, 0, 0);
    objects(&schema(), "", &mut |object, path| {
        let description = object["description"].as_str().unwrap_or_default();
        let others = &object["additionalProperties"];
        if others == false {
            closed += 1;
        } else if others.is_object() && object["properties"].is_null() {
            // Labels and the like.
            maps += 1;
        } else if others.is_null() && description.starts_with("Of Kubernetes: ") {
            of_kubernetes += 1;
        } else {
            // Other charts have keys there.
            assert_eq!(path, ".global", "additionalProperties {others}");
        }
    });
    assert!(closed >= 20 && maps >= 8 && of_kubernetes >= 8);
}

#[test]
fn every_value_has_a_comment_of_its_own_or_of_its_group() {
    let values = values();
    assert!(values.len() > 60);
    for value in values.iter().filter(|value| value.default.is_some()) {
        let above = |other: &&_| is_above(other, &value.path);
        let told = values.iter().filter(above).any(|other| !other.text.is_empty());
        assert!(told, "{} has no comment", value.path);
    }
}

fn is_above(other: &entra_lab::chart::values::Value, path: &str) -> bool {
    path == other.path || path.starts_with(&format!("{}.", other.path))
}

#[test]
fn every_key_of_the_schema_is_in_the_values() {
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    objects(&schema(), "", &mut |object, path| {
        // One sentence and the documentation of the configuration name the clouds.
        if path == ".config.workloadIdentity.audiences" || path == ".resources" {
            return;
        }
        for key in object["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
        {
            assert!(
                text.contains(&format!("{key}: ")) || text.contains(&format!("{key}:\n")),
                "{path}.{key}"
            );
        }
    });
}

#[test]
fn every_value_is_changed_by_a_set() {
    let sets: Vec<Value> = SETS
        .iter()
        .map(|set| serde_saphyr::from_str(&fs::read_to_string(set.values()).unwrap()).unwrap())
        .collect();
    for value in values().into_iter().filter(|value| value.default.is_some()) {
        // A map that is given as a whole counts for its keys.
        let parts: Vec<_> = value.path.split('.').collect();
        let pointer = |depth: usize| format!("/{}", parts[..depth].join("/"));
        let given = |set: &Value| set.pointer(&pointer(parts.len().min(3))).is_some();
        let whole = ["resources", "nodeSelector"].contains(&parts[0]);
        let used = sets
            .iter()
            .any(|set| given(set) || (whole && set.pointer(&pointer(1)).is_some()));
        assert!(
            used || UNCHANGED.contains(&value.path.as_str()),
            "no set changes {}",
            value.path
        );
    }
}

/// What another test changes.
const UNCHANGED: [&str; 1] = ["crds.keep"];
