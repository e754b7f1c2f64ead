//! The password and refresh-token grants: answers, families, revocation, switches.

use entra_lab::simulator::world::{
    API, CLIENT_SECRET, CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, TENANT, password, user_name,
};
use entra_lab::simulator::{
    Event, INACTIVITY, Lifetime, Omit, Options, REFRESH_TOKEN_MARK, RefreshIn, World,
};
use serde_json::json;

use crate::client::{api_scope, but, claims, decode, lab, password_form, refresh_form, with};

#[tokio::test]
async fn a_password_yields_every_token_that_was_asked_for() {
    let lab = lab().await;
    let answer = lab.post(&password_form()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(
        answer.text("scope"),
        "api://orders/access api://orders/read api://orders/.default email openid profile"
    );
    let life = answer.body["expires_in"].as_u64().unwrap();
    assert!((3600..=5400).contains(&life), "{life}");
    assert_eq!(answer.body["ext_expires_in"].as_u64(), Some(life));
    assert!(answer.text("refresh_token").starts_with(REFRESH_TOKEN_MARK));
    assert!(answer.body.get("refresh_in").is_none());
    assert_eq!(answer.headers["cache-control"], "no-store, no-cache");
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 3);
}

#[tokio::test]
async fn tokens_name_the_user_and_the_tenant() {
    let lab = lab().await;
    let answer = lab.post(&password_form()).await;
    let (access, id) = (
        claims(answer.text("access_token")),
        claims(answer.text("id_token")),
    );
    let who = decode(answer.text("client_info"));
    assert_eq!(access["upn"], user_name(0));
    assert_eq!(access["scp"], "access read");
    assert_eq!(id["aud"], PUBLIC_CLIENT);
    assert_eq!(id["preferred_username"], user_name(0));
    assert_eq!(who, json!({"uid": id["oid"], "utid": TENANT}));
    let issuer = format!("{}/{TENANT}/v2.0", lab.simulator.url());
    assert_eq!(access["iss"], issuer);
    let life = access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap();
    assert_eq!(Some(life), answer.body["expires_in"].as_i64());
}

#[tokio::test]
async fn nothing_is_answered_that_was_not_asked_for() {
    let lab = lab().await;
    let form = but(
        but(password_form(), "client_info", None),
        "scope",
        Some("api://orders/read"),
    );
    let answer = lab.post(&form).await;
    assert_eq!(answer.text("scope"), "api://orders/read");
    for field in ["refresh_token", "id_token", "client_info"] {
        assert!(answer.body.get(field).is_none(), "{field}");
    }
}

#[tokio::test]
async fn a_bare_scope_belongs_to_graph() {
    let lab = lab().await;
    let answer = lab
        .post(&but(password_form(), "scope", Some("User.Read openid")))
        .await;
    assert_eq!(answer.text("scope"), "User.Read email openid profile");
}

#[tokio::test]
async fn organizations_and_domains_name_the_tenant_too() {
    let lab = lab().await;
    for segment in ["organizations", "contoso.example", "CONTOSO.example"] {
        let answer = lab.post_to(segment, &password_form()).await.unwrap();
        assert_eq!(claims(answer.text("id_token"))["tid"], TENANT, "{segment}");
    }
}

#[tokio::test]
async fn every_redemption_makes_a_new_token_and_the_old_one_stays() {
    let lab = lab().await;
    let first = lab.sign_in().await;
    let second = lab.redeem(&first).await.text("refresh_token").to_owned();
    assert_ne!(first, second);
    for token in [&first, &second, &first] {
        assert_eq!(lab.redeem(token).await.status, 200);
    }
}

#[tokio::test]
async fn one_token_serves_several_resources() {
    let lab = lab().await;
    let token = lab.sign_in().await;
    let form = but(
        refresh_form(&token),
        "scope",
        Some("https://graph.microsoft.com/User.Read offline_access"),
    );
    let answer = lab.post(&form).await;
    assert_eq!(answer.text("scope"), "https://graph.microsoft.com/User.Read");
}

#[tokio::test]
async fn inactivity_of_ninety_days_ends_a_token_but_not_its_successor() {
    let lab = lab().await;
    let first = lab.sign_in().await;
    lab.simulator.clock().advance(INACTIVITY - 60);
    let second = lab.redeem(&first).await.text("refresh_token").to_owned();
    lab.simulator.clock().advance(120);
    assert_eq!(
        lab.redeem(&first).await.verdict(),
        (400, 700082, "invalid_grant", Some("bad_token"))
    );
    assert_eq!(lab.redeem(&second).await.status, 200);
}

#[tokio::test]
async fn the_date_header_follows_the_clock() {
    let lab = lab().await;
    let before = lab.post(&password_form()).await.headers["date"].clone();
    lab.simulator.clock().advance(86_400);
    assert_ne!(lab.post(&password_form()).await.headers["date"], before);
}

/// (event, does a public token survive, does a confidential one survive).
const MATRIX: &[(Event, bool, bool)] = &[
    (Event::PasswordExpired, true, true),
    (Event::PasswordChanged, false, true),
    (Event::SelfServiceReset, false, true),
    (Event::AdminResetAzurePortal, false, true),
    (Event::AdminResetEntra, false, false),
    (Event::SessionsRevoked, false, false),
    (Event::SignedOut, true, true),
];

#[tokio::test]
async fn events_revoke_what_the_matrix_says() {
    let lab = lab().await;
    for &(event, public, confidential) in MATRIX {
        let token = lab.sign_in().await;
        let secret = |form| {
            let form = but(form, "client_id", Some(CONFIDENTIAL_CLIENT));
            but(form, "client_secret", Some(CLIENT_SECRET))
        };
        let signed_in = lab.post(&secret(password_form())).await;
        lab.simulator.happened(&user_name(0), event);
        let survives = lab.redeem(&token).await;
        assert_eq!(survives.status == 200, public, "{event:?}");
        if !public {
            assert_eq!(
                survives.verdict(),
                (400, 50173, "invalid_grant", Some("bad_token"))
            );
        }
        let form = secret(refresh_form(signed_in.text("refresh_token")));
        assert_eq!(lab.post(&form).await.status == 200, confidential, "{event:?}");
    }
}

#[tokio::test]
async fn a_changed_password_is_the_only_one_that_works() {
    let lab = lab().await;
    lab.simulator
        .change_password(&user_name(0), "new", Event::PasswordChanged);
    assert_eq!(lab.code(&password_form()).await, 50126);
    assert_eq!(lab.code(&but(password_form(), "password", Some("new"))).await, 0);
}

#[tokio::test]
async fn clients_with_cp1_get_long_lives_and_refresh_in() {
    let lab = lab().await;
    let claims = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let answer = lab.post(&but(password_form(), "claims", Some(claims))).await;
    let life = answer.body["expires_in"].as_u64().unwrap();
    assert!((72_000..=100_800).contains(&life), "{life}");
    assert_eq!(answer.body["refresh_in"].as_u64(), Some(life / 2));
}

#[tokio::test]
async fn lives_can_be_seconds() {
    let lab = with(Options::new(World::with_users(1)).token_lifetime(24)).await;
    assert_eq!(lab.post(&password_form()).await.body["expires_in"], 24);
    lab.simulator.set_token_lifetime(5);
    lab.simulator
        .configure(|behaviour| behaviour.refresh_in = RefreshIn::Seconds(2));
    let answer = lab.post(&password_form()).await;
    assert_eq!(
        (&answer.body["expires_in"], &answer.body["refresh_in"]),
        (&json!(5), &json!(2))
    );
}

#[tokio::test]
async fn odd_shapes_are_switches() {
    let lab = lab().await;
    lab.simulator.configure(|behaviour| {
        behaviour.lifetime = Lifetime::Seconds(60);
        behaviour.string_numbers = true;
        behaviour.omit_scope = true;
        behaviour.omit_refresh_token = Omit::Always;
        behaviour.token_type = "pop".to_owned();
        behaviour.opaque_access_tokens = true;
    });
    let answer = lab.post(&password_form()).await;
    assert_eq!(answer.body["expires_in"], "60");
    assert_eq!(answer.text("token_type"), "pop");
    assert!(answer.text("access_token").starts_with("ATMARK-"));
    assert!(answer.body.get("scope").is_none() && answer.body.get("refresh_token").is_none());
}

#[tokio::test]
async fn the_refresh_token_can_be_left_out_of_refreshes_only() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.omit_refresh_token = Omit::OnRefresh);
    let token = lab.sign_in().await;
    assert!(lab.redeem(&token).await.body.get("refresh_token").is_none());
}

#[tokio::test]
async fn another_user_can_be_answered() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.answer_as = Some(user_name(1)));
    let answer = lab.post(&password_form()).await;
    assert_eq!(
        claims(answer.text("id_token"))["preferred_username"],
        user_name(1)
    );
    let other = lab.simulator.change(|world| world.users[1].oid.clone());
    assert_eq!(decode(answer.text("client_info"))["uid"], other);
}

#[tokio::test]
async fn scopes_can_be_narrowed() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.narrowed_scope = Some(format!("{API}/read")));
    let form = but(password_form(), "scope", Some(&api_scope("access")));
    assert_eq!(lab.post(&form).await.text("scope"), "api://orders/read");
}

#[tokio::test]
async fn a_confidential_client_proves_itself_in_form_or_header() {
    let lab = lab().await;
    let form = but(password_form(), "client_id", Some(CONFIDENTIAL_CLIENT));
    assert_eq!(
        lab.code(&but(form.clone(), "client_secret", Some(CLIENT_SECRET)))
            .await,
        0
    );
    let url = lab.url(&format!("/{TENANT}/oauth2/v2.0/token"));
    let secret = "SIMCLIENTSECRET%7Econtoso";
    let sent = lab
        .http
        .post(url)
        .basic_auth(CONFIDENTIAL_CLIENT, Some(secret))
        .form(&form)
        .send();
    assert_eq!(sent.await.unwrap().status(), 200);
    let header = &lab.simulator.journal().requests()[1].headers["authorization"];
    assert!(header.starts_with("sha256:"), "{header}");
}

#[tokio::test]
async fn every_user_of_a_crowd_has_tokens_of_their_own() {
    let lab = with(Options::new(World::with_users(50))).await;
    let mut ids = std::collections::BTreeSet::new();
    for index in 0..50 {
        let form = but(password_form(), "username", Some(&user_name(index)));
        let answer = lab.post(&but(form, "password", Some(&password(index)))).await;
        ids.insert(
            claims(answer.text("id_token"))["oid"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(ids.len(), 50);
}
