//! A federated account: its password goes to its own server, once, and only where the administrator allows it.

use entra_lab::simulator::ClientCertificate;
use entra_lab::simulator::world::{Application, DOMAIN, FEDERATED_DOMAIN, TENANT, User};
use entra_lab::stage::{AUTHORITY, OperatorOptions};
use serde_json::json;

use super::{calls, sends, signed_in, spec};
use crate::scene::{Place, api_scope, stage, user};

/// An application that no other test has.
const CERTIFICATE_CLIENT: &str = "aaaaaaaa-0000-4000-8000-00000000000c";

/// A federated user whom no other test has.
async fn federated_user() -> (String, String) {
    let (name, password) = user();
    let name = name.replace(DOMAIN, FEDERATED_DOMAIN);
    stage().await.simulator.change(|world| {
        world.tenants[0].federate(FEDERATED_DOMAIN);
        world.users.push(User::new(&name, &password));
    });
    (name, password)
}

/// Paths of the requests that carried a password of this user.
async fn asked_with_password(user: &str) -> Vec<String> {
    let journal = stage().await.simulator.journal();
    let asked = journal.matching(|e| e.user.as_deref() == Some(user) && e.form.contains_key("password"));
    asked.into_iter().map(|e| e.path).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federated_account_signs_in_at_its_own_server_and_is_renewed() {
    let place = Place::new("federated").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = federated_user().await;
    signed_in(&place, "one", &account).await;
    place.gone("one-login").await;
    assert_eq!(
        asked_with_password(&account.0).await,
        ["/adfs/services/trust/13/usernamemixed"],
        "Entra never sees the password"
    );
    let before = calls(&account.0).await;
    place
        .until("it is renewed", || async { calls(&account.0).await > before })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(place.status("one").await["account"]["realm"], "Federated");
    assert_eq!(sends(&account.0).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_server_s_refusal_is_kept_and_not_sent_again() {
    let place = Place::new("federated").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, _) = federated_user().await;
    place.apply("one", spec("one")).await;
    place.login("one-login", &name, "PWMARK-wrong").await;
    place.expect("one", "LoggedIn", "False/WrongPassword").await;
    // It answers a lock-out in the words of a wrong password.
    assert_eq!(place.status("one").await["login"]["verdict"], "Kept");
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(place.secret("one-login").await.is_some());
    assert_eq!(sends(&name).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_server_that_is_not_listed_gets_nothing() {
    let place = Place::new("federated").await;
    let options = OperatorOptions {
        federation: false,
        ..OperatorOptions::default()
    };
    let _operator = place.operator(options).await;
    let (name, password) = federated_user().await;
    place.apply("one", spec("one")).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "LoggedIn", "False/NotAllowed").await;
    let failure = place.status("one").await["failure"].clone();
    let host = stage().await.simulator.url().replace("https://", "");
    let remedy = failure["remedy"].as_str().unwrap_or_default();
    assert!(
        remedy.contains(&host) && remedy.contains("federation.allowedHosts"),
        "{failure}"
    );
    assert!(place.secret("one-login").await.is_some(), "it is kept");
    assert_eq!(sends(&name).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_certificate_signs_in_and_is_renewed() {
    let place = Place::new("certificate").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let certificate = ClientCertificate::new("client").unwrap();
    let application = Application::with_certificate(CERTIFICATE_CLIENT, &certificate.certificate);
    stage()
        .await
        .simulator
        .change(|world| world.applications.push(application));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "one-app"},
        "stringData": {"tls.crt": certificate.certificate, "tls.key": certificate.key},
    });
    place.create_secret(secret).await;
    let account = user();
    place
        .apply(
            "one",
            json!({
                "tenant": TENANT, "clientId": CERTIFICATE_CLIENT, "authority": AUTHORITY,
                "clientCredential": {"certificate": {"secretName": "one-app"}},
                "login": {"secretName": "one-login"},
                "tokens": [{"secretName": "one-api", "scopes": [api_scope()]}],
            }),
        )
        .await;
    place.login("one-login", &account.0, &account.1).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let before = calls(&account.0).await;
    place
        .until("it is renewed", || async { calls(&account.0).await > before })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    let journal = stage().await.simulator.journal();
    let asserted = journal
        .matching(|e| e.user.as_deref() == Some(&*account.0) && e.form.contains_key("client_assertion"));
    assert_eq!(asserted.len(), calls(&account.0).await, "every request has one");
    assert_eq!(sends(&account.0).await, 1);
}

/// One call at a time, one a second and one pass: everybody gets through, and is renewed.
#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_limits_serve_accounts_of_both_kinds() {
    let place = Place::new("smallest").await;
    let limits = "limits: {requestsInFlight: 1, requestsPerSecondPerTenant: 1, reconcilesInFlight: 1}";
    let options = OperatorOptions {
        config: limits.to_owned(),
        ..OperatorOptions::default()
    };
    let _operator = place.operator(options).await;
    let accounts = [federated_user().await, user(), federated_user().await, user()];
    let names = ["one", "two", "three", "four"];
    for (name, (user, password)) in names.iter().zip(&accounts) {
        place.apply(name, spec(name)).await;
        place.login(&format!("{name}-login"), user, password).await;
    }
    for name in names {
        place.expect_within(60, name, "Ready", "True/Fresh").await;
    }
    let before = calls(&accounts[0].0).await;
    place
        .until("it is renewed", || async { calls(&accounts[0].0).await > before })
        .await;
    for ((user, _), name) in accounts.iter().zip(names) {
        assert_eq!(sends(user).await, 1, "{name}");
    }
}
