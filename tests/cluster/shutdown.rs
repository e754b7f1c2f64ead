//! A pass that is under way when its process is told to stop, or its credential is suspended, begins nothing any more.
//!
//! The pass is held at one of its calls to the API server, and goes on only after that.

use std::time::Duration;

use entra_lab::proxy::{Action, Trigger};
use entra_lab::simulator::Gate;
use entra_lab::stage::{Operator, OperatorOptions};
use serde_json::json;

use crate::relay::Relay;
use crate::scene::{Place, api_scope, stage, user};

/// How long the operator has to hear of what happened while its pass is held.
const HEARD: Duration = Duration::from_secs(1);

/// An operator whose pass over the credential `one` is held at a call, with its login Secret there.
struct Held {
    place: Place,
    user: String,
    operator: Operator,
    gate: Gate,
    _relay: Relay,
}

impl Held {
    async fn at(name: &str, method: &str, path: &str) -> Self {
        let place = Place::new(name).await;
        let relay = Relay::before(stage().await).await.unwrap();
        let operator = place.operator(relay.options()).await;
        let gate = Gate::new();
        relay.at_api(method, path, 1, Action::After(Trigger::gate(gate.clone())));
        let (user, password) = user();
        place.credential("one", &[("one-api", &api_scope())]).await;
        place.login("one-login", &user, &password).await;
        gate.reached().await;
        Self {
            place,
            user,
            operator,
            gate,
            _relay: relay,
        }
    }

    /// SIGTERM while the pass is held.
    async fn stopped(self) -> (Place, String) {
        let (ended, ()) = tokio::join!(self.operator.terminate(), async {
            tokio::time::sleep(HEARD).await;
            self.gate.release();
        });
        assert_eq!(ended.unwrap(), Some(0));
        (self.place, self.user)
    }
}

async fn sends(user: &str) -> usize {
    stage().await.simulator.journal().password_sends(user)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigterm_no_attempt_is_recorded_and_no_password_sent() {
    for (name, method) in [("sigterm-read", "GET"), ("sigterm-claimed", "PATCH")] {
        let held = Held::at(name, method, "/secrets/one-login").await;
        let (place, user) = held.stopped().await;
        assert_eq!(sends(&user).await, 0, "{name}");
        assert_eq!(
            place.secret_names().await,
            ["one-login"],
            "{name}: nothing was recorded"
        );
        let _next = place.operator(OperatorOptions::default()).await;
        place.expect("one", "Ready", "True/Fresh").await;
        assert_eq!(sends(&user).await, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_recorded_before_sigterm_is_given_back() {
    let held = Held::at("giveback", "POST", "/secrets").await;
    let (place, user) = held.stopped().await;
    assert_eq!(sends(&user).await, 0);
    assert!(
        place.secret("one.refresh-token").await.is_some(),
        "it was recorded"
    );
    let _next = place.operator(OperatorOptions::default()).await;
    // Sooner than an attempt that may be another process's would be taken over.
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&user).await, 1);
    assert_eq!(
        place.status("one").await["login"]["sends"],
        1,
        "no send was used up"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_suspended_under_a_pass_is_left_alone() {
    let held = Held::at("suspended", "GET", "/secrets/one-login").await;
    let suspend = |suspend: bool| json!({"spec": {"suspend": suspend}});
    held.place.patch_credential("one", suspend(true)).await;
    tokio::time::sleep(HEARD).await;
    held.gate.release();
    held.place.expect("one", "Ready", "False/Suspended").await;
    assert_eq!(sends(&held.user).await, 0);
    assert_eq!(held.place.secret_names().await, ["one-login"]);
    held.place.patch_credential("one", suspend(false)).await;
    held.place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&held.user).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_deleted_under_a_pass_is_left_alone() {
    let held = Held::at("deleted", "GET", "/secrets/one-login").await;
    held.place
        .credentials()
        .delete("one", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(HEARD).await;
    held.gate.release();
    tokio::time::sleep(HEARD).await;
    assert_eq!(sends(&held.user).await, 0);
    assert_eq!(held.place.secret_names().await, ["one-login"]);
}
