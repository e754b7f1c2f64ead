//! The question who checks an account's password, and that the password waits for the answer.

use entra_operator::api::{Realm, Reason};
use entra_operator::entra::Kind;
use entra_operator::plan::answer::{Deed, Effect};
use entra_operator::reconcile::material::Secret;
use entra_operator::reconcile::ports::Outcome;

use crate::client::{Setup, granted, refused, tokens};
use crate::federation::{Scene, Version, issued};
use crate::server::{Act, Server, say};

fn realm(account_type: &str, domain: &str) -> Act {
    realm_at(account_type, domain, "microsoftonline.com")
}

/// The answer for an account of this cloud.
pub(crate) fn realm_at(account_type: &str, domain: &str, cloud: &str) -> Act {
    let body = serde_json::json!({"ver": "1.0", "account_type": account_type, "domain_name": domain,
        "cloud_instance_name": cloud, "cloud_audience_urn": "urn:federation:MicrosoftOnline"});
    say(200, &[], &body.to_string())
}

fn asking(server: &Server, realm: Realm) -> Setup {
    let mut setup = Setup::new(server);
    setup.realm = realm;
    setup
}

#[tokio::test]
async fn a_managed_account_signs_in_with_its_password() {
    for kind in ["Managed", "managed"] {
        let server = Server::start([realm(kind, "contoso.example"), say(200, &[], &tokens())]).await;
        granted(asking(&server, Realm::Auto).login().await);
        let journal = server.journal();
        assert_eq!(journal.len(), 2);
        assert_eq!(
            journal[0].line(),
            "GET /common/userrealm/alice@contoso.example?api-version=1.0 HTTP/1.1"
        );
        assert_eq!(
            journal[0].header("host"),
            Some(server.host().as_str()),
            "the port is kept"
        );
        assert_eq!(journal[0].header("accept"), Some("application/json"));
        assert_eq!(
            journal[0].header("client-request-id"),
            journal[1].header("client-request-id")
        );
        assert!(journal[1].body.contains("grant_type=password"));
    }
}

#[tokio::test]
async fn a_user_name_is_one_segment_whatever_it_holds() {
    for (user, segment) in [
        ("a/b?c#d%2f@x", "a%2Fb%3Fc%23d%252f@x"),
        ("ä b\\c@x", "%C3%A4%20b%5Cc@x"),
        ("../../evil@x", "..%2F..%2Fevil@x"),
    ] {
        let server = Server::start([realm("Unknown", "x")]).await;
        let mut setup = asking(&server, Realm::Auto);
        setup.content.username = Secret::new(user.to_owned());
        refused(setup.login().await);
        assert_eq!(
            server.journal()[0].line(),
            format!("GET /common/userrealm/{segment}?api-version=1.0 HTTP/1.1")
        );
    }
}

#[tokio::test]
async fn an_authority_without_a_realm_service_checks_passwords_itself() {
    let server = Server::start([say(404, &[], "<h1>404</h1>"), say(200, &[], &tokens())]).await;
    granted(asking(&server, Realm::Auto).login().await);
    assert_eq!(server.journal().len(), 2);
}

#[tokio::test]
async fn managed_asks_nobody() {
    let server = Server::start([say(200, &[], &tokens())]).await;
    granted(asking(&server, Realm::Managed).login().await);
    assert_eq!(server.journal().len(), 1);
}

#[tokio::test]
async fn accounts_that_nobody_or_another_service_knows_get_no_password() {
    for (kind, domain) in [
        ("Unknown", "nowhere.example"),
        ("Federated", "live.com"),
        ("Managed", "LIVE.COM"),
    ] {
        for asked in [Realm::Auto, Realm::Federated] {
            let server = Server::start([realm(kind, domain)]).await;
            let refusal = refused(asking(&server, asked).login().await);
            assert_eq!(
                (refusal.effect, refusal.reason),
                (Effect::Person, Reason::UserNotFound)
            );
            let sent = server.journal()[0]
                .header("client-request-id")
                .unwrap()
                .to_owned();
            assert_eq!(refusal.correlation_id, Some(sent));
            assert_eq!(server.journal().len(), 1, "{kind} {domain}");
        }
    }
}

#[tokio::test]
async fn federated_insists_on_a_federation_server() {
    for answer in [realm("Managed", "contoso.example"), say(404, &[], "")] {
        let server = Server::start([answer]).await;
        let refusal = refused(asking(&server, Realm::Federated).login().await);
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Person, Reason::AppMisconfigured)
        );
        assert!(
            refusal.message.contains("spec.login.realm"),
            "{}",
            refusal.message
        );
        assert_eq!(server.journal().len(), 1);
    }
}

#[tokio::test]
async fn without_an_answer_nothing_secret_is_sent_and_it_is_tried_again() {
    for (answer, reason) in [
        (say(500, &[], ""), Reason::ServiceUnavailable),
        (say(503, &[], "<html>"), Reason::ServiceUnavailable),
        (say(429, &[("Retry-After", "17")], ""), Reason::Throttled),
        (
            say(400, &[], r#"{"error":"invalid_grant","error_codes":[50126]}"#),
            Reason::UnexpectedResponse,
        ),
        (say(403, &[], "proxy"), Reason::UnexpectedResponse),
        (
            say(302, &[("Location", "https://localhost/")], ""),
            Reason::UnexpectedResponse,
        ),
        (say(200, &[], "<html>sign in</html>"), Reason::UnexpectedResponse),
        (say(200, &[], "{}"), Reason::UnexpectedResponse),
        (realm("Hybrid", "contoso.example"), Reason::UnexpectedResponse),
        (say(200, &[], &" ".repeat(65 * 1024)), Reason::UnexpectedResponse),
        (Act::Close, Reason::ServiceUnavailable),
        (Act::Stall, Reason::ServiceUnavailable),
    ] {
        let server = Server::start([answer.clone()]).await;
        let mut setup = asking(&server, Realm::Auto);
        setup.life = Some(8);
        let refusal = refused(setup.login().await);
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Transient, reason),
            "{answer:?}"
        );
        assert_eq!(server.journal().len(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a_pause_that_the_realm_service_asks_for_holds() {
    let server = Server::start([say(429, &[("Retry-After", "17")], "")]).await;
    let setup = asking(&server, Realm::Auto);
    assert_eq!(refused(setup.login().await).retry_after, Some(17));
    assert!(matches!(setup.login().await, Outcome::Later(_)));
    assert_eq!(server.journal().len(), 1);
}

const WRONG: &str = r#"{"error":"invalid_grant","error_codes":[50126]}"#;

#[tokio::test]
async fn a_wrong_password_is_condemned_only_where_the_realm_service_says_managed() {
    let said = || realm("Managed", "contoso.example");
    let wrong = || say(400, &[], WRONG);
    let condemned = (Effect::Condemned, Deed::NewLogin);
    let doubtful = (Effect::Doubtful, Deed::Word);
    for (setting, script, expected) in [
        (Realm::Auto, vec![said(), wrong()], condemned),
        (Realm::Auto, vec![say(404, &[], ""), wrong()], doubtful),
        (Realm::Managed, vec![wrong(), said()], condemned),
        (
            Realm::Managed,
            vec![wrong(), realm("Federated", "contoso.example")],
            doubtful,
        ),
        (
            Realm::Managed,
            vec![wrong(), realm("Unknown", "contoso.example")],
            doubtful,
        ),
        (Realm::Managed, vec![wrong(), say(404, &[], "")], doubtful),
        (Realm::Managed, vec![wrong(), say(503, &[], "")], doubtful),
        (Realm::Managed, vec![wrong(), say(429, &[], "")], doubtful),
        (Realm::Managed, vec![wrong(), say(200, &[], "<html>")], doubtful),
        (Realm::Managed, vec![wrong(), Act::Close], doubtful),
    ] {
        let shown = format!("{setting:?} {script:?}");
        let server = Server::start(script).await;
        let refusal = refused(asking(&server, setting).login().await);
        assert_eq!((refusal.effect, refusal.deed), expected, "{shown}");
        assert_eq!(
            (refusal.reason, refusal.code),
            (Reason::WrongPassword, Some(50126)),
            "{shown}"
        );
        let sends = server
            .journal()
            .iter()
            .filter(|r| r.body.contains("grant_type=password"))
            .count();
        assert_eq!((sends, server.journal().len()), (1, 2), "{shown}");
    }
}

#[tokio::test]
async fn nobody_is_asked_after_any_other_answer() {
    for answer in [
        say(400, &[], r#"{"error":"invalid_grant","error_codes":[50056]}"#),
        say(400, &[], r#"{"error":"invalid_grant"}"#),
        say(200, &[], &tokens()),
    ] {
        let server = Server::start([answer, realm("Managed", "contoso.example")]).await;
        drop(asking(&server, Realm::Managed).login().await);
        assert_eq!(server.journal().len(), 1);
    }
}

const SPACED: [&str; 4] = [" marker", "marker ", "marker\u{a0}", "\u{3000}marker"];

/// Microsoft's page of this grant: passwords with spaces at the ends do not work with it.
#[tokio::test]
async fn a_password_with_a_space_at_its_end_is_not_sent_to_entra() {
    for password in SPACED {
        for (setting, script, asked) in [
            (Realm::Managed, vec![], 0),
            (Realm::Auto, vec![realm("Managed", "contoso.example")], 1),
            (Realm::Auto, vec![say(404, &[], "")], 1),
        ] {
            let server = Server::start(script).await;
            let mut setup = asking(&server, setting);
            setup.content.password = Secret::new(password.to_owned());
            let refusal = refused(setup.login().await);
            assert_eq!(
                (refusal.effect, refusal.reason, refusal.deed),
                (Effect::Person, Reason::InvalidLoginSecret, Deed::NewLogin)
            );
            assert!(refusal.left_nothing() && refusal.message.contains("Key password"));
            assert!(!format!("{refusal:?}").contains("marker"));
            assert_eq!(server.journal().len(), asked, "{setting:?}");
        }
    }
    let server = Server::start([say(200, &[], &tokens())]).await;
    let mut setup = asking(&server, Realm::Managed);
    setup.content.password = Secret::new("mar ker".to_owned());
    granted(setup.login().await);
}

/// What others take is theirs to say.
#[tokio::test]
async fn a_password_with_a_space_at_its_end_goes_to_every_other_server() {
    for (kind, path, tenant) in [
        (Kind::B2c, "/B2C_1_ropc", Some("contoso.example")),
        (Kind::Adfs, "/adfs", None),
    ] {
        let server = Server::start([say(200, &[], &tokens())]).await;
        let url = format!("https://{}{path}", server.host());
        let mut setup = Setup::of_kind(kind, &url, &server.ca_pem, tenant);
        setup.content.password = Secret::new(" marker ".to_owned());
        granted(setup.login().await);
        assert!(server.journal()[0].body.contains("password=+marker+"), "{kind:?}");
    }
    let mut scene = Scene::new([say(200, &[], &issued(Version::V13))]).await;
    scene.cloud.then(say(200, &[], &tokens()));
    scene.setup.content.password = Secret::new(" marker ".to_owned());
    granted(scene.setup.login().await);
    let envelope = scene.sts.journal()[1].body.clone();
    assert!(envelope.contains("> marker </"), "{envelope}");
}
