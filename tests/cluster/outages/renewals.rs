//! Renewals that fail: what is published stays as it is, and is replaced before it expires once Entra answers again.

use entra_lab::proxy::{Action, Gate, Trigger};
use entra_lab::simulator::{Fault, RetryAfter};
use tokio::task::JoinSet;

use super::Trial;
use crate::relay::in_turn;
use crate::scene::stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_early_renewal_changes_nothing_that_is_published() {
    stage().await;
    let mut cases = JoinSet::new();
    cases.spawn(in_turn(entra_away()));
    cases.spawn(failing(
        "throttled",
        Fault::TooManyRequests(RetryAfter::Seconds(4)),
    ));
    cases.spawn(in_turn(failing(
        "html",
        Fault::ServiceUnavailable(RetryAfter::None),
    )));
    cases.spawn(in_turn(failing("error", Fault::ServerError)));
    cases.spawn(in_turn(failing("lost", Fault::LoseAnswer)));
    cases.spawn(in_turn(failing("truncated", Fault::TruncateJson)));
    cases.spawn(in_turn(failing("cut", Fault::CutBody)));
    cases.spawn(in_turn(failing("stalled", Fault::Stall)));
    cases.spawn(in_turn(failing("oversized", Fault::OversizedBody)));
    cases.spawn(in_turn(second_factor()));
    cases.join_all().await;
}

/// Connections are refused from before the renewal until some seconds after it was due.
async fn entra_away() {
    let trial = Trial::signed_in("away").await;
    trial.relay.entra.down();
    let before = trial.version().await;
    trial.expect("True/Expiring").await;
    assert_eq!(trial.version().await, before);
    trial.relay.entra.up();
    recovered(&trial).await;
}

/// The next try is held until all was looked at.
async fn failing(name: &str, fault: Fault) {
    let trial = Trial::signed_in(name).await;
    let gate = Gate::new();
    let held = Action::Before(Trigger::gate(gate.clone()));
    trial.fault("refresh_token", fault, 1).await;
    trial.relay.at_entra(2, held);
    let before = trial.version().await;
    trial.expect("True/Expiring").await;
    assert_eq!(trial.version().await, before, "{name}");
    let logged_in = trial.place.condition("c", "LoggedIn").await;
    assert_eq!(logged_in, "True/RefreshTokenStored", "{name}");
    gate.release();
    recovered(&trial).await;
}

/// Only a person can help: it is not tried again by itself, and at once when asked for.
async fn second_factor() {
    let trial = Trial::signed_in("factor").await;
    trial.fault("refresh_token", Fault::code(50076), 1).await;
    let before = trial.version().await;
    trial.expect("True/Expiring").await;
    let failure = trial.place.status("c").await["failure"].clone();
    assert_eq!(
        (&failure["reason"], &failure["code"]),
        (&"InteractionRequired".into(), &"AADSTS50076".into())
    );
    assert_eq!(trial.version().await, before);
    trial.request().await;
    recovered(&trial).await;
}

async fn recovered(trial: &Trial) {
    trial.check(1).await;
    trial.renewed("it goes on").await;
    trial.witness.never_expired();
}
