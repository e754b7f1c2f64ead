//! OpenID providers: where their discovery document sends us, and where it must not.

use entra_operator::api::Reason;
use entra_operator::entra::Kind;
use entra_operator::plan::answer::{Deed, Effect, Refusal};
use serde_json::json;

use crate::client::{PASSWORD, Setup, granted, refused, tokens};
use crate::server::{Act, Server, say};

const DOCUMENT: &str = "GET /realms/a/.well-known/openid-configuration HTTP/1.1";

async fn started(acts: impl IntoIterator<Item = Act>) -> (Server, Setup) {
    let server = Server::start(acts).await;
    let setup = Setup::of_kind(Kind::Oidc, &issuer(&server), &server.ca_pem, None);
    (server, setup)
}

fn issuer(server: &Server) -> String {
    format!("https://{}/realms/a", server.host())
}

fn names(issuer: &str, endpoint: &str) -> Act {
    let document =
        json!({"issuer": issuer, "token_endpoint": endpoint, "jwks_uri": "https://x.example/keys"});
    say(200, &[], &document.to_string())
}

fn own(server: &Server, endpoint: &str) -> Act {
    names(&issuer(server), &format!("https://{}{endpoint}", server.host()))
}

fn yes() -> Act {
    say(200, &[], &tokens())
}

fn lines(server: &Server) -> Vec<String> {
    server.journal().iter().map(|r| r.line().to_owned()).collect()
}

#[tokio::test]
async fn tokens_come_from_where_the_document_says() {
    let (server, setup) = started([]).await;
    for act in [own(&server, "/realms/a/token"), yes(), yes()] {
        server.then(act);
    }
    granted(setup.login().await);
    granted(setup.redeem().await);
    let post = "POST /realms/a/token HTTP/1.1";
    assert_eq!(
        lines(&server),
        [DOCUMENT, post, post],
        "the document is read once"
    );
    let journal = server.journal();
    assert!(journal[0].body.is_empty() && journal[0].header("x-anchormailbox").is_none());
    assert!(!journal[1].body.contains("client_info"));
    assert!(journal[1].body.ends_with("+offline_access+openid+profile"));
    assert_eq!(journal[1].header("x-anchormailbox"), None);
}

/// Whatever is wrong with the document: a login costs no send, and nothing but the document was asked for.
async fn nothing_is_sent(act: Act, setup: &Setup, server: &Server) -> Refusal {
    server.then(act);
    let refusal = refused(setup.login().await);
    assert_eq!(refusal.effect, Effect::Transient, "{refusal:?}");
    assert!(server.journal().iter().all(|r| r.line() == DOCUMENT));
    assert!(
        server
            .journal()
            .iter()
            .all(|r| !r.head.contains(PASSWORD) && r.body.is_empty())
    );
    refusal
}

#[tokio::test]
async fn a_document_of_another_issuer_is_refused() {
    let (server, setup) = started([]).await;
    let endpoint = format!("https://{}/token", server.host());
    for wrong in [
        format!("{}/", issuer(&server)),
        format!("https://{}/realms/b", server.host()),
        "https://evil.example/realms/a".to_owned(),
    ] {
        let refusal = nothing_is_sent(names(&wrong, &endpoint), &setup, &server).await;
        assert_eq!(refusal.reason, Reason::AppMisconfigured);
        assert!(refusal.message.contains("another issuer") && refusal.message.contains("nothing was sent"));
        assert!(!format!("{refusal:?}").contains("evil.example"));
        assert!(refusal.remedy.contains("authorities[].url"));
    }
}

#[tokio::test]
async fn a_token_endpoint_elsewhere_is_refused() {
    let elsewhere = Server::start([]).await;
    let (server, setup) = started([]).await;
    for foreign in [
        format!("https://{}/token", elsewhere.host()),
        format!("http://{}/token", server.host()),
        "https://login.contoso.example/token".to_owned(),
        format!("https://127.0.0.1:{}/token", server.port),
    ] {
        let refusal = nothing_is_sent(names(&issuer(&server), &foreign), &setup, &server).await;
        assert_eq!(refusal.reason, Reason::AppMisconfigured, "{foreign}");
        assert!(refusal.message.contains("token endpoint"), "{}", refusal.message);
    }
    assert_eq!(elsewhere.handshakes(), 0);
}

#[tokio::test]
async fn what_is_no_document_is_tried_again() {
    let huge = json!({"issuer": "x", "padding": "x".repeat(64 * 1024)}).to_string();
    let elsewhere = Server::start([]).await;
    let target = format!("https://{}/", elsewhere.host());
    for (act, reason) in [
        (say(200, &[], "<html>sign in</html>"), Reason::UnexpectedResponse),
        (say(200, &[], "{}"), Reason::UnexpectedResponse),
        (say(200, &[], &huge), Reason::UnexpectedResponse),
        (say(302, &[("Location", &target)], ""), Reason::UnexpectedResponse),
        (say(404, &[], ""), Reason::UnexpectedResponse),
        (say(503, &[], ""), Reason::ServiceUnavailable),
        (say(429, &[("Retry-After", "7")], ""), Reason::Throttled),
        (Act::Close, Reason::ServiceUnavailable),
    ] {
        let (server, setup) = started([]).await;
        let refusal = nothing_is_sent(act, &setup, &server).await;
        assert_eq!(refusal.reason, reason);
    }
    assert_eq!(elsewhere.handshakes(), 0);
}

#[tokio::test]
async fn the_document_is_read_again_after_a_day() {
    let (server, setup) = started([]).await;
    for act in [own(&server, "/old"), yes(), own(&server, "/new"), yes()] {
        server.then(act);
    }
    granted(setup.redeem().await);
    setup.clock.forward(24 * 3600 + 1);
    granted(setup.redeem().await);
    let expected = [DOCUMENT, "POST /old HTTP/1.1", DOCUMENT, "POST /new HTTP/1.1"];
    assert_eq!(lines(&server), expected);
}

#[tokio::test]
async fn an_endpoint_that_moved_is_found_again_but_not_looked_for_all_the_time() {
    let (server, setup) = started([]).await;
    let gone = || say(404, &[], "not found");
    for act in [
        own(&server, "/old"),
        yes(),
        gone(),
        gone(),
        own(&server, "/new"),
        yes(),
    ] {
        server.then(act);
    }
    granted(setup.redeem().await);
    refused(setup.redeem().await);
    setup.clock.forward(601);
    refused(setup.redeem().await);
    granted(setup.redeem().await);
    let old = "POST /old HTTP/1.1";
    assert_eq!(
        lines(&server),
        [DOCUMENT, old, old, old, DOCUMENT, "POST /new HTTP/1.1"]
    );
}

#[tokio::test]
async fn a_document_that_is_away_leaves_the_known_endpoint_in_use() {
    let (server, setup) = started([]).await;
    for act in [
        own(&server, "/token"),
        yes(),
        say(503, &[], ""),
        say(503, &[], ""),
        yes(),
    ] {
        server.then(act);
    }
    granted(setup.redeem().await);
    setup.clock.forward(601);
    refused(setup.redeem().await);
    refused(setup.redeem().await);
    granted(setup.redeem().await);
    let post = "POST /token HTTP/1.1";
    assert_eq!(lines(&server), [DOCUMENT, post, post, DOCUMENT, post]);
}

#[tokio::test]
async fn a_subject_of_any_visible_text_is_an_account() {
    let id_token = crate::jwt::unsigned(
        &json!({"iss": "https://sso", "sub": "auth0|alice.1:x", "email": "alice@contoso.example"}),
    );
    let body = json!({"token_type": "Bearer", "expires_in": 60, "access_token": "a", "refresh_token": "r",
        "id_token": id_token});
    let (server, setup) = started([]).await;
    server.then(own(&server, "/token"));
    server.then(say(200, &[], &body.to_string()));
    let account = granted(setup.login().await).granted.account.unwrap();
    assert_eq!(
        (account.issuer.as_str(), account.subject.as_str()),
        ("https://sso", "auth0|alice.1:x")
    );
    assert_eq!(account.username, "alice@contoso.example");
}

#[tokio::test]
async fn a_tenant_is_not_resolved_where_there_is_none() {
    let (server, setup) = started([]).await;
    let refusal = setup.of_tenant("contoso.example").resolve().await.unwrap_err();
    assert_eq!(refusal.reason, Reason::AppMisconfigured);
    assert_eq!(server.handshakes(), 0);
}

#[tokio::test]
async fn openid_and_profile_may_be_asked_for_by_themselves() {
    for asked in [&["openid"][..], &["profile", "openid"], &["profile", "api"]] {
        let (server, setup) = started([]).await;
        let setup = setup.asking(asked);
        for act in [own(&server, "/realms/a/token"), yes(), yes()] {
            server.then(act);
        }
        granted(setup.login().await);
        granted(setup.redeem().await);
        for form in &server.journal()[1..] {
            let scope = form.body.split("scope=").nth(1).unwrap();
            let mut expected = [asked, &["offline_access", "openid", "profile"]].concat();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(scope, expected.join("+"), "each once");
        }
    }
}

/// They would say nothing about the API, and the token would be for another one.
#[tokio::test]
async fn no_other_kind_is_asked_for_openid_and_profile() {
    for (kind, path, tenant) in [
        (Kind::Entra, "", Some("contoso.example")),
        (Kind::B2c, "/B2C_1_ropc", Some("contoso.example")),
        (Kind::Adfs, "/adfs", None),
    ] {
        for asked in [&["OpenID"][..], &["api://x/read", "profile"]] {
            let server = Server::start([]).await;
            let url = format!("https://{}{path}", server.host());
            let setup = Setup::of_kind(kind, &url, &server.ca_pem, tenant).asking(asked);
            for outcome in [setup.login().await, setup.redeem().await] {
                let refusal = refused(outcome);
                assert_eq!(
                    (refusal.effect, refusal.reason, refusal.deed),
                    (Effect::Entry, Reason::AppMisconfigured, Deed::Spec)
                );
                assert!(
                    refusal.message.contains("nothing was sent"),
                    "{}",
                    refusal.message
                );
            }
            assert_eq!(server.handshakes(), 0, "{kind:?}");
        }
    }
}
