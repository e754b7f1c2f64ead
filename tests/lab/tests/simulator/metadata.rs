//! Discovery, key set, instance discovery, user realm.

use entra_lab::simulator::world::{CONSUMERS, TENANT};
use serde_json::json;

use crate::client::{lab, password_form};

#[tokio::test]
async fn discovery_names_the_tenant_by_guid_and_the_port() {
    let lab = lab().await;
    let base = lab.simulator.url();
    for segment in [TENANT, "contoso.example"] {
        let answer = lab
            .get(&format!("/{segment}/v2.0/.well-known/openid-configuration"))
            .await;
        assert_eq!(
            answer.text("token_endpoint"),
            format!("{base}/{TENANT}/oauth2/v2.0/token")
        );
        assert_eq!(answer.text("issuer"), format!("{base}/{TENANT}/v2.0"));
        assert_eq!(answer.headers["cache-control"], "max-age=86400, private");
    }
    let shared = lab
        .get("/organizations/v2.0/.well-known/openid-configuration")
        .await;
    assert_eq!(shared.text("issuer"), format!("{base}/{{tenantid}}/v2.0"));
    let unknown = lab.get("/nowhere/v2.0/.well-known/openid-configuration").await;
    assert_eq!(unknown.verdict(), (400, 90002, "invalid_tenant", None));
}

#[tokio::test]
async fn the_key_set_verifies_the_tokens() {
    let lab = lab().await;
    let keys = lab.get(&format!("/{TENANT}/discovery/v2.0/keys")).await;
    let key = &keys.body["keys"][0];
    let (n, e) = (key["n"].as_str().unwrap(), key["e"].as_str().unwrap());
    let decoding = jsonwebtoken::DecodingKey::from_rsa_components(n, e).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_aud = false;
    let answer = lab.post(&password_form()).await;
    for token in ["access_token", "id_token"] {
        let token = answer.text(token);
        let header = jsonwebtoken::decode_header(token).unwrap();
        assert_eq!(header.kid.as_deref(), key["kid"].as_str());
        jsonwebtoken::decode::<serde_json::Value>(token, &decoding, &validation).unwrap();
    }
}

#[tokio::test]
async fn instance_discovery_knows_itself_and_the_public_cloud() {
    let lab = lab().await;
    let ask = async |endpoint: &str| {
        let url = url::form_urlencoded::byte_serialize(endpoint.as_bytes()).collect::<String>();
        lab.get(&format!(
            "/common/discovery/instance?api-version=1.0&authorization_endpoint={url}"
        ))
        .await
    };
    let own = ask(&lab.url(&format!("/{TENANT}/oauth2/v2.0/authorize"))).await;
    assert_eq!(own.text("api-version"), "1.0");
    let discovery = format!(
        "{}/{TENANT}/v2.0/.well-known/openid-configuration",
        lab.simulator.url()
    );
    assert_eq!(own.text("tenant_discovery_endpoint"), discovery);
    assert_eq!(
        ask("https://login.microsoftonline.com/x/oauth2/v2.0/authorize")
            .await
            .status,
        200
    );
    let unknown = ask("https://login.evil.example/x/oauth2/v2.0/authorize").await;
    assert_eq!(unknown.verdict(), (400, 50049, "invalid_instance", None));
}

#[tokio::test]
async fn the_realm_of_a_user_follows_from_the_domain() {
    let lab = lab().await;
    let expected = json!({
        "ver": "1.0", "account_type": "Managed", "domain_name": "contoso.example",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_audience_urn": "urn:federation:MicrosoftOnline",
    });
    for path in [
        "/common/userrealm/a%2Bb%40contoso.example",
        "/common/UserRealm/a@contoso.example",
    ] {
        assert_eq!(lab.get(&format!("{path}?api-version=1.0")).await.body, expected);
    }
    let unknown = lab
        .get("/common/userrealm/a@nowhere.example?api-version=1.0")
        .await;
    assert_eq!(unknown.text("account_type"), "Unknown");
    let users: Vec<_> = lab
        .simulator
        .journal()
        .requests()
        .into_iter()
        .filter_map(|entry| entry.user)
        .collect();
    assert_eq!(
        users,
        ["a+b@contoso.example", "a@contoso.example", "a@nowhere.example"]
    );
}

#[tokio::test]
async fn the_correlation_id_may_come_in_the_query() {
    let lab = lab().await;
    let url = lab.url(&format!(
        "/{TENANT}/oauth2/v2.0/token?client-request-id=from-query"
    ));
    let answer: serde_json::Value = lab
        .http
        .post(url)
        .form(&[("x", "y")])
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["correlation_id"], "from-query");
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let lab = lab().await;
    assert_eq!(lab.get("/").await.status, 404);
    assert_eq!(
        lab.get(&format!("/{CONSUMERS}/oauth2/v2.0/authorize"))
            .await
            .status,
        404
    );
}
