//! The operator under all policies, with the rights of the manifests alone: nothing is denied to it in a whole life, and it
//! uses every right that it has.

use std::sync::Arc;

use entra_lab::audit::{Entry, service_account};
use entra_lab::simulator::world::{password, user_name};
use entra_lab::stage::{OPERATOR, OperatorOptions, Stage};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams, PropagationPolicy};
use serde_json::json;

use super::protection;
use crate::backups::{back_up, delete_credential};
use crate::rights::{OWN, Rights, SERVED};
use crate::scene::{LIFE, Place, api_scope, graph_scope, program};

/// What it may do; a name in a Role is no other right.
fn granted() -> Rights {
    let mut rights = Rights::new();
    for (what, verbs) in SERVED.iter().chain(&OWN) {
        let resource = what.split('=').next().unwrap().to_owned();
        rights
            .entry(resource)
            .or_default()
            .extend(verbs.split(' ').map(str::to_owned));
    }
    rights
}

/// What it did.
fn used(entries: &[Entry]) -> Rights {
    let mut rights = Rights::new();
    for entry in entries.iter().filter(|entry| !entry.resource.is_empty()) {
        let slash = if entry.subresource.is_empty() { "" } else { "/" };
        let what = format!("{}/{}{slash}{}", entry.group, entry.resource, entry.subresource);
        rights.entry(what).or_default().insert(entry.verb.clone());
    }
    rights
}

/// Two wrong passwords, each condemned and told, and the right one.
async fn sign_in(place: &Place) {
    for attempt in ["pw-wrong-for-test-1", "pw-wrong-for-test-2"] {
        place.login("one-login", &user_name(0), attempt).await;
        place.gone("one-login").await;
        place.expect("one", "LoggedIn", "False/WrongPassword").await;
    }
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;
}

/// One token more, a renewal of both, and one less.
async fn renew(place: &Place) {
    let [api, graph] = [api_scope(), graph_scope()];
    place
        .credential("one", &[("one-api", &api), ("one-graph", &graph)])
        .await;
    place
        .until("the other token is there", || async {
            place.secret("one-graph").await.is_some()
        })
        .await;
    let first = place.value("one-api", "access_token").await;
    place
        .until("the token is renewed", || async {
            place.value("one-api", "access_token").await != first
        })
        .await;
    place.credential("one", &[("one-api", &api)]).await;
    place.gone("one-graph").await;
}

/// The same trouble twice: an Event that is created, and counted up.
async fn meet_a_foreign_secret_twice(place: &Place) {
    place
        .create_secret(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "taken"}}))
        .await;
    let [api, graph] = [api_scope(), graph_scope()];
    for _ in 0..2 {
        place
            .credential("one", &[("one-api", &api), ("taken", &graph)])
            .await;
        place.expect("one", "Ready", "False/SecretConflict").await;
        place.credential("one", &[("one-api", &api)]).await;
        place.expect("one", "Ready", "True/Fresh").await;
    }
}

async fn restore(place: &Place) {
    let backup = back_up(place, false).await;
    delete_credential(place).await;
    for name in ["one.refresh-token", "one-api"] {
        place.gone(name).await;
    }
    for secret in backup {
        place.create_secret(secret).await;
    }
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.expect("one", "Ready", "True/Fresh").await;
}

/// The garbage collector takes the owner off, which nobody else may, and the operator adopts what is free.
async fn keep_for_a_successor(place: &Place) {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    place.credentials().delete("one", &params).await.unwrap();
    place
        .until("the credential is gone", || async {
            place.credentials().get_opt("one").await.unwrap().is_none()
        })
        .await;
    let free = place.secret("one-api").await.unwrap();
    assert_eq!(free.metadata.owner_references.unwrap_or_default(), []);
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.expect("one", "Ready", "True/Fresh").await;
}

/// Somebody takes the keys away, and puts others in their place.
async fn complete_keys(place: &Place) {
    let keys = Api::<Secret>::namespaced(place.client.clone(), OPERATOR);
    let name = "entra-operator-keys";
    let held = keys.get(name).await.unwrap().data.unwrap();
    keys.delete(name, &DeleteParams::default()).await.unwrap();
    let mut other = held.clone();
    other.insert("mac".to_owned(), k8s_openapi::ByteString(vec![9; 32]));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(other),
        ..Secret::default()
    };
    keys.create(&PostParams::default(), &secret).await.unwrap();
    place
        .until("the keys are put back", || async {
            keys.get(name).await.unwrap().data.as_ref() == Some(&held)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_life_under_the_policies_is_denied_nothing_and_uses_every_right() {
    let stage = Arc::new(Stage::with_users(1, LIFE).await.unwrap());
    for object in protection() {
        stage
            .kubectl(&["apply", "-f", "-"], Some(&object.to_string()))
            .unwrap();
    }
    let place = Place::on(&stage, "life").await;
    let operator = stage
        .operator(program(), OperatorOptions::default())
        .await
        .unwrap();
    place.credential("one", &[("one-api", &api_scope())]).await;
    sign_in(&place).await;
    renew(&place).await;
    meet_a_foreign_secret_twice(&place).await;
    restore(&place).await;
    keep_for_a_successor(&place).await;
    complete_keys(&place).await;
    delete_credential(&place).await;
    place.gone("one-api").await;

    stage.plane.audit_barrier().await.unwrap();
    let audit = stage.plane.audit();
    let account = service_account(OPERATOR, OPERATOR);
    let entries = audit.by_user_since(&account, audit.start()).unwrap();
    let denied: Vec<_> = entries.iter().filter(|entry| entry.code == 403).collect();
    assert!(denied.is_empty(), "{denied:#?}");
    assert!(!operator.log().contains("denies it"), "{}", operator.log());
    assert_eq!(used(&entries), granted());
}
