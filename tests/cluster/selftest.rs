//! `entra-operator selftest`: all is well, or what is missing is named with what to do about it, by exit code, table and JSON.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Output};

use entra_lab::audit::service_account;
use entra_lab::proxy::{Action, Canned, Rule};
use entra_lab::stage::{OPERATOR, OperatorOptions};
use serde_json::{Value, json};

use crate::account::{Account, apply};
use crate::relay::Relay;
use crate::rights::SERVED;
use crate::scene::{Place, api_scope, program, stage};

/// Where the definition is published.
const PUBLISHED: &str = "/openapi/v3/apis/entra-operator.dev/v1alpha1";

/// How a self-test is run.
struct Test {
    kubeconfig: PathBuf,
    directory: tempfile::TempDir,
}

impl Test {
    /// As this account, directly or through a proxy.
    async fn of(account: &Account, relay: Option<&Relay>) -> Self {
        let plane = &stage().await.plane;
        let token = plane
            .service_account_token(OPERATOR, account.name(), 3600)
            .await
            .unwrap();
        let (url, ca) = relay.map(|relay| (relay.api.url(), relay.api.ca_pem())).unzip();
        let name = format!("selftest-{}", uuid::Uuid::new_v4());
        Self {
            kubeconfig: plane
                .kubeconfig_for_token(&name, &token, url.as_deref(), ca.as_deref())
                .unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs it with this configuration.
    fn run(&self, config: &str, arguments: &[&str]) -> Output {
        let file = self.directory.path().join("config.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program());
        command
            .args(["selftest", "--kubeconfig"])
            .arg(&self.kubeconfig)
            .arg("--config")
            .arg(file);
        // Nothing is asked of real hosts: whatever is not on this machine goes through a proxy that is closed.
        let proxy = [
            ("HTTPS_PROXY", "http://127.0.0.1:1"),
            ("NO_PROXY", "localhost,127.0.0.1"),
        ];
        command
            .args(arguments)
            .env_clear()
            .env("POD_NAMESPACE", OPERATOR)
            .envs(proxy);
        tokio::task::block_in_place(|| command.output()).unwrap()
    }

    /// The report, which must agree with the exit code.
    fn report(&self, config: &str, arguments: &[&str]) -> Value {
        let output = self.run(config, &[&["-o", "json"], arguments].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let code = i32::from(report["ok"] != true);
        assert_eq!(output.status.code(), Some(code), "{report:#}");
        report
    }

    /// What failed: check, message and remedy in one text each.
    fn failures(&self, config: &str, arguments: &[&str]) -> Vec<String> {
        let report = self.report(config, arguments);
        let findings = report["findings"].as_array().unwrap();
        let text = |f: &Value| {
            let [check, message, remedy] =
                ["check", "message", "remedy"].map(|key| f[key].as_str().unwrap_or_default());
            format!("{check}: {message} | {remedy}")
        };
        findings.iter().filter(|f| f["ok"] == false).map(text).collect()
    }
}

/// Configuration for a namespace, an account's keys, and an authority.
async fn config(place: &Place, account: &Account, url: &str) -> String {
    // A file of its own: one that another test writes anew is empty for a moment.
    let name = format!("ca-for-{}.pem", place.namespace);
    let file = stage().await.plane.directory().join(name);
    std::fs::write(&file, stage().await.simulator.ca_pem()).unwrap();
    json!({
        "watch": {"namespaces": [place.namespace]},
        "sealing": {"keySecret": account.keys()},
        "authorities": [{"name": "lab", "kind": "Entra", "url": url, "caFile": file}],
    })
    .to_string()
}

/// An account that may do all, and whose keys are there.
async fn settled(place: &Place) -> Account {
    let account = Account::serving(place).await;
    let mut operator = account
        .operator(&[&place.namespace], OperatorOptions::default())
        .await;
    operator.kill();
    account
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_missing_the_self_test_says_so_and_writes_nothing() {
    let place = Place::new("well").await;
    let account = settled(&place).await;
    let test = Test::of(&account, None).await;
    let simulator = stage().await.simulator.url();
    let mut config: Value = serde_json::from_str(&config(&place, &account, &simulator).await).unwrap();
    let ca = config["authorities"][0]["caFile"].clone();
    for (name, kind, path) in [
        ("b2c", "B2c", "/B2C_1_ropc"),
        ("adfs", "Adfs", "/adfs"),
        ("oidc", "Oidc", "/oidc/a"),
    ] {
        let more = json!({"name": name, "kind": kind, "url": format!("{simulator}{path}"), "caFile": ca});
        config["authorities"].as_array_mut().unwrap().push(more);
    }
    // It names an authority, so that no cloud is asked.
    place.credential("one", &[("one-api", &api_scope())]).await;

    let mark = place.mark().await;
    let output = test.run(&config.to_string(), &[]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && table.ends_with("Nothing is missing.\n"),
        "{table}"
    );
    for line in [
        "ok      API server",
        "ok      clock",
        "ok      definition",
        &format!("rights         in the namespace {}: all 13", place.namespace),
        "rights         in the namespace entra-operator, its own: all 6",
        &format!("1 in the key Secret {}", account.keys()),
        &format!("authority oidc at {simulator}/oidc/a answers"),
    ] {
        assert!(table.contains(line), "{line}\n{table}");
    }
    assert!(!table.contains("cloud"), "{table}");
    let report = test.report(&config.to_string(), &[]);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        report["findings"].as_array().unwrap().len(),
        table.lines().count() - 1
    );

    let cluster = &stage().await.plane;
    cluster.audit_barrier().await.unwrap();
    let deeds = cluster
        .audit()
        .by_user_since(&service_account(OPERATOR, account.name()), mark)
        .unwrap();
    let writes: BTreeSet<_> = deeds
        .iter()
        .filter(|e| e.is_write())
        .map(|e| e.resource.as_str())
        .collect();
    assert_eq!(writes, BTreeSet::from(["selfsubjectaccessreviews"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_with_the_rule_and_the_role_that_give_it() {
    let place = Place::new("powerless").await;
    let account = Account::new(&place).await;
    let test = Test::of(&account, None).await;
    let config = config(&place, &account, &stage().await.simulator.url()).await;
    let failures = test.failures(&config, &[]);
    let missing: BTreeSet<_> = failures
        .iter()
        .filter_map(|f| {
            Some(
                f.strip_prefix("rights: it may not ")?
                    .split(" | ")
                    .next()?
                    .to_owned(),
            )
        })
        .collect();
    let needed = SERVED.iter().flat_map(|(what, verbs)| {
        let (group, resource) = what.split_once('/').unwrap();
        let dot = if group.is_empty() { "" } else { "." };
        let place = &place.namespace;
        verbs
            .split(' ')
            .map(move |verb| format!("{verb} {resource}{dot}{group} in the namespace {place}"))
    });
    assert_eq!(missing, needed.collect());
    let rule = format!(
        "Add {{apiGroups: [\"\"], resources: [secrets], verbs: [patch]}} to a Role in the namespace {}",
        place.namespace
    );
    assert!(
        failures.iter().any(|f| f.contains(&rule)),
        "{rule}\n{failures:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_is_missing_or_of_an_earlier_version_is_told() {
    let place = Place::new("definition").await;
    let account = settled(&place).await;
    let relay = Relay::before(stage().await).await.unwrap();
    let test = Test::of(&account, Some(&relay)).await;
    let config = config(&place, &account, &stage().await.simulator.url()).await;
    let answer = |canned: Canned| {
        relay
            .api
            .add(Rule::new(Action::Answer(canned)).path(PUBLISHED).forever());
    };
    assert_eq!(test.failures(&config, &[]), [""; 0]);

    answer(Canned::api_status(404, "NotFound"));
    let failures = test.failures(&config, &[]);
    assert!(
        failures[0].contains("the CustomResourceDefinition is not installed"),
        "{failures:?}"
    );
    relay.api.clear();

    let published = stage().await.kubectl(&["get", "--raw", PUBLISHED], None).unwrap();
    let mut earlier: Value = serde_json::from_str(&published).unwrap();
    let schemas = earlier["components"]["schemas"].as_object_mut().unwrap();
    for schema in schemas.values_mut() {
        if let Some(spec) = schema.pointer_mut("/properties/spec/properties") {
            spec.as_object_mut().unwrap().remove("secretLabels");
        }
    }
    answer(Canned {
        body: earlier.to_string(),
        ..Canned::api_status(200, "")
    });
    let failures = test.failures(&config, &[]);
    assert!(failures[0].contains("it lacks spec.secretLabels"), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_hosts_that_are_missing_or_of_no_use_are_told() {
    let place = Place::new("lacking").await;
    let account = Account::serving(&place).await;
    let test = Test::of(&account, None).await;
    let keys = format!(
        "the key Secret {} in the namespace entra-operator does not exist",
        account.keys()
    );
    let without_keys = config(&place, &account, &stage().await.simulator.url()).await;
    let failures = test.failures(&without_keys, &[]);
    assert!(
        matches!(failures.as_slice(), [only] if only.contains(&keys)),
        "{failures:?}"
    );

    // Keys of no use, a host that is not there, and one that is not trusted.
    apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": account.keys(), "namespace": OPERATOR},
        "stringData": {"mac": "short"},
    }))
    .await;
    let simulator = stage().await.simulator.url();
    let mut lacking: Value =
        serde_json::from_str(&config(&place, &account, "https://127.0.0.1:1").await).unwrap();
    let untrusted = json!({"name": "untrusted", "kind": "Entra", "url": simulator});
    let file = lacking["authorities"][0]["caFile"].clone();
    let mistyped =
        json!({"name": "mistyped", "kind": "Oidc", "url": format!("{simulator}/oidc/a/"), "caFile": file});
    lacking["authorities"]
        .as_array_mut()
        .unwrap()
        .extend([untrusted, mistyped]);
    let failures = test.failures(&lacking.to_string(), &["--cloud", "China"]);
    for (index, told) in [
        (0, "sealing keys: the sealing keys in"),
        (
            1,
            "authority lab at https://127.0.0.1:1: 127.0.0.1:1 cannot be reached",
        ),
        (2, "is not trusted"),
        (3, "names another issuer than the declared one"),
        (
            4,
            "cloud China: login.partner.microsoftonline.cn cannot be reached",
        ),
    ] {
        assert!(failures[index].contains(told), "{told}: {failures:#?}");
    }
    assert_eq!(failures.len(), 5, "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_missing_and_a_cloud_that_a_credential_names_are_looked_for() {
    let place = Place::new("lacking").await;
    let account = settled(&place).await;
    let test = Test::of(&account, None).await;
    // Without rights there, nothing could be said but that they are missing.
    account.allow_everywhere().await;
    let elsewhere = format!("missing-{}", place.namespace);
    let lacking = json!({
        "watch": {"namespaces": [place.namespace, elsewhere]}, "sealing": {"keySecret": account.keys()},
    });
    place
        .apply("one", json!({
            "tenant": "contoso.example", "clientId": "3f0c1a52-0000-4000-8000-000000000001", "cloud": "USGovernment",
            "login": {"secretName": "one-login"}, "tokens": [{"secretName": "one-api", "scopes": [api_scope()]}],
        }))
        .await;
    let told = [
        format!("the namespace {elsewhere} does not exist"),
        "cloud USGovernment: ".to_owned(),
    ];
    let failures = test.failures(&lacking.to_string(), &[]);
    assert!(
        told.iter().all(|told| failures.iter().any(|f| f.contains(told))),
        "{failures:#?}"
    );
    assert_eq!(failures.len(), 2, "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_does_not_answer_is_told_and_a_wrong_configuration_ends_it() {
    let place = Place::new("silent").await;
    let account = Account::new(&place).await;
    let relay = Relay::before(stage().await).await.unwrap();
    let test = Test::of(&account, Some(&relay)).await;
    let config = config(&place, &account, &stage().await.simulator.url()).await;
    relay.api.add(
        Rule::new(Action::Answer(Canned::api_status(503, "ServiceUnavailable")))
            .path(PUBLISHED)
            .forever(),
    );
    let failures = test.failures(&config, &[]);
    assert!(
        failures[0].starts_with("API server: the API server did not answer"),
        "{failures:?}"
    );
    assert_eq!(test.report(&config, &[])["findings"].as_array().unwrap().len(), 1);

    for (config, arguments) in [("watch: {namespace: a}", &[][..]), ("", &["--cloud", "Germany"])] {
        let output = test.run(config, arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{output:?}"
        );
    }
}
