//! What the API server refuses, and what is said and logged about it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_operator::reconcile::ports::{Cluster, ClusterError, Key, SecretChange};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::{VALUE, World, data};

#[tokio::test]
async fn a_refusal_names_the_policy_and_quotes_nothing() {
    let world = World::new().await;
    deny_by_policy(&world).await;
    let refused = eventually_refused(&world).await;
    let policy = format!("the admission policy deny-{} denies it", world.namespace);
    assert_eq!(refused, ClusterError::Refused(policy));
}

/// A policy that quotes the data of what it denies, in this namespace only.
async fn deny_by_policy(world: &World) {
    let name = format!("deny-{}", world.namespace);
    let policy: ValidatingAdmissionPolicy = serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
            },
            "validations": [{"expression": "!has(object.data)", "messageExpression": "string(object.data['access_token'])"}],
        },
    }))
    .unwrap();
    let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
    }))
    .unwrap();
    let params = PostParams::default();
    Api::all(world.client.clone())
        .create(&params, &policy)
        .await
        .unwrap();
    Api::all(world.client.clone())
        .create(&params, &binding)
        .await
        .unwrap();
}

/// Policies take effect a little after they are made.
async fn eventually_refused(world: &World) -> ClusterError {
    for attempt in 0..100 {
        if let Err(error) = world
            .cluster
            .create(world.token_secret(&format!("t{attempt}")))
            .await
        {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the policy never took effect");
}

/// Everything that is logged by this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_value_is_logged_at_any_level() {
    let world = World::new().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber, tracing asks the thread that meets a line first, and that of another test has none.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let _guard = tracing::subscriber::set_default(subscriber);
    let seen = world.created("t").await;
    world.cluster.read(&world.key("t")).await.unwrap();
    let change = SecretChange {
        data: Some(data(VALUE)),
        ..SecretChange::default()
    };
    world
        .cluster
        .change(&world.key("t"), &seen, change)
        .await
        .unwrap();
    deny_by_policy(&world).await;
    eventually_refused(&world).await;
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("kube_client"), "nothing was captured");
    assert!(
        !text.contains(VALUE) && !text.contains("YzRuYXJ5"),
        "a value was logged"
    );
}

#[tokio::test]
async fn a_create_without_namespace_is_refused() {
    let world = World::new().await;
    let mut secret = world.token_secret("t");
    secret.key = Key::new("there-is-no-such-namespace", &*secret.key.name);
    let outcome = world.cluster.create(secret).await;
    assert!(matches!(outcome, Err(ClusterError::Refused(_))), "{outcome:?}");
}
