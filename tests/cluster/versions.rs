//! What a newer version wrote, under a newer CRD: it is told, and stops nothing.

use std::sync::Arc;

use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::stage::{AUTHORITY, OperatorOptions, Stage};
use entra_operator::cluster::SeenCredential;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{LIFE, Place, api_scope};

/// Where the CRD names clouds and reasons.
const CLOSED: [&str; 2] = [
    "spec/properties/cloud/enum",
    "status/properties/failure/properties/reason/enum",
];

/// The CRD is a newer one, which knows more clouds and reasons.
pub(crate) async fn takes_everything(stage: &Stage) {
    let crds: Api<CustomResourceDefinition> = Api::all(stage.plane.client().await.unwrap());
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
    let patch = json!(CLOSED.map(|path| json!({"op": "remove", "path": format!("{schema}/{path}")})));
    let patch = Patch::<()>::Json(serde_json::from_value(patch).unwrap());
    let name = "entracredentials.entra-operator.dev";
    crds.patch(name, &PatchParams::default(), &patch).await.unwrap();
}

/// A spec that this version does not understand.
pub(crate) fn of_a_newer_version(name: &str) -> Value {
    let mut spec = spec(name);
    spec["cloud"] = json!("Mars");
    spec.as_object_mut().unwrap().remove("authority");
    spec
}

fn spec(name: &str) -> Value {
    json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": format!("{name}-login")},
        "tokens": [{"secretName": format!("{name}-api"), "scopes": [api_scope()]}],
    })
}

/// Credentials, those too that this version does not understand.
fn any(place: &Place) -> Api<SeenCredential> {
    Api::namespaced(place.client.clone(), &place.namespace)
}

/// What the gauge of those that are not understood shows.
async fn not_understood(operator: &entra_lab::stage::Operator) -> Option<String> {
    let url = format!("{}/metrics", operator.metrics().unwrap());
    let scrape = operator.get(&url).await?;
    let line = scrape
        .lines()
        .find_map(|line| line.strip_prefix("entra_credentials_not_understood "));
    line.map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_version_wrote_is_told_and_stops_nothing() {
    let stage = Arc::new(Stage::with_users(1, LIFE).await.unwrap());
    let place = Place::on(&stage, "newer").await;
    let operator = place.operator(OperatorOptions::default()).await;
    place.apply("one", spec("one")).await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;
    drop(operator);

    takes_everything(&stage).await;
    let failure =
        json!({"reason": "Martian", "message": "m", "at": "2026-11-22T07:24:37Z", "consecutive": 1});
    let written = json!({"status": {"failure": failure}});
    place
        .until("the newer CRD takes a new reason", async || {
            let params = PatchParams::default();
            let patch = Patch::Merge(&written);
            let patched = any(&place).patch_status("one", &params, &patch).await;
            patched.is_ok()
        })
        .await;
    let operator = place.operator(OperatorOptions::default()).await;
    place.apply("two", of_a_newer_version("two")).await;
    place
        .until("it is told", async || {
            not_understood(&operator).await.as_deref() == Some("1")
        })
        .await;
    renewed(&place).await;
    place
        .until("its status is this version's again", async || {
            place.credentials().get("one").await.is_ok()
        })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;

    let mut newer = of_a_newer_version("one");
    newer["login"]["secretName"] = json!("another-login");
    place.apply("one", newer).await;
    place
        .until("both are told", async || {
            not_understood(&operator).await.as_deref() == Some("2")
        })
        .await;
    renewed(&place).await;
    place
        .credentials()
        .delete("two", &DeleteParams::default())
        .await
        .unwrap();
    place.apply("one", spec("one")).await;
    place
        .until("none is left", async || {
            not_understood(&operator).await.as_deref() == Some("0")
        })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
}

/// The token of `one` is replaced.
async fn renewed(place: &Place) {
    let before = place.value("one-api", "access_token").await;
    let another = async || place.value("one-api", "access_token").await != before;
    place.until("a renewal", another).await;
}
