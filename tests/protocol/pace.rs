//! Limits on the wire: the circuit, the shared allowance and the metrics.

use std::sync::{Arc, Mutex};

use entra_operator::entra::{Grant, RESULTS};
use entra_operator::reconcile::ports::Outcome;

use crate::client::{Setup, granted, refused, tokens};
use crate::server::{Act, Server, say};

#[tokio::test]
async fn an_authority_that_fails_five_times_is_left_alone() {
    let server = Server::start([]).await;
    let setup = Setup::new(&server);
    for _ in 0..5 {
        refused(setup.redeem().await);
    }
    assert!(matches!(setup.redeem().await, Outcome::Later(_)));
    assert!(matches!(setup.login().await, Outcome::Later(_)));
    assert_eq!(server.journal().len(), 5);
    setup.clock.forward(30);
    server.then(say(200, &[], &tokens()));
    granted(setup.redeem().await);
    server.then(say(200, &[], &tokens()));
    granted(setup.redeem().await);
}

#[tokio::test]
async fn refusals_open_no_circuit() {
    let wrong = say(400, &[], r#"{"error":"invalid_grant","error_codes":[50126]}"#);
    let server = Server::start(vec![wrong; 8]).await;
    let setup = Setup::new(&server);
    for _ in 0..8 {
        refused(setup.login().await);
    }
    assert_eq!(server.journal().len(), 8);
}

#[tokio::test]
async fn every_request_is_observed_once() {
    let server = Server::start([
        say(200, &[], &tokens()),
        say(400, &[], r#"{"error":"invalid_grant","error_codes":[50126]}"#),
        say(400, &[], r#"{"error":"invalid_grant","error_codes":[50173]}"#),
        Act::Close,
    ])
    .await;
    let seen: Arc<Mutex<Vec<(Grant, &'static str)>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let mut setup = Setup::new(&server);
    setup.client = setup.client.observed_by(Arc::new(
        move |grant: Grant, result: &'static str, seconds: f64| {
            assert!((0.0..30.0).contains(&seconds));
            sink.lock().unwrap().push((grant, result));
        },
    ));
    drop(setup.redeem().await);
    drop(setup.login().await);
    drop(setup.redeem().await);
    drop(setup.login().await);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.iter().all(|(_, result)| RESULTS.contains(result)));
    assert_eq!(
        seen,
        [
            (Grant::Refresh, "granted"),
            (Grant::Password, "condemned"),
            (Grant::Refresh, "dead"),
            (Grant::Password, "unanswered"),
        ]
    );
}
