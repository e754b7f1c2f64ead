//! Whether the definition that the API server goes by has all that this version's has.

use std::collections::BTreeSet;

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

/// Compares a published schema with ours: fields, values of enums, and rules. More than ours is that of a newer version, which
/// this one can serve by.
pub(super) fn compare(served: &Value) -> Served {
    let (ours, theirs) = (parts(&built_in()), parts(served));
    let lacking: Vec<_> = ours.difference(&theirs).map(String::as_str).collect();
    let more = match lacking.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match lacking.get(..NAMED.min(lacking.len())) {
        None | Some([]) => Served::Same,
        Some(first) => Served::Lacks(format!("{}{more}", first.join(", "))),
    }
}

fn built_in() -> Value {
    let crd = serde_json::to_value(crd()).unwrap_or_default();
    crd.pointer("/spec/versions/0/schema/openAPIV3Schema")
        .cloned()
        .unwrap_or_default()
}

/// `spec` and `status` of a schema: the rest is Kubernetes' own.
fn parts(schema: &Value) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for part in ["spec", "status"] {
        if let Some(schema) = schema.pointer(&format!("/properties/{part}")) {
            collect(part, schema, &mut parts);
        }
    }
    parts
}

fn collect(path: &str, schema: &Value, parts: &mut BTreeSet<String>) {
    parts.insert(path.to_owned());
    let list = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    parts.extend(
        list("enum")
            .filter_map(Value::as_str)
            .map(|value| format!("the value {value} of {path}")),
    );
    let rules = list("x-kubernetes-validations").filter_map(|rule| rule.get("rule")?.as_str());
    parts.extend(rules.map(|rule| format!("the rule {rule} of {path}")));
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
        assert_eq!(
            compare(&earlier),
            Served::Lacks("spec.secretLabels, the value GovSG of spec.cloud".to_owned())
        );
        let Served::Lacks(all) = compare(&Value::Null) else {
            panic!("nothing is lacking")
        };
        assert!(all.ends_with("more"), "{all}");
    }

    #[test]
    fn a_newer_definition_is_served_by() {
        let mut newer = built_in();
        newer["properties"]["spec"]["properties"]["invented"] = serde_json::json!({"type": "string"});
        assert_eq!(compare(&newer), Served::Same);
    }
}
