//! Every set gives a pod that a namespace under `restricted` admits, with a short-lived token of its own.

use serde_json::{Value, json};

use crate::objects::{all, container, deployment, of_kind, only, pod};

/// Sets that leave user and group to the cluster.
const OPENSHIFT: [&str; 2] = ["openshift", "everything"];

#[test]
fn the_pod_is_restricted() {
    for (name, objects) in all() {
        let pod = pod(objects);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(
            pod["securityContext"]["seccompProfile"],
            json!({"type": "RuntimeDefault"})
        );
        assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
        let expected = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "privileged": false,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container(objects)["securityContext"], expected, "{name}");
        for key in ["hostNetwork", "hostPID", "hostIPC", "initContainers"] {
            assert_eq!(pod[key], Value::Null, "{name}: {key}");
        }
    }
}

#[test]
fn openshift_chooses_user_and_group() {
    for (name, objects) in all() {
        let expected = if OPENSHIFT.contains(name) {
            Value::Null
        } else {
            json!(65532)
        };
        for key in ["runAsUser", "runAsGroup"] {
            assert_eq!(pod(objects)["securityContext"][key], expected, "{name}: {key}");
        }
    }
}

#[test]
fn its_token_is_mounted_for_an_hour_and_never_by_itself() {
    for (name, objects) in all() {
        let pod = pod(objects);
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        for account in of_kind(objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{name}");
        }
        let volumes = pod["volumes"].as_array().unwrap();
        let token = volumes.iter().find(|v| v["name"] == "service-account").unwrap();
        let source = &token["projected"]["sources"][0]["serviceAccountToken"];
        assert_eq!(source, &json!({"path": "token", "expirationSeconds": 3600}));
    }
}

#[test]
fn every_probe_is_there_and_memory_is_bounded() {
    for (name, objects) in all() {
        let container = container(objects);
        for (probe, path) in [
            ("startupProbe", "/livez"),
            ("livenessProbe", "/livez"),
            ("readinessProbe", "/readyz"),
        ] {
            let get = &container[probe]["httpGet"];
            assert_eq!(get, &json!({"path": path, "port": "health"}), "{name}: {probe}");
        }
        assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
    }
}

#[test]
fn an_update_never_leaves_less_than_there_was() {
    for (name, objects) in all() {
        let strategy = &deployment(objects)["spec"]["strategy"];
        let expected =
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
        assert_eq!(strategy, &expected, "{name}");
    }
}

/// A Deployment's selector cannot be changed: with another one no update of an installed operator is possible.
#[test]
fn whatever_selects_the_pods_selects_them() {
    let selected = json!({"app.kubernetes.io/name": "entra-operator"});
    for (name, objects) in all() {
        let labels = &deployment(objects)["spec"]["template"]["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/name"], "entra-operator", "{name}");
        let selectors = [
            ("Deployment", "/spec/selector/matchLabels"),
            ("Service", "/spec/selector"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ];
        for (kind, pointer) in selectors {
            for object in of_kind(objects, kind) {
                let selector = object.pointer(pointer).unwrap();
                assert_eq!(selector, &selected, "{name}: {kind}");
            }
        }
    }
}

/// `helm test` runs the image of the operator, as its account and under the same restrictions.
#[test]
fn the_self_test_is_as_restricted_as_the_operator() {
    let mut seen = 0;
    for (name, objects) in all().iter().filter(|(name, _)| *name != "manifests") {
        seen += 1;
        let (test, operator) = (&only(objects, "Pod")["spec"], pod(objects));
        for key in [
            "serviceAccountName",
            "automountServiceAccountToken",
            "enableServiceLinks",
            "imagePullSecrets",
            "securityContext",
            "hostUsers",
            "nodeSelector",
            "tolerations",
            "volumes",
        ] {
            assert_eq!(test[key], operator[key], "{name}: {key}");
        }
        let (test, operator) = (&test["containers"][0], container(objects));
        for key in [
            "image",
            "imagePullPolicy",
            "env",
            "resources",
            "securityContext",
            "volumeMounts",
        ] {
            assert_eq!(test[key], operator[key], "{name}: {key}");
        }
        assert_eq!(test["args"], json!(["selftest"]));
        let metadata = &only(objects, "Pod")["metadata"];
        assert_eq!(metadata["annotations"]["helm.sh/hook"], "test", "{name}");
        assert_ne!(
            metadata["labels"]["app.kubernetes.io/name"], "entra-operator",
            "{name}"
        );
    }
    assert!(seen >= 10);
}
