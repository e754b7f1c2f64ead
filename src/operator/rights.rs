//! The rights that the operator needs in every namespace that it serves.

/// API group, resource and verbs, as `deploy/manifests/rbac.yaml` has them.
pub(super) const SERVED: [(&str, &str, &[&str]); 5] = [
    (
        "entra-operator.dev",
        "entracredentials",
        &["get", "list", "watch"],
    ),
    ("entra-operator.dev", "entracredentials/status", &["patch"]),
    (
        "",
        "secrets",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    ("events.k8s.io", "events", &["create", "patch"]),
    ("", "namespaces", &["get"]),
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::SERVED;

    /// What is told is what is installed.
    #[test]
    fn the_rights_are_those_of_the_manifests() {
        let text = include_str!("../../deploy/manifests/rbac.yaml");
        let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        let role = objects
            .iter()
            .find(|object| object["kind"] == "ClusterRole" && object["metadata"]["name"] == "entra-operator")
            .unwrap();
        let told: Vec<_> = SERVED
            .iter()
            .map(|(group, resource, verbs)| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs}))
            .collect();
        assert_eq!(role["rules"], json!(told));
    }
}
