//! Reads and writes of Secrets.

use std::collections::BTreeMap;

use entra_operator::api::{FIELD_MANAGER, IS_TOKEN, LABEL_TOKEN, annotation};
use entra_operator::cluster::Selects;
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::{Cluster, ClusterError, SecretChange};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{VALUE, World, annotate, data, edits, texts};

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
    assert_eq!(controller.uid, world.owner.uid);
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
    assert_eq!(
        meta.annotations,
        annotation::read(&texts(&[("entra-operator.dev/request", "r")]))
    );
    let secret = world.secrets().get("t").await.unwrap();
    assert_eq!(
        secret.labels(),
        &texts(&[
            (LABEL_TOKEN, IS_TOKEN),
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
        annotation::read(&texts(&[("entra-operator.dev/claimed-by", "c/u")]))
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
async fn single_keys_are_set_and_others_stay() {
    let world = World::new().await;
    let seen = world.created("t").await;
    let sets = |value: &str| SecretChange {
        keys: {
            let mut keys = SecretData::default();
            keys.insert("record", value.as_bytes().to_vec());
            keys
        },
        ..SecretChange::default()
    };
    let seen = world
        .cluster
        .change(&world.key("t"), &seen, sets("one"))
        .await
        .unwrap();
    let stored = world.cluster.read(&world.key("t")).await.unwrap().unwrap();
    assert_eq!(stored.data.get("record"), Some(&b"one"[..]));
    assert_eq!(stored.data.get("access_token"), Some(VALUE.as_bytes()));
    world.patch("t", json!({"data": null})).await;
    let late = world.cluster.change(&world.key("t"), &seen, sets("late")).await;
    assert_eq!(late.unwrap_err(), ClusterError::Conflict);
    let seen = world.cluster.peek(&world.key("t")).await.unwrap().unwrap();
    world
        .cluster
        .change(&world.key("t"), &seen, sets("two"))
        .await
        .unwrap();
    let stored = world.cluster.read(&world.key("t")).await.unwrap().unwrap();
    assert_eq!(stored.data.get("record"), Some(&b"two"[..]));
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
    seen.uid = Uid("22222222-0000-4000-8000-000000000002".to_owned());
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
    let other = world.config_map("c").await;
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": other});
    let seen = world
        .put(json!({"metadata": {"name": "t", "ownerReferences": [other]}}))
        .await;
    let change = SecretChange {
        adopt: Some(world.owner.clone()),
        ..annotate("r")
    };
    let meta = world
        .cluster
        .change(&world.key("t"), &seen, change)
        .await
        .unwrap();
    assert_eq!(meta.controller.map(|c| c.uid), Some(world.owner.uid.clone()));
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
        adopt: Some(world.owner.clone()),
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

impl World {
    /// Uid of a new ConfigMap, an owner that is not ours.
    async fn config_map(&self, name: &str) -> String {
        let object: ConfigMap = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        let api = Api::namespaced(self.client.clone(), &self.namespace);
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        made.uid().unwrap()
    }
}
