//! Whether the definition that the API server goes by has all that this version's has.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::api::crd;

/// How many of what is missing are named.
const NAMED: usize = 3;

/// What the API server goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// All that we have, and maybe more.
    Same,
    /// Not this.
    Lacks(String),
}

/// One thing that a schema says, by the path of its field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// There is such a field.
    Field(String),
    /// A value of an enum.
    Value(String, String),
    /// A rule, in CEL.
    Rule(String, String),
}

impl Part {
    fn path(&self) -> &str {
        match self {
            Self::Field(path) | Self::Value(path, _) | Self::Rule(path, _) => path,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(path) => f.write_str(path),
            Self::Value(path, value) => write!(f, "the value {value} of {path}"),
            Self::Rule(path, _) => write!(f, "a rule of {path}"),
        }
    }
}

/// Compares a published schema with ours: fields, values of enums, and rules. More than ours is that of a newer version, which
/// this one can serve by.
pub(super) fn compare(served: &Value) -> Served {
    let (ours, theirs) = (parts(&built_in()), parts(served));
    let lacking = outermost(&ours.difference(&theirs).collect::<Vec<_>>());
    let named: Vec<_> = lacking.iter().take(NAMED).cloned().collect();
    match lacking.len().saturating_sub(NAMED) {
        _ if named.is_empty() => Served::Same,
        0 => Served::Lacks(named.join(", ")),
        more => Served::Lacks(format!("{} and {more} more", named.join(", "))),
    }
}

/// In words, each once. Of a field that is lacking nothing else is said.
fn outermost(lacking: &[&Part]) -> BTreeSet<String> {
    let fields: BTreeSet<_> = lacking
        .iter()
        .filter(|part| matches!(part, Part::Field(_)))
        .map(|part| part.path())
        .collect();
    let is_below = |path: &str, field: &str| {
        path.strip_prefix(field)
            .is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    let is_told = |part: &&&Part| {
        let own = matches!(part, Part::Field(_)) || !fields.contains(part.path());
        own && !fields.iter().any(|field| is_below(part.path(), field))
    };
    lacking.iter().filter(is_told).map(ToString::to_string).collect()
}

fn built_in() -> Value {
    let crd = serde_json::to_value(crd()).unwrap_or_default();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema")
        .cloned()
        .unwrap_or_default()
}

/// `spec` and `status` of a schema: the rest is Kubernetes' own.
fn parts(schema: &Value) -> BTreeSet<Part> {
    let mut parts = BTreeSet::new();
    for part in ["spec", "status"] {
        if let Some(schema) = schema.pointer(&format!("/properties/{part}")) {
            collect(part, schema, &mut parts);
        }
    }
    parts
}

fn collect(path: &str, schema: &Value, parts: &mut BTreeSet<Part>) {
    let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    let values = list("enum").filter_map(Value::as_str);
    let rules = list("x-kubernetes-validations").filter_map(|rule| rule.get("rule")?.as_str());
    parts.insert(Part::Field(path.to_owned()));
    parts.extend(values.map(|value| Part::Value(path.to_owned(), value.to_owned())));
    parts.extend(rules.map(|rule| Part::Rule(path.to_owned(), rule.to_owned())));
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, field) in properties.into_iter().flatten() {
        collect(&format!("{path}.{name}"), field, parts);
    }
    if let Some(items) = schema.get("items") {
        collect(&format!("{path}[]"), items, parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_definition_lacks_what_is_new() {
        assert_eq!(compare(&built_in()), Served::Same);
        let mut earlier = built_in();
        let spec = earlier.pointer_mut("/properties/spec/properties").unwrap();
        spec.as_object_mut().unwrap().remove("secretLabels");
        let clouds = earlier
            .pointer_mut("/properties/spec/properties/cloud/enum")
            .unwrap();
        clouds.as_array_mut().unwrap().retain(|cloud| cloud != "GovSG");
        let spec = earlier.pointer_mut("/properties/spec").unwrap();
        spec.as_object_mut().unwrap().remove("x-kubernetes-validations");
        let told = "a rule of spec, spec.secretLabels, the value GovSG of spec.cloud";
        assert_eq!(compare(&earlier), Served::Lacks(told.to_owned()));
        assert_eq!(compare(&Value::Null), Served::Lacks("spec, status".to_owned()));
    }

    #[test]
    fn a_newer_definition_is_served_by() {
        let mut newer = built_in();
        newer["properties"]["spec"]["properties"]["invented"] = serde_json::json!({"type": "string"});
        assert_eq!(compare(&newer), Served::Same);
    }
}
