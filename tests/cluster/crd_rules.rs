//! Every rule of the CRD against a real API server: one object that it accepts, one that it refuses, and its message.
//!
//! Module of the test binary `cluster`: `crate::plane().await` gives the shared control plane and `client()` of it a
//! client of the calling test's runtime. The CRD is installed here if the control plane was started without it. All
//! objects are sent with `dryRun`, so that nothing stays behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "helpers of tests fail by panicking, and names must be new"
)]

mod bounds;
mod cases;
mod rules;

use std::collections::BTreeSet;
use std::time::Duration;

use entra_operator::api::{EntraCredential, EntraCredentialSpec, crd};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, Status};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use self::bounds::schema_bounds;
use self::cases::{Case, example, named, spec, token};
use self::rules::rules;

/// Longest wait for the API server to serve the new resource.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client of a control plane that serves `EntraCredential`.
pub(crate) async fn installed_client() -> Client {
    let client = crate::plane().await.client().await.unwrap();
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    // Another test, or the control plane itself, may have been faster.
    drop(crds.create(&PostParams::default(), &crd()).await);
    let served = async {
        let credentials = Api::<EntraCredential>::all(client.clone());
        while credentials.list(&ListParams::default().limit(1)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, served).await.unwrap();
    client
}

/// A new namespace of the caller's own.
pub(crate) async fn namespace(client: &Client) -> String {
    let name = format!("test-{}", uuid::Uuid::new_v4().simple());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
    let namespaces = Api::<Namespace>::all(client.clone());
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap()
        .name_any()
}

async fn send(client: &Client, object: Value) -> Result<Value, Box<Status>> {
    let resource = ApiResource::erase::<EntraCredential>(&());
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), "default", &resource);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    match api.create(&params, &object).await {
        Ok(stored) => Ok(serde_json::to_value(stored).unwrap()),
        Err(kube::Error::Api(status)) => Err(status),
        Err(other) => panic!("{other}"),
    }
}

async fn check(client: &Client, case: Case) {
    for object in case.accepted {
        let outcome = send(client, object.clone()).await;
        assert!(outcome.is_ok(), "{}: refused {object}: {outcome:?}", case.message);
    }
    for object in case.refused {
        let status = send(client, object.clone())
            .await
            .expect_err(&format!("{}: accepted {object}", case.message));
        assert!(
            status.message.contains(case.message),
            "{}: {object}: {}",
            case.message,
            status.message
        );
    }
}

#[tokio::test]
async fn every_rule_accepts_and_refuses() {
    let client = installed_client().await;
    for case in rules() {
        assert!(
            !case.accepted.is_empty() && !case.refused.is_empty(),
            "{}",
            case.message
        );
        check(&client, case).await;
    }
}

/// A user should read what is wrong once, not the same thing in three ways.
#[tokio::test]
async fn a_mistake_breaks_one_rule() {
    let client = installed_client().await;
    for case in rules() {
        for object in case.refused {
            let status = send(&client, object.clone()).await.unwrap_err();
            let causes = status.details.map(|d| d.causes).unwrap_or_default();
            assert_eq!(causes.len(), 1, "{object}: {causes:?}");
        }
    }
}

#[tokio::test]
async fn bounds_hold() {
    let client = installed_client().await;
    for case in schema_bounds() {
        check(&client, case).await;
    }
}

#[tokio::test]
async fn null_is_as_good_as_absent() {
    let client = installed_client().await;
    let mut object = example();
    for field in ["authority", "cloud", "clientCredential", "refresh", "suspend"] {
        object["spec"][field] = Value::Null;
    }
    let stored = send(&client, object).await.unwrap();
    assert_eq!(stored["spec"], example()["spec"]);
}

/// No default is written into an object: what users apply is what they read back.
#[tokio::test]
async fn nothing_is_added_to_an_object() {
    let client = installed_client().await;
    let stored = send(&client, example()).await.unwrap();
    assert_eq!(stored["spec"], example()["spec"]);
    let spec: EntraCredentialSpec = serde_json::from_value(stored["spec"].clone()).unwrap();
    assert_eq!(serde_json::to_value(spec).unwrap(), example()["spec"]);
}

/// The table above is complete: no rule of the schema is without a case.
#[test]
fn every_rule_has_a_case() {
    let schema = serde_json::to_value(crd()).unwrap();
    let mut messages = BTreeSet::new();
    collect_messages(&schema, &mut messages);
    assert!(messages.len() > 20);
    let cases = rules();
    for message in &messages {
        let matching = cases.iter().filter(|c| message.contains(c.message)).count();
        assert_eq!(matching, 1, "{message}");
    }
    assert_eq!(cases.len(), messages.len());
}

fn collect_messages(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let rules = fields.get("x-kubernetes-validations").and_then(Value::as_array);
            for rule in rules.into_iter().flatten() {
                found.insert(
                    rule["message"]
                        .as_str()
                        .unwrap_or("(a rule without message)")
                        .to_owned(),
                );
            }
            fields.values().for_each(|v| collect_messages(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| collect_messages(v, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
