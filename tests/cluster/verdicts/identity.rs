//! Who a credential is: the pinned account, the binding of its refresh token, and its Secrets when it is made anew.

use std::time::Duration;

use entra_lab::proxy::{Action, Entry, Gate, Proxy, Rule, Trigger};
use entra_lab::stage::OperatorOptions;
use entra_operator::api::annotation;
use kube::api::{DeleteParams, PropagationPolicy};
use serde_json::{Value, json};

use super::{calls, sends, signed_in, spec};
use crate::evidence::{api_proxy, passed, steps, through};
use crate::scene::{Place, api_scope, graph_scope, user};

#[tokio::test(flavor = "multi_thread")]
async fn another_account_needs_leave() {
    let place = Place::new("identity").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (first, second) = (user(), user());
    signed_in(&place, "one", &first).await;
    place.login("one-login", &second.0, &second.1).await;
    place
        .until("the other account is refused", || async {
            place.status("one").await["failure"]["reason"] == "IdentityChanged"
        })
        .await;
    assert_eq!(username(&place).await, first.0);
    assert!(place.secret("one-login").await.is_some(), "it is kept");
    assert_eq!(sends(&second.0).await, 1);
    let renewals = calls(&first.0).await;
    place
        .until("the first account is still renewed", || async {
            calls(&first.0).await > renewals
        })
        .await;
    let leave = json!({"entra-operator.dev/allow-identity-change": "true"});
    place
        .patch_secret("one-login", json!({"metadata": {"annotations": leave}}))
        .await;
    place.gone("one-login").await;
    place
        .until("the account changes", || async {
            username(&place).await == second.0
        })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&second.0).await, 2);
}

async fn username(place: &Place) -> Value {
    place.status("one").await["account"]["username"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_goes_to_its_own_client_only_and_comes_back_with_it() {
    let place = Place::new("binding").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    signed_in(&place, "one", &account).await;
    let other = json!({"spec": {"clientId": "99999999-0000-4000-8000-000000000009"}});
    place.patch_credential("one", other).await;
    place.expect("one", "Ready", "False/LoginRequired").await;
    assert_eq!(place.condition("one", "LoggedIn").await, "False/LoginRequired");
    let before = calls(&account.0).await;
    place.apply("one", spec("one")).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(
        place.condition("one", "LoggedIn").await,
        "True/RefreshTokenStored"
    );
    assert!(calls(&account.0).await <= before + 1);
    assert_eq!(sends(&account.0).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_entries_and_credentials_take_their_secrets_along() {
    let place = Place::new("removal").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    place
        .credential("one", &[("one-api", &api_scope()), ("one-graph", &graph_scope())])
        .await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.gone("one-graph").await;
    assert!(place.secret("one-api").await.is_some());

    delete(&place, PropagationPolicy::Background).await;
    place.gone("one-api").await;
    place.gone("one.refresh-token").await;
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.expect("one", "LoggedIn", "False/AwaitingLogin").await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;

    // Made anew at once, before the garbage collector has been there.
    delete(&place, PropagationPolicy::Background).await;
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&name).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_lost_their_owner_are_adopted_without_a_new_login() {
    let place = Place::new("restore").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    signed_in(&place, "one", &account).await;
    let kept = place.secret("one-api").await.unwrap().metadata.uid;
    delete(&place, PropagationPolicy::Orphan).await;
    place.apply("one", spec("one")).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let credential = place.credentials().get("one").await.unwrap();
    for name in ["one-api", "one.refresh-token"] {
        let secret = place.secret(name).await.unwrap();
        let owners = secret.metadata.owner_references.unwrap_or_default();
        assert_eq!(owners.len(), 1, "{name}");
        assert_eq!(Some(&owners[0].uid), credential.metadata.uid.as_ref(), "{name}");
    }
    assert_eq!(place.secret("one-api").await.unwrap().metadata.uid, kept);
    assert_eq!(sends(&account.0).await, 1, "no new login was needed");
    let before = calls(&account.0).await;
    place
        .until("it is renewed", || async { calls(&account.0).await > before })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_deletion_of_its_credential_set_free_is_not_adopted() {
    let place = Place::new("freed").await;
    place.apply("one", spec("one")).await;
    // The operator lists the credential and hears nothing more of it.
    let proxy = api_proxy().await;
    hold(&proxy, "GET", "/entracredentials?&watch=true");
    let operator = place.operator(through(&proxy, OperatorOptions::default())).await;
    signed_in(&place, "one", &user()).await;
    let before = steps(&operator);
    delete(&place, PropagationPolicy::Orphan).await;
    passed(&operator, before).await;
    let journal = proxy.journal();
    let asked = journal.matching(|r| r.method == "GET" && r.path.ends_with("/entracredentials/one"));
    assert!(!asked.is_empty(), "it was about to adopt");
    for name in ["one-api", "one.refresh-token"] {
        assert_eq!(owners(&place, name).await, 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_somebody_else_s_meanwhile_is_not_adopted() {
    let place = Place::new("meanwhile").await;
    let proxy = api_proxy().await;
    let _operator = place.operator(through(&proxy, OperatorOptions::default())).await;
    signed_in(&place, "one", &user()).await;
    delete(&place, PropagationPolicy::Orphan).await;
    let asks = hold(&proxy, "GET", "/entracredentials/one");
    place.apply("one", spec("one")).await;
    asks.reached().await;
    let proof = json!({"metadata": {"annotations": {annotation::OWNER: null}}});
    place.patch_secret("one.refresh-token", proof).await;
    // Until its watch has told it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    asks.release();
    place.expect("one", "Ready", "False/SecretConflict").await;
    assert_eq!(owners(&place, "one.refresh-token").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_spec_names_is_not_deleted_by_an_older_one() {
    let place = Place::new("behind").await;
    let first = place.operator(OperatorOptions::default()).await;
    let (of_api, of_graph) = (api_scope(), graph_scope());
    let (api, graph) = (("one-api", &*of_api), ("one-graph", &*of_graph));
    signed_in(&place, "one", &user()).await;
    place.credential("one", &[api, graph]).await;
    place
        .until("both are published", || async {
            place.secret("one-graph").await.is_some()
        })
        .await;
    first.terminate().await.unwrap();
    let uid = place.secret("one-graph").await.unwrap().metadata.uid;
    place.credential("one", &[api]).await;
    // The next one lists this spec, and hears nothing of the one after it.
    let proxy = api_proxy().await;
    hold(&proxy, "GET", "/entracredentials?&watch=true");
    let asks = hold(&proxy, "GET", "/entracredentials/one");
    let _second = place.operator(through(&proxy, OperatorOptions::default())).await;
    asks.reached().await;
    place.credential("one", &[api, graph]).await;
    asks.release();
    let journal = proxy.journal();
    let lists = || {
        let listed = |r: &Entry| r.path.contains("/entracredentials?") && !r.is_watch();
        journal.matching(listed).len()
    };
    place
        .until("it lists anew what its watch does not tell", || async {
            lists() > 1
        })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(place.secret("one-graph").await.unwrap().metadata.uid, uid);
}

/// Holds the operator's requests of this kind.
fn hold(proxy: &Proxy, method: &str, path: &str) -> Gate {
    let gate = Gate::new();
    let held = Action::Before(Trigger::gate(gate.clone()));
    proxy.add(Rule::new(held).method(method).path(path).forever());
    gate
}

async fn owners(place: &Place, name: &str) -> usize {
    let secret = place.secret(name).await.unwrap();
    secret.metadata.owner_references.unwrap_or_default().len()
}

/// Deletes the credential and waits until it is gone.
async fn delete(place: &Place, policy: PropagationPolicy) {
    let params = DeleteParams {
        propagation_policy: Some(policy),
        ..DeleteParams::default()
    };
    place.credentials().delete("one", &params).await.unwrap();
    place
        .until("the credential is gone", || async {
            place.credentials().get_opt("one").await.unwrap().is_none()
        })
        .await;
}
