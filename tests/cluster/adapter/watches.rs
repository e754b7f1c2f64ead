//! The watches and the store that they feed.

use std::sync::Arc;
use std::time::Duration;

use entra_operator::api::{CLIENT_SECRET_TYPE, IS_TOKEN, LABEL_TOKEN, LOGIN_TYPE, REFRESH_TOKEN_TYPE};
use entra_operator::cluster::{Change, Selects, scopes, secret_watches, watch_credentials, watch_secrets};
use entra_operator::plan::metadata::Version;
use futures::StreamExt;
use futures::future::ready;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use super::World;

/// Longest wait for a watch to report something.
const PATIENCE: Duration = Duration::from_secs(20);

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
        .patch("t", json!({"metadata": {"labels": {LABEL_TOKEN: null}}}))
        .await;
    until(|| get("t", Selects::Tokens).is_none()).await;
    world
        .patch("t", json!({"metadata": {"labels": {LABEL_TOKEN: IS_TOKEN}}}))
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

#[tokio::test]
async fn a_list_tells_whether_etcd_was_set_back() {
    let world = World::new().await;
    let mut rewound = world.store.rewound();
    let scope = Some(world.namespace.as_str().into());
    for turn in 0..2 {
        world.cluster.look_at_present(&scope).await.unwrap();
        world.created(&format!("t{turn}")).await;
    }
    assert!(!rewound.has_changed().unwrap());
    world.store.present(&Version(u64::MAX.to_string()));
    world.cluster.look_at_present(&scope).await.unwrap();
    assert!(rewound.has_changed().unwrap());
    rewound.mark_unchanged();
    world.cluster.look_at_present(&scope).await.unwrap();
    assert!(!rewound.has_changed().unwrap());
}

/// Feeds the store from the watches.
fn follow(world: &World) -> tokio::task::JoinHandle<()> {
    let watches = secret_watches(&scopes(std::slice::from_ref(&world.namespace)));
    let clients = world.client.clone().into();
    let mut changes = watch_secrets(&clients, &watches, &world.store.rewound(), |_| ready(()));
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
async fn credentials_are_watched() {
    let world = World::new().await;
    let scope = Some(Arc::from(world.namespace.as_str()));
    let mut changes = watch_credentials(&world.client.clone().into(), scope, world.store.rewound());
    assert!(matches!(changes.next().await, Some((_, Change::Restarted))));
    let Some((_, Change::Applied(credential))) = changes.next().await else {
        panic!("no credential");
    };
    assert_eq!(credential.name_any(), "keeper");
    let credential = credential.into_credential().unwrap();
    assert_eq!(credential.key, world.key("keeper"));
    assert!(matches!(changes.next().await, Some((_, Change::Listed))));
}
