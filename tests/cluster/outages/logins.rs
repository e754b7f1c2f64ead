//! Logins while Entra is away, asks for patience, or does not answer: how often and how soon the password is sent.

use entra_lab::simulator::{Fault, RetryAfter};
use tokio::task::JoinSet;

use super::{Trial, pauses, seconds};
use crate::scene::stage;

#[tokio::test(flavor = "multi_thread")]
async fn logins_outlive_every_outage_of_entra() {
    stage().await;
    let mut cases = JoinSet::new();
    cases.spawn(refused_connections());
    cases.spawn(put_off(
        "throttled",
        Fault::TooManyRequests(RetryAfter::Seconds(65)),
        65.0,
    ));
    cases.spawn(put_off("html", Fault::ServiceUnavailable(RetryAfter::None), 60.0));
    cases.spawn(put_off("error", Fault::ServerError, 60.0));
    cases.spawn(unanswered("truncated", Fault::TruncateJson));
    cases.spawn(unanswered("cut", Fault::CutBody));
    cases.spawn(unanswered("reset", Fault::Reset));
    cases.spawn(unanswered("stalled", Fault::Stall));
    cases.spawn(lost_three_times());
    cases.join_all().await;
}

/// No byte left: no send is used, and a minute later it is tried again.
async fn refused_connections() {
    let trial = Trial::new("refused").await;
    trial.relay.entra.down();
    trial.sign_in().await;
    trial.expect("False/ServiceUnavailable").await;
    trial.relay.entra.up();
    assert_eq!(trial.password_sends().await, 0);
    trial.check(1).await;
    assert_eq!(trial.place.status("c").await["login"]["sends"], 1);
}

/// The service says "later": no send is used, and it gets the time that it asks for, a minute at least.
async fn put_off(name: &str, fault: Fault, pause: f64) {
    let trial = Trial::new(name).await;
    trial.fault("password", fault, 1).await;
    trial.sign_in().await;
    trial.check(2).await;
    let pauses = pauses(&trial.requests("password").await);
    assert!(pauses[0] >= pause - 1.0, "{name}: {pauses:?}");
    assert_eq!(trial.place.status("c").await["login"]["sends"], 1, "{name}");
}

/// Nobody knows what came of it: one of three sends is used, the next comes a minute later.
async fn unanswered(name: &str, fault: Fault) {
    let trial = Trial::new(name).await;
    trial.fault("password", fault, 1).await;
    trial.sign_in().await;
    trial.check(2).await;
    let pauses = pauses(&trial.requests("password").await);
    assert!(pauses[0] >= 59.0, "{name}: {pauses:?}");
    assert_eq!(trial.place.status("c").await["login"]["sends"], 2, "{name}");
}

/// Three sends and no more.
async fn lost_three_times() {
    let trial = Trial::new("lost").await;
    trial.fault("password", Fault::LoseAnswer, 3).await;
    trial.sign_in().await;
    let place = &trial.place;
    place
        .expect_within(180, "c", "Ready", "False/LoginOutcomeUnknown")
        .await;
    seconds(3).await;
    let pauses = pauses(&trial.requests("password").await);
    assert_eq!(pauses.len(), 2, "three sends");
    assert!(pauses.iter().all(|pause| *pause >= 59.0), "{pauses:?}");
    let stalled = trial.place.condition("c", "Stalled").await;
    assert_eq!(stalled, "True/LoginOutcomeUnknown");
    assert!(
        trial.place.secret("c-login").await.is_some(),
        "it may still be right"
    );
    // A word asks for one more, but it lifts no limit: the account has had its three sends.
    trial.request().await;
    place.expect_within(90, "c", "LoggedIn", "False/LoggingIn").await;
    assert_eq!(trial.password_sends().await, 3);
}
