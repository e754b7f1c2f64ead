//! The question whether a password may still leave: asked as late as possible, and obeyed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use entra_operator::api::Reason;
use entra_operator::plan::answer::Effect;
use tokio::net::TcpListener;

use crate::client::{Setup, granted, refused, tokens};
use crate::server::{Act, Server, certificate, say};

#[tokio::test]
async fn nothing_of_the_body_leaves_when_the_time_is_over() {
    let server = Server::start([Act::Close]).await;
    let setup = Setup::new(&server);
    let refusal = refused(setup.login_if(&|| false).await);
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Transient, Reason::ServiceUnavailable)
    );
    assert!(refusal.message.contains("not sent"), "{}", refusal.message);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(server.journal().iter().all(|request| request.body.is_empty()));
}

#[tokio::test]
async fn the_question_comes_once_and_after_the_handshake() {
    let server = Server::start([say(200, &[], &tokens())]).await;
    let setup = Setup::new(&server);
    let (asked, early) = (AtomicUsize::new(0), AtomicBool::new(false));
    let still_valid = || {
        asked.fetch_add(1, Ordering::SeqCst);
        early.fetch_or(
            server.handshakes() == 0 && server.journal().is_empty(),
            Ordering::SeqCst,
        );
        true
    };
    granted(setup.login_if(&still_valid).await);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_a_connection_there_is_no_question() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let mut setup = Setup::trusting(&host, &certificate().1);
    setup.life = Some(8);
    let asked = AtomicUsize::new(0);
    let still_valid = || asked.fetch_add(1, Ordering::SeqCst) == 0;
    drop(setup.login_if(&still_valid).await);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_cancelled_login_sends_nothing_afterwards() {
    let server = Server::start([Act::Stall]).await;
    let setup = Setup::new(&server);
    let hold = tokio::time::timeout(Duration::from_millis(1), setup.login()).await;
    let cancelled_early = hold.is_err() && server.journal().is_empty();
    tokio::time::sleep(Duration::from_millis(300)).await;
    if cancelled_early {
        assert!(server.journal().iter().all(|request| request.body.is_empty()));
    }
}

#[tokio::test]
async fn a_withheld_login_is_no_failure_of_the_authority() {
    let server = Server::start([]).await;
    let setup = Setup::new(&server);
    for _ in 0..6 {
        refused(setup.login_if(&|| false).await);
    }
    server.then(say(200, &[], &tokens()));
    assert!(matches!(
        setup.login_if(&|| false).await,
        entra_operator::reconcile::ports::Outcome::Refused(_)
    ));
}
