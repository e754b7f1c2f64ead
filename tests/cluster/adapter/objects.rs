//! Status, claims, namespaces and Events.

use entra_operator::api::{EntraCredentialStatus, Reason};
use entra_operator::plan::metadata::Uid;
use entra_operator::reconcile::ports::{Cluster, ClusterError, Event, Owner};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event as EventObject;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{World, credential};

#[tokio::test]
async fn the_status_is_replaced_whole_and_only_under_its_uid() {
    let world = World::new().await;
    let credential = credential(&world.client, &world.namespace, "reporting").await;
    let (key, uid) = (world.key("reporting"), Uid(credential.uid().unwrap()));
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
    let other = world
        .cluster
        .write_status(&key, &Uid("another-uid".to_owned()), &first)
        .await;
    assert_eq!(other.unwrap_err(), ClusterError::Conflict);
    let gone = world.cluster.write_status(&world.key("gone"), &uid, &first).await;
    assert_eq!(gone.unwrap_err(), ClusterError::NotFound);
}

#[tokio::test]
async fn a_claim_is_checked_live() {
    let world = World::new().await;
    let credential = credential(&world.client, &world.namespace, "reporting").await;
    let claimant = Owner {
        name: "reporting".to_owned(),
        uid: Uid(credential.uid().unwrap()),
    };
    let claims =
        async |claimant: &Owner, login| world.cluster.claims(&world.namespace, claimant, login).await;
    assert_eq!(claims(&claimant, "login").await, Ok(true));
    assert_eq!(claims(&claimant, "other").await, Ok(false));
    let predecessor = Owner {
        uid: world.owner.uid.clone(),
        ..claimant.clone()
    };
    assert_eq!(claims(&predecessor, "login").await, Ok(false));
    let unknown = Owner {
        name: "unknown".to_owned(),
        ..claimant
    };
    assert_eq!(claims(&unknown, "login").await, Ok(false));
}

#[tokio::test]
async fn a_credential_lives_until_its_deletion_begins() {
    let world = World::new().await;
    let credential = credential(&world.client, &world.namespace, "reporting").await;
    let (key, uid) = (world.key("reporting"), Uid(credential.uid().unwrap()));
    assert_eq!(world.cluster.lives(&key, &uid).await, Ok(Some(1)));
    assert_eq!(world.cluster.lives(&key, &world.owner.uid).await, Ok(None));
    assert_eq!(world.cluster.lives(&world.key("unknown"), &uid).await, Ok(None));
    let held = json!({"metadata": {"finalizers": ["entra-lab.example/hold"]}});
    let (credentials, merge) = (world.credentials(), PatchParams::default());
    credentials
        .patch("reporting", &merge, &Patch::Merge(&held))
        .await
        .unwrap();
    credentials
        .delete("reporting", &DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(world.cluster.lives(&key, &uid).await, Ok(None));
    let free = json!({"metadata": {"finalizers": null}});
    credentials
        .patch("reporting", &merge, &Patch::Merge(&free))
        .await
        .unwrap();
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
        world.cluster.event(&key, &world.owner, event).await;
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
            .all(|e| e.regarding.as_ref().unwrap().uid == Some(world.owner.uid.0.clone()))
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
    world.cluster.event(&key, &world.owner, event()).await;
    let all = ListParams::default();
    events
        .delete_collection(&DeleteParams::default(), &all)
        .await
        .unwrap();
    world.cluster.event(&key, &world.owner, event()).await;
    assert_eq!(events.list(&all).await.unwrap().items.len(), 1);
}
