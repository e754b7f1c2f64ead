//! Used and unusable login Secrets: what was used is never sent again, what is unusable is never sent at all.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT};
use entra_lab::stage::{AUTHORITY, OperatorOptions};
use serde_json::{Value, json};

use super::{sends, signed_in, spec};
use crate::evidence::{api_proxy, through};
use crate::scene::{Place, api_scope, stage, user};

#[tokio::test(flavor = "multi_thread")]
async fn used_content_is_deleted_and_never_sent_again() {
    let place = Place::new("used").await;
    let mut operator = place.operator(OperatorOptions::default()).await;
    let (wrong, right) = (user(), user());
    place.credential("wrong", &[("wrong-api", &api_scope())]).await;
    place.login("wrong-login", &wrong.0, "PWMARK-wrong").await;
    signed_in(&place, "right", &right).await;
    place.expect("wrong", "LoggedIn", "False/WrongPassword").await;
    place.gone("wrong-login").await;
    assert_eq!(place.status("wrong").await["login"]["verdict"], "Wrong");

    // The records outlive the process. (It would also wait a minute before it deletes a second time.)
    operator.kill();
    place.login("wrong-login", &wrong.0, "PWMARK-wrong").await;
    place.login("right-login", &right.0, &right.1).await;
    let _operator = place.operator(OperatorOptions::default()).await;
    place.gone("wrong-login").await;
    place.gone("right-login").await;
    assert_eq!((sends(&wrong.0).await, sends(&right.0).await), (1, 1));
    place.expect("wrong", "LoggedIn", "False/WrongPassword").await;
    place.expect("right", "Ready", "True/Fresh").await;

    place.login("wrong-login", &wrong.0, &wrong.1).await;
    place.expect("wrong", "Ready", "True/Fresh").await;
    assert_eq!(sends(&wrong.0).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_login_is_explained_and_never_sent() {
    let place = Place::new("unusable").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    let (user, right, long) = (encoded(&name), encoded(&password), encoded("x".repeat(257)));
    let cases = [
        ("missing", json!({"username": user}), "password is missing"),
        (
            "empty",
            json!({"username": user, "password": ""}),
            "password is empty",
        ),
        (
            "long",
            json!({"username": user, "password": long}),
            "longer than 256",
        ),
        (
            "binary",
            json!({"username": user, "password": encoded(b"\xff\xfe")}),
            "not UTF-8",
        ),
        (
            "other",
            json!({"username": user, "password": right, "credential": encoded("somebody")}),
            "names another EntraCredential",
        ),
    ];
    for (case, data, _) in &cases {
        invalid(&place, case, "entra-operator.dev/login", data).await;
    }
    for (case, _, expected) in &cases {
        place.expect(case, "LoggedIn", "False/InvalidLoginSecret").await;
        let message = message(&place, case).await;
        assert!(message.contains(expected), "{case}: {message}");
        let login = format!("{case}-login");
        assert!(place.secret(&login).await.is_some(), "it stays for its owner");
    }
    assert_eq!(sends(&name).await, 0);
}

fn encoded(value: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_type_is_no_login_and_is_not_read() {
    let place = Place::new("type").await;
    let proxy = api_proxy().await;
    let _operator = place.operator(through(&proxy, OperatorOptions::default())).await;
    let (name, password) = user();
    let data = json!({"username": encoded(&name), "password": encoded(&password)});
    invalid(&place, "one", "Opaque", &data).await;
    // No watch shows it: it is looked for after 30 s, and once more a minute later.
    place
        .expect_within(120, "one", "LoggedIn", "False/InvalidLoginSecret")
        .await;
    let message = message(&place, "one").await;
    assert!(
        message.contains("not of type entra-operator.dev/login"),
        "{message}"
    );
    let looks = proxy
        .journal()
        .matching(|r| r.path.contains("/secrets/one-login"));
    assert_eq!(looks.len(), 2);
    let metadata_only = |r: &entra_lab::proxy::Entry| r.accept.contains("PartialObjectMetadata");
    assert!(looks.iter().all(metadata_only));
    assert_eq!(sends(&name).await, 0);
}

async fn invalid(place: &Place, name: &str, kind: &str, data: &Value) {
    place.apply(name, spec(name)).await;
    place
        .put_secret(json!({"metadata": {"name": format!("{name}-login")}, "type": kind, "data": data}))
        .await;
}

async fn message(place: &Place, name: &str) -> String {
    let status = place.status(name).await;
    let conditions = status["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|c| c["type"] == "LoggedIn").unwrap();
    found["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_belongs_to_one_credential() {
    let place = Place::new("claim").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    let simulator = &stage().await.simulator;
    simulator.set_policy(&name, entra_lab::simulator::Policy::Mfa);
    place.login("shared", &name, &password).await;
    for credential in ["one", "two"] {
        place
            .apply(
                credential,
                json!({
                    "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
                    "login": {"secretName": "shared"},
                    "tokens": [{"secretName": format!("{credential}-api"), "scopes": [api_scope()]}],
                }),
            )
            .await;
    }
    let found = || async {
        let mut found = [
            place.condition("one", "LoggedIn").await,
            place.condition("two", "LoggedIn").await,
        ];
        found.sort();
        found
    };
    let expected = ["False/InteractionRequired", "False/SecretConflict"];
    place
        .until("one has the login and the other has a conflict", || async {
            found().await == expected
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(found().await, expected);
    assert_eq!(sends(&name).await, 1);
}

/// The remedy is to correct the spec: another application makes it another content.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_was_kept_for_a_mistyped_client_id_is_sent_once_it_is_corrected() {
    let place = Place::new("mistyped").await;
    let mut operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    let mistyped = |name| {
        let mut spec = spec(name);
        spec["clientId"] = json!("99999999-0000-4000-8000-000000000009");
        spec
    };
    for name in ["one", "two"] {
        place.apply(name, mistyped(name)).await;
        place
            .login(&format!("{name}-login"), &account.0, &account.1)
            .await;
        place.expect(name, "LoggedIn", "False/AppMisconfigured").await;
    }
    place.apply("one", spec("one")).await;
    place.expect("one", "Ready", "True/Fresh").await;
    operator.kill();
    place.apply("two", spec("two")).await;
    let _operator = place.operator(OperatorOptions::default()).await;
    place.expect("two", "Ready", "True/Fresh").await;
}
