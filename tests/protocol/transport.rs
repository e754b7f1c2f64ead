//! Silence: refused, torn and stalled connections, and peers that are not trusted.

use entra_operator::api::Reason;
use entra_operator::plan::answer::Effect;
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::client::{Setup, refused, tokens};
use crate::server::{Act, Server, answer, certificate};

#[tokio::test]
async fn a_refused_connection_costs_no_send() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let setup = Setup::trusting(&host, &certificate().1);
    for refusal in [refused(setup.login().await), refused(setup.redeem().await)] {
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Transient, Reason::ServiceUnavailable)
        );
        assert!(
            refusal.message.contains("nothing was sent"),
            "{}",
            refusal.message
        );
    }
}

#[tokio::test]
async fn an_unknown_host_costs_no_send() {
    let setup = Setup::trusting("does-not-exist.invalid", &certificate().1);
    assert_eq!(refused(setup.login().await).effect, Effect::Transient);
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_sees_nothing() {
    let server = Server::start([]).await;
    let setup = Setup::trusting(&server.host(), &certificate().1);
    let refusal = refused(setup.login().await);
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Transient, Reason::ServiceUnavailable)
    );
    assert!(refusal.message.contains("certificate"), "{}", refusal.message);
    assert!(server.journal().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_sees_nothing() {
    let server = Server::start([]).await;
    let setup = Setup::trusting(&format!("127.0.0.1:{}", server.port), &server.ca_pem);
    let refusal = refused(setup.login().await);
    assert!(refusal.message.contains("certificate"), "{}", refusal.message);
    assert!(server.journal().is_empty());
}

#[tokio::test]
async fn a_peer_that_never_finishes_tls_costs_no_send() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let mut setup = Setup::trusting(&host, &certificate().1);
    setup.life = Some(8);
    let refusal = refused(setup.login().await);
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Transient, Reason::ServiceUnavailable)
    );
    drop(listener);
}

async fn after_the_body(act: Act) {
    let server = Server::start([act.clone(), act]).await;
    let mut setup = Setup::new(&server);
    setup.life = Some(8);
    let login = refused(setup.login().await);
    assert_eq!(
        (login.effect, login.reason),
        (Effect::Unanswered, Reason::ServiceUnavailable)
    );
    let redeem = refused(setup.redeem().await);
    assert_eq!(
        (redeem.effect, redeem.reason),
        (Effect::Transient, Reason::ServiceUnavailable)
    );
    assert_eq!(server.journal().len(), 2, "nothing was sent twice");
}

#[tokio::test]
async fn a_lost_answer_costs_a_send() {
    after_the_body(Act::Close).await;
}

#[tokio::test]
async fn a_stalled_answer_costs_a_send() {
    after_the_body(Act::Stall).await;
}

#[tokio::test]
async fn a_torn_answer_costs_a_send() {
    let mut torn = answer(200, &[], &tokens());
    torn.truncate(torn.len() - 40);
    let server = Server::start([Act::Answer(torn), Act::Close]).await;
    let mut setup = Setup::new(&server);
    setup.life = Some(8);
    assert_eq!(refused(setup.login().await).effect, Effect::Unanswered);
}

#[tokio::test]
async fn a_connection_that_dies_under_the_head_may_have_taken_the_body() {
    let server = Server::start([Act::CloseAfterHead]).await;
    let refusal = refused(Setup::new(&server).login().await);
    assert_eq!(refusal.effect, Effect::Unanswered);
    assert_eq!(server.journal().len(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_without_a_second_send() {
    let close = answer(200, &[], &tokens());
    let server = Server::start([
        Act::Answer(close),
        Act::Close,
        Act::Answer(answer(200, &[], &tokens())),
    ])
    .await;
    let setup = Setup::new(&server);
    drop(setup.login().await);
    drop(setup.login().await);
    drop(setup.login().await);
    assert_eq!(server.journal().len(), 3, "one request per login, never more");
}

#[tokio::test]
async fn tls_1_2_is_enough() {
    let (config, ca_pem) = tls12();
    let server = Server::with_config(config, ca_pem, [Act::Answer(answer(200, &[], &tokens()))]).await;
    crate::client::granted(Setup::new(&server).login().await);
}

/// A server that speaks TLS 1.2 only, the oldest version that rustls has at all.
fn tls12() -> (ServerConfig, String) {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], der)
        .unwrap();
    (config, certificate.pem())
}
