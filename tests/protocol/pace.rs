//! Limits on the wire: the circuit, the shared allowance and the metrics.

use std::sync::{Arc, Mutex};

use entra_operator::api::{Realm, Reason};
use entra_operator::entra::{Grant, Kind};
use entra_operator::plan::answer::Effect;
use entra_operator::reconcile::ports::Outcome;
use futures::future::join_all;
use tokio::net::TcpListener;

use crate::client::{CLIENT_ID, Observed, Setup, TENANT, granted, refused, tokens};
use crate::federation::{Scene, Version, issued, metadata};
use crate::realm::realm_at;
use crate::server::{Act, Server, certificate, say};

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
async fn one_probe_goes_ahead_and_the_others_wait_for_it() {
    let server = Server::start([]).await;
    let setup = Setup::new(&server);
    for _ in 0..5 {
        refused(setup.redeem().await);
    }
    for (answer, closes) in [(say(500, &[], ""), false), (say(200, &[], &tokens()), true)] {
        setup.clock.forward(30);
        server.then(answer);
        let (probe, other) = tokio::join!(setup.redeem(), setup.redeem());
        assert_eq!(matches!(probe, Outcome::Granted(_)), closes);
        assert!(matches!(other, Outcome::Later(_)));
    }
    assert_eq!(server.journal().len(), 7);
}

#[tokio::test]
async fn refused_connections_open_the_circuit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let setup = Setup::trusting(&host, &certificate().1);
    for _ in 0..5 {
        refused(setup.redeem().await);
    }
    assert!(matches!(setup.redeem().await, Outcome::Later(_)));
}

#[tokio::test]
async fn timeouts_open_the_circuit() {
    let server = Server::start(vec![Act::Stall; 5]).await;
    let mut setup = Setup::new(&server);
    setup.life = Some(16);
    let stalled = join_all((0..5).map(|_| setup.redeem())).await;
    for outcome in stalled {
        refused(outcome);
    }
    assert!(matches!(setup.redeem().await, Outcome::Later(_)));
}

/// Refusals, answers of somebody else, and connections that break on the way: the authority itself is not failing.
#[tokio::test]
async fn nothing_else_opens_a_circuit() {
    let wrong = r#"{"error":"invalid_grant","error_codes":[50126]}"#;
    for act in [
        say(400, &[], wrong),
        say(403, &[], "<html>forbidden</html>"),
        say(407, &[], ""),
        say(302, &[("Location", "https://localhost/")], ""),
        say(200, &[], "<html>sign in</html>"),
        say(200, &[], tokens().split_at(40).0),
        Act::Close,
    ] {
        let server = Server::start(vec![act.clone(); 6]).await;
        let setup = Setup::new(&server);
        for _ in 0..6 {
            refused(setup.redeem().await);
        }
        assert_eq!(server.journal().len(), 6, "{act:?}");
    }
}

#[tokio::test]
async fn a_429_pauses_its_tenant_and_client_and_no_other() {
    let server = Server::start([say(429, &[("Retry-After", "600")], "")]).await;
    let mut setup = Setup::new(&server);
    refused(setup.redeem().await);
    for (tenant, client, paused) in [
        (TENANT, CLIENT_ID, true),
        ("fabrikam.example", CLIENT_ID, false),
        (TENANT, "another-client", false),
        ("CONTOSO.example", CLIENT_ID, true),
    ] {
        setup = setup.of_tenant(tenant).of_client(client);
        server.then(say(200, &[], &tokens()));
        let outcome = setup.redeem().await;
        assert_eq!(matches!(outcome, Outcome::Later(_)), paused, "{tenant} {client}");
    }
}

/// MSAL holds alike requests back after every answer with Retry-After (MSAL.NET `RetryAfterProvider`, MSAL Python
/// `throttled_http_client`).
#[tokio::test]
async fn a_5xx_that_asks_to_wait_pauses_its_tenant_and_client_and_no_other() {
    for (header, waits) in [(Some("600"), true), (None, false)] {
        let headers: Vec<_> = header
            .map(|seconds| ("Retry-After", seconds))
            .into_iter()
            .collect();
        let server = Server::start([say(503, &headers, "")]).await;
        let mut setup = Setup::new(&server);
        refused(setup.redeem().await);
        for (tenant, paused) in [(TENANT, waits), ("fabrikam.example", false)] {
            setup = setup.of_tenant(tenant);
            server.then(say(200, &[], &tokens()));
            match setup.redeem().await {
                Outcome::Later(later) => {
                    assert!(paused, "{tenant} {header:?}");
                    assert_eq!(later.reason, Reason::ServiceUnavailable);
                    assert!(later.message.contains("asked to wait"), "{}", later.message);
                }
                outcome @ (Outcome::Granted(_) | Outcome::Refused(_)) => {
                    granted(outcome);
                    assert!(!paused, "{tenant} {header:?}");
                }
            }
        }
    }
}

/// A refused password: condemned or doubted, as the realm service says afterwards.
const WRONG: &str = r#"{"error":"invalid_grant","error_codes":[50126]}"#;

#[tokio::test]
async fn every_request_is_observed_once_as_it_was_decided() {
    let server = Server::start([
        say(200, &[], &tokens()),
        say(400, &[], WRONG),
        say(200, &[], r#"{"account_type":"Managed"}"#),
        say(400, &[], WRONG),
        say(200, &[], r#"{"account_type":"Unknown"}"#),
        say(400, &[], r#"{"error":"invalid_grant","error_codes":[50173]}"#),
        Act::Close,
    ])
    .await;
    let seen: Arc<Mutex<Vec<Observed>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let mut setup = Setup::new(&server);
    setup.client = setup.client.observed_by(Arc::new(
        move |grant: Grant, result: Result<(), Effect>, seconds: f64| {
            assert!((0.0..30.0).contains(&seconds));
            sink.lock().unwrap().push((grant, result));
        },
    ));
    drop(setup.redeem().await);
    drop(setup.login().await);
    drop(setup.login().await);
    drop(setup.redeem().await);
    drop(setup.login().await);
    let seen = seen.lock().unwrap().clone();
    assert_eq!(
        seen,
        [
            (Grant::Refresh, Ok(())),
            (Grant::Discovery, Ok(())),
            (Grant::Password, Err(Effect::Condemned)),
            (Grant::Discovery, Ok(())),
            (Grant::Password, Err(Effect::Doubtful)),
            (Grant::Refresh, Err(Effect::Dead)),
            (Grant::Password, Err(Effect::Unanswered)),
        ]
    );
}

/// The next call waits for what this one has asked besides, and not longer.
async fn paid_within(seconds: i64, setup: &Setup, cloud: &Server) {
    assert!(matches!(setup.redeem().await, Outcome::Later(_)));
    setup.clock.forward(seconds);
    cloud.then(say(200, &[], &tokens()));
    granted(setup.redeem().await);
}

fn at_its_slowest(server: &Server) -> Setup {
    Setup::slow(Kind::Entra, &format!("https://{}", server.host()), &server.ca_pem)
}

fn managed() -> Act {
    realm_at("Managed", "contoso.example", "microsoftonline.com")
}

#[tokio::test]
async fn one_call_a_second_lets_a_sign_in_through_that_has_questions() {
    let server = Server::start([managed(), say(200, &[], &tokens())]).await;
    let mut setup = at_its_slowest(&server);
    setup.realm = Realm::Auto;
    granted(setup.login().await);
    paid_within(3, &setup, &server).await;

    let server = Server::start([]).await;
    let issuer = format!("https://{}", server.host());
    let document = serde_json::json!({"issuer": issuer, "token_endpoint": format!("{issuer}/token")});
    server.then(say(200, &[], &document.to_string()));
    server.then(say(200, &[], &tokens()));
    let setup = Setup::slow(Kind::Oidc, &issuer, &server.ca_pem);
    granted(setup.login().await);
    paid_within(3, &setup, &server).await;
}

/// Whether the password is condemned does not depend on the operator's own pace.
#[tokio::test]
async fn one_call_a_second_lets_a_refused_password_be_judged() {
    let wrong = r#"{"error":"invalid_grant","error_codes":[50126]}"#;
    let server = Server::start([say(400, &[], wrong), managed()]).await;
    let setup = at_its_slowest(&server);
    assert_eq!(refused(setup.login().await).effect, Effect::Condemned);
    paid_within(3, &setup, &server).await;
}

#[tokio::test]
async fn one_call_a_second_lets_a_federated_account_sign_in() {
    for readable in [true, false] {
        let mut scene = Scene::without_metadata([]).await;
        let offered = metadata(&scene.sts.host(), &[Version::V2005]);
        let (status, body) = if readable {
            (200, offered.as_str())
        } else {
            (500, "")
        };
        scene.sts.then(say(status, &[], body));
        scene.sts.then(say(200, &[], &issued(Version::V2005)));
        scene.cloud.then(say(200, &[], &tokens()));
        scene.setup = at_its_slowest(&scene.cloud).federated(&scene.sts);
        granted(scene.setup.login().await);
        paid_within(4, &scene.setup, &scene.cloud).await;
    }
}
