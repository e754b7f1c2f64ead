//! Resolving tenants by their discovery document.

use entra_operator::api::Reason;
use entra_operator::plan::answer::Effect;

use crate::client::Setup;
use crate::server::{Act, Server, say};

const GUID: &str = "11111111-2222-3333-4444-555555555555";

fn document() -> String {
    format!(r#"{{"token_endpoint":"https://h/{GUID}/oauth2/v2.0/token","issuer":"https://h/{GUID}/v2.0"}}"#)
}

#[tokio::test]
async fn a_domain_is_resolved_once() {
    let server = Server::start([say(200, &[], &document())]).await;
    let setup = Setup::new(&server);
    assert_eq!(setup.resolve().await.unwrap(), GUID);
    assert_eq!(setup.resolve().await.unwrap(), GUID);
    let journal = server.journal();
    assert_eq!(journal.len(), 1);
    assert_eq!(
        journal[0].line(),
        "GET /contoso.example/v2.0/.well-known/openid-configuration HTTP/1.1"
    );
    assert_eq!(journal[0].header("x-anchormailbox"), None);
}

#[tokio::test]
async fn it_is_asked_again_after_a_day() {
    let server = Server::start([say(200, &[], &document()), say(200, &[], &document())]).await;
    let setup = Setup::new(&server);
    setup.resolve().await.unwrap();
    setup.clock.forward(24 * 3600 + 1);
    setup.resolve().await.unwrap();
    assert_eq!(server.journal().len(), 2);
}

#[tokio::test]
async fn guids_and_organizations_need_no_call() {
    let server = Server::start([]).await;
    assert_eq!(
        Setup::new(&server)
            .of_tenant(&GUID.to_uppercase())
            .resolve()
            .await
            .unwrap(),
        GUID
    );
    let refusal = Setup::new(&server)
        .of_tenant("organizations")
        .resolve()
        .await
        .unwrap_err();
    assert_eq!(
        (refusal.effect, refusal.reason),
        (Effect::Person, Reason::AppMisconfigured)
    );
    assert_eq!(server.handshakes(), 0);
}

#[tokio::test]
async fn an_unknown_tenant_is_said_and_not_remembered() {
    let unknown = r#"{"error":"invalid_tenant","error_codes":[90002]}"#;
    let server = Server::start([say(400, &[], unknown), say(200, &[], &document())]).await;
    let setup = Setup::new(&server);
    let refusal = setup.resolve().await.unwrap_err();
    assert_eq!(
        (refusal.effect, refusal.reason, refusal.code),
        (Effect::Person, Reason::TenantNotFound, Some(90002))
    );
    assert_eq!(setup.resolve().await.unwrap(), GUID);
}

#[tokio::test]
async fn whatever_else_comes_is_tried_again() {
    for act in [
        say(200, &[], "{}"),
        say(200, &[], "<html>"),
        say(503, &[], ""),
        say(302, &[], ""),
        Act::Close,
    ] {
        let server = Server::start([act]).await;
        assert_eq!(
            Setup::new(&server).resolve().await.unwrap_err().effect,
            Effect::Transient
        );
    }
}

#[tokio::test]
async fn a_tenant_that_the_grant_cannot_use_is_not_asked_for() {
    let server = Server::start([]).await;
    for tenant in ["common", "consumers", "a/../b", "a?b", ""] {
        let setup = Setup::new(&server).of_tenant(tenant);
        assert_eq!(
            setup.resolve().await.unwrap_err().reason,
            Reason::AppMisconfigured,
            "{tenant}"
        );
        assert_eq!(
            crate::client::refused(setup.login().await).reason,
            Reason::AppMisconfigured,
            "{tenant}"
        );
    }
    assert_eq!(server.handshakes(), 0);
}
