//! The main job: a login becomes tokens that stay fresh.

use entra_lab::simulator::{Fault, Rule};
use entra_lab::stage::OperatorOptions;
use kube::api::DeleteParams;

use crate::scene::{Place, api_scope, graph_scope, stage, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_becomes_tokens_that_stay_fresh() {
    let place = Place::new("life").await;
    let operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    place
        .credential("one", &[("one-api", &api_scope()), ("one-graph", &graph_scope())])
        .await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert!(
        place.secret("one-login").await.is_none(),
        "the login Secret is gone"
    );
    assert_eq!(place.status("one").await["account"]["realm"], "Managed");
    let first = place.value("one-api", "access_token").await.unwrap();
    place
        .until("the token is renewed", || async {
            place.value("one-api", "access_token").await.unwrap() != first
        })
        .await;
    let journal = stage().await.simulator.journal();
    assert_eq!(journal.password_sends(&name), 1);
    println!("{}", operator.log());
}

/// A password is not left behind in a namespace whose credential is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_claimed_login_goes_with_its_credential() {
    let place = Place::new("along").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    let refused = Rule::new(Fault::code(700_016)).grant("password").user(&name);
    stage().await.simulator.script(refused.forever());
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "False/AppMisconfigured").await;
    assert!(place.secret("one-login").await.is_some(), "it is kept");
    let credentials = place.credentials();
    credentials.delete("one", &DeleteParams::default()).await.unwrap();
    place
        .until("the login is collected", || async {
            place.secret("one-login").await.is_none()
        })
        .await;
}
