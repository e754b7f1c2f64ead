//! The operator's ServiceAccount may do what the manifests say, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use entra_lab::audit::service_account;
use entra_lab::stage::OPERATOR;
use serde_json::{Value, json};

use crate::client_credentials::allow;
use crate::scene::{Place, stage};

/// Rights of every authenticated user: to ask about itself.
const OF_EVERYBODY: [&str; 2] = ["authentication.k8s.io", "authorization.k8s.io"];

/// In every namespace that is served.
pub(crate) const SERVED: [(&str, &str); 5] = [
    ("entra-operator.dev/entracredentials", "get list watch"),
    ("entra-operator.dev/entracredentials/status", "patch"),
    ("/secrets", "create delete get list patch watch"),
    ("events.k8s.io/events", "create patch"),
    ("/namespaces", "get"),
];

/// In the operator's own namespace, besides.
pub(crate) const OWN: [(&str, &str); 3] = [
    ("coordination.k8s.io/leases", "create"),
    ("coordination.k8s.io/leases=entra-operator", "get patch"),
    ("/secrets=entra-operator-keys", "get patch"),
];

/// What an administrator adds for a workload identity (deploy/examples/workload-identity.yaml).
const OF_THE_EXAMPLE: [(&str, &str); 2] = [
    ("/serviceaccounts=reporting", "get"),
    ("/serviceaccounts/token=reporting", "create"),
];

const FORBIDDEN: [(&str, &str); 14] = [
    ("list", "pods"),
    ("create", "pods"),
    ("create", "pods/exec"),
    ("create", "configmaps"),
    ("get", "configmaps"),
    ("get", "serviceaccounts"),
    ("create", "serviceaccounts/token"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("escalate", "roles.rbac.authorization.k8s.io"),
    ("impersonate", "users"),
    ("update", "entracredentials.entra-operator.dev"),
    ("delete", "entracredentials.entra-operator.dev"),
    ("update", "secrets"),
    ("deletecollection", "secrets"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_service_account_has_exactly_the_rights_of_the_manifests() {
    let place = Place::new("rights").await;
    assert_eq!(rights(&place.namespace).await, rules(&SERVED));
    let own = SERVED.iter().chain(&OWN).copied().collect::<Vec<_>>();
    assert_eq!(rights(OPERATOR).await, rules(&own));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_workload_identity_allows_one_service_account_and_nothing_else() {
    let place = Place::new("rights").await;
    allow(&place, OPERATOR).await;
    let allowed = SERVED.iter().chain(&OF_THE_EXAMPLE).copied().collect::<Vec<_>>();
    assert_eq!(rights(&place.namespace).await, rules(&allowed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_must_not_do_it_cannot_do() {
    let place = Place::new("rights").await;
    assert!(can(OPERATOR, "get", "secrets", &place.namespace).await);
    for (verb, resource) in FORBIDDEN {
        for namespace in [place.namespace.as_str(), "kube-system"] {
            let can = can(OPERATOR, verb, resource, namespace).await;
            assert!(!can, "it can {verb} {resource} in {namespace}");
        }
    }
}

/// kubectl says no by failing.
pub(crate) async fn can(account: &str, verb: &str, resource: &str, namespace: &str) -> bool {
    let account = service_account(OPERATOR, account);
    let question = ["auth", "can-i", verb, resource, "-n", namespace, "--as", &account];
    stage().await.kubectl(&question, None).is_ok()
}

pub(crate) type Rights = BTreeMap<String, BTreeSet<String>>;

fn rules(rules: &[(&str, &str)]) -> Rights {
    let verbs = |verbs: &str| verbs.split(' ').map(str::to_owned).collect();
    rules
        .iter()
        .map(|(what, v)| ((*what).to_owned(), verbs(v)))
        .collect()
}

/// What the API server says that the ServiceAccount may do in a namespace, by `group/resource` and `=name`.
async fn rights(namespace: &str) -> Rights {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace},
    });
    let (account, groups) = (service_account(OPERATOR, OPERATOR), "system:authenticated");
    let create = [
        "create",
        "--validate=false",
        "-o",
        "json",
        "--as",
        &account,
        "--as-group",
        groups,
        "-f",
        "-",
    ];
    let answer = stage().await.kubectl(&create, Some(&review.to_string())).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["status"]["incomplete"], false);
    let mut rights = Rights::new();
    for rule in answer["status"]["resourceRules"].as_array().unwrap() {
        for what in subjects(rule) {
            rights.entry(what).or_default().extend(texts(&rule["verbs"]));
        }
    }
    rights
}

fn subjects(rule: &Value) -> Vec<String> {
    let names: Vec<_> = texts(&rule["resourceNames"])
        .iter()
        .map(|n| format!("={n}"))
        .collect();
    let names = if names.is_empty() {
        vec![String::new()]
    } else {
        names
    };
    let mut subjects = Vec::new();
    for group in texts(&rule["apiGroups"]) {
        for resource in texts(&rule["resources"]) {
            subjects.extend(names.iter().map(|name| format!("{group}/{resource}{name}")));
        }
    }
    subjects.retain(|s| !OF_EVERYBODY.iter().any(|group| s.starts_with(group)));
    subjects
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(|t| t.as_str().map(str::to_owned))
        .collect()
}
