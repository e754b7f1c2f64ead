//! The same objects as against a real API server (`tests/cluster/crd_rules`): refused there, refused here.

#[path = "../cluster/crd_rules/bounds.rs"]
mod bounds;
#[path = "../cluster/crd_rules/cases.rs"]
mod cases;
#[path = "../cluster/crd_rules/rules.rs"]
mod rules;

use serde_json::{Value, json};

use self::cases::{Case, example, named, spec, token};
use crate::{problems, report};

fn found(object: &Value) -> Vec<String> {
    problems(&report(&object.to_string(), None))
}

fn accepts(case: &Case) {
    for object in &case.accepted {
        assert_eq!(found(object), [""; 0], "{}: {object}", case.message);
    }
}

#[test]
fn every_rule_of_the_definition_is_evaluated() {
    let cases = rules::rules();
    assert!(cases.len() > 20);
    for case in cases {
        accepts(&case);
        for object in &case.refused {
            let found = found(object);
            let told = found.iter().any(|problem| problem.contains(case.message));
            assert!(told && found.len() == 1, "{}: {object}: {found:#?}", case.message);
        }
    }
}

#[test]
fn every_bound_of_the_definition_is_looked_at() {
    for case in bounds::schema_bounds() {
        accepts(&case);
        for object in &case.refused {
            assert_eq!(
                found(object).len(),
                1,
                "{}: {object}: {:#?}",
                case.message,
                found(object)
            );
        }
    }
}

#[test]
fn null_is_as_good_as_absent() {
    let mut object = example();
    for field in ["authority", "cloud", "clientCredential", "refresh", "suspend"] {
        object["spec"][field] = Value::Null;
    }
    assert_eq!(found(&object), [""; 0]);
    assert_eq!(found(&spec(&json!({"login": null}))), ["spec.login: is missing"]);
}

/// The API server makes a name of `generateName` before it asks the rules.
#[test]
fn a_generated_name_is_a_name() {
    let mut object = example();
    object["metadata"] = json!({"generateName": "reporting-"});
    assert_eq!(found(&object), [""; 0]);
    object["metadata"] = json!({"generateName": "a".repeat(240)});
    assert_eq!(found(&object).len(), 1);
}

/// What a newer version knows, and this one does not.
#[test]
fn a_field_that_does_not_exist_is_told_with_its_path() {
    let object = token(&json!({"keys": [{"name": "a", "format": "AccessToken", "mode": 1}]}));
    assert_eq!(
        found(&object),
        ["spec.tokens[0].keys[0].mode: is no field, and would be dropped; known here: format, name"]
    );
    let mut object = named("a");
    object["sepc"] = json!({});
    assert_eq!(
        found(&object),
        ["sepc: is no field, and would be dropped; known here: apiVersion, kind, metadata, spec, status"]
    );
}
