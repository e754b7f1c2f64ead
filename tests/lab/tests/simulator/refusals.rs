//! Every refusal with its HTTP status, code, OAuth error and suberror, and the exact body.

use entra_lab::simulator::world::{
    API, CLIENT_SECRET, CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, TENANT, password, user_name,
};
use entra_lab::simulator::{
    Account, Application, ClientSecret, Fault, Options, Policy, Refusal, Resource, Separator, User, World,
    known_codes,
};

use crate::client::{Lab, but, lab, password_form, refresh_form, with};

const OTHER_TENANT: &str = "22222222-3333-4444-5555-666666666666";
const OTHER_CLIENT: &str = "aaaaaaaa-0000-4000-8000-000000000003";

#[tokio::test]
async fn the_body_of_a_refusal_has_the_recorded_shape() {
    let lab = lab().await;
    let url = lab.url(&format!("/{TENANT}/oauth2/v2.0/token"));
    let request = lab
        .http
        .post(url)
        .header("client-request-id", "24c0ffee-0000-4000-8000-000000000000")
        .header("return-client-request-id", "true")
        .form(&but(password_form(), "password", Some("wrong")));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 400);
    let headers = response.headers().clone();
    let body: serde_json::Value = response.json().await.unwrap();
    let (trace, time) = (
        body["trace_id"].as_str().unwrap(),
        body["timestamp"].as_str().unwrap(),
    );
    assert_eq!(headers["x-ms-request-id"], trace);
    assert_eq!(
        headers["client-request-id"],
        "24c0ffee-0000-4000-8000-000000000000"
    );
    assert_eq!(headers["x-ms-clitelem"], "1,50126,0,,");
    let description = format!(
        "AADSTS50126: Error validating credentials due to invalid username or password. Trace ID: {trace} \
         Correlation ID: 24c0ffee-0000-4000-8000-000000000000 Timestamp: {time}"
    );
    let expected = serde_json::json!({
        "error": "invalid_grant",
        "error_description": description,
        "error_codes": [50126],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": "24c0ffee-0000-4000-8000-000000000000",
        "error_uri": format!("{}/error?code=50126", lab.simulator.url()),
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn older_answers_separate_with_line_breaks() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.separator = Separator::CrLf);
    let answer = lab.post(&but(password_form(), "password", Some("wrong"))).await;
    assert!(
        answer
            .text("error_description")
            .contains("password.\r\nTrace ID: ")
    );
}

#[tokio::test]
async fn malformed_requests_are_refused_in_order() {
    let lab = lab().await;
    let refuse = |name, value| but(password_form(), name, value);
    assert_eq!(
        lab.post(&[]).await.verdict(),
        (400, 900144, "invalid_request", None)
    );
    for name in ["grant_type", "client_id", "scope", "username", "password"] {
        let answer = lab.post(&refuse(name, None)).await;
        assert_eq!(answer.verdict(), (400, 900144, "invalid_request", None), "{name}");
        assert!(
            answer.text("error_description").contains(&format!("'{name}'")),
            "{name}"
        );
        assert_eq!(lab.code(&refuse(name, Some(""))).await, 900144, "{name}");
    }
    let unknown = lab.post(&refuse("grant_type", Some("magic"))).await;
    assert_eq!(unknown.verdict(), (400, 70003, "unsupported_grant_type", None));
    let claims = lab.post(&refuse("claims", Some("{"))).await;
    assert_eq!(claims.verdict(), (400, 90100, "invalid_request", None));
}

#[tokio::test]
async fn only_a_posted_form_is_looked_at() {
    let lab = lab().await;
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    assert_eq!(
        lab.get(&path).await.verdict(),
        (400, 900561, "invalid_request", None)
    );
    let json = lab
        .http
        .post(lab.url(&path))
        .json(&serde_json::json!({}))
        .send()
        .await
        .unwrap();
    assert!(json.text().await.unwrap().contains("AADSTS90056"));
}

#[tokio::test]
async fn tenants_that_do_not_serve_the_grant() {
    let lab = lab().await;
    let to = async |tenant| lab.post_to(tenant, &password_form()).await.unwrap();
    assert_eq!(
        to("nowhere.example").await.verdict(),
        (400, 90002, "invalid_request", None)
    );
    for tenant in ["common", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"] {
        assert_eq!(
            to(tenant).await.verdict(),
            (400, 9001023, "invalid_request", None),
            "{tenant}"
        );
    }
}

async fn with_applications() -> Lab {
    let mut disabled = Application::public(OTHER_CLIENT);
    disabled.enabled = false;
    let lab = with(Options::new(World::with_users(1).application(disabled))).await;
    let past = lab.simulator.clock().now() - jiff::SignedDuration::from_hours(1);
    lab.simulator.change(|world| {
        let old = ClientSecret {
            value: "OLD".to_owned(),
            expires: Some(past),
        };
        world.applications[1].secrets.push(old);
    });
    lab
}

#[tokio::test]
async fn clients_that_are_not_let_in() {
    let lab = with_applications().await;
    let secret = |value| {
        but(
            but(password_form(), "client_id", Some(CONFIDENTIAL_CLIENT)),
            "client_secret",
            value,
        )
    };
    assert_eq!(
        lab.post(&secret(None)).await.verdict(),
        (401, 7000218, "invalid_client", None)
    );
    assert_eq!(
        lab.post(&secret(Some("no"))).await.verdict(),
        (401, 7000215, "invalid_client", None)
    );
    assert_eq!(
        lab.post(&secret(Some("OLD"))).await.verdict(),
        (401, 7000222, "invalid_client", None)
    );
    let public = but(password_form(), "client_secret", Some(CLIENT_SECRET));
    assert_eq!(
        lab.post(&public).await.verdict(),
        (401, 700025, "invalid_client", None)
    );
    let unknown = but(password_form(), "client_id", Some("nobody"));
    assert_eq!(
        lab.post(&unknown).await.verdict(),
        (400, 700016, "unauthorized_client", None)
    );
    lab.simulator
        .change(|world| world.applications[0].tenants = [OTHER_TENANT.to_owned()].into());
    for tenant in [TENANT, "organizations"] {
        assert_eq!(
            lab.post_to(tenant, &password_form()).await.unwrap().verdict().1,
            700016,
            "{tenant}"
        );
    }
    let disabled = but(password_form(), "client_id", Some(OTHER_CLIENT));
    assert_eq!(
        lab.post(&disabled).await.verdict(),
        (400, 7000112, "unauthorized_client", None)
    );
}

#[tokio::test]
async fn scopes_that_are_not_served() {
    let world = World::with_users(1).resource(Resource::new("api://other", &["x"]));
    let lab = with(Options::new(world)).await;
    lab.simulator.change(|world| {
        world.applications[0].permissions = [API, "api://off"].map(str::to_owned).into();
        world.resources.push(Resource {
            enabled: false,
            ..Resource::new("api://off", &["x"])
        });
    });
    let refused = [
        ("api://orders/read api://other/x", 28000, "invalid_scope"),
        ("api://orders/.default api://orders/read", 70011, "invalid_scope"),
        ("api://orders/unheard-of", 70011, "invalid_scope"),
        ("api://orders/", 70011, "invalid_scope"),
        ("api://nothing/.default", 500011, "invalid_resource"),
        ("api://other/.default", 650057, "invalid_resource"),
        ("api://off/.default", 500014, "invalid_resource"),
    ];
    for (scope, code, error) in refused {
        let answer = lab.post(&but(password_form(), "scope", Some(scope))).await;
        assert_eq!(answer.verdict(), (400, code, error, None), "{scope}");
    }
}

#[tokio::test]
async fn users_that_cannot_sign_in() {
    let guest = User {
        guest_of: [TENANT.to_owned()].into(),
        ..User::new("guest@fabrikam.example", "x")
    };
    let world = World::with_users(1)
        .tenant(OTHER_TENANT, "fabrikam.example")
        .user(guest)
        .user(User::new("stranger@fabrikam.example", "x"));
    let lab = with(Options::new(world)).await;
    let named = async |name: &str| lab.post(&but(password_form(), "username", Some(name))).await;
    for name in ["nobody@contoso.example", "stranger@fabrikam.example"] {
        assert_eq!(
            named(name).await.verdict(),
            (400, 50034, "invalid_grant", Some("bad_token")),
            "{name}"
        );
    }
    assert_eq!(
        named("guest@fabrikam.example").await.verdict(),
        (400, 50020, "invalid_grant", None)
    );
    let lost = but(password_form(), "username", Some("a@nowhere.example"));
    assert_eq!(
        lab.post_to("organizations", &lost).await.unwrap().verdict().1,
        50128
    );
    for (account, code) in [
        (Account::Disabled, 50057),
        (Account::Locked, 50053),
        (Account::Active, 0),
    ] {
        lab.simulator.set_account(&user_name(0), account);
        assert_eq!(lab.code(&password_form()).await, code);
    }
}

#[tokio::test]
async fn passwords_that_do_not_do() {
    let lab = lab().await;
    let wrong = but(password_form(), "password", Some("wrong"));
    assert_eq!(
        lab.post(&wrong).await.verdict(),
        (400, 50126, "invalid_grant", None)
    );
    for close in [password(0).to_lowercase(), format!("{} ", password(0))] {
        assert_eq!(
            lab.code(&but(password_form(), "password", Some(&close))).await,
            50126,
            "{close}"
        );
    }
    let long = "x".repeat(257);
    assert_eq!(
        lab.code(&but(password_form(), "password", Some(&long))).await,
        50052
    );
    lab.simulator
        .change_user(&user_name(0), |user| user.password_expired = true);
    let expired = lab.post(&password_form()).await;
    assert_eq!(expired.verdict(), (400, 50055, "invalid_grant", None));
    assert!(expired.text("password_change_url").starts_with("https://"));
    assert_eq!(
        lab.code(&wrong).await,
        50126,
        "expiry must not be told to someone with a wrong password"
    );
}

#[tokio::test]
async fn policy_speaks_only_after_the_right_password() {
    let lab = lab().await;
    let cases = [
        (Policy::Mfa, 50076, "invalid_grant", Some("basic_action"), true),
        (Policy::MfaRegistration, 50079, "interaction_required", None, true),
        (Policy::Block, 53003, "invalid_grant", Some("message_only"), true),
        (
            Policy::CompliantDevice,
            53000,
            "interaction_required",
            None,
            false,
        ),
        (Policy::SecurityDefaults, 530035, "invalid_grant", None, false),
    ];
    let token = lab.sign_in().await;
    for (policy, code, error, suberror, claims) in cases {
        lab.simulator.set_policy(&user_name(0), policy);
        for form in [password_form(), refresh_form(&token)] {
            let answer = lab.post(&form).await;
            assert_eq!(answer.verdict(), (400, code, error, suberror));
            assert_eq!(answer.body["claims"].is_string(), claims, "{policy:?}");
        }
        assert_eq!(
            lab.code(&but(password_form(), "password", Some("wrong"))).await,
            50126
        );
    }
}

#[tokio::test]
async fn missing_consent_is_refused_until_it_is_granted() {
    let lab = lab().await;
    lab.simulator.withdraw_consent(&user_name(0), PUBLIC_CLIENT, API);
    let answer = lab.post(&password_form()).await;
    assert_eq!(
        answer.verdict(),
        (400, 65001, "invalid_grant", Some("consent_required"))
    );
    lab.simulator.grant_consent(&user_name(0), PUBLIC_CLIENT, API);
    assert_eq!(lab.code(&password_form()).await, 0);
}

#[tokio::test]
async fn refresh_tokens_that_do_not_do() {
    let mut other = Application::public(OTHER_CLIENT);
    other.secrets.push(ClientSecret {
        value: CLIENT_SECRET.to_owned(),
        expires: None,
    });
    let world = World::with_users(1)
        .application(other)
        .tenant(OTHER_TENANT, "fabrikam.example");
    let lab = with(Options::new(world)).await;
    let token = lab.sign_in().await;
    assert_eq!(
        lab.redeem("garbage").await.verdict(),
        (400, 9002313, "invalid_grant", None)
    );
    let foreign = but(refresh_form(&token), "client_id", Some(OTHER_CLIENT));
    assert_eq!(
        lab.post(&foreign).await.verdict(),
        (400, 700007, "invalid_grant", None)
    );
    let elsewhere = lab.post_to(OTHER_TENANT, &refresh_form(&token)).await.unwrap();
    assert_eq!(elsewhere.verdict(), (400, 50020, "invalid_grant", None));
    lab.simulator.set_account(&user_name(0), Account::Disabled);
    assert_eq!(
        lab.redeem(&token).await.verdict(),
        (400, 50057, "invalid_grant", None)
    );
    lab.simulator.change(|world| world.users.clear());
    assert_eq!(lab.redeem(&token).await.verdict().1, 50034);
}

#[tokio::test]
async fn a_token_of_a_confidential_sign_in_needs_the_credential_again() {
    let mut both = Application::confidential(OTHER_CLIENT, CLIENT_SECRET);
    both.public_flow = true;
    let lab = with(Options::new(World::with_users(1).application(both))).await;
    let form = but(password_form(), "client_id", Some(OTHER_CLIENT));
    let answer = lab.post(&but(form, "client_secret", Some(CLIENT_SECRET))).await;
    let form = but(
        refresh_form(answer.text("refresh_token")),
        "client_id",
        Some(OTHER_CLIENT),
    );
    assert_eq!(
        lab.post(&form).await.verdict(),
        (401, 7000218, "invalid_client", None)
    );
    assert_eq!(
        lab.code(&but(form, "client_secret", Some(CLIENT_SECRET))).await,
        0
    );
}

#[tokio::test]
async fn age_limits_end_a_family() {
    let lab = lab().await;
    let token = lab.sign_in().await;
    lab.simulator
        .change_user(&user_name(0), |user| user.sign_in_frequency = Some(3600));
    lab.simulator.clock().advance(3601);
    let answer = lab.redeem(&token).await;
    assert_eq!(
        answer.verdict(),
        (400, 70043, "invalid_grant", Some("token_expired"))
    );
    assert!(answer.body.get("error_uri").is_none());
    lab.simulator
        .change_user(&user_name(0), |user| user.sign_in_frequency = None);
    lab.simulator
        .change(|world| world.applications[0].single_page = true);
    assert_eq!(lab.redeem(&token).await.verdict().1, 0);
    lab.simulator.clock().advance(86_400);
    assert_eq!(lab.redeem(&token).await.verdict().1, 700084);
}

#[tokio::test]
async fn any_code_can_be_put_on() {
    let lab = lab().await;
    assert!(known_codes().is_sorted() && known_codes().count() > 150);
    for code in known_codes() {
        lab.simulator.fault(Fault::code(code));
        let answer = lab.post(&password_form()).await;
        assert_eq!(answer.verdict().1, u64::from(code));
    }
    let odd = Refusal::of(50126)
        .within(70002)
        .suberror("bad_token")
        .error("invalid_client")
        .status(418);
    lab.simulator.fault(Fault::Refuse(odd));
    let answer = lab.post(&password_form()).await;
    assert_eq!(
        answer.verdict(),
        (418, 70002, "invalid_client", Some("bad_token"))
    );
    assert_eq!(answer.body["error_codes"], serde_json::json!([70002, 50126]));
    assert_eq!(lab.code(&password_form()).await, 0);
}
