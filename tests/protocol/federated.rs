//! Federated accounts: every request of the way, and every way in which it can end early.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_operator::api::{Realm, Reason};
use entra_operator::entra::Grant;
use entra_operator::plan::answer::{Effect, Refusal};
use entra_operator::reconcile::material::{ClientAuthentication, Secret};
use entra_operator::reconcile::ports::Outcome;
use url::form_urlencoded;

use crate::client::{CLIENT_ID, Observed, Setup, granted, refused, tokens};
use crate::federation::{
    ASSERTION, Scene, Version, fault, issued, issued_as, metadata, realm_of, realm_with, signed_in,
};
use crate::server::{Act, Server, say};

const TOKEN: &str = "POST /contoso.example/oauth2/v2.0/token";
const MEX: &str = "GET /adfs/services/trust/mex";

fn shown(refusal: &Refusal) -> (Effect, Reason) {
    (refusal.effect, refusal.reason)
}

fn posted(version: Version) -> String {
    format!("POST {}", version.path())
}

#[tokio::test]
async fn the_whole_way_is_msals() {
    let mut scene = signed_in().await;
    scene.setup.realm = Realm::Federated;
    let outcome = granted(scene.setup.login().await);
    assert_eq!(outcome.access_token.expose(), "marker-access-token");
    let (cloud, sts) = scene.lines();
    assert_eq!(
        cloud,
        [
            "GET /common/userrealm/alice@contoso.example?api-version=1.0",
            TOKEN
        ]
    );
    assert_eq!(sts, [MEX.to_owned(), posted(Version::V13)]);
    let (realm, token) = (&scene.cloud.journal()[0], &scene.cloud.journal()[1]);
    assert_eq!(
        realm.header("client-request-id"),
        token.header("client-request-id")
    );
    assert_eq!(
        scene.passwords(),
        1,
        "only the federation server sees the password"
    );
}

#[tokio::test]
async fn the_request_for_an_assertion_is_msals() {
    let scene = signed_in().await;
    granted(scene.setup.login().await);
    let request = &scene.sts.journal()[1];
    let trust = Version::V13.trust();
    assert_eq!(
        request.header("content-type"),
        Some("application/soap+xml; charset=utf-8")
    );
    assert_eq!(
        request.header("soapaction"),
        Some(format!("{trust}/RST/Issue").as_str())
    );
    for absent in ["x-anchormailbox", "cookie", "authorization", "transfer-encoding"] {
        assert_eq!(request.header(absent), None, "{absent}");
    }
    let to = format!("https://{}{}", scene.sts.host(), Version::V13.path());
    for part in [
        format!("<wsa:To s:mustUnderstand=\"1\">{to}</wsa:To>"),
        format!("<wsa:Action s:mustUnderstand=\"1\">{trust}/RST/Issue</wsa:Action>"),
        "<wsa:Address>urn:federation:Other&amp;Cloud</wsa:Address>".to_owned(),
        "<wsse:Username>alice@contoso.example</wsse:Username>".to_owned(),
        "<wsse:Password>marker-pass word&amp;=+\u{c3}\u{a4}</wsse:Password>".to_owned(),
        format!("<wst:KeyType>{trust}/Bearer</wst:KeyType><wst:RequestType>{trust}/Issue</wst:RequestType>"),
    ] {
        assert!(request.body.contains(&part), "{part} in {}", request.body);
    }
}

#[tokio::test]
async fn the_assertion_is_redeemed_without_user_name_and_password() {
    let mut scene = signed_in().await;
    scene.setup.client_auth = Some(ClientAuthentication::Secret(Secret::new(
        "client-secret-1".to_owned(),
    )));
    granted(scene.setup.login().await);
    let request = &scene.cloud.journal()[1];
    let form: Vec<(String, String)> = form_urlencoded::parse(request.body.as_bytes())
        .into_owned()
        .collect();
    let assertion = STANDARD.encode(ASSERTION);
    let expected = [
        ("client_id", CLIENT_ID),
        ("grant_type", "urn:ietf:params:oauth:grant-type:saml1_1-bearer"),
        ("client_info", "1"),
        ("assertion", &assertion),
        ("scope", "api://x/.default offline_access openid profile"),
        ("client_secret", "client-secret-1"),
    ];
    assert_eq!(
        form,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(
        request.header("x-anchormailbox"),
        Some("upn:alice@contoso.example"),
        "as MSAL.NET: the backup service finds the account by it"
    );
}

#[tokio::test]
async fn version_2005_and_saml_2_0_work_too() {
    let scene = Scene::without_metadata([]).await;
    let offered = metadata(&scene.sts.host(), &[Version::V2005]);
    scene.sts.then(say(200, &[], &offered));
    let saml20 = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0";
    scene.sts.then(say(200, &[], &issued_as(Version::V2005, saml20)));
    scene.cloud.then(say(200, &[], &tokens()));
    granted(scene.setup.login().await);
    let request = &scene.sts.journal()[1];
    assert_eq!(request.line(), format!("{} HTTP/1.1", posted(Version::V2005)));
    let action = "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue";
    assert_eq!(request.header("soapaction"), Some(action));
    assert!(request.body.contains("/identity/NoProofKey<"));
    assert!(scene.cloud.journal()[1].body.contains("saml2-bearer"));
}

#[tokio::test]
async fn without_metadata_the_realms_own_address_is_used() {
    for missing in [
        say(404, &[], ""),
        say(503, &[], ""),
        say(302, &[("Location", "https://localhost/mex")], ""),
        say(200, &[], "<html>sign in</html>"),
        say(200, &[], "<!DOCTYPE a><a/>"),
        say(200, &[], &" ".repeat(65 * 1024)),
        Act::Close,
        Act::Stall,
    ] {
        let scene = Scene::without_metadata([missing.clone(), say(200, &[], &issued(Version::V2005))]).await;
        scene.cloud.then(say(200, &[], &tokens()));
        granted(scene.setup.login().await);
        assert_eq!(
            scene.lines().1,
            [MEX.to_owned(), posted(Version::V2005)],
            "{missing:?}"
        );
    }
}

#[tokio::test]
async fn a_realm_without_metadata_names_the_address_itself() {
    let sts = Server::start([say(200, &[], &issued(Version::V2005))]).await;
    let active = format!("https://{}{}", sts.host(), Version::V2005.path());
    let cloud = Server::start([
        say(200, &[], &realm_with(None, Some(&active))),
        say(200, &[], &tokens()),
    ])
    .await;
    granted(Setup::new(&cloud).federated(&sts).login().await);
    assert_eq!(sts.journal().len(), 1);
}

/// The server speaks 2005 only, and the path says nothing: a message of 1.3 would be refused in unclear words.
#[tokio::test]
async fn no_version_is_guessed() {
    for missing in [say(503, &[], ""), say(404, &[], ""), Act::Close] {
        let sts = Server::start([missing]).await;
        let (mex, active) = (
            format!("https://{}/mex", sts.host()),
            format!("https://{}/sso/active", sts.host()),
        );
        let refusal = refusal_of(&realm_with(Some(&mex), Some(&active)), &sts).await;
        assert_eq!(refusal.effect, Effect::Transient);
        assert_eq!(sts.journal().len(), 1, "the metadata is waited for");
    }
    let sts = Server::start([]).await;
    let active = format!("https://{}/sso/active", sts.host());
    let refusal = refusal_of(&realm_with(None, Some(&active)), &sts).await;
    assert_eq!(shown(&refusal), (Effect::Person, Reason::AppMisconfigured));
    assert_eq!(sts.handshakes(), 0);
}

#[tokio::test]
async fn the_first_usable_endpoint_is_taken() {
    let scene = Scene::without_metadata([]).await;
    let host = scene.sts.host();
    let plain = metadata(&host, &[Version::V13]).replace("https://", "http://");
    let secure = metadata(&host, &[Version::V2005]);
    let both = format!(
        "<mex:Metadata xmlns:mex=\"http://schemas.xmlsoap.org/ws/2004/09/mex\">{plain}{secure}</mex:Metadata>"
    );
    scene.sts.then(say(200, &[], &both));
    scene.sts.then(say(200, &[], &issued(Version::V2005)));
    scene.cloud.then(say(200, &[], &tokens()));
    granted(scene.setup.login().await);
    assert_eq!(scene.lines().1, [MEX.to_owned(), posted(Version::V2005)]);
}

#[tokio::test]
async fn a_federation_of_saml_is_said_to_have_no_such_endpoint() {
    let sts = Server::start([]).await;
    let realm = realm_of(&sts.host());
    for protocol in ["SAMLP", "saml20"] {
        let refusal = refusal_of(&realm.replace("WSTrust", protocol), &sts).await;
        assert_eq!(shown(&refusal), (Effect::Person, Reason::AppMisconfigured));
        assert!(refusal.message.contains("SAML") && !refusal.remedy.contains("usernamemixed"));
        assert_eq!(sts.handshakes(), 0);
    }
}

#[tokio::test]
async fn a_fault_of_soap_1_1_is_read_whatever_its_status() {
    for (status, code) in [
        (500, "a:FailedAuthentication"),
        (500, "s:Client"),
        (400, "s:Server"),
        (200, "Client.Authentication"),
    ] {
        let document = format!(
            "\u{feff}<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
             <faultcode>{code}</faultcode><faultstring>marker</faultstring></s:Fault></s:Body></s:Envelope>"
        );
        let refusal = after_password(say(status, &[], &document)).await;
        assert_eq!(
            shown(&refusal),
            (Effect::Doubtful, Reason::WrongPassword),
            "{code}"
        );
    }
}

async fn refusal_of(realm: &str, sts: &Server) -> Refusal {
    let cloud = Server::start([say(200, &[], realm)]).await;
    let refusal = refused(Setup::new(&cloud).federated(sts).login().await);
    assert_eq!(cloud.journal().len(), 1, "no password to the cloud");
    refusal
}

#[tokio::test]
async fn metadata_that_is_the_only_way_is_waited_for() {
    let sts = Server::start([say(503, &[], "")]).await;
    let metadata = format!("https://{}/mex", sts.host());
    let refusal = refusal_of(&realm_with(Some(&metadata), None), &sts).await;
    assert_eq!(shown(&refusal), (Effect::Transient, Reason::ServiceUnavailable));
    assert!(refusal.message.contains(&sts.host()), "{}", refusal.message);
}

#[tokio::test]
async fn a_server_without_an_endpoint_for_passwords_is_said() {
    let sts = Server::start([]).await;
    sts.then(say(200, &[], &metadata(&sts.host(), &[])));
    let refusal = refusal_of(&realm_of(&sts.host()), &sts).await;
    assert_eq!(shown(&refusal), (Effect::Person, Reason::AppMisconfigured));
    assert!(refusal.remedy.contains("usernamemixed"), "{}", refusal.remedy);
    assert_eq!(sts.journal().len(), 1);
    let nothing = refusal_of(&realm_with(None, None), &sts).await;
    assert_eq!(shown(&nothing), (Effect::Person, Reason::AppMisconfigured));
}

#[tokio::test]
async fn an_address_that_is_not_https_is_refused_wherever_it_stands() {
    let sts = Server::start([]).await;
    let (good, bad) = (
        format!("https://{}/mex", sts.host()),
        format!("http://{}/mex", sts.host()),
    );
    let active = format!("http://{}{}", sts.host(), Version::V13.path());
    for realm in [
        realm_with(Some(&bad), Some(&good)),
        realm_with(None, Some(&active)),
    ] {
        let refusal = refusal_of(&realm, &sts).await;
        assert_eq!(shown(&refusal), (Effect::Person, Reason::AppMisconfigured));
        assert!(refusal.message.contains("not https"), "{}", refusal.message);
        assert_eq!(sts.handshakes(), 0);
    }
    let named = metadata(&sts.host(), &[Version::V13]).replace("https://", "http://");
    sts.then(say(200, &[], &named));
    let refusal = refusal_of(&realm_of(&sts.host()), &sts).await;
    assert!(refusal.message.contains("not https"), "{}", refusal.message);
    assert_eq!(sts.journal().len(), 1, "nothing after the metadata");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_named_and_gets_nothing() {
    let (sts, other) = (Server::start([]).await, Server::start([]).await);
    let elsewhere = format!("https://{}{}", other.host(), Version::V13.path());
    sts.then(say(200, &[], &metadata(&other.host(), &[Version::V13])));
    for realm in [
        realm_of(&sts.host()),
        realm_of(&other.host()),
        realm_with(None, Some(&elsewhere)),
    ] {
        let refusal = refusal_of(&realm, &sts).await;
        assert_eq!(shown(&refusal), (Effect::Person, Reason::NotAllowed));
        let advice = format!("add {} to federation.allowedHosts", other.host());
        assert!(refusal.remedy.contains(&advice), "{}", refusal.remedy);
    }
    assert_eq!(sts.journal().len(), 1, "its metadata");
    assert_eq!(other.handshakes(), 0);
}

#[tokio::test]
async fn without_a_list_federated_accounts_are_refused() {
    let cloud = Server::start([say(200, &[], &realm_of("sts.fed.example"))]).await;
    let mut setup = Setup::new(&cloud);
    setup.realm = Realm::Auto;
    let refusal = refused(setup.login().await);
    assert_eq!(shown(&refusal), (Effect::Person, Reason::NotAllowed));
    assert!(
        refusal
            .remedy
            .contains("add sts.fed.example to federation.allowedHosts")
    );
}

/// What comes of this answer to the password, which was sent once.
async fn after_password(answer: Act) -> Refusal {
    let mut scene = Scene::new([answer]).await;
    scene.setup.life = Some(16);
    let refusal = refused(scene.setup.login().await);
    assert_eq!(scene.sts.journal().len(), 2, "metadata, and the password once");
    assert_eq!(scene.cloud.journal().len(), 1, "no grant without an assertion");
    refusal
}

#[tokio::test]
async fn every_fault_has_its_effect() {
    use Effect::{Doubtful, Person, Unanswered};
    for (code, subcode, expected) in [
        (
            "s:Sender",
            "a:FailedAuthentication",
            (Doubtful, Reason::WrongPassword),
        ),
        (
            "s:Sender",
            "a:FailedAuthentication.ExpiredPassword",
            (Person, Reason::InteractionRequired),
        ),
        ("s:Sender", "a:SomethingNew", (Doubtful, Reason::WrongPassword)),
        (
            "s:Sender",
            "a:InvalidSecurity",
            (Person, Reason::AppMisconfigured),
        ),
        ("s:Sender", "a:RequestFailed", (Person, Reason::BlockedByPolicy)),
        ("s:Sender", "a:InvalidScope", (Person, Reason::AppMisconfigured)),
        (
            "s:Receiver",
            "a:InternalServiceFault",
            (Unanswered, Reason::ServiceUnavailable),
        ),
    ] {
        for status in [500, 400, 200, 503] {
            let refusal = after_password(say(status, &[], &fault(code, subcode))).await;
            assert_eq!(shown(&refusal), expected, "{subcode} {status}");
            let text = format!("{refusal:?}");
            assert!(
                !text.contains("marker") && !text.contains("alice") && !text.contains("ID3242"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn skewed_clocks_are_named_as_the_likely_cause() {
    let refusal = after_password(say(500, &[], &fault("s:Sender", "a:InvalidSecurity"))).await;
    assert!(refusal.remedy.contains("clocks"), "{}", refusal.remedy);
}

#[tokio::test]
async fn answers_that_are_no_soap_use_up_a_send_unless_a_gateway_gave_them() {
    for (status, expected) in [
        (200, (Effect::Unanswered, Reason::UnexpectedResponse)),
        (302, (Effect::Unanswered, Reason::UnexpectedResponse)),
        (401, (Effect::Doubtful, Reason::WrongPassword)),
        (403, (Effect::Unanswered, Reason::UnexpectedResponse)),
        (404, (Effect::Unanswered, Reason::UnexpectedResponse)),
        (500, (Effect::Unanswered, Reason::UnexpectedResponse)),
        (429, (Effect::Transient, Reason::Throttled)),
        (502, (Effect::Transient, Reason::ServiceUnavailable)),
        (503, (Effect::Transient, Reason::ServiceUnavailable)),
        (504, (Effect::Transient, Reason::ServiceUnavailable)),
    ] {
        let refusal = after_password(say(
            status,
            &[("Location", "https://localhost/")],
            "<html>marker</html>",
        ))
        .await;
        assert_eq!(shown(&refusal), expected, "{status}");
    }
}

#[tokio::test]
async fn successes_without_an_assertion_use_up_a_send() {
    let huge = issued(Version::V13).replace("marker-assertion", &"a".repeat(65 * 1024));
    let of_other_version = issued(Version::V2005);
    let created = say(201, &[], &issued(Version::V13));
    for answer in [say(200, &[], &huge), say(200, &[], &of_other_version), created] {
        let refusal = after_password(answer).await;
        assert_eq!(shown(&refusal), (Effect::Unanswered, Reason::UnexpectedResponse));
    }
}

#[tokio::test]
async fn a_lost_answer_to_the_password_uses_up_a_send_and_nothing_is_sent_again() {
    for act in [Act::Close, Act::CloseAfterHead, Act::Stall] {
        let refusal = after_password(act).await;
        assert_eq!(refusal.effect, Effect::Unanswered);
    }
}

#[tokio::test]
async fn redirects_are_not_followed_to_where_they_point() {
    let elsewhere = Server::start([]).await;
    let target = format!("https://{}/", elsewhere.host());
    for status in [302, 307, 308] {
        let refusal = after_password(say(status, &[("Location", &target)], "")).await;
        assert_eq!(refusal.effect, Effect::Unanswered);
    }
    assert_eq!(elsewhere.handshakes(), 0);
}

#[tokio::test]
async fn the_password_is_asked_for_once_and_withheld_if_it_is_late() {
    let scene = signed_in().await;
    assert_eq!(scene.asked().await, 1);
    let late = Scene::new([Act::Close]).await;
    let refusal = refused(late.setup.login_if(&|| false).await);
    assert_eq!(refusal.effect, Effect::Transient);
    assert!(refusal.message.contains("not sent"), "{}", refusal.message);
    assert_eq!(late.passwords(), 0);
}

#[tokio::test]
async fn a_password_that_xml_cannot_hold_is_not_sent() {
    let mut scene = Scene::new([]).await;
    scene.setup.content.password = Secret::new("marker-pass\u{1}".to_owned());
    let refusal = refused(scene.setup.login().await);
    assert_eq!(shown(&refusal), (Effect::Person, Reason::InvalidLoginSecret));
    assert_eq!(scene.passwords(), 0);
}

#[tokio::test]
async fn the_message_is_dated_by_the_servers_clock() {
    let scene = Scene::without_metadata([]).await;
    let offered = metadata(&scene.sts.host(), &[Version::V13]);
    scene
        .sts
        .then(say(200, &[("Date", "Sun, 06 Nov 1994 08:49:37 GMT")], &offered));
    scene.sts.then(say(200, &[], &issued(Version::V13)));
    drop(scene.setup.login().await);
    let body = scene.sts.journal()[1].body.clone();
    assert!(body.contains("<wsu:Created>1994-11-06T08:49:"), "{body}");
}

/// What comes of this answer to the assertion.
async fn after_assertion(answer: Act) -> Refusal {
    let mut scene = Scene::new([say(200, &[], &issued(Version::V13))]).await;
    scene.setup.life = Some(16);
    scene.cloud.then(answer);
    let refusal = refused(scene.setup.login().await);
    assert_eq!((scene.cloud.journal().len(), scene.sts.journal().len()), (2, 2));
    refusal
}

#[tokio::test]
async fn a_lost_answer_to_the_assertion_uses_up_a_send() {
    for act in [Act::Close, Act::Stall, say(200, &[], "<html>"), say(302, &[], "")] {
        assert_eq!(after_assertion(act).await.effect, Effect::Unanswered);
    }
}

#[tokio::test]
async fn what_the_cloud_says_to_an_assertion_never_condemns_the_password() {
    for (status, body, expected) in [
        (
            400,
            r#"{"error":"invalid_grant","error_codes":[50013]}"#,
            (Effect::Person, Reason::AppMisconfigured),
        ),
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            (Effect::Person, Reason::AppMisconfigured),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_codes":[50126]}"#,
            (Effect::Person, Reason::InteractionRequired),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_codes":[50034]}"#,
            (Effect::Person, Reason::UserNotFound),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_codes":[50076]}"#,
            (Effect::Person, Reason::InteractionRequired),
        ),
        (
            400,
            r#"{"error":"invalid_grant","error_codes":[65001]}"#,
            (Effect::Entry, Reason::ConsentMissing),
        ),
        (503, "", (Effect::Transient, Reason::ServiceUnavailable)),
        (429, "", (Effect::Transient, Reason::Throttled)),
    ] {
        let refusal = after_assertion(say(status, &[], body)).await;
        assert_eq!(shown(&refusal), expected, "{body}");
    }
}

/// Signs in so many times at a federation server without metadata that always answers like this.
async fn tried(times: usize, answer: &Act) -> (Server, Setup, usize) {
    let sts = Server::start(vec![answer.clone(); times]).await;
    let active = format!("https://{}{}", sts.host(), Version::V13.path());
    let realm = say(200, &[], &realm_with(None, Some(&active)));
    let cloud = Server::start(vec![realm; times]).await;
    let setup = Setup::new(&cloud).federated(&sts);
    let mut later = 0;
    for _ in 0..times {
        later += usize::from(matches!(setup.login().await, Outcome::Later(_)));
    }
    assert_eq!(sts.journal().len() + later, times);
    (cloud, setup, later)
}

#[tokio::test]
async fn a_failing_federation_server_opens_its_own_circuit_only() {
    let (cloud, setup, later) = tried(8, &say(500, &[], "")).await;
    assert_eq!(later, 3, "it is left alone after five failures");
    cloud.then(say(200, &[], &tokens()));
    granted(setup.redeem().await);
}

#[tokio::test]
async fn wrong_passwords_open_no_circuit() {
    let refused = say(500, &[], &fault("s:Sender", "a:FailedAuthentication"));
    let (_cloud, _setup, later) = tried(8, &refused).await;
    assert_eq!(later, 0);
}

#[tokio::test]
async fn every_request_is_observed_by_its_kind() {
    let seen: Arc<Mutex<Vec<Observed>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let mut scene = signed_in().await;
    let observer =
        move |grant: Grant, result: Result<(), Effect>, _: f64| sink.lock().unwrap().push((grant, result));
    scene.setup.client = scene.setup.client.observed_by(Arc::new(observer));
    granted(scene.setup.login().await);
    let kinds = [Grant::Discovery, Grant::Discovery, Grant::WsTrust, Grant::Saml11];
    assert_eq!(*seen.lock().unwrap(), kinds.map(|grant| (grant, Ok(()))));
}
