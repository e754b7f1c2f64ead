//! Labels of our Secrets: the one by which they are watched, the one that is for people, and those that the spec asks for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use entra_lab::simulator::Simulator;
use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::stage::{AUTHORITY, OPERATOR, Operator, OperatorOptions};
use entra_operator::api::annotation::RENDERED;
use entra_operator::plan::Time;
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::{Key, Vault as _};
use entra_operator::secrets::{KeySet, Keyring};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::evidence::{LONG_LIFE, asking, own_simulator};
use crate::scene::{Place, api_scope, stage, user};

const OURS: &str = "entra-operator.dev/token";
const MANAGER: &str = "app.kubernetes.io/managed-by";
const SECRETS: [&str; 2] = ["one-api", "one.refresh-token"];

/// How long nothing may happen.
const QUIET: Duration = Duration::from_secs(5);

fn spec(labels: &Value, of_all: &Value) -> Value {
    let mut spec = json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": "one-login"},
        "tokens": [{"secretName": "one-api", "scopes": [api_scope()], "labels": labels}],
    });
    if *of_all != json!({}) {
        spec["secretLabels"] = of_all.clone();
    }
    spec
}

/// A credential `one` whose token lives long, signed in at a simulator of the test's own.
async fn signed_in(place: &Place, spec: Value) -> (Simulator, Operator) {
    let simulator = own_simulator(1, LONG_LIFE).await;
    let operator = place.operator(asking(&simulator)).await;
    place.apply("one", spec).await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "True/Fresh").await;
    (simulator, operator)
}

async fn label(place: &Place, secret: &str, key: &str) -> Option<String> {
    place.secret(secret).await?.labels().get(key).cloned()
}

async fn has(place: &Place, secret: &str, key: &str, value: Option<&str>) {
    place
        .until(&format!("{secret} has {key}: {value:?}"), || async {
            label(place, secret, key).await.as_deref() == value
        })
        .await;
}

async fn set(place: &Place, secret: &str, key: &str, value: Value) {
    place
        .patch_secret(secret, json!({"metadata": {"labels": {key: value}}}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_that_people_take_away_are_put_back_without_a_call() {
    let place = Place::new("labels").await;
    let spec = spec(&json!({"team": "etl"}), &json!({}));
    let (simulator, _operator) = signed_in(&place, spec).await;
    assert_eq!(
        label(&place, "one-api", MANAGER).await.as_deref(),
        Some("entra-operator")
    );
    let (calls, uid) = (
        simulator.journal().mark(),
        place.secret("one-api").await.unwrap().uid(),
    );
    let token = place.value("one-api", "access_token").await;

    set(&place, "one-api", OURS, Value::Null).await;
    has(&place, "one-api", OURS, Some("true")).await;
    // Again and again: put back more and more slowly, and told.
    set(&place, "one-api", OURS, json!("false")).await;
    place.expect("one", "Ready", "True/SecretConflict").await;
    let mark = place.mark().await;
    tokio::time::sleep(QUIET).await;
    let deeds = place.deeds_since(mark).await;
    assert!(deeds.about_secret("one-api").len() <= 2, "{}", deeds.shown());
    has(&place, "one-api", OURS, Some("true")).await;
    set(&place, "one-api", "team", json!("sales")).await;
    place.request_refresh("one").await;
    has(&place, "one-api", "team", Some("etl")).await;
    let requested = simulator.journal().since(calls).len();
    assert!(requested <= 1, "only the renewal that was asked for: {requested}");
    assert_eq!(place.secret("one-api").await.unwrap().uid(), uid);
    assert!(token.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_of_the_spec_that_was_edited_is_put_back_without_a_call() {
    let place = Place::new("team").await;
    let spec = spec(&json!({"team": "etl"}), &json!({}));
    let (simulator, _operator) = signed_in(&place, spec).await;
    let calls = simulator.journal().mark();
    set(&place, "one-api", "team", json!("sales")).await;
    has(&place, "one-api", "team", Some("etl")).await;
    assert_eq!(simulator.journal().since(calls).len(), 0);
    place.expect("one", "Published", "True/UpToDate").await;
}

/// The keyed hash that the first form of a token Secret has: of its data alone.
async fn first_form_hash(place: &Place, secret: &Secret) -> String {
    let data = |secret: &Secret| {
        let mut data = SecretData::default();
        for (key, value) in secret.data.iter().flatten() {
            data.insert(key, value.0.clone());
        }
        data
    };
    let keys = Api::<Secret>::namespaced(place.client.clone(), OPERATOR);
    let keys = keys.get("entra-operator-keys").await.unwrap();
    let keys = KeySet::from_data(&data(&keys)).unwrap();
    let vault = Keyring::new(keys, Time(0), Arc::new(|| Duration::ZERO));
    vault.data_mac(
        &Key::new(&*place.namespace, secret.name_any()),
        &data(secret),
        &BTreeMap::new(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_secret_of_the_first_form_is_labelled_at_a_start_and_not_renewed() {
    let place = Place::new("first-form").await;
    let (simulator, operator) = signed_in(&place, spec(&json!({}), &json!({}))).await;
    operator.terminate().await.unwrap();
    let hash = first_form_hash(&place, &place.secret("one-api").await.unwrap()).await;
    let first_form = json!({"metadata": {"labels": {OURS: null}, "annotations": {RENDERED: hash}}});
    place.patch_secret("one-api", first_form).await;
    let calls = simulator.journal().mark();
    let _operator = place.operator(asking(&simulator)).await;
    has(&place, "one-api", OURS, Some("true")).await;
    place.expect("one", "Ready", "True/Fresh").await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(simulator.journal().since(calls).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_label_for_people_is_set_with_each_write_and_otherwise_left_alone() {
    let place = Place::new("manager").await;
    let (simulator, _operator) = signed_in(&place, spec(&json!({}), &json!({}))).await;
    let calls = simulator.journal().mark();
    set(&place, "one-api", MANAGER, json!("somebody")).await;
    let mark = place.mark().await;
    tokio::time::sleep(QUIET).await;
    let deeds = place.deeds_since(mark).await;
    let about = deeds.about_secret("one-api");
    assert!(about.iter().all(|e| !e.is_write()), "{}", deeds.shown());
    assert_eq!(
        label(&place, "one-api", MANAGER).await.as_deref(),
        Some("somebody")
    );
    assert_eq!(simulator.journal().since(calls).len(), 0);
    place.expect("one", "Ready", "True/Fresh").await;
    place.request_refresh("one").await;
    has(&place, "one-api", MANAGER, Some("entra-operator")).await;
}

/// As a policy that marks everything with the tool that applied it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_rewrites_the_label_for_people_changes_nothing_and_is_told() {
    let place = Place::new("rewritten").await;
    rewrite(&place, MANAGER, "platform").await;
    let operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(
        label(&place, "one-api", MANAGER).await.as_deref(),
        Some("platform")
    );
    let (uid, mark) = (place.secret("one-api").await.unwrap().uid(), place.mark().await);
    let journal = stage().await.simulator.journal();
    let first = place.value("one-api", "access_token").await;
    place
        .until("it is renewed", || async {
            place.value("one-api", "access_token").await != first
        })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(place.secret("one-api").await.unwrap().uid(), uid, "it stays");
    assert!(journal.redemptions(&name) <= 2, "{}", journal.redemptions(&name));
    assert!(place.deeds_since(mark).await.writes() <= 4);
    let told = operator.log();
    let told = told
        .lines()
        .find(|l| l.contains("an admission policy changes this label"));
    assert!(told.is_some_and(|line| line.contains(MANAGER)), "{told:?}");
}

/// From now on this label of Secrets of the namespace gets this value, whoever writes them.
async fn rewrite(place: &Place, label: &str, value: &str) {
    let name = format!("label-{}", place.namespace);
    let merge = format!("Object{{metadata: Object.metadata{{labels: {{\"{label}\": \"{value}\"}}}}}}");
    let namespace = json!({"matchLabels": {"kubernetes.io/metadata.name": place.namespace}});
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {
                "namespaceSelector": namespace,
                "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}],
            },
            "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": merge}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name},
    });
    for object in [policy, binding] {
        let text = object.to_string();
        stage().await.kubectl(&["apply", "-f", "-"], Some(&text)).unwrap();
    }
    // It is in force a moment after it was taken.
    place
        .until("the policy is in force", || async {
            let probe = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}, "stringData": {"a": "b"},
            });
            place.put_secret(probe).await;
            let rewritten = self::label(place, "probe", label).await.as_deref() == Some(value);
            place.delete_secret("probe").await;
            rewritten
        })
        .await;
}

/// As an older version, or a policy, left it.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_no_list_shows_is_not_made_anew_before_it_was_looked_for() {
    let place = Place::new("unshown").await;
    let (simulator, mut operator) = signed_in(&place, spec(&json!({}), &json!({}))).await;
    let (uid, token) = (
        place.secret("one-api").await.unwrap().uid(),
        place.value("one-api", "access_token").await,
    );
    operator.kill();
    set(&place, "one-api", OURS, Value::Null).await;
    let (calls, mark) = (simulator.journal().mark(), place.mark().await);
    let _operator = place.operator(asking(&simulator)).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(simulator.journal().since(calls).len(), 0, "no call");
    let deeds = place.deeds_since(mark).await;
    let made = deeds.about_secret("one-api");
    assert!(
        made.iter().all(|e| e.verb != "create" && e.verb != "delete"),
        "{}",
        deeds.shown()
    );
    assert_eq!(place.value("one-api", "access_token").await, token);
    // A person need not wait until it is its turn.
    place.request_refresh("one").await;
    has(&place, "one-api", OURS, Some("true")).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(place.secret("one-api").await.unwrap().uid(), uid, "it stays");
    assert!(simulator.journal().since(calls).len() <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_labels_are_on_all_secrets_and_change_without_a_call() {
    const COST: &str = "contoso.example/cost-center";
    let place = Place::new("all").await;
    let of_all = json!({COST: "4711", "team": "platform", "env": "test"});
    let first = spec(&json!({"team": "etl"}), &of_all);
    let (simulator, _operator) = signed_in(&place, first).await;
    for secret in SECRETS {
        assert_eq!(
            label(&place, secret, COST).await.as_deref(),
            Some("4711"),
            "{secret}"
        );
    }
    assert_eq!(
        label(&place, "one-api", "team").await.as_deref(),
        Some("etl"),
        "an entry's own wins"
    );
    assert_eq!(
        label(&place, "one.refresh-token", "team").await.as_deref(),
        Some("platform")
    );

    let (calls, mark) = (simulator.journal().mark(), place.mark().await);
    let next = json!({COST: "4712", "team": "platform"});
    place.apply("one", spec(&json!({"team": "etl"}), &next)).await;
    for secret in SECRETS {
        has(&place, secret, COST, Some("4712")).await;
        has(&place, secret, "env", None).await;
    }
    place
        .apply("one", spec(&json!({"team": "etl"}), &json!({})))
        .await;
    for secret in SECRETS {
        has(&place, secret, COST, None).await;
    }
    has(&place, "one-api", "team", Some("etl")).await;
    has(&place, "one.refresh-token", "team", None).await;
    place.expect("one", "Ready", "True/Fresh").await;
    place.expect("one", "Published", "True/UpToDate").await;
    assert_eq!(simulator.journal().since(calls).len(), 0, "no call");
    let deeds = place.deeds_since(mark).await;
    let secrets = deeds
        .0
        .iter()
        .filter(|e| e.is_write() && e.resource == "secrets")
        .count();
    assert_eq!(secrets, 4, "{}", deeds.shown());
}

/// Without the label nothing may be stored, so that nothing is sent; with it everything goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_demands_a_label_is_met_by_secret_labels() {
    let place = Place::new("demanded").await;
    demand(&place, "cost-center").await;
    let (name, password) = user();
    let _operator = place.operator(OperatorOptions::default()).await;
    place.apply("one", spec(&json!({}), &json!({}))).await;
    let login = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
        "metadata": {"name": "one-login", "labels": {"cost-center": "1"}},
        "stringData": {"username": name, "password": password},
    });
    place.create_secret(login).await;
    place.expect("one", "Ready", "False/WriteRefused").await;
    let journal = stage().await.simulator.journal();
    assert_eq!(journal.password_sends(&name), 0);
    place
        .apply("one", spec(&json!({}), &json!({"cost-center": "1"})))
        .await;
    place.expect_within(60, "one", "Ready", "True/Fresh").await;
    assert_eq!(journal.password_sends(&name), 1);
}

async fn demand(place: &Place, label: &str) {
    let name = format!("label-{}", place.namespace);
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"]}]},
            "validations": [{"expression": format!("has(object.metadata.labels) && '{label}' in object.metadata.labels")}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {
            "policyName": name, "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}}},
        },
    });
    for object in [policy, binding] {
        let text = object.to_string();
        stage().await.kubectl(&["apply", "-f", "-"], Some(&text)).unwrap();
    }
    let probe = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}});
    place
        .until("the policy is in force", || async {
            let text = probe.to_string();
            let create = ["create", "-n", &place.namespace, "--dry-run=server", "-f", "-"];
            stage().await.kubectl(&create, Some(&text)).is_err()
        })
        .await;
}
