//! What Chart.yaml tells Artifact Hub is so, and the chart of a release runs the image of that release.

use std::fs;
use std::path::Path;
use std::process::Command;

use entra_lab::chart::helm::Helm;
use entra_lab::chart::sets::chart;
use entra_lab::stage::repository;
use serde_json::{Value, json};

use crate::objects::{container, of_kind, only, set};

fn yaml(file: &str) -> Value {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn metadata() -> Value {
    yaml("deploy/chart/Chart.yaml")
}

/// An annotation that is a list in a text.
fn listed(name: &str) -> Vec<Value> {
    let text = metadata()["annotations"][format!("artifacthub.io/{name}")].clone();
    serde_saphyr::from_str(text.as_str().unwrap()).unwrap()
}

#[test]
fn its_version_is_the_operators() {
    for key in ["version", "appVersion"] {
        assert_eq!(metadata()[key], env!("CARGO_PKG_VERSION"), "{key}");
    }
}

#[test]
fn its_licence_is_the_repositorys() {
    let told = &metadata()["annotations"]["artifacthub.io/license"];
    assert_eq!(told, env!("CARGO_PKG_LICENSE"));
}

#[test]
fn the_definitions_are_those_that_it_installs() {
    let versions = |definition: &Value| {
        let one = |version: &Value| {
            let names = [
                &definition["metadata"]["name"],
                &definition["spec"]["names"]["kind"],
            ];
            json!([names, version["name"]])
        };
        let versions = definition["spec"]["versions"].as_array().unwrap();
        versions.iter().map(one).collect::<Vec<_>>()
    };
    let installed = of_kind(set("defaults"), "CustomResourceDefinition").flat_map(versions);
    let told = listed("crds");
    let told = told
        .iter()
        .map(|crd| json!([[crd["name"], crd["kind"]], crd["version"]]));
    assert_eq!(told.collect::<Vec<_>>(), installed.collect::<Vec<_>>());
}

#[test]
fn the_example_is_that_of_the_repository() {
    assert_eq!(
        listed("crdsExamples"),
        [yaml("deploy/examples/entracredential.yaml")]
    );
}

#[test]
fn the_images_are_those_that_it_runs() {
    let objects = set("defaults");
    let selftest = only(objects, "Pod");
    let told = listed("images");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["image"], container(objects)["image"]);
    assert_eq!(told[0]["image"], selftest["spec"]["containers"][0]["image"]);
}

#[test]
fn changes_and_links_have_the_form_that_is_asked_for() {
    const KINDS: [&str; 6] = ["added", "changed", "deprecated", "removed", "fixed", "security"];
    for change in listed("changes") {
        assert!(KINDS.contains(&change["kind"].as_str().unwrap()), "{change}");
        assert!(change["description"].is_string(), "{change}");
    }
    for link in listed("links") {
        assert!(link["name"].is_string(), "{link}");
        assert!(link["url"].as_str().unwrap().starts_with("https://"), "{link}");
    }
}

#[test]
fn a_released_chart_runs_the_released_image() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for helm in Helm::ALL {
        let directory = tempfile::tempdir().unwrap();
        package(
            helm,
            "registry.contoso.example/platform",
            &digest,
            directory.path(),
        );
        let archive = format!("entra-operator-{}.tgz", env!("CARGO_PKG_VERSION"));
        let archive = directory.path().join(archive).display().to_string();
        let shown = helm.run(&["show", "all", &archive]).unwrap();
        let image = "image: registry.contoso.example/platform/entra-operator:";
        assert!(shown.contains(image), "{shown}");
        let rendered = helm.run(&["template", "a", &archive, "--kube-version", "1.33.0"]);
        let image = format!("image: registry.contoso.example/platform/entra-operator@{digest}\n");
        assert!(rendered.unwrap().contains(&image));
    }
}

fn package(helm: Helm, registry: &str, digest: &str, directory: &Path) {
    let mut script = Command::new(chart().with_file_name("package-chart.sh"));
    let script = script.args([registry, digest]).arg(directory);
    let output = script.env("HELM", helm.program().unwrap()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
