//! With `admissionPolicy.protectSecrets`, others keep their hands off the operator's Secrets: who may write Secrets in the
//! namespace, not who is exempt.

use entra_lab::stage::{OPERATOR, OperatorOptions};
use k8s_openapi::api::core::v1::Secret;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::Deed::{self, Change, Create, Delete};
use super::{idle_credential, owner, protection, secret, tried, with};
use crate::account::apply;
use crate::scene::{Place, stage};

const SESSION: &str = "entra-operator.dev/refresh-token";
const KEYS: &str = "entra-operator-keys";

/// A backup tool, as the values of the set name it.
const EXEMPT: &str = "system:serviceaccount:backup:restore";
const SOMEBODY: &str = "somebody@contoso.example";

/// The policy, for the place and the operator's own namespace only: other tests share the API server.
async fn protect(place: &Place) {
    let [policy, mut binding] = protection();
    let namespaces = json!([place.namespace, OPERATOR]);
    let selector = json!({"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": namespaces},
    ]});
    binding["spec"]["matchResources"] = json!({"namespaceSelector": selector});
    for object in [policy, binding] {
        apply(&object).await;
    }
}

/// Lets these people edit what is in a namespace.
async fn let_edit(namespace: &str) {
    let user = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name});
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "editors-for-test", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [user(SOMEBODY), user(EXEMPT)],
    }))
    .await;
}

async fn client_as(user: &str) -> Client {
    let path = stage().await.plane.admin_kubeconfig();
    let kubeconfig = Kubeconfig::read_from(path).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    config.proxy_url = None;
    config.auth_info.impersonate = Some(user.to_owned());
    Client::try_from(config).unwrap()
}

fn denied(outcome: Result<(), String>, what: &str, clause: &str) {
    let said = outcome.expect_err(what);
    assert!(
        said.contains("ValidatingAdmissionPolicy 'entra-operator-protection'"),
        "{what}: {said}"
    );
    assert!(said.contains(clause), "{what}: {said}");
}

fn annotated(key: &str) -> Value {
    json!({"metadata": {"annotations": {key: "2030-01-01T00:00:00Z"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_secrets_are_changed_by_the_operator_and_who_is_exempt_only() {
    let place = Place::new("protected").await;
    let elsewhere = Place::new("keys").await;
    let _operator = elsewhere.operator(OperatorOptions::default()).await;
    let by_one = json!([owner("one", &idle_credential(&place, "one").await, true)]);
    place.create_secret(secret("one-api", "Opaque", &by_one)).await;
    place
        .create_secret(secret("one.refresh-token", SESSION, &by_one))
        .await;
    for namespace in [place.namespace.as_str(), OPERATOR] {
        let_edit(namespace).await;
    }
    protect(&place).await;
    let (somebody, exempt) = (client_as(SOMEBODY).await, client_as(EXEMPT).await);
    let secrets = Api::<Secret>::namespaced(somebody.clone(), &place.namespace);
    place
        .until("the policy is in force", || async {
            tried(
                &secrets,
                Change("one-api", annotated("entra-operator.dev/expires-at")),
            )
            .await
            .is_err()
        })
        .await;
    let others = async |deed: Deed| tried(&secrets, deed).await;

    let creates = "only entra-operator creates";
    denied(
        others(Create(secret("new", "Opaque", &by_one))).await,
        "a token Secret",
        creates,
    );
    denied(
        others(Create(secret("two.refresh-token", SESSION, &by_one))).await,
        "a refresh-token Secret",
        creates,
    );
    let theirs = with(
        secret("theirs", "Opaque", &json!([])),
        &json!({"metadata": {"labels": null}}),
    );
    assert_eq!(others(Create(theirs)).await, Ok(()));

    let changes = "only entra-operator changes";
    for name in ["one-api", "one.refresh-token"] {
        for (change, what) in [
            (json!({"data": {"a": "Yg=="}}), "data"),
            (json!({"immutable": true}), "immutable"),
            (json!({"metadata": {"ownerReferences": null}}), "owners"),
            (annotated("entra-operator.dev/expires-at"), "a note"),
            (
                json!({"metadata": {"annotations": {"entra-operator.dev/owner": null}}}),
                "the proof",
            ),
        ] {
            denied(others(Change(name, change)).await, what, changes);
        }
        assert_eq!(
            others(Change(name, annotated("contoso.example/seen"))).await,
            Ok(())
        );
        assert_eq!(
            others(Change(name, json!({"metadata": {"labels": {"a": "b"}}}))).await,
            Ok(())
        );
        assert_eq!(others(Delete(name)).await, Ok(()));
    }
    let unlabelled = json!({"metadata": {"labels": {"entra-operator.dev/token": null}}});
    denied(others(Change("one-api", unlabelled)).await, "the label", changes);

    let keys = Api::<Secret>::namespaced(somebody, OPERATOR);
    denied(
        tried(&keys, Change(KEYS, json!({"data": {"seal.x": "YQ=="}}))).await,
        "a key",
        changes,
    );
    denied(
        tried(&keys, Delete(KEYS)).await,
        "the keys",
        "without its key Secret",
    );

    let secrets = Api::<Secret>::namespaced(exempt.clone(), &place.namespace);
    let keys = Api::<Secret>::namespaced(exempt, OPERATOR);
    assert_eq!(
        tried(&secrets, Create(secret("new", "Opaque", &by_one))).await,
        Ok(())
    );
    assert_eq!(
        tried(&secrets, Change("one-api", json!({"data": {"a": "Yg=="}}))).await,
        Ok(())
    );
    assert_eq!(tried(&keys, Delete(KEYS)).await, Ok(()));
}
