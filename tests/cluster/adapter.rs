//! The Kubernetes adapter against a real API server: every promise of the port `Cluster` that only a server can keep.
//!
//! Module of the test binary `cluster`; `crate::plane().await` gives the shared control plane, and a client is made per
//! test because it belongs to the test's runtime. Each test has a namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unwrap_in_result,
    clippy::disallowed_methods,
    reason = "helpers of tests fail by panicking, and an Event needs a time"
)]

mod objects;
mod refusals;
mod secrets;
mod watches;

use std::collections::BTreeMap;
use std::sync::Arc;

use entra_operator::api::{EntraCredential, IS_TOKEN, LABEL_TOKEN};
use entra_operator::cluster::{KubeCluster, Reporter, SecretStore, scopes, secret_watches};
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::{
    Cluster, ClusterError, Key, NewSecret, Owner, SecretChange, SecretMeta,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::crd_rules::{installed_client, namespace};

/// What the Secrets of these tests hold; `YzRuYXJ5` in base64.
const VALUE: &str = "c4nary";

struct World {
    client: Client,
    cluster: KubeCluster,
    store: Arc<SecretStore>,
    namespace: String,
    /// A credential that exists: the garbage collector takes what others own.
    owner: Owner,
}

impl World {
    async fn new() -> Self {
        let client = installed_client().await;
        let namespace = namespace(&client).await;
        let watches = secret_watches(&scopes(std::slice::from_ref(&namespace)));
        let store = Arc::new(SecretStore::new(&watches));
        let reporter = Reporter {
            instance: "pod-0".to_owned(),
            now: Timestamp::now,
        };
        let unheard = Arc::new(|_, _, _: Result<(), &ClusterError>| ());
        let cluster = KubeCluster::new(client.clone(), Arc::clone(&store), reporter, unheard);
        let owner = Owner {
            name: "keeper".to_owned(),
            uid: Uid(credential(&client, &namespace, "keeper").await.uid().unwrap()),
        };
        Self {
            client,
            cluster,
            store,
            namespace,
            owner,
        }
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.namespace.as_str(), name)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn credentials(&self) -> Api<EntraCredential> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn token_secret(&self, name: &str) -> NewSecret {
        NewSecret {
            key: self.key(name),
            kind: "Opaque",
            owner: self.owner.clone(),
            labels: texts(&[(LABEL_TOKEN, IS_TOKEN)]),
            annotations: texts(&[("entra-operator.dev/owner", "mac")]),
            data: data(VALUE),
        }
    }

    async fn created(&self, name: &str) -> SecretMeta {
        self.cluster.create(self.token_secret(name)).await.unwrap()
    }

    async fn put(&self, secret: Value) -> SecretMeta {
        let secret: Secret = serde_json::from_value(secret).unwrap();
        let name = secret.name_any();
        self.secrets()
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
        self.cluster.peek(&self.key(&name)).await.unwrap().unwrap()
    }

    async fn patch(&self, name: &str, patch: Value) {
        let params = PatchParams::default();
        self.secrets()
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }
}

async fn credential(client: &Client, namespace: &str, name: &str) -> EntraCredential {
    let object = serde_json::from_value(json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential", "metadata": {"name": name},
        "spec": {"tenant": "contoso.example", "clientId": "3f0c1a52-0000-4000-8000-000000000001",
            "login": {"secretName": "login"}, "tokens": [{"secretName": "t", "scopes": ["User.Read"]}]},
    }));
    Api::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object.unwrap())
        .await
        .unwrap()
}

fn data(value: &str) -> SecretData {
    let mut data = SecretData::default();
    data.insert("access_token", value.as_bytes().to_vec());
    data
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

fn edits(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), v.map(str::to_owned)))
        .collect()
}

fn annotate(value: &str) -> SecretChange {
    SecretChange {
        annotations: edits(&[("entra-operator.dev/request", Some(value))]),
        ..SecretChange::default()
    }
}
