//! What leaves: endpoint, headers and body, byte for byte.

use entra_operator::plan::Time;
use entra_operator::reconcile::material::{ClientAuthentication, Secret};

use crate::client::{CLIENT_ID, Setup, granted, tokens};
use crate::server::{Received, Server, say};

async fn one_request(redeem: bool, client_secret: Option<&str>) -> Received {
    let server = Server::start([say(200, &[], &tokens())]).await;
    let mut setup = Setup::new(&server);
    setup.client_auth =
        client_secret.map(|secret| ClientAuthentication::Secret(Secret::new(secret.to_owned())));
    let outcome = if redeem {
        setup.redeem().await
    } else {
        setup.login().await
    };
    granted(outcome);
    let mut journal = server.journal();
    assert_eq!(journal.len(), 1, "one request and no other");
    journal.remove(0)
}

#[tokio::test]
async fn a_sign_in_is_msals() {
    let request = one_request(false, None).await;
    assert_eq!(request.line(), "POST /contoso.example/oauth2/v2.0/token HTTP/1.1");
    assert_eq!(
        request.body,
        format!(
            "client_id={CLIENT_ID}&grant_type=password&client_info=1&username=alice%40contoso.example\
             &password=marker-pass+word%26%3D%2B%C3%A4&scope=api%3A%2F%2Fx%2F.default+offline_access+openid+profile"
        )
    );
    assert_eq!(
        request.header("x-anchormailbox"),
        Some("upn:alice@contoso.example")
    );
}

#[tokio::test]
async fn a_redemption_is_msals() {
    let request = one_request(true, Some("client-secret-1")).await;
    assert_eq!(request.line(), "POST /contoso.example/oauth2/v2.0/token HTTP/1.1");
    assert_eq!(
        request.body,
        format!(
            "client_id={CLIENT_ID}&grant_type=refresh_token&client_info=1&refresh_token=marker-refresh-token\
             &scope=api%3A%2F%2Fx%2F.default+offline_access+openid+profile&client_secret=client-secret-1"
        )
    );
    assert_eq!(request.header("x-anchormailbox"), Some("Oid:uid-1@utid-1"));
}

#[tokio::test]
async fn headers_are_msals_under_our_own_name() {
    let request = one_request(false, None).await;
    let length = request.body.len().to_string();
    for (name, value) in [
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-length", length.as_str()),
        ("return-client-request-id", "true"),
        ("x-client-sku", "entra-operator"),
        ("x-client-ver", env!("CARGO_PKG_VERSION")),
        ("x-ms-lib-capability", "retry-after, h429"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.header("transfer-encoding"), None, "never chunked");
    assert_eq!(request.header("client-request-id").map(str::len), Some(36));
    for absent in ["cookie", "referer", "authorization", "expect"] {
        assert_eq!(request.header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn every_attempt_has_its_own_correlation_id() {
    let server = Server::start([say(200, &[], &tokens()), say(200, &[], &tokens())]).await;
    let setup = Setup::new(&server);
    granted(setup.redeem().await);
    granted(setup.redeem().await);
    let ids: Vec<_> = server
        .journal()
        .iter()
        .map(|r| r.header("client-request-id").unwrap().to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(server.handshakes(), 1, "connections are kept");
}

#[tokio::test]
async fn what_came_is_handed_on() {
    let server = Server::start([say(200, &[], &tokens())]).await;
    let setup = Setup::new(&server);
    let tokens = granted(setup.login().await);
    let account = tokens.granted.account.unwrap();
    assert_eq!(account.home_account_id, "uid-1.utid-1");
    assert_eq!(
        (account.object_id.as_str(), account.tenant_id.as_str()),
        ("oid-1", "tid-1")
    );
    assert_eq!(account.username, "alice@contoso.example");
    assert_eq!(tokens.granted.answered_at, Time(1_700_000_000));
    assert_eq!(tokens.granted.expires_at.since(tokens.granted.issued_at), 4294);
    assert_eq!(
        tokens.granted.scopes,
        ["api://x/access", "email", "openid", "profile"]
    );
    assert_eq!(tokens.access_token.expose(), "marker-access-token");
    assert_eq!(tokens.refresh_token.unwrap().expose(), "marker-new-refresh-token");
}
