//! What a value changes, set by set.

use std::fs;

use entra_lab::chart::helm::Helm;
use entra_lab::chart::sets::chart;
use entra_lab::chart::values::values;
use entra_lab::stage::repository;
use serde_json::{Value, json};

use crate::objects::{Objects, all, container, deployment, of_kind, only, pod, set, variable};

#[test]
fn the_digest_wins_and_the_registry_of_all_charts_comes_first() {
    let digest = "0".repeat(64);
    assert_eq!(
        container(set("digest"))["image"],
        format!("mirror.contoso.example/platform/entra-operator@sha256:{digest}")
    );
    assert_eq!(
        pod(set("digest"))["imagePullSecrets"],
        json!([{"name": "mirror"}])
    );
    let expected = format!("entra-operator:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container(set("defaults"))["image"], expected);
}

#[test]
fn two_replicas_spread_and_are_drained_one_at_a_time() {
    let objects = set("two-replicas");
    assert_eq!(deployment(objects)["spec"]["replicas"], 2);
    let budget = &only(objects, "PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let spread = &pod(objects)["topologySpreadConstraints"];
    assert_eq!(spread[0]["topologyKey"], "kubernetes.io/hostname");
    assert_eq!(spread[0]["whenUnsatisfiable"], "ScheduleAnyway");
    for one in ["defaults", "everything"] {
        assert_eq!(of_kind(set(one), "PodDisruptionBudget").count(), 0, "{one}");
    }
    assert_eq!(pod(set("defaults"))["topologySpreadConstraints"], Value::Null);
}

fn ports(objects: &Objects) -> Vec<&Value> {
    let ports = container(objects)["ports"].as_array().unwrap();
    ports.iter().map(|port| &port["containerPort"]).collect()
}

#[test]
fn ports_follow_the_configuration_and_both_families_are_offered() {
    let both = set("dual-stack");
    assert_eq!(ports(both), [18081, 19090]);
    let service = &only(both, "Service")["spec"];
    assert_eq!(service["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(service["ports"][0]["port"], 19090);
    assert_eq!(ports(set("defaults")), [8081, 9090]);
    let family = |name| &only(set(name), "Service")["spec"]["ipFamilyPolicy"];
    assert_eq!(family("defaults"), "PreferDualStack");
    assert_eq!(*family("egress"), Value::Null, "it listens on IPv4 alone");
}

#[test]
fn proxy_and_certificates_reach_the_operator() {
    let objects = set("egress");
    assert_eq!(
        variable(objects, "HTTPS_PROXY"),
        Some("http://proxy.contoso.example:3128")
    );
    assert_eq!(
        variable(objects, "NO_PROXY"),
        Some("fs.contoso.example,.corp.contoso.example")
    );
    assert_eq!(
        variable(objects, "SSL_CERT_FILE"),
        Some("/etc/entra-operator-ca/bundle.pem")
    );
    let mounts = container(objects)["volumeMounts"].as_array().unwrap();
    let mount = json!({"name": "certificates", "mountPath": "/etc/entra-operator-ca", "readOnly": true});
    assert!(mounts.contains(&mount));
    let volumes = pod(objects)["volumes"].as_array().unwrap();
    assert!(
        volumes.contains(&json!({"name": "certificates", "configMap": {"name": "company-certificates"}}))
    );
    for name in ["HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"] {
        assert_eq!(variable(set("defaults"), name), None);
    }
}

#[test]
fn a_network_policy_lets_in_probes_and_metrics_and_out_what_is_listed() {
    let spec = &only(set("egress"), "NetworkPolicy")["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress", "Egress"]));
    let name = &spec["podSelector"]["matchExpressions"][0];
    assert_eq!(name["key"], "app.kubernetes.io/name");
    assert_eq!(
        name["values"],
        json!(["entra-operator", "entra-operator-selftest"])
    );
    let monitoring =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]);
    let ingress =
        json!([{"ports": [{"port": "health"}]}, {"ports": [{"port": "metrics"}], "from": monitoring}]);
    assert_eq!(spec["ingress"], ingress);
    let egress = spec["egress"].as_array().unwrap();
    assert_eq!(egress[0]["ports"][0], json!({"protocol": "UDP", "port": 53}));
    let listed = json!({"ports": [{"protocol": "TCP", "port": 3128}, {"protocol": "TCP", "port": 6443}]});
    assert_eq!(egress[1], listed);
    assert_eq!(egress[2]["to"][0]["ipBlock"]["cidr"], "192.0.2.0/24");
    assert_eq!(egress.len(), 3);
    assert_eq!(of_kind(set("defaults"), "NetworkPolicy").count(), 0);
}

#[test]
fn a_service_monitor_keeps_the_namespace_of_the_credential() {
    let monitor = only(set("monitoring"), "ServiceMonitor");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let expected = json!([{"port": "metrics", "interval": "1m", "honorLabels": true}]);
    assert_eq!(monitor["spec"]["endpoints"], expected);
    // The cluster of this set does not know ServiceMonitors.
    assert_eq!(of_kind(set("everything"), "ServiceMonitor").count(), 0);
}

#[test]
fn a_pod_monitor_is_the_other_way() {
    let monitor = only(set("monitoring"), "PodMonitor");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let expected = json!([{"port": "metrics", "interval": "2m", "honorLabels": true}]);
    assert_eq!(monitor["spec"]["podMetricsEndpoints"], expected);
    let selector = &monitor["spec"]["selector"]["matchLabels"];
    let labels = &deployment(set("monitoring"))["spec"]["template"]["metadata"]["labels"];
    assert_eq!(
        selector["app.kubernetes.io/name"],
        labels["app.kubernetes.io/name"]
    );
}

/// The alerts of an object, with their groups taken away.
fn alerts(rule: &Value) -> Vec<&Value> {
    let groups = rule["spec"]["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect()
}

#[test]
fn alerts_have_what_the_values_add_and_lack_what_they_leave_out() {
    let rule = only(set("monitoring"), "PrometheusRule");
    assert_eq!(
        rule["metadata"]["annotations"]["contoso.example/owner"],
        "platform"
    );
    let alerts = alerts(rule);
    assert_eq!(
        alerts.len() + 1,
        entra_lab::watch::alerts::alerts().unwrap().len()
    );
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert_ne!(name, "EntraProviderFailing");
        assert_eq!(alert["labels"]["team"], "platform");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let told = &alert["annotations"];
        let anchor = name.to_lowercase();
        assert_eq!(
            told["runbook_url"],
            format!("https://git.contoso.example/entra-operator/docs/alerts.md#{anchor}")
        );
        assert_eq!(told["dashboard"], "entra-operator");
    }
    let text = serde_json::to_string(rule).unwrap();
    for value in values() {
        let name = value.path.rsplit('.').next().unwrap();
        assert!(!text.contains(&format!("<{name}>")), "<{name}> is left");
    }
    assert!(!text.contains("<namespace>") && !text.contains("<credential>"));
    for number in [
        "< 450",
        "> 600",
        "> 45 * 86400",
        "< 0.1 *",
        "< 14 * 86400",
        "> 120",
    ] {
        assert!(text.contains(number), "{number}");
    }
}

#[test]
fn the_dashboard_is_that_of_the_chart() {
    let objects = set("monitoring");
    let named = |object: &&Value| object["metadata"]["name"] == "entra-operator-dashboard";
    let map = of_kind(objects, "ConfigMap").find(named).unwrap();
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "yes");
    assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "Identity");
    let stored = fs::read_to_string(chart().join("dashboards/entra-operator.json")).unwrap();
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let rendered = map["data"]["entra-operator.json"].as_str().unwrap();
    assert_eq!(read(rendered), read(&stored));
    assert!(!of_kind(set("defaults"), "ConfigMap").any(|map| named(&map)));
}

#[test]
fn the_definition_is_whole_and_stays_when_the_release_goes() {
    let text = fs::read_to_string(repository().join("crds/entracredentials.yaml")).unwrap();
    let expected: Value = serde_saphyr::from_str(&text).unwrap();
    for (name, objects) in all() {
        for definition in of_kind(objects, "CustomResourceDefinition") {
            assert_eq!(definition["spec"], expected["spec"], "{name}");
            assert_eq!(definition["metadata"]["name"], expected["metadata"]["name"]);
            assert_eq!(
                definition["metadata"]["annotations"]["helm.sh/resource-policy"],
                "keep"
            );
        }
    }
    assert_eq!(of_kind(set("defaults"), "CustomResourceDefinition").count(), 1);
    assert_eq!(
        of_kind(set("bring-your-own"), "CustomResourceDefinition").count(),
        0
    );
}

#[test]
fn a_definition_that_is_not_kept_goes_with_the_release() {
    let chart = chart().display().to_string();
    let arguments = ["template", "a", &chart, "--show-only", "templates/crds.yaml"];
    let not_kept = [&arguments[..], &["--set", "crds.keep=false"]].concat();
    assert!(
        Helm::V4
            .run(&arguments)
            .unwrap()
            .contains("helm.sh/resource-policy")
    );
    assert!(
        !Helm::V4
            .run(&not_kept)
            .unwrap()
            .contains("annotations:\n    helm.sh")
    );
}

#[test]
fn a_priority_class_is_ours_theirs_or_none() {
    for (name, class, made) in [
        ("defaults", "entra-operator", 1),
        ("everything", "tokens-first", 1),
        ("bring-your-own", "platform-critical", 0),
    ] {
        assert_eq!(pod(set(name))["priorityClassName"], class, "{name}");
        assert_eq!(of_kind(set(name), "PriorityClass").count(), made, "{name}");
    }
    assert_eq!(only(set("everything"), "PriorityClass")["value"], 2000);
}

#[test]
fn what_is_given_for_the_pod_is_in_the_pod() {
    let objects = set("everything");
    let template = &deployment(objects)["spec"]["template"];
    assert_eq!(
        template["metadata"]["labels"]["contoso.example/network"],
        "internal"
    );
    assert_eq!(template["metadata"]["annotations"]["contoso.example/note"], "1");
    assert_eq!(template["spec"]["hostUsers"], false);
    assert_eq!(template["spec"]["tolerations"][0]["key"], "infra");
    assert_eq!(
        template["spec"]["nodeSelector"]["node-role.kubernetes.io/infra"],
        ""
    );
    assert!(template["spec"]["affinity"]["nodeAffinity"].is_object());
    assert_eq!(
        template["spec"]["topologySpreadConstraints"][0]["whenUnsatisfiable"],
        "DoNotSchedule"
    );
    assert_eq!(variable(objects, "ENTRA_OPERATOR_LOG"), Some("debug"));
    assert_eq!(variable(objects, "ENTRA_OPERATOR_LOG_FORMAT"), Some("json"));
    assert_eq!(variable(objects, "SSL_CERT_DIR"), Some("/etc/ssl/certs"));
    let mounts = container(set("key-file"))["volumeMounts"].as_array().unwrap();
    assert!(
        mounts
            .iter()
            .any(|mount| mount["mountPath"] == "/etc/entra-operator-keys")
    );
    assert_eq!(of_kind(objects, "ConfigMap").count(), 3);
}

#[test]
fn every_object_of_the_chart_has_its_labels_and_name() {
    let ours = set("everything")
        .iter()
        .filter(|o| o["metadata"]["labels"].is_object());
    let ours: Vec<_> = ours.collect();
    assert!(ours.len() > 10);
    for object in ours {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["contoso.example/team"], "platform");
        let name = labels["app.kubernetes.io/name"].as_str().unwrap();
        assert_eq!(name.trim_end_matches("-selftest"), "entra-operator");
        assert_eq!(labels["app.kubernetes.io/instance"], "entra-operator");
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(name.starts_with("tokens") || name == "entracredentials.entra-operator.dev");
    }
}
