//! What is mistyped, out of range or contradicts itself is refused, and the message names it.

use entra_lab::chart::helm::Helm;
use entra_lab::chart::sets::{RELEASE, chart};
use entra_lab::chart::written::KUBERNETES;

/// What Helm says to `--set`.
fn said(helm: Helm, settings: &[&str]) -> Result<String, String> {
    let chart = chart().display().to_string();
    let mut arguments = vec!["template", RELEASE, &chart, "--kube-version", KUBERNETES];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    helm.run(&arguments).map_err(|error| error.to_string())
}

fn refused(settings: &[&str], word: &str) {
    for helm in Helm::ALL {
        let error = said(helm, settings).expect_err(word);
        assert!(error.contains(word), "{helm:?} {settings:?}: {error}");
    }
}

#[test]
fn a_mistyped_value_is_named() {
    for (setting, word) in [
        ("replica=2", "replica"),
        ("image.digset=a", "digset"),
        ("config.wacth=1", "wacth"),
        ("config.watch.namespace={etl}", "namespace"),
        ("config.authorities[0].caBundle=a", "caBundle"),
        ("config.policy.tenant={a}", "tenant"),
        ("config.policy.namespaces.etl.user={a}", "user"),
        ("config.workloadIdentity.audiences.Germany=api://x", "Germany"),
        ("networkPolicy.egressPort={443}", "egressPort"),
        ("resources.limit.memory=1Gi", "limit"),
        ("serviceMonitor.honorLabels=false", "honorLabels"),
        ("prometheusRule.threshold.expiringSeconds=1", "threshold"),
        ("prometheusRule.thresholds.window=1", "window"),
        ("podMonitor.port=http", "port"),
        ("dashboard.label=a", "label"),
        ("admissionPolicy.action={Deny}", "action"),
    ] {
        refused(&[setting], word);
    }
}

#[test]
fn a_value_that_cannot_work_is_named() {
    for (setting, word) in [
        ("replicas=3", "replicas"),
        ("image.digest=sha256:12", "digest"),
        ("config.http.health=0.0.0.0:0", "health"),
        ("config.watch.namespaces={Etl}", "namespaces"),
        ("config.leaderElection.leaseSeconds=1", "leaseSeconds"),
        ("config.sealing.keySecret=null", "sealing"),
        ("config.policy=null", "policy"),
        ("config.policy.tenants=contoso.example", "tenants"),
        ("config.policy.namespaces.Etl.users={a}", "Etl"),
        ("proxy.https=socks5://proxy:1080", "https"),
        ("openshift=yes", "openshift"),
        ("serviceMonitor.renderMode=maybe", "renderMode"),
        (
            "prometheusRule.thresholds.expiringSeconds=1000",
            "expiringSeconds",
        ),
        ("prometheusRule.runbookBase=docs", "runbookBase"),
        ("admissionPolicy.actions={Refuse}", "actions"),
        ("admissionPolicy.actions={Deny,Warn}", "actions"),
    ] {
        refused(&[setting], word);
    }
}

#[test]
fn two_places_for_the_keys_are_one_too_many() {
    refused(&["config.sealing.keyFile=/keys"], "set keySecret to null");
}

#[test]
fn a_service_monitor_that_must_be_there_is_missed() {
    refused(
        &[
            "serviceMonitor.enabled=true",
            "serviceMonitor.renderMode=failIfMissing",
        ],
        "Install the Prometheus operator",
    );
    let skipped = said(Helm::V4, &["serviceMonitor.enabled=true"]).unwrap();
    assert!(!skipped.contains("kind: ServiceMonitor"));
    let always = [
        "serviceMonitor.enabled=true",
        "serviceMonitor.renderMode=alwaysRender",
    ];
    assert!(said(Helm::V4, &always).unwrap().contains("kind: ServiceMonitor"));
}

#[test]
fn rules_that_must_be_there_are_missed_and_so_is_an_alert_that_does_not_exist() {
    for value in ["prometheusRule", "podMonitor"] {
        let (enabled, mode) = (
            format!("{value}.enabled=true"),
            format!("{value}.renderMode=failIfMissing"),
        );
        refused(&[&enabled, &mode], &format!("{value}.enabled: the cluster"));
    }
    let always = [
        "prometheusRule.enabled=true",
        "prometheusRule.renderMode=alwaysRender",
    ];
    assert!(said(Helm::V4, &always).unwrap().contains("kind: PrometheusRule"));
    refused(
        &[always[0], always[1], "prometheusRule.disabled={EntraTokenGone}"],
        "there is no alert EntraTokenGone",
    );
}

/// What a person reads after an installation.
fn notes(helm: Helm, settings: &[&str]) -> String {
    let chart = chart().display().to_string();
    let mut arguments = vec![
        "install",
        RELEASE,
        &chart,
        "--dry-run=client",
        "--namespace",
        "tokens",
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let output = helm.run(&arguments).unwrap();
    output.split("NOTES:\n").nth(1).unwrap().to_owned()
}

#[test]
fn the_notes_say_the_next_three_commands_and_warn() {
    let plain = notes(Helm::V4, &[]);
    for command in [
        "kubectl --namespace tokens rollout status deployment/entra-operator",
        "--type=entra-operator.dev/login",
        "wait --for=condition=Ready",
        "may read all Secrets of the cluster",
        "no registry is named",
    ] {
        assert!(plain.contains(command), "{command} is not in:\n{plain}");
    }
    let careful = [
        "config.watch.namespaces={etl,reports}",
        "image.registry=registry.contoso.example",
    ];
    let careful = notes(Helm::V4, &careful);
    assert!(careful.contains("serves etl, reports. Next:"));
    assert!(!careful.contains("WARNING"), "{careful}");
    let risky = ["crds.keep=false", "serviceMonitor.enabled=true"];
    let risky = notes(Helm::V4, &risky);
    assert!(risky.contains("crds.keep is off") && risky.contains("ServiceMonitor was left out"));
}
