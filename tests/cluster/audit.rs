//! What auditors read in the log, whatever its filter says.

use entra_lab::stage::{Operator, OperatorOptions};
use serde_json::json;

use crate::scene::{Place, api_scope, user};

const START: &str = "entra_operator::operator::run";

/// The log says nothing but where it listens, which the stage must know.
fn silent(config: &str) -> OperatorOptions {
    OperatorOptions {
        log: format!("off,{START}=info"),
        config: config.to_owned(),
        ..OperatorOptions::default()
    }
}

/// The audit lines about one of these events.
fn told(operator: &Operator, events: &[&str]) -> Vec<String> {
    let is_one = |line: &&str| {
        events
            .iter()
            .any(|event| line.contains(&format!("event=\"{event}\"")))
    };
    operator.log().lines().filter(is_one).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_leaves_a_trail() {
    let place = Place::new("audit").await;
    let operator = place.operator(silent("")).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, "SIMWRONG~contoso").await;
    place.gone("one-login").await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;

    let trail = told(&operator, &["PasswordSent", "Verdict"]);
    let expected: [&[&str]; 4] = [
        &["event=\"PasswordSent\""],
        &[
            "verdict=\"condemned\"",
            "reason=\"WrongPassword\"",
            "code=50126",
            "correlation_id=",
        ],
        &["event=\"PasswordSent\""],
        &["verdict=\"accepted\""],
    ];
    assert_eq!(trail.len(), expected.len(), "{trail:#?}");
    let whose = format!("namespace=\"{}\" name=\"one\"", place.namespace);
    for (line, parts) in trail.iter().zip(expected) {
        let wanted = parts.iter().copied().chain([whose.as_str(), "attempt="]);
        let missing: Vec<_> = wanted.filter(|part| !line.contains(part)).collect();
        assert!(missing.is_empty(), "{missing:?} is not in {line}");
    }
    let sealed = told(&operator, &["Sealed"]);
    assert!(
        !sealed.is_empty() && sealed.iter().all(|line| line.contains("key=")),
        "{sealed:#?}"
    );
    let log = operator.log();
    let others = log
        .lines()
        .filter(|line| !line.contains(" audit: ") && !line.contains(START));
    assert_eq!(others.count(), 0, "nothing else: {log}");
    assert!(!log.contains(&name), "no user name: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_line_has_the_user_name_where_the_administrator_wants_it() {
    let place = Place::new("audit").await;
    let operator = place.operator(silent("audit: {userNames: true}\n")).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let trail = told(&operator, &["PasswordSent", "Verdict"]);
    let user = format!("user=\"{name}\"");
    assert!(
        trail.len() == 2 && trail.iter().all(|line| line.contains(&user)),
        "{trail:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_told_once() {
    let place = Place::new("audit").await;
    let operator = place
        .operator(silent("policy: {tenants: [elsewhere.example]}\n"))
        .await;
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.expect("one", "Ready", "False/NotAllowed").await;
    let (name, password) = user();
    place.login("one-login", &name, &password).await;
    let label = json!({"spec": {"secretLabels": {"contoso.example/team": "etl"}}});
    place.patch_credential("one", label).await;
    place
        .until("the change was looked at", || async {
            place.status("one").await["observedGeneration"] == 2
        })
        .await;
    let denied = told(&operator, &["Denied"]);
    assert_eq!(denied.len(), 1, "{denied:#?}");
    assert!(told(&operator, &["PasswordSent"]).is_empty());
}
