//! The question whether a password may still leave: asked as late as possible, and obeyed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use entra_operator::api::Reason;
use entra_operator::plan::answer::Effect;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

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

/// The peer finishes its handshake only after the login was given up.
#[tokio::test]
async fn a_cancelled_login_sends_nothing_afterwards() {
    let (config, ca_pem) = certificate();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let (came, coming) = oneshot::channel();
    let (given_up, go_on) = oneshot::channel();
    let peer = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        came.send(()).unwrap();
        let () = go_on.await.unwrap();
        let mut heard = Vec::new();
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await {
            let listening = stream.read_to_end(&mut heard);
            drop(tokio::time::timeout(Duration::from_millis(300), listening).await);
        }
        heard
    });
    let setup = Setup::trusting(&host, &ca_pem);
    tokio::select! {
        early = setup.login() => panic!("the peer has not answered yet: {early:?}"),
        met = coming => met.unwrap(),
    }
    given_up.send(()).unwrap();
    assert_eq!(peer.await.unwrap(), b"");
}

#[tokio::test]
async fn a_withheld_login_is_no_failure_of_the_authority() {
    let server = Server::start([]).await;
    let setup = Setup::new(&server);
    for _ in 0..8 {
        let refusal = refused(setup.login_if(&|| false).await);
        assert!(refusal.message.contains("not sent"), "{}", refusal.message);
    }
}
