//! Rule 11 of docs/contract.md: a pass that changes nothing costs nothing, and a renewal costs little. The audit log is
//! the judge.
//!
//! That lists and watches bring metadata only is seen by a proxy: the audit log holds no headers.

use entra_lab::proxy;
use entra_lab::simulator::world::{
    API, CLIENT_SECRET, CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, TENANT, password, user_name,
};
use entra_lab::stage::{AUTHORITY, OIDC, OperatorOptions};
use kube::ResourceExt as _;
use serde_json::json;

use crate::evidence::{LONG_LIFE, api_proxy, asking, own_simulator, passed, steps, through};
use crate::scene::{Place, api_scope, graph_scope, stage, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_changes_nothing_asks_nothing_and_three_tokens_cost_four_writes() {
    let place = Place::new("budget").await;
    let (simulator, proxy) = (own_simulator(1, LONG_LIFE).await, api_proxy().await);
    let operator = place.operator(through(&proxy, asking(&simulator))).await;
    let start = place.mark().await;
    let read_scope = format!("{API}/read");
    let tokens = [("a", api_scope()), ("b", graph_scope()), ("c", read_scope)];
    let tokens: Vec<_> = tokens.iter().map(|(n, s)| (*n, s.as_str())).collect();
    place.credential("one", &tokens).await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let requested = place.request_refresh("one").await;

    // A pass without news: the refresh-token Secret moved, and nothing of ours in it did.
    let (mark, before) = (place.mark().await, steps(&operator));
    place
        .patch_credential(
            "one",
            json!({"metadata": {"annotations": {"contoso.example/note": "x"}}}),
        )
        .await;
    place
        .patch_secret(
            "one.refresh-token",
            json!({"metadata": {"labels": {"contoso.example/note": "x"}}}),
        )
        .await;
    passed(&operator, before).await;
    let deeds = place.deeds_since(mark).await;
    assert!(deeds.0.is_empty(), "{}", deeds.shown());

    // The renewal that was asked for comes 20 s after the last one.
    let mark = place.mark().await;
    place
        .until("the requested renewal is handled", || async {
            place.status("one").await["lastHandledRefreshRequest"] == requested
        })
        .await;
    let deeds = place.deeds_since(mark).await;
    println!(
        "renewing 3 tokens: {} writes, {} reads",
        deeds.writes(),
        deeds.reads()
    );
    assert_eq!(
        (deeds.writes(), deeds.reads(), deeds.events()),
        (4, 1, 0),
        "{}",
        deeds.shown()
    );
    assert_eq!(simulator.journal().password_sends(&user_name(0)), 1);

    let all = place.deeds_since(start).await;
    let of_login = all.about_secret("one-login");
    assert_eq!(of_login.last().unwrap().verb, "delete", "{}", all.shown());
    proxy.journal().requests().iter().for_each(assert_lean);
}

/// Lists and watches of Secrets are selected by type or label, and bring metadata only.
fn assert_lean(request: &proxy::Entry) {
    let path = request.path.split('?').next().unwrap_or_default();
    if request.method == "GET" && path.ends_with("/secrets") {
        let selected = request.path.contains("fieldSelector=type") || request.path.contains("labelSelector=");
        assert!(selected, "{}", request.path);
        assert!(
            request.accept.contains("PartialObjectMetadata"),
            "{}",
            request.accept
        );
    }
}

/// Most clusters hold many certificates, and no client that signs in with one.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_watched_once_a_credential_names_one() {
    let place = Place::new("named").await;
    let proxy = api_proxy().await;
    let _operator = place.operator(through(&proxy, OperatorOptions::default())).await;
    let watched = |kind: &str| {
        let asked = proxy.journal().requests();
        asked.iter().any(|request| request.path.contains(kind))
    };
    let (public, confidential) = (user(), user());
    place.credential("public", &[("public-api", &api_scope())]).await;
    place.login("public-login", &public.0, &public.1).await;
    place.expect("public", "Ready", "True/Fresh").await;
    assert!(watched("refresh-token") && !watched("client-secret") && !watched("tls"));
    confidential_client(&place).await;
    place
        .login("secret-login", &confidential.0, &confidential.1)
        .await;
    place.expect("secret", "Ready", "True/Fresh").await;
    assert!(watched("client-secret") && !watched("tls"));
}

/// What it names field by field, the API server takes apart and puts together with every write.
#[tokio::test(flavor = "multi_thread")]
async fn who_manages_a_status_manages_it_whole() {
    let place = Place::new("budget").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    place.credential("whole", &[("whole-api", &api_scope())]).await;
    place.expect("whole", "Ready", "False/AwaitingLogin").await;
    let credential = place.credentials().get("whole").await.unwrap();
    let status = credential
        .managed_fields()
        .iter()
        .filter(|managed| managed.subresource.as_deref() == Some("status"));
    let status: Vec<_> = status.filter_map(|managed| managed.fields_v1.as_ref()).collect();
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].0, json!({"f:status": {}}));
}

/// A credential `secret` whose client has a secret.
async fn confidential_client(place: &Place) {
    place
        .put_secret(json!({
            "metadata": {"name": "client"}, "type": "entra-operator.dev/client-secret",
            "stringData": {"secret": CLIENT_SECRET},
        }))
        .await;
    place
        .apply(
            "secret",
            json!({
                "tenant": TENANT, "clientId": CONFIDENTIAL_CLIENT, "authority": AUTHORITY,
                "clientCredential": {"secret": {"secretName": "client", "key": "secret"}},
                "login": {"secretName": "secret-login"},
                "tokens": [{"secretName": "secret-api", "scopes": [api_scope()]}],
            }),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_costs_two_writes_and_one_read_and_a_client_secret_one_read_more() {
    let place = Place::new("budget").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (public, confidential) = (user(), user());
    place.credential("public", &[("public-api", &api_scope())]).await;
    confidential_client(&place).await;
    place.login("public-login", &public.0, &public.1).await;
    place
        .login("secret-login", &confidential.0, &confidential.1)
        .await;
    tokio::join!(
        renewals_cost(&place, "public", &public.0, (2, 1)),
        renewals_cost(&place, "secret", &confidential.0, (2, 2)),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_used_tokens_end_a_renewal_stores_the_one_that_came_back() {
    let place = Place::new("budget").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let user = user();
    place
        .apply(
            "elsewhere",
            json!({
                "authority": OIDC, "clientId": PUBLIC_CLIENT, "login": {"secretName": "elsewhere-login"},
                "tokens": [{"secretName": "elsewhere-api", "scopes": [format!("{API}/read")]}],
            }),
        )
        .await;
    place.login("elsewhere-login", &user.0, &user.1).await;
    renewals_cost(&place, "elsewhere", &user.0, (3, 1)).await;
}

/// Each of two renewals of a credential with one token costs so many writes and reads.
async fn renewals_cost(place: &Place, name: &str, user: &str, (writes, reads): (usize, usize)) {
    place.expect(name, "Ready", "True/Fresh").await;
    let journal = stage().await.simulator.journal();
    let (mark, before) = (place.mark().await, journal.redemptions(user));
    let refreshed = || async { place.status(name).await["tokens"][0]["refreshedAt"].clone() };
    for _ in 0..2 {
        let last = refreshed().await;
        place
            .until("it is renewed", || async { refreshed().await != last })
            .await;
    }
    assert_eq!(journal.redemptions(user), before + 2);
    let mut deeds = place.deeds_since(mark).await;
    assert_eq!(deeds.events(), 0, "no Event for a success");
    deeds
        .0
        .retain(|e| e.name.starts_with(name) || (name == "secret" && e.name == "client"));
    println!(
        "2 renewals of {name}: {} writes, {} reads",
        deeds.writes(),
        deeds.reads()
    );
    assert_eq!(
        (deeds.writes(), deeds.reads()),
        (2 * writes, 2 * reads),
        "{}",
        deeds.shown()
    );
}
