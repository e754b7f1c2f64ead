//! Certificates of a declared authority and of federation servers that change while the operator runs.

use entra_operator::entra::{BuildError, Peer};
use entra_operator::plan::answer::Effect;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client::{Setup, granted, refused, tokens};
use crate::federation::{Scene, Version, issued, realm_of};
use crate::server::{Server, certificate, say};

fn lab() -> Peer {
    Peer::Authority("lab".to_owned())
}

fn answers() -> Vec<crate::server::Act> {
    vec![say(200, &[], &tokens()), say(200, &[], &tokens())]
}

#[tokio::test]
async fn new_certificates_are_trusted_at_once_and_the_old_ones_no_more() {
    let server = Server::start(answers()).await;
    let setup = Setup::trusting(&server.host(), &certificate().1);
    assert_eq!(refused(setup.login().await).effect, Effect::Transient);
    setup.client.trust(&lab(), server.ca_pem.as_bytes()).unwrap();
    granted(setup.login().await);
    setup.client.trust(&lab(), certificate().1.as_bytes()).unwrap();
    let refusal = refused(setup.redeem().await);
    assert!(
        refusal.message.contains("certificate"),
        "no kept connection: {}",
        refusal.message
    );
    assert_eq!(server.journal().len(), 1);
}

#[tokio::test]
async fn broken_certificates_change_nothing() {
    let server = Server::start(answers()).await;
    let setup = Setup::new(&server);
    for broken in [
        "",
        "no PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let error = setup.client.trust(&lab(), broken.as_bytes()).unwrap_err();
        assert_eq!(error, BuildError::Certificates("lab".to_owned()), "{broken}");
    }
    granted(setup.login().await);
}

#[tokio::test]
async fn federation_servers_have_certificates_of_their_own_that_change_as_well() {
    let scene = Scene::new([say(200, &[], &issued(Version::V13))]).await;
    let trust = |pem: &str| scene.setup.client.trust(&Peer::Federation, pem.as_bytes());
    trust(&certificate().1).unwrap();
    assert_eq!(refused(scene.setup.login().await).effect, Effect::Transient);
    assert_eq!(scene.passwords(), 0);
    assert_eq!(trust("no PEM").unwrap_err(), BuildError::FederationCertificates);
    trust(&scene.sts.ca_pem).unwrap();
    for answer in [realm_of(&scene.sts.host()), tokens()] {
        scene.cloud.then(say(200, &[], &answer));
    }
    granted(scene.setup.login().await);
    assert_eq!(scene.passwords(), 1);
}

/// A gateway's root glued behind another one, and a broken one between them.
#[tokio::test]
async fn a_bundle_is_used_as_it_is_handed_out() {
    let server = Server::start(answers()).await;
    let other = certificate().1;
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let setup = Setup::trusting(&server.host(), &other);
    let glued = format!("{}{bad}{}", other.trim_end(), server.ca_pem.trim_end());
    setup.client.trust(&lab(), glued.as_bytes()).unwrap();
    granted(setup.login().await);
}

/// A peer that takes connections and answers whatever comes with this TLS alert.
async fn alerting(alert: u8) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut hello = [0; 1024];
            drop(tcp.read(&mut hello).await);
            drop(tcp.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await);
        }
    });
    port
}

/// RFC 8446 §6.2: handshake_failure, protocol_version, insufficient_security; and one that is about something else.
#[tokio::test]
async fn failures_of_tls_are_told_apart() {
    let ca = certificate().1;
    for (alert, told) in [
        (40, "no cipher"),
        (70, "no cipher"),
        (71, "no cipher"),
        (80, "TLS with"),
    ] {
        let host = format!("localhost:{}", alerting(alert).await);
        let refusal = refused(Setup::trusting(&host, &ca).login().await);
        assert_eq!(refusal.effect, Effect::Transient, "nothing left");
        assert!(refusal.message.contains(told), "{alert}: {}", refusal.message);
    }
    let server = Server::start(answers()).await;
    let host = format!("127.0.0.1:{}", server.port);
    let refusal = refused(Setup::trusting(&host, &server.ca_pem).login().await);
    assert!(
        refusal.message.contains("for another name"),
        "{}",
        refusal.message
    );
    let stranger = refused(Setup::trusting(&server.host(), &ca).login().await);
    assert!(stranger.message.contains("not trusted"), "{}", stranger.message);
    assert!(server.journal().is_empty());
}
