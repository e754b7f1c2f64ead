//! ADFS, B2C and generic issuers beside Entra ID.

use entra_lab::simulator::world::{CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::simulator::{Fault, Issuer, Lifetime, Options, Rotation, World};
use serde_json::{Value, json};

use crate::client::{Answer, Lab, but, claims, decode, password_form, refresh_form, with};

const ADFS: &str = "/adfs/oauth2/token";
const B2C: &str = "/contoso.example/B2C_1_ropc/oauth2/v2.0/token";

async fn lab() -> Lab {
    let rotations = [
        ("kept", Rotation::Kept),
        ("renewed", Rotation::Renewed),
        ("once", Rotation::OneTime),
    ];
    let world = rotations
        .into_iter()
        .fold(World::with_users(1), |world, (name, rotation)| {
            world.issuer(Issuer::new(name, rotation))
        });
    let lab = with(Options::new(world)).await;
    lab.simulator
        .configure(|behaviour| behaviour.lifetime = Lifetime::Seconds(600));
    lab
}

fn b2c_form() -> Vec<(&'static str, String)> {
    let form = but(password_form(), "response_type", Some("token id_token"));
    but(
        form,
        "scope",
        Some(&format!("openid {PUBLIC_CLIENT} offline_access")),
    )
}

fn oidc_form(scope: &str) -> Vec<(&'static str, String)> {
    but(password_form(), "scope", Some(scope))
}

/// (HTTP status, error, description); nothing else may be in the body.
fn plain(answer: &Answer) -> (u16, &str, &str) {
    assert_eq!(answer.body.as_object().unwrap().len(), 2, "{}", answer.body);
    (
        answer.status,
        answer.text("error"),
        answer.text("error_description"),
    )
}

async fn document(lab: &Lab, authority: &str) -> Answer {
    lab.get(&format!("{authority}/.well-known/openid-configuration"))
        .await
}

#[tokio::test]
async fn each_discovery_document_names_its_own_endpoints() {
    let lab = lab().await;
    for (authority, issuer, token, keys) in [
        ("/adfs", "/adfs", ADFS, "/adfs/discovery/keys"),
        (
            "/oidc/renewed",
            "/oidc/renewed",
            "/oidc/renewed/token",
            "/oidc/renewed/keys",
        ),
        (
            "/contoso.example/B2C_1_ropc/v2.0",
            "/11111111-2222-3333-4444-555555555555/v2.0/",
            B2C,
            "/contoso.example/B2C_1_ropc/discovery/v2.0/keys",
        ),
    ] {
        let document = document(&lab, authority).await;
        assert_eq!(document.text("issuer"), lab.url(issuer));
        assert_eq!(document.text("token_endpoint"), lab.url(token));
        assert_eq!(document.text("jwks_uri"), lab.url(keys));
        assert!(lab.get(keys).await.body["keys"][0]["n"].is_string(), "{keys}");
    }
    assert_eq!(document(&lab, "/oidc/nobody").await.status, 404);
    assert_eq!(
        document(&lab, "/nowhere/B2C_1_ropc/v2.0").await.verdict().1,
        90002
    );
}

#[tokio::test]
async fn adfs_answers_with_text_for_numbers_and_without_client_info() {
    let lab = lab().await;
    let answer = lab.post_path(ADFS, &password_form()).await;
    assert_eq!(answer.body["expires_in"], "600");
    assert_eq!(answer.body["refresh_token_expires_in"], "28800");
    assert_eq!(answer.text("token_type"), "bearer");
    assert_eq!(answer.text("resource"), "api://orders");
    assert!(answer.body.get("client_info").is_none() && answer.body.get("ext_expires_in").is_none());
    let id = claims(answer.text("id_token"));
    assert_eq!(
        (&id["iss"], &id["upn"]),
        (&json!(lab.url("/adfs")), &json!(user_name(0)))
    );
    assert!(id.get("tid").is_none() && id.get("oid").is_none());
    let redeemed = lab
        .post_path("/adfs/oauth2/token/", &refresh_form(answer.text("refresh_token")))
        .await;
    assert_eq!(redeemed.status, 200);
}

#[tokio::test]
async fn adfs_refuses_in_its_own_words() {
    let lab = lab().await;
    let wrong = lab
        .post_path(ADFS, &but(password_form(), "password", Some("wrong")))
        .await;
    let text = "MSIS9659: Invalid 'username' or 'password'.";
    assert_eq!(plain(&wrong), (400, "invalid_grant", text));
    let nobody = lab
        .post_path(
            ADFS,
            &but(password_form(), "username", Some("x@elsewhere.example")),
        )
        .await;
    assert_eq!(plain(&nobody), (400, "invalid_grant", text));
    let unknown = lab
        .post_path(ADFS, &but(password_form(), "client_id", Some("x")))
        .await;
    assert_eq!((plain(&unknown).0, plain(&unknown).1), (401, "invalid_client"));
    let saml = but(
        password_form(),
        "grant_type",
        Some("urn:ietf:params:oauth:grant-type:saml2-bearer"),
    );
    assert_eq!(
        plain(&lab.post_path(ADFS, &saml).await).1,
        "unsupported_grant_type"
    );
    let codes: Vec<_> = lab
        .simulator
        .journal()
        .requests()
        .iter()
        .map(entra_lab::simulator::Entry::code)
        .collect();
    assert_eq!(
        codes[..2],
        [Some(50126), Some(50128)],
        "the journal tells more than the answer"
    );
}

#[tokio::test]
async fn b2c_signs_in_for_the_application_itself() {
    let lab = lab().await;
    for path in [B2C, "/tfp/CONTOSO.example/b2c_1_ROPC/oauth2/v2.0/token"] {
        let answer = lab.post_path(path, &b2c_form()).await;
        assert_eq!(answer.body["expires_in"], "600", "{}", answer.body);
        for field in ["scope", "client_info", "ext_expires_in", "not_before"] {
            assert!(answer.body.get(field).is_none(), "{field}");
        }
        let (access, id) = (
            claims(answer.text("access_token")),
            claims(answer.text("id_token")),
        );
        assert_eq!(
            (&access["aud"], &id["aud"]),
            (&json!(PUBLIC_CLIENT), &json!(PUBLIC_CLIENT))
        );
        assert_eq!((&id["sub"], &id["emails"][0]), (&id["oid"], &json!(user_name(0))));
    }
}

#[tokio::test]
async fn b2c_answers_a_refresh_with_more_fields() {
    let lab = lab().await;
    let first = lab.post_path(B2C, &b2c_form()).await;
    let form = but(
        refresh_form(first.text("refresh_token")),
        "scope",
        Some("openid offline_access"),
    );
    let answer = lab.post_path(B2C, &form).await.body;
    let number = |field: &str| {
        answer[field]
            .as_i64()
            .unwrap_or_else(|| panic!("{field} in {answer}"))
    };
    assert_eq!(number("expires_on") - number("not_before"), number("expires_in"));
    assert_eq!(
        (number("id_token_expires_in"), number("refresh_token_expires_in")),
        (3600, 1_209_600)
    );
    assert_eq!(
        decode(answer["profile_info"].as_str().unwrap())["name"],
        user_name(0)
    );
    assert!(answer["refresh_token"].is_string());
}

#[tokio::test]
async fn b2c_refuses_with_codes_in_the_text_only() {
    let lab = lab().await;
    let wrong = lab
        .post_path(B2C, &but(b2c_form(), "password", Some("wrong")))
        .await;
    let (status, error, text) = plain(&wrong);
    assert_eq!((status, error), (400, "access_denied"));
    assert!(
        text.starts_with(
            "AADB2C90225: The username or password provided in the request are invalid.\r\nCorr"
        ),
        "{text}"
    );
    for (name, value, error, code) in [
        ("client_id", Some("nobody"), "invalid_request", "AADB2C90068"),
        (
            "client_id",
            Some(CONFIDENTIAL_CLIENT),
            "unauthorized_client",
            "AADB2C90057",
        ),
        (
            "grant_type",
            Some("magic"),
            "unsupported_grant_type",
            "AADB2C90086",
        ),
        (
            "scope",
            Some("api://nothing/.default"),
            "invalid_request",
            "AADB2C90117",
        ),
        ("response_type", None, "invalid_request", "The request body"),
    ] {
        let answer = lab.post_path(B2C, &but(b2c_form(), name, value)).await;
        let (_, is, text) = plain(&answer);
        assert_eq!(is, error, "{name} {value:?}");
        assert!(text.starts_with(code), "{text}");
    }
    let garbage = lab.post_path(B2C, &refresh_form("x")).await;
    assert!(plain(&garbage).2.starts_with("AADB2C90080"));
    let secret = but(b2c_form(), "client_secret", Some("anything"));
    assert_eq!(
        lab.post_path(B2C, &secret).await.status,
        200,
        "it looks at no secret"
    );
}

#[tokio::test]
async fn external_id_answers_as_entra_does() {
    let world = World::with_users(0)
        .tenant(
            "33333333-4444-5555-6666-777777777777",
            "fabrikam.onmicrosoft.example",
        )
        .user(entra_lab::simulator::User {
            tenant: "33333333-4444-5555-6666-777777777777".to_owned(),
            ..entra_lab::simulator::User::new("alice@mail.example", "pw")
        });
    let lab = with(Options::new(world)).await;
    let form = but(
        but(password_form(), "username", Some("alice@mail.example")),
        "password",
        Some("pw"),
    );
    let answer = lab.post_to("fabrikam.onmicrosoft.example", &form).await.unwrap();
    assert_eq!(
        decode(answer.text("client_info"))["utid"],
        "33333333-4444-5555-6666-777777777777"
    );
}

#[tokio::test]
async fn a_generic_issuer_takes_any_scope_and_says_what_openid_asks_for() {
    let lab = lab().await;
    let answer = lab
        .post_path(
            "/oidc/renewed/token",
            &oidc_form("openid offline_access read:orders"),
        )
        .await;
    assert_eq!(answer.body["expires_in"], 600);
    assert_eq!(answer.text("scope"), "read:orders email openid profile");
    assert!(answer.body.get("client_info").is_none());
    let id = claims(answer.text("id_token"));
    assert_eq!(id["iss"], lab.url("/oidc/renewed"));
    assert_eq!(id["preferred_username"], user_name(0));
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.get("x-ms-request-id").is_none());
    let wrong = lab
        .post_path(
            "/oidc/renewed/token",
            &but(oidc_form("read"), "password", Some("wrong")),
        )
        .await;
    assert_eq!((plain(&wrong).0, plain(&wrong).1), (400, "invalid_grant"));
    let nobody = lab.post_path("/oidc/nobody/token", &oidc_form("read")).await;
    assert_eq!(nobody.status, 404);
}

async fn redeem(lab: &Lab, issuer: &str, token: &str) -> Answer {
    let form = but(refresh_form(token), "scope", Some("openid offline_access"));
    lab.post_path(&format!("/oidc/{issuer}/token"), &form).await
}

async fn first_token(lab: &Lab, issuer: &str) -> String {
    let answer = lab
        .post_path(
            &format!("/oidc/{issuer}/token"),
            &oidc_form("openid offline_access"),
        )
        .await;
    answer.text("refresh_token").to_owned()
}

#[tokio::test]
async fn refresh_tokens_can_be_kept_or_renewed() {
    let lab = lab().await;
    for (issuer, another) in [("kept", false), ("renewed", true)] {
        let token = first_token(&lab, issuer).await;
        for _ in 0..2 {
            let answer = redeem(&lab, issuer, &token).await;
            assert_eq!(
                (answer.status, answer.body.get("refresh_token").is_some()),
                (200, another),
                "{issuer}"
            );
        }
    }
}

#[tokio::test]
async fn using_a_one_time_token_again_ends_its_family_and_no_other() {
    let lab = lab().await;
    let (first, other) = (first_token(&lab, "once").await, first_token(&lab, "once").await);
    let second = redeem(&lab, "once", &first)
        .await
        .text("refresh_token")
        .to_owned();
    let third = redeem(&lab, "once", &second)
        .await
        .text("refresh_token")
        .to_owned();
    assert_eq!(plain(&redeem(&lab, "once", &first).await).1, "invalid_grant");
    assert_eq!(plain(&redeem(&lab, "once", &third).await).1, "invalid_grant");
    assert_eq!(redeem(&lab, "once", &other).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_are_good_only_where_they_came_from() {
    let lab = lab().await;
    let entra = lab.sign_in().await;
    let adfs = lab
        .post_path(ADFS, &password_form())
        .await
        .text("refresh_token")
        .to_owned();
    let b2c = lab
        .post_path(B2C, &b2c_form())
        .await
        .text("refresh_token")
        .to_owned();
    assert_eq!(lab.redeem(&adfs).await.verdict().1, 9_002_313);
    assert_eq!(lab.redeem(&b2c).await.verdict().1, 9_002_313);
    assert_eq!(lab.post_path(ADFS, &refresh_form(&entra)).await.status, 400);
    let other_policy = "/contoso.example/B2C_1_other/oauth2/v2.0/token";
    assert_eq!(lab.post_path(other_policy, &refresh_form(&b2c)).await.status, 400);
    assert_eq!(
        redeem(&lab, "kept", &first_token(&lab, "renewed").await)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn faults_meet_every_token_endpoint_in_its_own_words() {
    let lab = lab().await;
    for path in [ADFS, B2C, "/oidc/kept/token"] {
        lab.simulator.fault(Fault::code(50033));
        let answer = lab.post_path(path, &password_form()).await;
        assert_eq!(
            (plain(&answer).0, plain(&answer).1),
            (503, "temporarily_unavailable"),
            "{path}"
        );
    }
    assert_eq!(lab.simulator.faults_left(), 0);
}

#[tokio::test]
async fn the_fields_of_v1_are_text() {
    let lab = lab().await;
    lab.simulator.configure(|behaviour| behaviour.v1_shape = true);
    let answer = lab.post(&password_form()).await.body;
    let number = |field: &str| answer[field].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("expires_on") - number("not_before"), 600);
    assert_eq!((number("expires_in"), number("ext_expires_in")), (600, 600));
    assert_eq!(answer["resource"], "api://orders");
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["tid"], TENANT);
}

#[tokio::test]
async fn passwords_at_every_authority_are_counted() {
    let lab = lab().await;
    for path in [ADFS, B2C, "/oidc/kept/token"] {
        lab.post_path(path, &password_form()).await;
    }
    assert_eq!(
        lab.simulator
            .journal()
            .password_sends_of(&user_name(0), &password(0)),
        3
    );
    let entries: Vec<Value> = lab
        .simulator
        .journal()
        .requests()
        .iter()
        .map(|entry| json!(entry.user))
        .collect();
    assert_eq!(entries, [user_name(0), user_name(0), user_name(0)]);
}
