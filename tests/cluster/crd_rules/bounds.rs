//! What plain schema stops: bounds and enums. The messages are the API server's own.

use serde_json::{Value, json};

use super::{Case, spec, token};

/// Every bound.
pub(super) fn schema_bounds() -> Vec<Case> {
    let mut cases = counts();
    cases.extend(lengths());
    cases.extend(values());
    cases.extend(shapes());
    cases
}

fn case(
    message: &'static str,
    accepted: impl IntoIterator<Item = Value>,
    refused: impl IntoIterator<Item = Value>,
) -> Case {
    Case {
        message,
        accepted: accepted.into_iter().collect(),
        refused: refused.into_iter().collect(),
    }
}

/// `k0`, `k1` and so on.
fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("k{n}"))
}

fn tokens(count: usize) -> Value {
    let entries = names(count).map(|n| json!({"secretName": n, "scopes": ["User.Read"]}));
    spec(&json!({"tokens": entries.collect::<Vec<_>>()}))
}

fn scopes(count: usize) -> Value {
    token(&json!({"scopes": names(count).collect::<Vec<_>>()}))
}

fn keys(names: impl Iterator<Item = String>) -> Value {
    let keys = names.map(|n| json!({"name": n, "format": "TokenJson"}));
    token(&json!({"keys": keys.collect::<Vec<_>>()}))
}

fn map(field: &str, count: usize) -> Value {
    let map: Value = names(count).map(|n| (n, Value::from(""))).collect();
    token(&json!({field: map}))
}

fn counts() -> Vec<Case> {
    vec![
        case("Too many", [tokens(16)], [tokens(17)]),
        case("should have at least 1 items", [tokens(1)], [tokens(0)]),
        case("Too many", [scopes(20)], [scopes(21)]),
        case("should have at least 1 items", [scopes(1)], [scopes(0)]),
        case("Too many", [keys(names(16)), keys(names(0))], [keys(names(17))]),
        case("Too many", [map("labels", 16)], [map("labels", 17)]),
        case("Too many", [map("annotations", 16)], [map("annotations", 17)]),
    ]
}

fn lengths() -> Vec<Case> {
    let annotation = |length| token(&json!({"annotations": {"a": "a".repeat(length)}}));
    let label = |length| token(&json!({"labels": {"a": "a".repeat(length)}}));
    let scope = |length| token(&json!({"scopes": ["a".repeat(length)]}));
    vec![
        case("may not be more than 63", [label(63)], [label(64)]),
        case(
            "may not be more than 1024",
            [annotation(1024)],
            [annotation(1025)],
        ),
        case("may not be more than 256", [scope(256)], [scope(257)]),
    ]
}

fn values() -> Vec<Case> {
    let percent = |value: i32| spec(&json!({"refresh": {"atPercent": value}}));
    let cloud = |value| spec(&json!({"cloud": value}));
    let format = |value| token(&json!({"keys": [{"name": "a", "format": value}]}));
    vec![
        case("less than or equal to 66", [percent(66)], [percent(67)]),
        case("greater than or equal to 50", [percent(50)], [percent(49)]),
        case("Unsupported value", [cloud("GovSG")], [cloud("Mars")]),
        case(
            "Unsupported value",
            [format("AzureCliJson")],
            [format("Template")],
        ),
    ]
}

fn shapes() -> Vec<Case> {
    let twice = json!([{"secretName": "t", "scopes": ["a"]}, {"secretName": "t", "scopes": ["b"]}]);
    let missing = |field: &str| spec(&json!({field: null}));
    vec![
        case("Duplicate value", [], [keys(names(1).chain(names(1)))]),
        case("Duplicate value", [], [spec(&json!({"tokens": twice}))]),
        case("Required value", [], ["login", "clientId", "tokens"].map(missing)),
    ]
}
