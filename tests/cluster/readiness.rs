//! Readiness waits for everything that is watched, and says what stands in the way.

use entra_lab::proxy::{Action, Canned, Rule};
use entra_lab::stage::{Operator, OperatorOptions};

use crate::relay::Relay;
use crate::scene::{Place, api_scope, program, stage, user};

/// An operator that serves these places behind a proxy, and need not be ready yet.
async fn serving(places: &[&Place], relay: &Relay) -> Operator {
    let names: Vec<_> = places.iter().map(|place| place.namespace.as_str()).collect();
    let options = OperatorOptions {
        config: format!("watch: {{namespaces: [{}]}}", names.join(", ")),
        election: false,
        wait: false,
        ..relay.options()
    };
    stage().await.operator(program(), options).await.unwrap()
}

/// What `/readyz` says; empty before it listens.
async fn detail(operator: &Operator) -> String {
    let Some(health) = operator.health() else {
        return String::new();
    };
    operator
        .get(&format!("{health}/readyz"))
        .await
        .unwrap_or_default()
}

async fn says(place: &Place, operator: &Operator, what: &str) {
    place
        .until(&format!("/readyz says {what}"), || async {
            detail(operator).await.contains(what)
        })
        .await;
    assert!(!operator.is_ready().await);
    assert!(operator.log().contains(what), "and so does the log");
}

async fn is_ready(place: &Place, operator: &Operator) {
    place
        .until("it is ready", || async { operator.is_ready().await })
        .await;
}

/// From now on the API server answers this to requests with this path.
fn answers(relay: &Relay, path: &str, status: u16, reason: &str) {
    let answer = Action::Answer(Canned::api_status(status, reason));
    relay.api.add(Rule::new(answer).path(path).forever());
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_waits_for_every_scope_and_names_what_stands_in_the_way() {
    let (served, silent) = (Place::new("served").await, Place::new("silent").await);
    let relay = Relay::before(stage().await).await.unwrap();
    let path = format!("/namespaces/{}/entracredentials", silent.namespace);
    answers(&relay, &path, 503, "ServiceUnavailable");
    let operator = serving(&[&served, &silent], &relay).await;
    let list = format!(
        "cannot list entracredentials.entra-operator.dev in the namespace {}: ",
        silent.namespace
    );
    says(&silent, &operator, &list).await;
    let (name, password) = user();
    served.credential("one", &[("one-api", &api_scope())]).await;
    served.login("one-login", &name, &password).await;
    served.expect("one", "Ready", "True/Fresh").await;
    assert!(!operator.is_ready().await, "of one scope nothing is known yet");
    relay.api.clear();
    is_ready(&served, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_only_right_to_read_is_not_ready_and_names_it() {
    let place = Place::new("lost").await;
    let relay = Relay::before(stage().await).await.unwrap();
    let operator = serving(&[&place], &relay).await;
    is_ready(&place, &operator).await;
    let path = format!("/namespaces/{}/entracredentials", place.namespace);
    answers(&relay, &path, 403, "Forbidden");
    relay.api.cut_connections();
    let list = format!(
        "cannot list entracredentials.entra-operator.dev in the namespace {}: ",
        place.namespace
    );
    says(&place, &operator, &list).await;
    relay.api.clear();
    is_ready(&place, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_secrets_that_is_missing_is_named() {
    let place = Place::new("secrets").await;
    let relay = Relay::before(stage().await).await.unwrap();
    answers(
        &relay,
        &format!("/namespaces/{}/secrets", place.namespace),
        403,
        "Forbidden",
    );
    let operator = serving(&[&place], &relay).await;
    let right = format!("cannot list secrets in the namespace {}: ", place.namespace);
    says(&place, &operator, &right).await;
    relay.api.clear();
    is_ready(&place, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_crd_is_named() {
    let place = Place::new("nocrd").await;
    let relay = Relay::before(stage().await).await.unwrap();
    answers(&relay, "/entracredentials", 404, "NotFound");
    let operator = serving(&[&place], &relay).await;
    says(&place, &operator, "the CustomResourceDefinition is not installed").await;
    relay.api.clear();
    is_ready(&place, &operator).await;
}
