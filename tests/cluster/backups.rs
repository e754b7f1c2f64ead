//! Backups: Secrets that come back with other uids, with their ownerReferences or without, and copies that belong elsewhere.

use std::sync::Arc;

use entra_lab::controlplane::Component;
use entra_lab::simulator::world::{password, user_name};
use entra_lab::stage::{OperatorOptions, Stage};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ObjectMeta, PropagationPolicy};
use serde_json::Value;

use crate::scene::{LIFE, Place, api_scope, stage, user};

const SESSION: &str = "one.refresh-token";

/// What a backup tool makes of a Secret: it leaves out what the API server sets.
fn as_in_a_backup(secret: Secret, with_owners: bool) -> Value {
    let metadata = ObjectMeta {
        name: secret.metadata.name,
        labels: secret.metadata.labels,
        annotations: secret.metadata.annotations,
        owner_references: secret.metadata.owner_references.filter(|_| with_owners),
        ..ObjectMeta::default()
    };
    serde_json::to_value(Secret { metadata, ..secret }).unwrap()
}

pub(crate) async fn back_up(place: &Place, with_owners: bool) -> Vec<Value> {
    let mut backup = Vec::new();
    for name in [SESSION, "one-api"] {
        let secret = place.secret(name).await.unwrap();
        backup.push(as_in_a_backup(secret, with_owners));
    }
    backup
}

async fn sign_in(place: &Place, (name, password): &(String, String)) {
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", name, password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    // It notes its uid with its first write, which stores what the sign-in brought.
    let session = place.secret(SESSION).await.unwrap();
    let noted = session.annotations().get("entra-operator.dev/uid");
    assert_eq!(noted, session.metadata.uid.as_ref());
}

pub(crate) async fn delete_credential(place: &Place) {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    place.credentials().delete("one", &params).await.unwrap();
}

async fn owner_of(place: &Place, name: &str) -> Vec<String> {
    let secret = place.secret(name).await.unwrap();
    let owners = secret.metadata.owner_references.unwrap_or_default();
    owners.into_iter().map(|owner| owner.uid).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_a_backup_without_owners_go_on_without_a_login() {
    let place = Place::new("backup").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    sign_in(&place, &account).await;
    let backup = back_up(&place, false).await;
    delete_credential(&place).await;
    for name in [SESSION, "one-api"] {
        place.gone(name).await;
    }
    for secret in backup {
        place.create_secret(secret).await;
    }
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let credential = place.credentials().get("one").await.unwrap().uid().unwrap();
    for name in [SESSION, "one-api"] {
        assert_eq!(
            owner_of(&place, name).await,
            std::slice::from_ref(&credential),
            "{name}"
        );
    }
    assert_eq!(stage().await.simulator.journal().password_sends(&account.0), 1);
}

/// The garbage collector stands still: on a busy cluster it may be as late.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_a_backup_with_its_former_owner_is_adopted_before_it_is_collected() {
    let stage = Arc::new(Stage::with_users(1, LIFE).await.unwrap());
    let place = Place::on(&stage, "owners").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = (user_name(0), password(0));
    sign_in(&place, &account).await;
    let backup = back_up(&place, true).await;
    delete_credential(&place).await;
    for name in [SESSION, "one-api"] {
        place.gone(name).await;
    }
    stage.plane.stop(Component::ControllerManager).await.unwrap();
    place.credential("one", &[("one-api", &api_scope())]).await;
    for secret in backup {
        place.create_secret(secret).await;
    }
    place.expect("one", "LoggedIn", "True/RefreshTokenStored").await;
    let credential = place.credentials().get("one").await.unwrap().uid().unwrap();
    assert_eq!(owner_of(&place, SESSION).await, std::slice::from_ref(&credential));
    let session = place.secret(SESSION).await.unwrap();
    let noted = session.annotations().get("entra-operator.dev/uid");
    assert_eq!(
        noted,
        session.metadata.uid.as_ref(),
        "it is no restored one any more"
    );
    assert_ne!(
        owner_of(&place, "one-api").await,
        [credential],
        "it is made again"
    );
    stage.plane.launch(Component::ControllerManager).await.unwrap();
    place.expect_within(90, "one", "Ready", "True/Fresh").await;
    assert_eq!(stage.simulator.journal().password_sends(&account.0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_copied_into_another_namespace_is_a_conflict() {
    let (place, elsewhere) = (Place::new("here").await, Place::new("elsewhere").await);
    let _operators = (
        place.operator(OperatorOptions::default()).await,
        elsewhere.operator(OperatorOptions::default()).await,
    );
    let account = user();
    sign_in(&place, &account).await;
    let calls = async || stage().await.simulator.journal().redemptions(&account.0);
    for secret in back_up(&place, false).await {
        elsewhere.create_secret(secret).await;
    }
    place
        .patch_credential("one", serde_json::json!({"spec": {"suspend": true}}))
        .await;
    place.expect("one", "Ready", "True/Suspended").await;
    let before = calls().await;
    elsewhere.credential("one", &[("one-api", &api_scope())]).await;
    elsewhere.expect("one", "Ready", "False/SecretConflict").await;
    assert_eq!(calls().await, before, "nothing is sent for a copy");
    assert_eq!(owner_of(&elsewhere, SESSION).await, [""; 0]);
}
