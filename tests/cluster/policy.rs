//! The administrator's policy: what it does not allow is not sent, stays as it is, and goes on when it is allowed.

use entra_lab::simulator::Simulator;
use entra_lab::simulator::world::{CONFIDENTIAL_CLIENT, DOMAIN, PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::stage::{ADFS, AUTHORITY, B2C, OperatorOptions};
use serde_json::{Value, json};

use crate::evidence::{LONG_LIFE, asking, own_simulator};
use crate::scene::{Place, api_scope, stage, user};

/// A tenant that nobody has.
const OTHER: &str = "99999999-2222-3333-4444-555555555555";

fn spec(name: &str, change: &Value) -> Value {
    let mut spec = json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": format!("{name}-login")},
        "tokens": [{"secretName": format!("{name}-api"), "scopes": [api_scope()]}],
    });
    for (field, value) in change.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

fn under(policy: &str, options: OperatorOptions) -> OperatorOptions {
    OperatorOptions {
        config: format!("policy: {policy}"),
        ..options
    }
}

/// Requests that name a user or carry something of a sign-in.
fn beyond_discovery(simulator: &Simulator) -> Vec<String> {
    let discovery = |path: &str| path.ends_with("/.well-known/openid-configuration");
    let all = simulator.journal().requests().into_iter();
    all.map(|entry| entry.path)
        .filter(|path| !discovery(path))
        .collect()
}

/// One namespace, one user and one tenant by its GUID are allowed; each credential breaks one bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_policy_does_not_allow_is_refused_unsent_and_kept() {
    let place = Place::new("policy").await;
    let simulator = own_simulator(7, LONG_LIFE).await;
    let namespace = &place.namespace;
    let policy = format!(
        "{{tenants: [{TENANT}], namespaces: {{{namespace}: {{clientIds: [{PUBLIC_CLIENT}], \
         authorities: [{AUTHORITY}, \"{ADFS}\"], users: [\"{}\"]}}}}}}",
        user_name(0)
    );
    let _operator = place.operator(under(&policy, asking(&simulator))).await;
    let key = format!("policy.namespaces.{namespace}");
    let cases = [
        (
            "tenant",
            json!({"tenant": OTHER}),
            format!("add {OTHER} to policy.tenants"),
        ),
        (
            "any",
            json!({"tenant": "organizations"}),
            "instead of organizations".to_owned(),
        ),
        (
            "client",
            json!({"clientId": CONFIDENTIAL_CLIENT}),
            format!("add {CONFIDENTIAL_CLIENT} to {key}.clientIds"),
        ),
        (
            "authority",
            json!({"authority": B2C}),
            format!("add {B2C} to {key}.authorities"),
        ),
        (
            "user",
            json!({}),
            format!("add the user name, as the login Secret has it, to {key}.users"),
        ),
    ];
    for (index, (name, change, _)) in cases.iter().enumerate() {
        place.apply(name, spec(name, change)).await;
        let user = index + 1;
        place
            .login(&format!("{name}-login"), &user_name(user), &password(user))
            .await;
    }
    for (name, _, sentence) in &cases {
        place.expect(name, "Ready", "False/NotAllowed").await;
        let status = place.status(name).await.to_string();
        assert!(status.contains(sentence.as_str()), "{name}: {status}");
        assert!(!status.contains("user5@"), "a user name is not told: {status}");
        let login = place.secret(&format!("{name}-login")).await.unwrap();
        assert_eq!(login.metadata.annotations, None, "{name} was claimed");
    }
    assert_eq!(beyond_discovery(&simulator), [""; 0]);
    assert_eq!(simulator.journal().requests().len(), 0, "a GUID needs no call");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_named_by_its_domain_is_resolved_before_anything_else_leaves() {
    let place = Place::new("policy-domain").await;
    let simulator = own_simulator(2, LONG_LIFE).await;
    let policy = format!("{{tenants: [{TENANT}]}}");
    let mut operator = place.operator(under(&policy, asking(&simulator))).await;
    place.apply("one", spec("one", &json!({"tenant": DOMAIN}))).await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let paths: Vec<_> = simulator
        .journal()
        .requests()
        .into_iter()
        .map(|e| e.path)
        .collect();
    assert_eq!(
        paths[0],
        format!("/{DOMAIN}/v2.0/.well-known/openid-configuration")
    );
    operator.kill();

    let mark = simulator.journal().mark();
    let policy = format!("{{tenants: [{OTHER}]}}");
    let _operator = place.operator(under(&policy, asking(&simulator))).await;
    place.apply("two", spec("two", &json!({"tenant": DOMAIN}))).await;
    place.login("two-login", &user_name(1), &password(1)).await;
    place.expect("two", "Ready", "False/NotAllowed").await;
    let told = place.status("two").await.to_string();
    assert!(
        told.contains(&format!("tenant {DOMAIN}, whose GUID is {TENANT};")),
        "{told}"
    );
    let since = simulator.journal().since(mark);
    let paths: Vec<_> = since.into_iter().map(|e| e.path).collect();
    assert_eq!(
        paths,
        [format!("/{DOMAIN}/v2.0/.well-known/openid-configuration")]
    );
    assert!(place.secret("two-login").await.is_some());
}

/// A policy that takes away what is in use: by the client, at once; by the user, once the seal was opened for a renewal.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_takes_away_stays_ready_until_it_expires_and_goes_on_without_a_password() {
    stage().await;
    let wide = format!("{{clientIds: [\"*\"], namespaces: {{\"*\": {{users: [\"user*@{DOMAIN}\"]}}}}}}");
    tokio::join!(
        taken_away("{clientIds: [another]}", &wide),
        taken_away("{namespaces: {\"*\": {users: [\"another@*\"]}}}", &wide),
    );
}

async fn taken_away(narrow: &str, wide: &str) {
    let place = Place::new("policy-narrowed").await;
    let (name, password) = user();
    let mut operator = place.operator(under(wide, OperatorOptions::default())).await;
    place.apply("one", spec("one", &json!({}))).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    operator.kill();

    let journal = stage().await.simulator.journal();
    let calls = || journal.redemptions(&name) + journal.password_sends(&name);
    let before = calls();
    let mut operator = place.operator(under(narrow, OperatorOptions::default())).await;
    place.expect("one", "Ready", "True/NotAllowed").await;
    assert_eq!(
        place.condition("one", "LoggedIn").await,
        "True/RefreshTokenStored"
    );
    place.expect("one", "Ready", "False/NotAllowed").await;
    assert_eq!(calls(), before, "{narrow}: it was called for");
    assert!(
        place.secret("one.refresh-token").await.is_some(),
        "it is kept sealed"
    );
    operator.kill();

    let _operator = place.operator(under(wide, OperatorOptions::default())).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(
        journal.password_sends(&name),
        1,
        "the password is gone, and not needed"
    );
}
