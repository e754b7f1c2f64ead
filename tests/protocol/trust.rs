//! Certificates of a declared authority and of federation servers that change while the operator runs.

use entra_operator::api::Reason;
use entra_operator::entra::{BuildError, Kind, Peer};
use entra_operator::plan::answer::{Effect, Refusal};
use entra_operator::reconcile::ports::Outcome;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::client::{CA, FEDERATION_CA, Setup, authority, granted, refused, tokens};
use crate::federation::{Scene, Version, issued, realm_of};
use crate::server::{Server, certificate, say};

/// A wrong `caFile` of one declaration costs the other one nothing, and is named even while no call is made.
#[tokio::test]
async fn an_open_circuit_is_told_by_the_failure_that_opened_it_and_belongs_to_one_declaration() {
    let server = Server::start(answers()).await;
    let mut setup = Setup::twice(&server.host());
    let other = Peer::Authority("other".to_owned());
    setup
        .client
        .trust(&authority(), certificate().1.as_bytes())
        .unwrap();
    setup.client.trust(&other, server.ca_pem.as_bytes()).unwrap();
    for _ in 0..5 {
        assert!(refused(setup.redeem().await).message.contains("not trusted"));
    }
    let Outcome::Later(later) = setup.redeem().await else {
        panic!("the circuit is open")
    };
    assert_eq!(later.reason, Reason::ServiceUnavailable);
    let cause = format!("The certificate of {} is not trusted", server.host());
    assert!(later.message.contains(&cause), "{}", later.message);
    setup = setup.by("other");
    granted(setup.redeem().await);
}

/// For the process in which the system trusts the server.
const HOST: &str = "TEST_SYSTEM_HOST";

fn answers() -> Vec<crate::server::Act> {
    vec![say(200, &[], &tokens()), say(200, &[], &tokens())]
}

#[tokio::test]
async fn new_certificates_are_trusted_at_once_and_the_old_ones_no_more() {
    let server = Server::start(answers()).await;
    let setup = Setup::trusting(&server.host(), &certificate().1);
    assert_eq!(refused(setup.login().await).effect, Effect::Transient);
    setup
        .client
        .trust(&authority(), server.ca_pem.as_bytes())
        .unwrap();
    granted(setup.login().await);
    setup
        .client
        .trust(&authority(), certificate().1.as_bytes())
        .unwrap();
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
        let error = setup.client.trust(&authority(), broken.as_bytes()).unwrap_err();
        assert_eq!(error, BuildError::Certificates(authority()), "{broken}");
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
    assert_eq!(
        trust("no PEM").unwrap_err(),
        BuildError::Certificates(Peer::Federation)
    );
    trust(&scene.sts.ca_pem).unwrap();
    for answer in [realm_of(&scene.sts.host()), tokens()] {
        scene.cloud.then(say(200, &[], &answer));
    }
    granted(scene.setup.login().await);
    assert_eq!(scene.passwords(), 1);
}

fn not_there(refusal: &Refusal, file: &str) {
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Withheld, Reason::ServiceUnavailable),
        "{}",
        refusal.message
    );
    assert!(refusal.message.contains(file) && refusal.message.contains("nothing was sent"));
}

#[tokio::test]
async fn without_its_certificates_nothing_is_sent_to_an_authority_and_the_file_is_named() {
    for kind in [Kind::Entra, Kind::Oidc] {
        let server = Server::start(answers()).await;
        let tenant = Some("contoso.example").filter(|_| kind == Kind::Entra);
        let setup = Setup::of_kind(kind, &format!("https://{}", server.host()), "", tenant);
        for _ in 0..6 {
            not_there(&refused(setup.login().await), CA);
            not_there(&refused(setup.redeem().await), CA);
        }
        assert_eq!(server.handshakes(), 0);
        if kind == Kind::Entra {
            not_there(&setup.resolve().await.unwrap_err(), CA);
            setup
                .client
                .trust(&authority(), server.ca_pem.as_bytes())
                .unwrap();
            granted(setup.login().await);
        }
    }
}

#[tokio::test]
async fn without_their_certificates_no_password_goes_to_federation_servers() {
    let mut scene = Scene::new([say(200, &[], &issued(Version::V13))]).await;
    scene.setup = Setup::new(&scene.cloud).federated_untrusted(&scene.sts);
    not_there(&refused(scene.setup.login().await), FEDERATION_CA);
    assert_eq!((scene.passwords(), scene.sts.handshakes()), (0, 0));
    scene
        .setup
        .client
        .trust(&Peer::Federation, scene.sts.ca_pem.as_bytes())
        .unwrap();
    for answer in [realm_of(&scene.sts.host()), tokens()] {
        scene.cloud.then(say(200, &[], &answer));
    }
    granted(scene.setup.login().await);
    assert_eq!(scene.passwords(), 1);
}

/// The system trusts the server here, which the file of the other authority was meant to.
#[tokio::test]
async fn the_system_s_certificates_never_stand_in_for_those_of_a_file() {
    if let Ok(host) = std::env::var(HOST) {
        not_there(&refused(Setup::trusting(&host, "").login().await), CA);
        granted(Setup::by_the_system(&host).login().await);
        return;
    }
    let server = Server::start(answers()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system.pem");
    std::fs::write(&file, &server.ca_pem).unwrap();
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "trust::the_system_s_certificates_never_stand_in_for_those_of_a_file",
        ])
        .env_remove("SSL_CERT_DIR")
        .env("SSL_CERT_FILE", &file)
        .env(HOST, server.host())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.journal().len(), 1);
}

/// A gateway's root glued behind another one, and a broken one between them.
#[tokio::test]
async fn a_bundle_is_used_as_it_is_handed_out() {
    let server = Server::start(answers()).await;
    let other = certificate().1;
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let setup = Setup::trusting(&server.host(), &other);
    let glued = format!("{}{bad}{}", other.trim_end(), server.ca_pem.trim_end());
    setup.client.trust(&authority(), glued.as_bytes()).unwrap();
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
