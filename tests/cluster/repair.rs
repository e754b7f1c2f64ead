//! Token Secrets that people delete, edit, own or label: repaired at once, and never touched if they are foreign.

use std::time::{Duration, Instant};

use entra_lab::simulator::Simulator;
use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::stage::{AUTHORITY, OperatorOptions};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::evidence::{LONG_LIFE, api_proxy, asking, own_simulator, through};
use crate::scene::{Place, api_scope, graph_scope, user};

/// Until a Secret is right again, when nothing else keeps the machine busy.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Longest in any case: half of the shortest pause before something is tried again.
const WITHOUT_A_PAUSE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn what_people_break_is_right_again_at_once() {
    let place = Place::new("repair").await;
    let simulator = own_simulator(1, LONG_LIFE).await;
    let _operator = place.operator(asking(&simulator)).await;
    let names = [
        "deleted",
        "edited",
        "stripped",
        "frozen",
        "emptied",
        "prolonged",
        "relabelled",
    ];
    let tokens =
        names.map(|name| json!({"secretName": name, "scopes": [api_scope()], "labels": {"team": "etl"}}));
    let spec = json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": "one-login"}, "tokens": tokens,
    });
    place.apply("one", spec).await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;

    let (begun, calls) = (Instant::now(), simulator.journal().mark());
    place.delete_secret("deleted").await;
    let mut took = vec![repaired(&place, &simulator, "deleted", begun, calls).await];
    for (name, patch) in [
        ("edited", json!({"data": {"access_token": "Z2FyYmFnZQ=="}})),
        ("stripped", json!({"metadata": {"labels": null}})),
        ("frozen", json!({"immutable": true})),
        (
            "emptied",
            json!({"data": null, "metadata": {"annotations": null}}),
        ),
        (
            "prolonged",
            json!({"metadata": {"annotations": {
                "entra-operator.dev/expires-at": "2099-01-01T00:00:00Z", "entra-operator.dev/refresh-at": "2098-01-01T00:00:00Z",
            }}}),
        ),
        ("relabelled", json!({"metadata": {"labels": {"team": "sales"}}})),
    ] {
        took.push(breaks(&place, &simulator, name, patch).await);
    }
    assert!(took.iter().any(|took| *took < AT_ONCE), "{took:?}");
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(simulator.journal().password_sends(&user_name(0)), 1);
}

/// A person does this to a token Secret, and it is right again with at most one call.
async fn breaks(place: &Place, simulator: &Simulator, name: &str, patch: Value) -> Duration {
    let (begun, calls) = (Instant::now(), simulator.journal().mark());
    place.patch_secret(name, patch).await;
    repaired(place, simulator, name, begun, calls).await
}

async fn repaired(place: &Place, simulator: &Simulator, name: &str, begun: Instant, calls: u64) -> Duration {
    place
        .until(&format!("{name} is right again"), || async {
            let secret = place.secret(name).await;
            secret.is_some_and(|secret| is_right(&secret) && is_of_team(&secret))
        })
        .await;
    let (took, calls) = (begun.elapsed(), simulator.journal().since(calls).len());
    println!("{name}: right again after {took:?} with {calls} calls");
    assert!(
        took < WITHOUT_A_PAUSE && calls <= 1,
        "{name}: {took:?}, {calls} calls"
    );
    took
}

fn is_of_team(secret: &Secret) -> bool {
    secret.labels().get("team").is_some_and(|team| team == "etl")
}

fn is_right(secret: &Secret) -> bool {
    let data = secret.data.clone().unwrap_or_default();
    let token = data.get("access_token").map_or(0, |token| token.0.len());
    let managed = secret.labels().get("app.kubernetes.io/managed-by");
    let expires_at = secret.annotations().get("entra-operator.dev/expires-at");
    token > 100
        && data.contains_key("expires_on")
        && managed.is_some_and(|by| by == "entra-operator")
        && expires_at.is_some_and(|at| !at.starts_with("2099"))
        && secret.immutable != Some(true)
        && secret.metadata.deletion_timestamp.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_secret_is_never_touched_and_other_people_s_labels_survive() {
    let place = Place::new("foreign").await;
    let proxy = api_proxy().await;
    let _operator = place.operator(through(&proxy, OperatorOptions::default())).await;
    let (name, password) = user();
    place
        .put_secret(json!({"metadata": {"name": "one-api"}, "stringData": {"mine": "x"}}))
        .await;
    let before = place.version("one-api").await;
    place
        .credential("one", &[("one-api", &api_scope()), ("one-graph", &graph_scope())])
        .await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Published", "False/SecretConflict").await;
    place.expect("one", "Ready", "False/SecretConflict").await;

    let note =
        json!({"labels": {"contoso.example/team": "etl"}, "annotations": {"contoso.example/note": "x"}});
    let graph = || async { place.value("one-graph", "access_token").await };
    let first = graph().await;
    place.patch_secret("one-graph", json!({"metadata": note})).await;
    place
        .until("the other token is renewed", || async { graph().await != first })
        .await;
    let renewed = place.secret("one-graph").await.unwrap();
    assert_eq!(renewed.labels()["contoso.example/team"], "etl");
    assert_eq!(renewed.annotations()["contoso.example/note"], "x");

    assert_eq!(place.version("one-api").await, before, "it is untouched");
    let about = proxy.journal().matching(|r| r.path.contains("/secrets/one-api"));
    assert!(!about.is_empty());
    for request in about {
        assert_eq!(request.method, "GET", "{}", request.path);
        assert!(
            request.accept.contains("PartialObjectMetadata"),
            "{}",
            request.accept
        );
    }
    // No watch shows it: it is looked at every 5 minutes, or when a person asks.
    place.delete_secret("one-api").await;
    place.request_refresh("one").await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert!(is_right(&place.secret("one-api").await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_annotations_go_when_the_spec_drops_them() {
    let place = Place::new("template").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let spec = |entry: Value| {
        json!({
            "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
            "login": {"secretName": "one-login"}, "tokens": [entry],
        })
    };
    let bare = json!({"secretName": "one-api", "scopes": [api_scope()]});
    let mut dressed = bare.clone();
    dressed["labels"] = json!({"contoso.example/team": "etl"});
    dressed["annotations"] = json!({"contoso.example/owner": "etl"});
    place.apply("one", spec(dressed)).await;
    let (name, password) = user();
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let secret = place.secret("one-api").await.unwrap();
    assert_eq!(secret.labels()["contoso.example/team"], "etl");
    assert_eq!(secret.annotations()["contoso.example/owner"], "etl");

    let theirs =
        json!({"labels": {"contoso.example/cost": "7"}, "annotations": {"contoso.example/note": "x"}});
    place.patch_secret("one-api", json!({"metadata": theirs})).await;
    place.apply("one", spec(bare)).await;
    let dropped = || async {
        let secret = place.secret("one-api").await.unwrap();
        !secret.labels().contains_key("contoso.example/team")
            && !secret.annotations().contains_key("contoso.example/owner")
    };
    place.until("what the spec dropped is gone", dropped).await;
    let secret = place.secret("one-api").await.unwrap();
    assert!(is_right(&secret));
    assert_eq!(secret.labels()["contoso.example/cost"], "7");
    assert_eq!(secret.annotations()["contoso.example/note"], "x");
    assert!(!secret.annotations().contains_key("entra-operator.dev/template"));
}
