//! What is wrong with an object by the schema of the CustomResourceDefinition: types, bounds, fields that do not exist, and
//! its rules. The schema is the one that is installed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::finding::Finding;
use super::rules::Rules;

/// The schema, ready to be compared with objects.
pub(super) struct Schema {
    root: Value,
    rules: Rules,
}

impl Schema {
    /// That of `EntraCredential`.
    pub(super) fn new() -> Self {
        let crd = serde_json::to_value(crate::api::crd()).unwrap_or_default();
        let root = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
        let mut root = root.cloned().unwrap_or_default();
        // Of every object; no definition writes them down.
        if let Some(fields) = root.get_mut("properties").and_then(Value::as_object_mut) {
            let of_all = ["apiVersion", "kind"].map(|field| (field.to_owned(), json!({"type": "string"})));
            fields.extend(of_all);
            fields.insert("metadata".to_owned(), json!({"type": "object"}));
        }
        Self {
            root,
            rules: Rules::new(),
        }
    }

    /// Types, bounds and fields that do not exist.
    pub(super) fn misshapen(&self, object: &Value) -> Vec<Finding> {
        let mut found = Vec::new();
        visit(&self.root, object, "", &mut |schema, value, path| {
            shape(schema, value, path, &mut found);
        });
        found
    }

    /// The rules that a well-shaped object breaks: like the API server, nobody asks them of another one.
    pub(super) fn broken_rules(&self, object: &Value) -> Vec<Finding> {
        let mut found = Vec::new();
        visit(&self.root, object, "", &mut |schema, value, path| {
            found.extend(self.rules.broken(schema, value, path));
        });
        found
    }
}

/// Every value together with its schema, and the path to it.
fn visit(schema: &Value, value: &Value, path: &str, act: &mut dyn FnMut(&Value, &Value, &str)) {
    act(schema, value, path);
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                let known = schema["properties"].get(key);
                let of_map = schema.get("additionalProperties").filter(|s| s.is_object());
                if let Some(of_field) = known.or(of_map) {
                    visit(of_field, inner, &joined(path, key), act);
                }
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                visit(&schema["items"], inner, &format!("{path}[{index}]"), act);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(super) fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn shape(schema: &Value, value: &Value, path: &str, found: &mut Vec<Finding>) {
    let mut say = |sentence: String| found.push(Finding::at(path, sentence));
    match (schema["type"].as_str().unwrap_or_default(), value) {
        ("object", Value::Object(fields)) => object(schema, fields, path, found),
        ("array", Value::Array(items)) => array(schema, items, path, found),
        ("string", Value::String(text)) => text_problems(schema, text).for_each(say),
        ("integer", Value::Number(number)) => number_problems(schema, number).for_each(say),
        ("boolean", Value::Bool(_)) | ("", _) => {}
        (wanted, _) => say(format!("must be {}, but is {}", named(wanted), kind(value))),
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, path: &str, found: &mut Vec<Finding>) {
    if let Some(known) = schema["properties"].as_object() {
        let unknown = fields.keys().filter(|key| !known.contains_key(*key));
        let listed = known.keys().cloned().collect::<Vec<_>>().join(", ");
        found.extend(unknown.map(|key| {
            Finding::at(
                &joined(path, key),
                format!("is no field, and would be dropped; known here: {listed}"),
            )
        }));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .filter(|key| !fields.contains_key(*key));
    found.extend(missing.map(|key| Finding::at(&joined(path, key), "is missing".to_owned())));
    if let Some(most) = above(schema, "maxProperties", fields.len()) {
        found.push(Finding::at(
            path,
            format!("has {} entries, and at most {most} are allowed", fields.len()),
        ));
    }
}

fn array(schema: &Value, items: &[Value], path: &str, found: &mut Vec<Finding>) {
    if let Some(most) = above(schema, "maxItems", items.len()) {
        found.push(Finding::at(
            path,
            format!("has {} entries, and at most {most} are allowed", items.len()),
        ));
    }
    if schema["minItems"]
        .as_u64()
        .is_some_and(|least| (items.len() as u64) < least)
    {
        found.push(Finding::at(
            path,
            "is empty: at least one entry is needed".to_owned(),
        ));
    }
    let Some(key) = schema
        .pointer("/x-kubernetes-list-map-keys/0")
        .and_then(Value::as_str)
    else {
        return;
    };
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(name) = item[key].as_str().filter(|name| !seen.insert(*name)) {
            let path = format!("{path}[{index}].{key}");
            found.push(Finding::at(&path, format!("is \"{name}\" a second time")));
        }
    }
}

fn above(schema: &Value, bound: &str, length: usize) -> Option<u64> {
    schema[bound].as_u64().filter(|most| length as u64 > *most)
}

fn text_problems(schema: &Value, text: &str) -> impl Iterator<Item = String> {
    let length = text.chars().count();
    let long = above(schema, "maxLength", length)
        .map(|most| format!("has {length} characters, and at most {most} are allowed"));
    let short = schema["minLength"]
        .as_u64()
        .is_some_and(|least| (length as u64) < least);
    let allowed = schema["enum"].as_array();
    let other = allowed
        .filter(|all| !all.iter().any(|value| value == text))
        .map(|all| {
            let all: Vec<_> = all.iter().filter_map(Value::as_str).collect();
            format!("must be one of {}", all.join(", "))
        });
    long.into_iter()
        .chain(short.then(|| "is empty".to_owned()))
        .chain(other)
}

fn number_problems(schema: &Value, number: &serde_json::Number) -> impl Iterator<Item = String> {
    let value = number.as_f64().unwrap_or_default();
    let whole = (!number.is_i64() && !number.is_u64()).then(|| "must be a whole number".to_owned());
    let bounds = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    let outside = match bounds {
        (Some(low), Some(high)) if value < low || value > high => {
            Some(format!("must be from {low} to {high}, but is {number}"))
        }
        _ => None,
    };
    whole.into_iter().chain(outside)
}

fn named(kind: &str) -> &'static str {
    match kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "a text (in quotes, where YAML would take it for something else)",
        "integer" => "a whole number, without quotes",
        _ => "true or false, without quotes",
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// The API server drops a null before any rule sees it: absent and null are one.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}
