//! Time by the authority's clock: learnt from every answer, before anything is signed, and believed for it alone.

use entra_lab::simulator::{self, Application, Options, Resource, Simulator, User, World};
use entra_operator::api::{Realm, Reason};
use entra_operator::plan::answer::Effect;
use entra_operator::reconcile::material::{ClientAuthentication, ClientCertificate, Secret, StoredSession};
use entra_operator::reconcile::ports::Clock as _;
use entra_operator::reconcile::ports::Provider as _;

use crate::client::{PASSWORD, Setup, USER, granted, refused, session, tokens};
use crate::server::{Server, say};

const CLIENT: &str = "3f0c1a52-0000-4000-8000-0000000000c1";

/// Ahead of ours by more than the five minutes that Entra ID lets an assertion be off.
const AHEAD: i64 = 900;

/// An Entra ID whose clock is ahead, and an application that proves itself with a certificate.
struct Scene {
    simulator: Simulator,
    certificate: simulator::ClientCertificate,
}

impl Scene {
    async fn new() -> Self {
        let certificate = simulator::ClientCertificate::new("clock").unwrap();
        let mut world = World::contoso()
            .user(User::new(USER, PASSWORD))
            .application(Application::with_certificate(CLIENT, &certificate.certificate));
        world.resources.push(Resource::new("api://x", &["access"]));
        let simulator = Simulator::start(Options::new(world)).await.unwrap();
        simulator.clock().advance(AHEAD);
        Self {
            simulator,
            certificate,
        }
    }

    /// A process that has heard nothing yet.
    fn process(&self) -> Setup {
        let host = format!("localhost:{}", self.simulator.port());
        let mut setup = Setup::trusting(&host, &self.simulator.ca_pem()).of_client(CLIENT);
        setup.client_auth = Some(ClientAuthentication::Certificate(ClientCertificate {
            certificate: self.certificate.certificate.clone().into_bytes(),
            key: Secret::new(self.certificate.key.clone()),
        }));
        setup
    }

    /// Codes of the refusals of token requests, in order; 0 where one was granted.
    fn answers(&self) -> Vec<u32> {
        let asked = self.simulator.journal().matching(|e| e.grant().is_some());
        asked.iter().map(|e| e.code().unwrap_or(0)).collect()
    }
}

fn is_ahead(setup: &Setup) {
    assert!(
        (AHEAD - 5..=AHEAD + 5).contains(&setup.ahead()),
        "{}",
        setup.ahead()
    );
}

#[tokio::test]
async fn the_realm_service_tells_the_time_before_an_assertion_is_signed() {
    let scene = Scene::new().await;
    let mut setup = scene.process();
    setup.realm = Realm::Auto;
    let granted = granted(setup.login().await).granted;
    assert_eq!(scene.answers(), [0]);
    is_ahead(&setup);
    let begun = granted.issued_at.since(setup.clock.now());
    assert!((AHEAD - 5..=AHEAD + 5).contains(&begun), "{begun}");
}

#[tokio::test]
async fn a_refusal_tells_the_time_and_the_next_request_is_dated_by_it() {
    let scene = Scene::new().await;
    let signed_in = scene.process();
    let refusal = refused(signed_in.login().await);
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Transient, Reason::ServiceUnavailable)
    );
    assert!(refusal.message.contains("s behind"), "{}", refusal.message);
    let refresh_token = granted(signed_in.login().await).refresh_token.unwrap();
    let session = StoredSession {
        refresh_token,
        ..session()
    };
    let restarted = scene.process();
    let refusal = refused(restarted.redeem_of(&session).await);
    assert_eq!((refusal.effect, refusal.code), (Effect::Transient, Some(700_024)));
    granted(restarted.redeem_of(&session).await);
    assert_eq!(scene.answers(), [700_024, 0, 700_024, 0]);
}

#[tokio::test]
async fn the_estimate_of_a_start_saves_the_refusal() {
    let scene = Scene::new().await;
    let setup = scene.process();
    let now = setup.clock.now();
    setup.client.estimate_time(now, now, now.plus(AHEAD));
    is_ahead(&setup);
    granted(setup.login().await);
    assert_eq!(scene.answers(), [0]);
}

/// The same refusal by an answer that teaches nothing is the application's fault.
#[tokio::test]
async fn a_clock_that_was_right_is_not_to_blame() {
    let scene = Scene::new().await;
    scene.simulator.clock().advance(-AHEAD);
    let mut setup = scene.process();
    let stranger = simulator::ClientCertificate::new("stranger").unwrap();
    setup.client_auth = Some(ClientAuthentication::Certificate(ClientCertificate {
        certificate: stranger.certificate.into_bytes(),
        key: Secret::new(stranger.key),
    }));
    let refusal = refused(setup.login().await);
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Person, Reason::AppMisconfigured)
    );
}

/// What a cache keeps is as old as it is.
#[tokio::test]
async fn the_date_of_a_kept_answer_is_not_believed() {
    let old = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let server = Server::start([say(200, &[old, ("Age", "3600")], &tokens())]).await;
    let setup = Setup::new(&server);
    granted(setup.login().await);
    assert_eq!(setup.ahead(), 0);
}
