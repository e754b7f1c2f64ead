//! Certificates of a declared authority that change while the operator runs.

use entra_operator::entra::BuildError;
use entra_operator::plan::answer::Effect;

use crate::client::{Setup, granted, refused, tokens};
use crate::server::{Server, certificate, say};

fn answers() -> Vec<crate::server::Act> {
    vec![say(200, &[], &tokens()), say(200, &[], &tokens())]
}

#[tokio::test]
async fn new_certificates_are_trusted_at_once_and_the_old_ones_no_more() {
    let server = Server::start(answers()).await;
    let setup = Setup::trusting(&server.host(), &certificate().1);
    assert_eq!(refused(setup.login().await).effect, Effect::Transient);
    setup.client.trust("lab", server.ca_pem.as_bytes()).unwrap();
    granted(setup.login().await);
    setup.client.trust("lab", certificate().1.as_bytes()).unwrap();
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
        let error = setup.client.trust("lab", broken.as_bytes()).unwrap_err();
        assert_eq!(error, BuildError::Certificates("lab".to_owned()), "{broken}");
    }
    granted(setup.login().await);
}
