//! The world file.

use entra_lab::simulator::{
    Account, ClientCertificate, Lifetime, Metadata, Options, Policy, RefreshIn, Rotation, SamlToken, World,
};
use serde_json::json;

use crate::client::{but, password_form, with};

#[test]
fn what_the_file_leaves_out_comes_from_contoso() {
    let options = Options::from_yaml("users: [{upn: alice@contoso.example, password: 'p:w# 1'}]").unwrap();
    let contoso = World::contoso();
    assert_eq!(options.world.users[0].password, "p:w# 1");
    assert_eq!(options.world.applications, contoso.applications);
    assert_eq!(options.world.tenants, contoso.tenants);
    assert_eq!(options.behaviour, entra_lab::simulator::Behaviour::default());
}

#[test]
fn users_applications_and_issuers_are_read_in_full() {
    let certificate = ClientCertificate::new("reporting").unwrap().certificate;
    let file = json!({
        "tenants": [{"id": "t", "domains": ["contoso.example"], "federatedDomains": ["fed.example"],
            "cloudPasswordValidation": true}],
        "users": [
            {"upn": "alice@contoso.example", "password": "x", "policy": "mfa"},
            {"upn": "bob@fed.example", "password": "x", "account": "disabled",
                "withheld": [{"client": "c", "resource": "api://orders"}]},
        ],
        "applications": [
            {"clientId": "c", "certificates": [certificate]},
            {"clientId": "w", "federatedCredentials":
                [{"issuer": "https://kubernetes.default.svc", "subject": "s", "jwks": {"keys": []}}]},
            {"clientId": "s", "secrets": [{"value": "v", "expires": "2026-01-01T00:00:00Z"}]},
        ],
        "issuers": [{"name": "sso", "rotation": "oneTime"}],
    });
    let world = Options::from_yaml(&file.to_string()).unwrap().world;
    assert!(world.tenants[0].cloud_password_validation);
    assert_eq!(
        (world.users[0].policy, world.users[1].account),
        (Policy::Mfa, Account::Disabled)
    );
    assert_eq!(world.applications[0].certificates, [certificate]);
    assert_eq!(
        world.applications[1].federated_credentials[0].audience,
        "api://AzureADTokenExchange"
    );
    assert!(world.applications[2].secrets[0].expires.is_some());
    assert_eq!(world.issuers[0].rotation, Rotation::OneTime);
}

#[test]
fn every_switch_can_be_turned() {
    let switches = Options::from_yaml(
        "
behaviour:
  lifetime: {seconds: 60}
  refreshIn: always
  lockout: {threshold: 3}
  rateLimit: {requests: 2, seconds: 60}
  loopDetection: true
  v1Shape: true
  narrowedScope: api://orders/read
  federation: {metadata: only2005, token: v20Profile, prefixOnAncestor: true}
",
    )
    .unwrap()
    .behaviour;
    assert_eq!(
        (switches.lifetime, switches.refresh_in),
        (Lifetime::Seconds(60), RefreshIn::Always)
    );
    assert_eq!((switches.lockout.threshold, switches.lockout.seconds), (3, 60));
    assert!(switches.loop_detection && switches.v1_shape && switches.rate_limit.is_some());
    assert_eq!(switches.federation.metadata, Metadata::Only2005);
    assert_eq!(switches.federation.token, SamlToken::V20Profile);
}

#[test]
fn a_file_that_cannot_be_meant_is_refused() {
    let refused = |text: &str| Options::from_yaml(text).unwrap_err().to_string();
    assert!(refused("users: [{upn: a, password: b, pasword: c}]").contains("pasword"));
    assert!(refused("behaviour: {lifetyme: 3}").contains("lifetyme"));
    assert_eq!(
        refused("applications: [{clientId: c, certificates: [x]}]"),
        "application c has a certificate that is not one certificate in PEM"
    );
    let credential = "{issuer: 'https://i', subject: s, jwks: {}}";
    assert_eq!(
        refused(&format!(
            "applications: [{{clientId: c, federatedCredentials: [{credential}]}}]"
        )),
        "application c has a federated credential whose jwks is no JSON Web Key Set"
    );
}

#[tokio::test]
async fn the_example_of_the_readme_is_a_world() {
    let readme = include_str!("../../src/simulator/README.md");
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let example = rest.split_once("```").unwrap().0;
    let lab = with(Options::from_yaml(example).unwrap()).await;
    let form = |user, password| {
        but(
            but(password_form(), "username", Some(user)),
            "password",
            Some(password),
        )
    };
    assert_eq!(lab.code(&form("alice@contoso.example", "correct horse")).await, 0);
    assert_eq!(
        lab.code(&form("bob@contoso.example", "battery staple")).await,
        50076
    );
    let realm = lab.get("/common/userrealm/dora@fed.example").await;
    assert_eq!(realm.text("account_type"), "Federated");
}
