//! Every metric that is registered is fed: in a real process, each family shows a sample that says something.
//!
//! A family that nobody feeds looks like good news for ever. Help texts, alerts and dashboards then point at nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use entra_lab::simulator::world::{Application, PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::simulator::{ClientCertificate, Fault, Refusal, Rule};
use entra_lab::stage::{ADFS, AUTHORITY, Operator, OperatorOptions, Stage};
use entra_operator::telemetry::credentials::Observed;
use entra_operator::telemetry::metrics::Metrics;
use serde_json::{Value, json};

use crate::scene::{LIFE, Place, api_scope, program, user};
use crate::versions;

/// An application that no other test has.
const CERTIFICATE_CLIENT: &str = "aaaaaaaa-0000-4000-8000-00000000000d";

/// An account that is disabled: its login is kept, and waits.
const DISABLED: u32 = 50057;

/// What a sample's name may have behind its family's. A sum may be 0 where a count is not, and buckets are counts.
const SUFFIXES: [&str; 4] = ["", "_total", "_count", "_info"];

/// The families of this version, whether or not anything was counted.
fn registered() -> BTreeSet<String> {
    let metrics = Metrics::new(true);
    metrics.observe(Box::new(Observed::default));
    metrics.families().unwrap()
}

/// Those of `families` that a scrape shows with a sample other than 0.
fn fed<'a>(scrape: &str, families: &'a BTreeSet<String>) -> BTreeSet<&'a String> {
    let samples = scrape.lines().filter(|line| !line.starts_with('#'));
    let says_something = samples.filter(|line| !line.ends_with(" 0") && !line.ends_with(" 0.0"));
    let names: BTreeSet<_> = says_something
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let shown = |family: &&String| {
        SUFFIXES
            .iter()
            .any(|s| names.contains(format!("{family}{s}").as_str()))
    };
    families.iter().filter(shown).collect()
}

/// A credential `one` whose application has a certificate, signed in.
async fn signed_in_with_a_certificate(place: &Place) {
    let certificate = ClientCertificate::new("client").unwrap();
    let application = Application::with_certificate(CERTIFICATE_CLIENT, &certificate.certificate);
    let simulator = &place.stage().await.simulator;
    simulator.change(|world| world.applications.push(application));
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "one-app"},
        "stringData": {"tls.crt": certificate.certificate, "tls.key": certificate.key},
    });
    place.create_secret(secret).await;
    let mut with_certificate = spec("one", CERTIFICATE_CLIENT);
    with_certificate["clientCredential"] = json!({"certificate": {"secretName": "one-app"}});
    place.apply("one", with_certificate).await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;
}

/// A credential `two` whose login is refused, and stays.
async fn waiting_for_a_person(place: &Place) {
    let refusal = Rule::new(Fault::Refuse(Refusal::of(DISABLED))).user(&user_name(1));
    place.stage().await.simulator.script(refusal);
    place.apply("two", spec("two", PUBLIC_CLIENT)).await;
    place.login("two-login", &user_name(1), &password(1)).await;
    place.expect("two", "LoggedIn", "False/AccountLocked").await;
}

/// A credential `three` of AD FS, which says how long its refresh tokens are good.
async fn signed_in_at_adfs(place: &Place) {
    let mut at_adfs = spec("three", PUBLIC_CLIENT);
    at_adfs["authority"] = json!(ADFS);
    at_adfs.as_object_mut().unwrap().remove("tenant");
    at_adfs["tokens"][0]["scopes"] = json!(["api://orders/read"]);
    place.apply("three", at_adfs).await;
    place.login("three-login", &user_name(2), &password(2)).await;
    place.expect("three", "Ready", "True/Fresh").await;
}

fn spec(name: &str, client: &str) -> Value {
    json!({
        "tenant": TENANT, "clientId": client, "authority": AUTHORITY,
        "login": {"secretName": format!("{name}-login")},
        "tokens": [{"secretName": format!("{name}-api"), "scopes": [api_scope()]}],
    })
}

async fn scrape(operator: &Operator) -> String {
    let url = format!("{}/metrics", operator.metrics().unwrap());
    operator.get(&url).await.unwrap()
}

/// Renewals of the third user take a second: a pass that runs long enough to be seen.
async fn slow_renewals(place: &Place) {
    let delay = Rule::new(Fault::Delay(std::time::Duration::from_secs(1)));
    let simulator = &place.stage().await.simulator;
    simulator.script(delay.user(&user_name(2)).forever());
}

/// An operator that serves this place and a namespace that does not exist, at a pace that lets requests wait.
async fn serving(stage: &Stage, place: &Place) -> Operator {
    let config = format!(
        "watch: {{namespaces: [{}, missing]}}\nlimits: {{requestsPerSecondPerTenant: 1}}",
        place.namespace
    );
    let options = OperatorOptions {
        config,
        election: false,
        ..OperatorOptions::default()
    };
    stage.operator(program(), options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_registered_metric_is_fed() {
    let stage = Arc::new(Stage::with_users(3, LIFE).await.unwrap());
    versions::takes_everything(&stage).await;
    let place = Place::on(&stage, "metrics").await;
    let operator = serving(&stage, &place).await;
    signed_in_with_a_certificate(&place).await;
    signed_in_at_adfs(&place).await;
    waiting_for_a_person(&place).await;
    slow_renewals(&place).await;
    place.apply("four", versions::of_a_newer_version("four")).await;
    let families = registered();
    // Gauges come and go: a renewal that is due, a login that waits. Each must have been seen once.
    let mut missing = families.iter().collect::<BTreeSet<_>>();
    let begun = std::time::Instant::now();
    while !missing.is_empty() && begun.elapsed().as_secs() < 60 {
        let scrape = scrape(&operator).await;
        for family in fed(&scrape, &families) {
            missing.remove(family);
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(
        missing.is_empty(),
        "nobody feeds {missing:?}:\n{}",
        scrape(&operator).await
    );
}

#[test]
fn a_family_without_a_sample_that_says_something_is_found() {
    let families = ["entra_a", "entra_b", "entra_b_c"].map(str::to_owned).into();
    let fed = |scrape: &str| fed(scrape, &families).into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(
        fed("# TYPE entra_a counter\nentra_a_total{x=\"y\"} 1\n"),
        ["entra_a"]
    );
    assert_eq!(
        fed("entra_b_c 0\nentra_b_bucket{le=\"5.0\"} 1\nentra_b_count 0\n"),
        [""; 0]
    );
    assert_eq!(
        fed("entra_b_sum 0.0\nentra_b_count 2\nentra_b_c -3\n"),
        ["entra_b", "entra_b_c"]
    );
}

/// The samples of a family that concern a credential, without their labels.
fn of_credential<'a>(scrape: &'a str, family: &str, name: &str) -> Vec<&'a str> {
    let label = format!("name=\"{name}\"");
    let theirs = scrape
        .lines()
        .filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(&label));
    theirs.filter_map(|line| line.rsplit(' ').next()).collect()
}

/// When a provider hangs, the credentials whose renewals hang are those that an alert is about.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_whose_renewal_hangs_stays_in_the_metrics_and_is_not_ready_once_its_token_ran_out() {
    let place = Place::new("hanging").await;
    let operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let simulator = &place.stage().await.simulator;
    simulator.script(Rule::new(Fault::Stall).user(&name).forever());

    let (mut ready, begun) = (Vec::new(), std::time::Instant::now());
    while ready.last() != Some(&0) && begun.elapsed().as_secs() < 2 * LIFE {
        let scrape = scrape(&operator).await;
        let rows = of_credential(&scrape, "entra_credential_ready", "one");
        assert_eq!(rows.len(), 1, "{scrape}");
        ready.push(rows[0].parse::<u8>().unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let last = scrape(&operator).await;
    assert_eq!(ready.last(), Some(&0), "{last}");
    assert!(last.contains("reason=\"Expired\""), "{last}");
}
