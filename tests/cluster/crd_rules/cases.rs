//! What a case of the schema consists of, and the object that it changes.

use serde_json::{Value, json};

/// A rule of the schema: words of its message, what it lets pass, and what it stops.
pub(super) struct Case {
    pub(super) message: &'static str,
    pub(super) accepted: Vec<Value>,
    pub(super) refused: Vec<Value>,
}

/// The complete object of the documentation.
pub(super) fn example() -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1",
        "kind": "EntraCredential",
        "metadata": {"name": "reporting"},
        "spec": {
            "tenant": "contoso.example",
            "clientId": "3f0c1a52-0000-4000-8000-000000000001",
            "login": {"secretName": "reporting-login"},
            "tokens": [{"secretName": "reporting-graph", "scopes": ["https://graph.microsoft.com/.default"]}],
        },
    })
}

/// Applies a merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name.as_str()], value);
        }
    }
}

/// The example with a changed spec.
pub(super) fn spec(patch: &Value) -> Value {
    let mut object = example();
    merge(&mut object["spec"], patch);
    object
}

/// The example with a changed token entry.
pub(super) fn token(patch: &Value) -> Value {
    let mut object = example();
    merge(&mut object["spec"]["tokens"][0], patch);
    object
}

/// The example under another name.
pub(super) fn named(name: &str) -> Value {
    let mut object = example();
    object["metadata"]["name"] = name.into();
    object
}
