//! The ValidatingAdmissionPolicies of the chart: what they let through and what they deny, clause by clause, to whoever has a
//! token of the operator's ServiceAccount, and to others; and that the operator itself never meets one.

mod life;
mod others;
mod stolen;
mod tokens;

use entra_lab::stage::{Stage, repository};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::scene::Place;

/// What somebody tries to do to a Secret.
enum Deed {
    Create(Value),
    /// A merge patch.
    Change(&'static str, Value),
    Delete(&'static str),
}

/// Tries it: admission is asked, and nothing is stored.
async fn tried(secrets: &Api<Secret>, deed: Deed) -> Result<(), String> {
    let post = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let patch = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let delete = DeleteParams {
        dry_run: true,
        ..DeleteParams::default()
    };
    let outcome = match deed {
        Deed::Create(secret) => {
            let secret = serde_json::from_value(secret).unwrap();
            secrets.create(&post, &secret).await.map(drop)
        }
        Deed::Change(name, change) => secrets.patch(name, &patch, &Patch::Merge(change)).await.map(drop),
        Deed::Delete(name) => secrets.delete(name, &delete).await.map(drop),
    };
    match outcome {
        // It comes after admission.
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(()),
        other => other.map_err(|error| error.to_string()),
    }
}

/// A client with a token of a ServiceAccount.
async fn client_of(stage: &Stage, namespace: &str, account: &str) -> Client {
    let token = stage
        .plane
        .service_account_token(namespace, account, 3600)
        .await
        .unwrap();
    let name = format!("{account}-{}", uuid());
    let path = stage
        .plane
        .kubeconfig_for_token(&name, &token, None, None)
        .unwrap();
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// An owner of the operator's kind.
fn owner(name: &str, uid: &str, controller: bool) -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
        "name": name, "uid": uid, "controller": controller, "blockOwnerDeletion": false,
    })
}

/// A Secret as the operator makes one.
fn secret(name: &str, kind: &str, owners: &Value) -> Value {
    let labels = match kind {
        "Opaque" => json!({"entra-operator.dev/token": "true"}),
        _ => json!({}),
    };
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind, "data": {"a": "YQ=="},
        "metadata": {
            "name": name, "ownerReferences": owners, "labels": labels,
            "annotations": {"entra-operator.dev/owner": "proof-for-test"},
        },
    })
}

/// `base` with this merged over it.
fn with(mut base: Value, change: &Value) -> Value {
    merge(&mut base, change);
    base
}

fn merge(base: &mut Value, change: &Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) => {
            for (key, value) in change {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

/// A credential at which nobody works, and its uid.
async fn idle_credential(place: &Place, name: &str) -> String {
    place
        .credential(
            name,
            &[(&format!("{name}-api"), "https://graph.microsoft.com/.default")],
        )
        .await;
    place.credentials().get(name).await.unwrap().metadata.uid.unwrap()
}

/// The policy that keeps others from the operator's Secrets, and its binding, as the chart renders them.
fn protection() -> [Value; 2] {
    let path = repository().join("deploy/chart/tests/protected/rendered.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let objects = text
        .split("---\n")
        .filter(|object| object.contains("name: entra-operator-protection"));
    let parsed: Vec<Value> = objects
        .map(|object| serde_saphyr::from_str(object).unwrap())
        .collect();
    parsed.try_into().unwrap()
}
