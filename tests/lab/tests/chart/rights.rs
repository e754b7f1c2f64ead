//! Rights: what the set asks for and nothing else, by namespace where namespaces are listed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::objects::{Objects, all, of_kind, only, pod, set};

fn rules(object: &Value) -> &[Value] {
    object["rules"].as_array().unwrap()
}

fn names(object: &Value, key: &str) -> BTreeSet<String> {
    let list = object[key].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

fn concerns(object: &Value, resource: &str) -> bool {
    rules(object)
        .iter()
        .any(|rule| names(rule, "resources").contains(resource))
}

fn all_roles(objects: &Objects) -> impl Iterator<Item = &Value> {
    ["Role", "ClusterRole"]
        .into_iter()
        .flat_map(|kind| of_kind(objects, kind))
}

#[test]
fn nothing_is_a_wildcard_and_nobody_can_give_rights() {
    let mut seen = 0;
    for (name, objects) in all() {
        for role in all_roles(objects) {
            for rule in rules(role) {
                seen += 1;
                for key in ["apiGroups", "resources", "verbs"] {
                    let words = names(rule, key);
                    assert!(!words.is_empty(), "{name}: {key}");
                    for word in [
                        "*",
                        "escalate",
                        "bind",
                        "impersonate",
                        "deletecollection",
                        "serviceaccounts/token",
                    ] {
                        assert!(!words.contains(word), "{name}: {word}");
                    }
                }
            }
        }
    }
    assert!(seen > 50);
}

#[test]
fn every_namespace_is_served_by_one_cluster_role() {
    let role = only(set("defaults"), "ClusterRole");
    assert!(concerns(role, "secrets"));
    let binding = only(set("defaults"), "ClusterRoleBinding");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
}

#[test]
fn listed_namespaces_have_a_role_each_and_nothing_holds_for_the_cluster() {
    let objects = set("namespaces");
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert_eq!(of_kind(objects, kind).count(), 0, "{kind}");
    }
    let everywhere = rules(only(set("defaults"), "ClusterRole"));
    for namespace in ["etl", "entra-operator"] {
        let served = |object: &&Value| {
            object["metadata"]["namespace"] == namespace
                && object["metadata"]["name"] == "entra-operator-served"
        };
        let role = of_kind(objects, "Role").find(served).unwrap();
        assert_eq!(rules(role), everywhere, "{namespace}");
        let binding = of_kind(objects, "RoleBinding").find(served).unwrap();
        assert_eq!(
            binding["roleRef"],
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "entra-operator-served"})
        );
    }
    assert_eq!(of_kind(objects, "Role").count(), 3);
}

#[test]
fn every_binding_is_the_pods_own_account() {
    for (name, objects) in all() {
        let bindings = ["RoleBinding", "ClusterRoleBinding"];
        for binding in bindings.into_iter().flat_map(|kind| of_kind(objects, kind)) {
            let account = &pod(objects)["serviceAccountName"];
            let expected =
                json!([{"kind": "ServiceAccount", "name": account, "namespace": "entra-operator"}]);
            assert_eq!(binding["subjects"], expected, "{name}");
        }
    }
}

/// Rules of the Role in the operator's own namespace.
fn own(name: &str) -> Vec<(BTreeSet<String>, BTreeSet<String>)> {
    let role = of_kind(set(name), "Role")
        .find(|role| concerns(role, "leases"))
        .unwrap();
    assert_eq!(role["metadata"]["namespace"], "entra-operator");
    let of = |rule: &Value| (names(rule, "resources"), names(rule, "resourceNames"));
    rules(role).iter().map(of).collect()
}

#[test]
fn keys_are_reached_by_name_and_only_where_they_are_a_secret() {
    let one = |name: &str| BTreeSet::from([name.to_owned()]);
    let keys = (one("secrets"), one("entra-operator-keys"));
    assert!(own("defaults").contains(&keys));
    assert!(
        own("key-file")
            .iter()
            .all(|(resources, _)| *resources == one("leases"))
    );
}

#[test]
fn rights_and_accounts_of_others_are_left_to_them() {
    let objects = set("bring-your-own");
    assert_eq!(all_roles(objects).count(), 0);
    assert_eq!(of_kind(objects, "ServiceAccount").count(), 0);
    assert_eq!(pod(objects)["serviceAccountName"], "tokens");
}

#[test]
fn people_get_rights_to_credentials_and_never_to_secrets() {
    let objects = set("everything");
    let label = |role: &str| format!("rbac.authorization.k8s.io/aggregate-to-{role}");
    for (people, writes) in [("view", false), ("edit", true), ("admin", true)] {
        let role =
            of_kind(objects, "ClusterRole").find(|role| role["metadata"]["labels"][label(people)] == "true");
        let [only] = rules(role.unwrap()) else {
            panic!("more than one rule for {people}")
        };
        assert_eq!(
            names(only, "resources"),
            BTreeSet::from(["entracredentials".to_owned()])
        );
        assert_eq!(names(only, "verbs").contains("create"), writes, "{people}");
    }
    assert!(all().iter().all(|(name, objects)| *name == "everything"
        || of_kind(objects, "ClusterRole").all(|role| role["metadata"]["labels"][label("view")].is_null())));
}
