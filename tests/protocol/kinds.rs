//! Every kind of authority on the wire: endpoint, form, headers, and the shape of its answers.

use entra_operator::api::Reason;
use entra_operator::entra::Kind;
use entra_operator::plan::answer::{Account, Deed, Effect};
use entra_operator::reconcile::material::{ClientAuthentication, Secret};
use serde_json::{Value, json};

use crate::client::{CLIENT_ID, Setup, TENANT, granted, refused, tokens};
use crate::jwt::unsigned;
use crate::server::{Received, Server, say};

async fn setup(kind: Kind, path: &str, tenant: Option<&str>, answers: &[Value]) -> (Server, Setup) {
    let acts = answers.iter().map(|body| say(200, &[], &body.to_string()));
    let server = Server::start(acts).await;
    let url = format!("https://{}{path}", server.host());
    let setup = Setup::of_kind(kind, &url, &server.ca_pem, tenant);
    (server, setup)
}

/// A sign-in and a redemption.
async fn both(kind: Kind, path: &str, tenant: Option<&str>) -> [Received; 2] {
    let answer: Value = serde_json::from_str(&tokens()).unwrap();
    let (server, setup) = setup(kind, path, tenant, &[answer.clone(), answer]).await;
    granted(setup.login().await);
    granted(setup.redeem().await);
    server.journal().try_into().unwrap()
}

#[tokio::test]
async fn entra_id_has_its_tenant_in_the_path_and_takes_the_hint() {
    let [login, redemption] = both(Kind::Entra, "", Some(TENANT)).await;
    assert_eq!(login.line(), "POST /contoso.example/oauth2/v2.0/token HTTP/1.1");
    assert!(login.body.contains("&client_info=1&") && redemption.body.contains("&client_info=1&"));
    assert!(login.header("x-anchormailbox").is_some());
}

#[tokio::test]
async fn b2c_has_its_user_flow_in_the_path_and_a_response_type() {
    let [login, redemption] = both(Kind::B2c, "/B2C_1_ropc", Some(TENANT)).await;
    let line = "POST /contoso.example/B2C_1_ropc/oauth2/v2.0/token HTTP/1.1";
    assert_eq!((login.line(), redemption.line()), (line, line));
    assert_eq!(
        login.body,
        format!(
            "client_id={CLIENT_ID}&grant_type=password&username=alice%40contoso.example\
             &password=marker-pass+word%26%3D%2B%C3%A4&response_type=token+id_token\
             &scope=api%3A%2F%2Fx%2F.default+offline_access+openid"
        )
    );
    assert_eq!(
        redemption.body,
        format!(
            "client_id={CLIENT_ID}&grant_type=refresh_token&refresh_token=marker-refresh-token\
             &scope=api%3A%2F%2Fx%2F.default+offline_access+openid"
        )
    );
}

#[tokio::test]
async fn adfs_has_no_tenant_and_no_resource() {
    let [login, redemption] = both(Kind::Adfs, "/adfs", None).await;
    for request in [&login, &redemption] {
        assert_eq!(request.line(), "POST /adfs/oauth2/token HTTP/1.1");
        assert!(!request.body.contains("client_info") && !request.body.contains("resource="));
        assert!(
            request
                .body
                .ends_with("&scope=api%3A%2F%2Fx%2F.default+offline_access+openid+profile")
        );
        assert_eq!(request.header("x-anchormailbox"), None);
    }
}

#[tokio::test]
async fn organizations_is_a_tenant_of_entra_id() {
    let [login, _] = both(Kind::Entra, "", Some("organizations")).await;
    assert_eq!(login.line(), "POST /organizations/oauth2/v2.0/token HTTP/1.1");
}

/// Whoever gets the token of a workload identity can redeem it at Entra ID.
#[tokio::test]
async fn the_token_of_a_workload_identity_goes_to_entra_id_alone() {
    for (kind, path, tenant) in [
        (Kind::B2c, "/B2C_1_ropc", Some(TENANT)),
        (Kind::Adfs, "/adfs", None),
        (Kind::Oidc, "", None),
    ] {
        let server = Server::start([]).await;
        let url = format!("https://{}{path}", server.host());
        let document = json!({"issuer": url, "token_endpoint": format!("{url}/token")}).to_string();
        if kind == Kind::Oidc {
            server.then(say(200, &[], &document));
        }
        let mut setup = Setup::of_kind(kind, &url, &server.ca_pem, tenant);
        let token = Secret::new("marker-service-account".to_owned());
        setup.client_auth = Some(ClientAuthentication::Assertion(token));
        for outcome in [setup.login().await, setup.redeem().await] {
            let refusal = refused(outcome);
            assert_eq!(
                (refusal.effect, refusal.reason, refusal.deed),
                (Effect::Person, Reason::AppMisconfigured, Deed::Spec),
                "{kind:?}"
            );
            assert!(
                refusal.message.contains("nothing was sent"),
                "{}",
                refusal.message
            );
        }
        assert!(
            server.journal().iter().all(|request| request.body.is_empty()),
            "{kind:?}"
        );
    }
}

async fn answered(kind: Kind, path: &str, tenant: Option<&str>, body: Value) -> (i64, Vec<String>, Account) {
    let (_server, setup) = setup(kind, path, tenant, &[body]).await;
    let tokens = granted(setup.login().await);
    let life = tokens.granted.expires_at.since(tokens.granted.issued_at);
    let refresh_token = tokens.refresh_token.unwrap();
    assert_eq!(refresh_token.expose(), "marker-new-refresh-token");
    (life, tokens.granted.scopes, tokens.granted.account.unwrap())
}

#[tokio::test]
async fn an_answer_of_b2c_is_read() {
    let claims = json!({"iss": "https://b2c", "sub": "0b8c2f7e-0000-4000-8000-000000000001", "tfp": "B2C_1_ropc", "name": "Alice"});
    let body = json!({
        "access_token": "marker-access-token", "token_type": "Bearer", "expires_in": "3600",
        "refresh_token": "marker-new-refresh-token", "id_token": unsigned(&claims), "not_before": 1_700_000_000,
        "id_token_expires_in": 3600, "profile_info": "e30", "refresh_token_expires_in": 1_209_600
    });
    let (life, scopes, account) = answered(Kind::B2c, "/B2C_1_ropc", Some(TENANT), body).await;
    assert_eq!((life, scopes), (3600, vec!["api://x/.default".to_owned()]));
    assert_eq!(account.subject, "0b8c2f7e-0000-4000-8000-000000000001");
    assert_eq!(account.home_account_id, "");
    assert_eq!(
        (account.username.as_str(), account.tenant_id.as_str()),
        ("Alice", "")
    );
}

#[tokio::test]
async fn an_answer_of_adfs_is_read() {
    let claims = json!({"iss": "https://fs/adfs", "sub": "4Rg+h/0bQ4Q5xA==", "upn": "alice@contoso.example", "iat": 1_700_000_000});
    let body = json!({
        "access_token": "marker-access-token", "token_type": "bearer", "expires_in": 3600, "resource": "api://x",
        "refresh_token": "marker-new-refresh-token", "refresh_token_expires_in": 604_800, "scope": "openid",
        "id_token": unsigned(&claims)
    });
    let (life, scopes, account) = answered(Kind::Adfs, "/adfs", None, body).await;
    assert_eq!((life, scopes), (3600, vec!["openid".to_owned()]));
    assert_eq!(
        (account.issuer.as_str(), account.subject.as_str()),
        ("https://fs/adfs", "4Rg+h/0bQ4Q5xA==")
    );
    assert_eq!(account.username, "alice@contoso.example");
}

#[tokio::test]
async fn an_answer_of_a_v1_endpoint_is_read() {
    let claims = json!({"oid": "oid-1", "tid": "tid-1", "sub": "pairwise", "upn": "alice@contoso.example"});
    let body = json!({
        "access_token": "opaque+/==", "token_type": "Bearer", "expires_in": "4294", "ext_expires_in": "4294",
        "expires_on": "4102444800", "not_before": "1700000000", "resource": "api://x", "scope": "access",
        "refresh_token": "marker-new-refresh-token", "id_token": unsigned(&claims)
    });
    let (life, scopes, account) = answered(Kind::Entra, "", Some(TENANT), body).await;
    assert_eq!((life, scopes), (4294, vec!["access".to_owned()]));
    assert_eq!(
        (account.object_id.as_str(), account.tenant_id.as_str()),
        ("oid-1", "tid-1")
    );
    assert_eq!(
        account.home_account_id, "",
        "only client_info names the home account"
    );
}

#[tokio::test]
async fn a_refused_password_is_a_doubt_whatever_the_kind_says() {
    for (kind, path, tenant, error, text) in [
        (
            Kind::B2c,
            "/B2C_1_ropc",
            Some(TENANT),
            "access_denied",
            "AADB2C90225: marker",
        ),
        (Kind::Adfs, "/adfs", None, "invalid_grant", "MSIS9659: marker"),
    ] {
        let body = json!({"error": error, "error_description": text}).to_string();
        let server = Server::start([say(400, &[], &body)]).await;
        let url = format!("https://{}{path}", server.host());
        let refusal = refused(Setup::of_kind(kind, &url, &server.ca_pem, tenant).login().await);
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Doubtful, Reason::WrongPassword)
        );
        let shown = format!("{refusal:?}");
        assert!(!shown.contains("marker") && !shown.contains("MSIS"), "{shown}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_by_any_kind() {
    let elsewhere = Server::start([]).await;
    for (kind, path, tenant) in [
        (Kind::Entra, "", Some(TENANT)),
        (Kind::B2c, "/B2C_1_ropc", Some(TENANT)),
        (Kind::Adfs, "/adfs", None),
    ] {
        let target = format!("https://{}/", elsewhere.host());
        let server = Server::start([say(307, &[("Location", &target)], "")]).await;
        let url = format!("https://{}{path}", server.host());
        let refusal = refused(Setup::of_kind(kind, &url, &server.ca_pem, tenant).login().await);
        assert_eq!(refusal.reason, Reason::UnexpectedResponse, "{kind:?}");
        assert_eq!(server.journal().len(), 1);
    }
    assert_eq!(elsewhere.handshakes(), 0);
}
