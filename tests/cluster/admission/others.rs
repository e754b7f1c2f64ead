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

/// Somebody's Secrets: those of the place, and those of the operator's own namespace.
struct Hands {
    secrets: Api<Secret>,
    own: Api<Secret>,
    /// The credential that owns what is protected.
    owners: Value,
}

impl Hands {
    async fn of(user: &str, place: &Place, owners: &Value) -> Self {
        let client = client_as(user).await;
        Self {
            secrets: Api::namespaced(client.clone(), &place.namespace),
            own: Api::namespaced(client, OPERATOR),
            owners: owners.clone(),
        }
    }

    async fn in_place(&self, deed: Deed) -> Result<(), String> {
        tried(&self.secrets, deed).await
    }

    async fn at_keys(&self, deed: Deed) -> Result<(), String> {
        tried(&self.own, deed).await
    }

    fn new_token(&self) -> Deed {
        Create(secret("new", "Opaque", &self.owners))
    }

    fn new_session(&self) -> Deed {
        Create(secret("two.refresh-token", SESSION, &self.owners))
    }
}

/// A namespace with Secrets of the operator, and the policy in force.
async fn protected() -> (Place, Value) {
    let (place, elsewhere) = (Place::new("protected").await, Place::new("keys").await);
    // It makes the keys.
    let _operator = elsewhere.operator(OperatorOptions::default()).await;
    let owners = json!([owner("one", &idle_credential(&place, "one").await, true)]);
    for (name, kind) in [("one-api", "Opaque"), ("one.refresh-token", SESSION)] {
        place.create_secret(secret(name, kind, &owners)).await;
    }
    for namespace in [place.namespace.as_str(), OPERATOR] {
        let_edit(namespace).await;
    }
    protect(&place).await;
    let somebody = Hands::of(SOMEBODY, &place, &owners).await;
    place
        .until("the policy is in force", || async {
            somebody.in_place(somebody.new_token()).await.is_err()
        })
        .await;
    (place, owners)
}

/// Everything that would change what pods or the operator read.
fn edits() -> [(Value, &'static str); 5] {
    [
        (json!({"data": {"a": "Yg=="}}), "data"),
        (json!({"immutable": true}), "immutable"),
        (json!({"metadata": {"ownerReferences": null}}), "owners"),
        (annotated("entra-operator.dev/expires-at"), "a note"),
        (
            json!({"metadata": {"annotations": {"entra-operator.dev/owner": null}}}),
            "the proof",
        ),
    ]
}

async fn hands_off(somebody: &Hands) {
    let creates = "only entra-operator creates";
    denied(
        somebody.in_place(somebody.new_token()).await,
        "a token Secret",
        creates,
    );
    denied(
        somebody.in_place(somebody.new_session()).await,
        "a refresh-token Secret",
        creates,
    );
    let changes = "only entra-operator changes";
    for name in ["one-api", "one.refresh-token"] {
        for (change, what) in edits() {
            denied(somebody.in_place(Change(name, change)).await, what, changes);
        }
    }
    let unlabelled = json!({"metadata": {"labels": {"entra-operator.dev/token": null}}});
    denied(
        somebody.in_place(Change("one-api", unlabelled)).await,
        "the label",
        changes,
    );
    let key = json!({"data": {"seal.x": "YQ=="}});
    denied(somebody.at_keys(Change(KEYS, key)).await, "a key", changes);
    denied(
        somebody.at_keys(Delete(KEYS)).await,
        "the keys",
        "without its key Secret",
    );
}

async fn what_stays_free(somebody: &Hands) {
    let theirs = with(
        secret("theirs", "Opaque", &json!([])),
        &json!({"metadata": {"labels": null}}),
    );
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let mut deeds = vec![(Create(theirs), "a Secret of their own")];
    for name in ["one-api", "one.refresh-token"] {
        deeds.extend([
            (
                Change(name, annotated("contoso.example/seen")),
                "an annotation of others",
            ),
            (Change(name, label.clone()), "a label of others"),
            (Delete(name), "a deletion"),
        ]);
    }
    for (deed, what) in deeds {
        assert_eq!(somebody.in_place(deed).await, Ok(()), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_secrets_are_changed_by_the_operator_and_who_is_exempt_only() {
    let (place, owners) = protected().await;
    let somebody = Hands::of(SOMEBODY, &place, &owners).await;
    hands_off(&somebody).await;
    what_stays_free(&somebody).await;
    let exempt = Hands::of(EXEMPT, &place, &owners).await;
    assert_eq!(exempt.in_place(exempt.new_token()).await, Ok(()));
    for (change, what) in edits() {
        assert_eq!(exempt.in_place(Change("one-api", change)).await, Ok(()), "{what}");
    }
    assert_eq!(exempt.at_keys(Delete(KEYS)).await, Ok(()));
}
