//! Dead refresh tokens, entries that fail alone, and credentials that are suspended.

use std::time::Duration;

use entra_lab::simulator::world::{GRAPH, PUBLIC_CLIENT};
use entra_lab::stage::OperatorOptions;
use serde_json::json;

use super::{calls, sends, signed_in};
use crate::scene::{LIFE, Place, api_scope, graph_scope, stage, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_refresh_token_is_silent_until_a_new_login() {
    let place = Place::new("dead").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    signed_in(&place, "one", &account).await;
    stage().await.simulator.revoke_sessions(&account.0);
    place.expect("one", "LoggedIn", "False/LoginRequired").await;
    assert_eq!(place.condition("one", "Ready").await, "True/Expiring");
    let before = calls(&account.0).await;
    place.expect("one", "Ready", "False/LoginRequired").await;
    tokio::time::sleep(Duration::from_secs(LIFE / 2)).await;
    assert_eq!(calls(&account.0).await, before, "dead means silent");
    let events = place.events("one").await;
    assert_eq!(events.len(), 1, "one Event: {events:#?}");
    assert_eq!(events[0].reason.as_deref(), Some("LoginRequired"));

    let asked = place.request_refresh("one").await;
    place
        .until("the request is handled", || async {
            place.status("one").await["lastHandledRefreshRequest"] == asked
        })
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(calls(&account.0).await, before + 1, "a request is one call");

    let begun = std::time::Instant::now();
    place.login("one-login", &account.0, &account.1).await;
    place.expect_within(10, "one", "Ready", "True/Fresh").await;
    println!("dead to Ready after a new login: {:?}", begun.elapsed());
    assert_eq!(sends(&account.0).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_without_consent_delays_no_other() {
    let place = Place::new("entry").await;
    let operator = place.operator(OperatorOptions::default()).await;
    tokio::join!(
        entry_fails(&place, "last", &["last-api", "last-graph"]),
        entry_fails(&place, "first", &["first-graph", "first-api"]),
    );
    drop(operator);
}

/// The entry with Graph lacks consent, wherever it stands.
async fn entry_fails(place: &Place, name: &str, order: &[&str; 2]) {
    let (user, password) = user();
    let simulator = &stage().await.simulator;
    simulator.withdraw_consent(&user, PUBLIC_CLIENT, GRAPH);
    let scope = |secret: &str| {
        if secret.ends_with("graph") {
            graph_scope()
        } else {
            api_scope()
        }
    };
    let scopes = order.map(scope);
    let tokens = [(order[0], scopes[0].as_str()), (order[1], scopes[1].as_str())];
    place.credential(name, &tokens).await;
    place.login(&format!("{name}-login"), &user, &password).await;
    // A login that is refused for one entry's consent is sent with another entry's scopes 30 s later.
    place
        .expect_within(60, name, "LoggedIn", "True/RefreshTokenStored")
        .await;
    place.expect(name, "Ready", "False/ConsentMissing").await;
    let entry = |status: serde_json::Value, secret: String| {
        let tokens = status["tokens"].as_array().unwrap().clone();
        tokens.into_iter().find(|t| t["secretName"] == secret).unwrap()
    };
    let good = || async { entry(place.status(name).await, format!("{name}-api")) };
    let bad = entry(place.status(name).await, format!("{name}-graph"));
    assert_eq!(bad["failure"]["reason"], "ConsentMissing");
    assert_eq!(bad["failure"]["code"], "AADSTS65001");
    for _ in 0..2 {
        let last = good().await;
        assert!(last["failure"].is_null(), "{last}");
        place
            .until("the other entry is renewed", || async {
                good().await["refreshedAt"] != last["refreshedAt"]
            })
            .await;
        let expires: jiff::Timestamp = last["expiresAt"].as_str().unwrap().parse().unwrap();
        assert!(jiff::Timestamp::now() < expires, "renewed in time");
    }
    simulator.grant_consent(&user, PUBLIC_CLIENT, GRAPH);
    place.request_refresh(name).await;
    place.expect(name, "Ready", "True/Fresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_credential_makes_no_call_and_writes_only_its_status() {
    let place = Place::new("suspend").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    signed_in(&place, "one", &account).await;
    place
        .patch_credential("one", json!({"spec": {"suspend": true}}))
        .await;
    place.expect("one", "Ready", "True/Suspended").await;
    let (mark, before) = (place.mark().await, calls(&account.0).await);
    place.request_refresh("one").await;
    place.expect("one", "Ready", "False/Suspended").await;
    assert_eq!(calls(&account.0).await, before);
    let deeds = place.deeds_since(mark).await;
    let only_status = deeds.0.iter().all(|e| e.subresource == "status");
    assert!(only_status, "{}", deeds.shown());
    place
        .patch_credential("one", json!({"spec": {"suspend": false}}))
        .await;
    place.expect_within(5, "one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&account.0).await, 1);
}
