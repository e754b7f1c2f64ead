//! The Kubernetes adapter against a real API server: every promise of the port `Cluster` that only a server can keep.
//!
//! Module of the test binary `cluster`; `crate::plane().await` gives the shared control plane, and a client is made per
//! test because it belongs to the test's runtime. Each test has a namespace of its own.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_operator::api::{
    CLIENT_SECRET_TYPE, EntraCredential, EntraCredentialStatus, FIELD_MANAGER, LABEL_MANAGED_BY, LOGIN_TYPE,
    MANAGED_BY, REFRESH_TOKEN_TYPE, Reason,
};
use entra_operator::cluster::{
    Change, KubeCluster, Reporter, SecretStore, Selects, scopes, secret_watches, watch_credentials,
    watch_secrets,
};
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::{
    Cluster, ClusterError, Event, Key, NewSecret, Owner, SecretChange, SecretMeta,
};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::events::v1::Event as EventObject;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::crd_rules::{installed_client, namespace};

/// Longest wait for a watch to report something.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the Secrets of these tests hold; `YzRuYXJ5` in base64.
const VALUE: &str = "c4nary";

struct World {
    client: Client,
    cluster: KubeCluster,
    store: Arc<SecretStore>,
    namespace: String,
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
        Self {
            cluster: KubeCluster::new(client.clone(), Arc::clone(&store), reporter),
            client,
            store,
            namespace,
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
            owner: owner(),
            labels: texts(&[(LABEL_MANAGED_BY, MANAGED_BY)]),
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

    async fn credential(&self, name: &str) -> EntraCredential {
        let object = serde_json::from_value(json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential", "metadata": {"name": name},
            "spec": {"tenant": "contoso.example", "clientId": "3f0c1a52-0000-4000-8000-000000000001",
                "login": {"secretName": "login"}, "tokens": [{"secretName": "t", "scopes": ["User.Read"]}]},
        }));
        self.credentials()
            .create(&PostParams::default(), &object.unwrap())
            .await
            .unwrap()
    }
}

fn owner() -> Owner {
    Owner {
        name: "reporting".to_owned(),
        uid: "11111111-0000-4000-8000-000000000001".to_owned(),
    }
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

#[tokio::test]
async fn a_created_secret_is_read_back_as_it_was_meant() {
    let world = World::new().await;
    let meta = world.created("t").await;
    let object = world.cluster.read(&world.key("t")).await.unwrap().unwrap();
    assert_eq!(object.meta, meta);
    assert_eq!(object.data.get("access_token"), Some(VALUE.as_bytes()));
    assert_eq!((object.kind.as_str(), object.immutable), ("Opaque", false));
    let controller = meta.controller.clone().unwrap();
    assert!(controller.ours && meta.managed);
    assert_eq!(controller.uid, owner().uid);
    assert_eq!(
        world.cluster.peek(&world.key("t")).await.unwrap(),
        Some(meta.clone())
    );
    assert_eq!(world.store.get_as(&world.key("t"), Selects::Tokens), Some(meta));
}

#[tokio::test]
async fn the_owner_controls_and_does_not_block_and_the_manager_is_ours() {
    let world = World::new().await;
    world.created("t").await;
    let secret = world.secrets().get("t").await.unwrap();
    let owner = secret.owner_references().first().cloned().unwrap();
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(false))
    );
    let managers = secret.managed_fields().iter().filter_map(|m| m.manager.clone());
    assert_eq!(managers.collect::<Vec<_>>(), [FIELD_MANAGER]);
}

#[tokio::test]
async fn what_does_not_exist_is_none_and_what_exists_is_a_conflict() {
    let world = World::new().await;
    assert!(world.cluster.read(&world.key("t")).await.unwrap().is_none());
    assert_eq!(world.cluster.peek(&world.key("t")).await.unwrap(), None);
    world.created("t").await;
    let again = world.cluster.create(world.token_secret("t")).await;
    assert_eq!(again.unwrap_err(), ClusterError::Conflict);
}

#[tokio::test]
async fn a_change_touches_only_what_it_names() {
    let world = World::new().await;
    world.created("t").await;
    world
        .patch(
            "t",
            json!({"metadata": {"labels": {"foreign": "l"}, "annotations": {"other.example/a_b": "a"}}}),
        )
        .await;
    let seen = world.cluster.peek(&world.key("t")).await.unwrap().unwrap();
    let change = SecretChange {
        annotations: edits(&[
            ("entra-operator.dev/owner", None),
            ("entra-operator.dev/request", Some("r")),
        ]),
        labels: edits(&[("contoso.example/team", Some("etl")), ("never.example/set", None)]),
        data: Some({
            let mut data = SecretData::default();
            data.insert("other_key", b"second".to_vec());
            data
        }),
        ..SecretChange::default()
    };
    let meta = world
        .cluster
        .change(&world.key("t"), &seen, change)
        .await
        .unwrap();
    assert_eq!(meta.annotations, texts(&[("entra-operator.dev/request", "r")]));
    let secret = world.secrets().get("t").await.unwrap();
    assert_eq!(
        secret.labels(),
        &texts(&[
            (LABEL_MANAGED_BY, MANAGED_BY),
            ("foreign", "l"),
            ("contoso.example/team", "etl")
        ])
    );
    assert_eq!(
        secret.annotations().get("other.example/a_b").map(String::as_str),
        Some("a")
    );
    let keys: Vec<_> = secret
        .data
        .iter()
        .flatten()
        .map(|(k, v)| (k.as_str(), v.0.as_slice()))
        .collect();
    assert_eq!(keys, [("other_key", &b"second"[..])]);
    assert_eq!(world.store.get(&world.key("t")), Some(meta));
}

#[tokio::test]
async fn a_secret_without_labels_annotations_and_data_can_be_changed() {
    let world = World::new().await;
    let seen = world.put(json!({"metadata": {"name": "bare"}})).await;
    let change = SecretChange {
        annotations: edits(&[
            ("entra-operator.dev/claimed-by", Some("c/u")),
            ("entra-operator.dev/owner", None),
        ]),
        labels: edits(&[("a", Some("b"))]),
        data: Some(data("x")),
        ..SecretChange::default()
    };
    let meta = world
        .cluster
        .change(&world.key("bare"), &seen, change)
        .await
        .unwrap();
    assert_eq!(
        meta.annotations,
        texts(&[("entra-operator.dev/claimed-by", "c/u")])
    );
    let last = SecretChange {
        annotations: edits(&[("entra-operator.dev/claimed-by", None)]),
        labels: edits(&[("a", None)]),
        ..SecretChange::default()
    };
    let meta = world
        .cluster
        .change(&world.key("bare"), &meta, last)
        .await
        .unwrap();
    assert!(!meta.has_annotations && !meta.has_labels);
}

#[tokio::test]
async fn a_change_of_what_moved_on_is_a_conflict() {
    let world = World::new().await;
    let seen = world.created("t").await;
    world.patch("t", json!({"metadata": {"annotations": null}})).await;
    let late = world
        .cluster
        .change(&world.key("t"), &seen, annotate("late"))
        .await;
    assert_eq!(late.unwrap_err(), ClusterError::Conflict);
    assert_eq!(
        world.secrets().get("t").await.unwrap().annotations(),
        &BTreeMap::new()
    );
}

#[tokio::test]
async fn a_change_of_another_uid_is_a_conflict() {
    let world = World::new().await;
    let mut seen = world.created("t").await;
    seen.uid = "22222222-0000-4000-8000-000000000002".to_owned();
    let outcome = world.cluster.change(&world.key("t"), &seen, annotate("x")).await;
    assert_eq!(outcome.unwrap_err(), ClusterError::Conflict);
}

#[tokio::test]
async fn a_change_of_what_is_gone_is_not_found() {
    let world = World::new().await;
    let seen = world.created("t").await;
    world.cluster.delete(&world.key("t"), &seen).await.unwrap();
    let outcome = world.cluster.change(&world.key("t"), &seen, annotate("x")).await;
    assert_eq!(outcome.unwrap_err(), ClusterError::NotFound);
}

#[tokio::test]
async fn an_immutable_secret_says_so() {
    let world = World::new().await;
    let seen = world
        .put(json!({"metadata": {"name": "t"}, "immutable": true, "stringData": {"a": "b"}}))
        .await;
    let change = SecretChange {
        data: Some(data("x")),
        ..SecretChange::default()
    };
    let outcome = world.cluster.change(&world.key("t"), &seen, change).await;
    assert_eq!(outcome.unwrap_err(), ClusterError::Immutable);
    assert!(
        world
            .cluster
            .read(&world.key("t"))
            .await
            .unwrap()
            .unwrap()
            .immutable
    );
}

#[tokio::test]
async fn adoption_keeps_other_owners() {
    let world = World::new().await;
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "33333333-0000-4000-8000-000000000003"});
    let seen = world
        .put(json!({"metadata": {"name": "t", "ownerReferences": [other]}}))
        .await;
    let change = SecretChange {
        adopt: Some(owner()),
        ..annotate("r")
    };
    let meta = world
        .cluster
        .change(&world.key("t"), &seen, change)
        .await
        .unwrap();
    assert_eq!(meta.controller.map(|c| c.uid), Some(owner().uid));
    assert_eq!(
        world.secrets().get("t").await.unwrap().owner_references().len(),
        2
    );
}

#[tokio::test]
async fn adoption_of_what_somebody_controls_is_a_conflict() {
    let world = World::new().await;
    let seen = world.created("t").await;
    let change = SecretChange {
        adopt: Some(owner()),
        ..SecretChange::default()
    };
    let outcome = world.cluster.change(&world.key("t"), &seen, change).await;
    assert_eq!(outcome.unwrap_err(), ClusterError::Conflict);
}

#[tokio::test]
async fn a_delete_spares_what_was_not_seen() {
    let world = World::new().await;
    let seen = world.created("t").await;
    world
        .patch("t", json!({"metadata": {"labels": {"newer": "yes"}}}))
        .await;
    let late = world.cluster.delete(&world.key("t"), &seen).await;
    assert_eq!(late.unwrap_err(), ClusterError::Conflict);
    let seen = world.cluster.peek(&world.key("t")).await.unwrap().unwrap();
    world.cluster.delete(&world.key("t"), &seen).await.unwrap();
    assert_eq!(world.store.get(&world.key("t")), None);
    let again = world.cluster.delete(&world.key("t"), &seen).await;
    assert_eq!(again.unwrap_err(), ClusterError::NotFound);
}

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
    use k8s_openapi::api::admissionregistration::v1::{
        ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    };
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
    secret.key.namespace = "there-is-no-such-namespace".to_owned();
    let outcome = world.cluster.create(secret).await;
    assert!(matches!(outcome, Err(ClusterError::Refused(_))), "{outcome:?}");
}

#[tokio::test]
async fn the_status_is_replaced_whole_and_only_under_its_uid() {
    let world = World::new().await;
    let credential = world.credential("reporting").await;
    let (key, uid) = (world.key("reporting"), credential.uid().unwrap());
    let first = EntraCredentialStatus {
        observed_generation: Some(1),
        last_handled_refresh_request: Some("x".to_owned()),
        ..EntraCredentialStatus::default()
    };
    world.cluster.write_status(&key, &uid, &first).await.unwrap();
    let second = EntraCredentialStatus {
        observed_generation: Some(2),
        ..EntraCredentialStatus::default()
    };
    world.cluster.write_status(&key, &uid, &second).await.unwrap();
    let stored = world.credentials().get("reporting").await.unwrap();
    assert_eq!(stored.status, Some(second));
    assert_eq!(stored.spec, credential.spec);
    let other = world.cluster.write_status(&key, "another-uid", &first).await;
    assert_eq!(other.unwrap_err(), ClusterError::Conflict);
    let gone = world.cluster.write_status(&world.key("gone"), &uid, &first).await;
    assert_eq!(gone.unwrap_err(), ClusterError::NotFound);
}

#[tokio::test]
async fn a_claim_is_checked_live() {
    let world = World::new().await;
    let credential = world.credential("reporting").await;
    let claimant = Owner {
        name: "reporting".to_owned(),
        uid: credential.uid().unwrap(),
    };
    let claims =
        async |claimant: &Owner, login| world.cluster.claims(&world.namespace, claimant, login).await;
    assert_eq!(claims(&claimant, "login").await, Ok(true));
    assert_eq!(claims(&claimant, "other").await, Ok(false));
    assert_eq!(claims(&owner(), "login").await, Ok(false));
    let unknown = Owner {
        name: "unknown".to_owned(),
        ..claimant
    };
    assert_eq!(claims(&unknown, "login").await, Ok(false));
}

#[tokio::test]
async fn a_namespace_is_active_until_it_is_deleted() {
    let world = World::new().await;
    let active = async |name: &str| world.cluster.namespace_active(name).await;
    assert_eq!(active("there-is-no-such-namespace").await, Ok(false));
    assert_eq!(active(&world.namespace).await, Ok(true));
    world.patch_finalizer().await;
    let namespaces = Api::<Namespace>::all(world.client.clone());
    namespaces
        .delete(&world.namespace, &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(active(&world.namespace).await, Ok(false));
    let refused = world.cluster.create(world.token_secret("t")).await;
    assert_eq!(
        refused.unwrap_err(),
        ClusterError::Refused("the namespace is being deleted".to_owned())
    );
}

impl World {
    /// Keeps the namespace in deletion long enough to be looked at.
    async fn patch_finalizer(&self) {
        self.put(json!({"metadata": {"name": "holds", "finalizers": ["entra-lab.example/hold"]}}))
            .await;
    }
}

#[tokio::test]
async fn events_are_counted_by_their_note() {
    let world = World::new().await;
    let long = "a".repeat(239);
    let key = world.key(&long);
    for note in ["one", "one", "two", &"ä".repeat(600)] {
        let event = Event {
            reason: Reason::WrongPassword,
            warning: true,
            note: note.to_owned(),
        };
        world.cluster.event(&key, &owner(), event).await;
    }
    let events = Api::<EventObject>::namespaced(world.client.clone(), &world.namespace);
    let events = events.list(&ListParams::default()).await.unwrap().items;
    let count = |note: &str| {
        let event = events
            .iter()
            .find(|e| e.note.as_deref().is_some_and(|n| n.starts_with(note)));
        event.and_then(|e| e.series.as_ref()).map(|s| s.count)
    };
    assert_eq!(events.len(), 3);
    assert_eq!((count("one"), count("two")), (Some(2), None));
    assert!(events.iter().all(|e| e.type_.as_deref() == Some("Warning")));
    assert!(
        events
            .iter()
            .all(|e| e.regarding.as_ref().unwrap().uid == Some(owner().uid))
    );
}

#[tokio::test]
async fn a_deleted_event_is_published_anew() {
    let world = World::new().await;
    let key = world.key("reporting");
    let event = || Event {
        reason: Reason::LoginRequired,
        warning: false,
        note: "n".to_owned(),
    };
    let events = Api::<EventObject>::namespaced(world.client.clone(), &world.namespace);
    world.cluster.event(&key, &owner(), event()).await;
    let all = ListParams::default();
    events
        .delete_collection(&DeleteParams::default(), &all)
        .await
        .unwrap();
    world.cluster.event(&key, &owner(), event()).await;
    assert_eq!(events.list(&all).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn the_watches_show_what_they_select_and_the_store_follows() {
    let world = World::new().await;
    for (name, kind) in [
        ("login", LOGIN_TYPE),
        ("rt", REFRESH_TOKEN_TYPE),
        ("cs", CLIENT_SECRET_TYPE),
        ("no", "Opaque"),
    ] {
        world
            .put(json!({"metadata": {"name": name}, "type": kind, "stringData": {"password": "hunter2"}}))
            .await;
    }
    let follower = follow(&world);
    until(|| world.store.synced()).await;
    let get = |name: &str, selects| world.store.get_as(&world.key(name), selects);
    assert!(get("login", Selects::Logins).is_some() && get("rt", Selects::RefreshTokens).is_some());
    assert!(get("cs", Selects::ClientSecrets).is_some() && world.store.get(&world.key("no")).is_none());
    let seen = world.created("t").await;
    world
        .patch("t", json!({"metadata": {"labels": {LABEL_MANAGED_BY: null}}}))
        .await;
    until(|| get("t", Selects::Tokens).is_none()).await;
    world
        .patch(
            "t",
            json!({"metadata": {"labels": {LABEL_MANAGED_BY: MANAGED_BY}}}),
        )
        .await;
    until(|| get("t", Selects::Tokens).is_some_and(|m| m.version != seen.version)).await;
    world
        .secrets()
        .delete("login", &DeleteParams::default())
        .await
        .unwrap();
    until(|| get("login", Selects::Logins).is_none()).await;
    follower.abort();
}

/// Feeds the store from the watches.
fn follow(world: &World) -> tokio::task::JoinHandle<()> {
    let watches = secret_watches(&scopes(std::slice::from_ref(&world.namespace)));
    let mut changes = watch_secrets(&world.client, &watches);
    let store = Arc::clone(&world.store);
    tokio::spawn(async move {
        while let Some((watch, change)) = changes.next().await {
            assert!(!format!("{change:?}").contains("hunter2"));
            store.apply(&watch, change);
        }
    })
}

async fn until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.unwrap();
}

#[tokio::test]
async fn credentials_are_watched_lean() {
    let world = World::new().await;
    world.credential("reporting").await;
    let mut changes = watch_credentials(&world.client, &scopes(std::slice::from_ref(&world.namespace)));
    assert!(matches!(changes.next().await, Some((_, Change::Restarted))));
    let Some((_, Change::Applied(credential))) = changes.next().await else {
        panic!("no credential");
    };
    let credential = credential.get().unwrap();
    assert_eq!(credential.name_any(), "reporting");
    assert!(credential.managed_fields().is_empty());
    assert!(matches!(changes.next().await, Some((_, Change::Listed))));
}
