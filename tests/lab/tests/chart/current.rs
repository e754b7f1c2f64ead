//! What is written from the chart is what is stored, with every Helm and for every version of Kubernetes.

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use entra_lab::chart::helm::Helm;
use entra_lab::chart::sets::{SETS, chart};
use entra_lab::chart::written::{self, Files};
use entra_lab::stage::repository;

/// The oldest and the newest of both; what is stored comes from the newest Helm for the oldest Kubernetes.
const PAIRS: [(Helm, &str); 2] = [(Helm::V3, written::KUBERNETES), (Helm::V4, "1.37.1")];

/// What is written from the chart; rendered once.
fn rendered() -> &'static Files {
    static RENDERED: OnceLock<Files> = OnceLock::new();
    RENDERED.get_or_init(|| written::rendered().unwrap())
}

fn assert_stored(files: &Files) {
    for (path, text) in files {
        let stored = fs::read_to_string(repository().join(path)).unwrap_or_default();
        assert!(stored == *text, "{path} is stale: run cargo lab chart write");
    }
}

#[test]
fn the_definition_is_that_of_the_repository() {
    assert_stored(&written::definition().unwrap());
}

#[test]
fn manifests_and_expectations_are_current() {
    let files = rendered();
    assert!(files.contains_key("deploy/manifests/deployment.yaml"));
    assert!(files.len() > SETS.len());
    assert_stored(files);
}

#[test]
fn every_helm_renders_the_same_for_every_version() {
    for set in SETS {
        let expected = set.rendered(Helm::V4, written::KUBERNETES).unwrap();
        for (helm, kubernetes) in PAIRS {
            let rendered = set.rendered(helm, kubernetes).unwrap();
            assert!(rendered == expected, "{}: {helm:?} for {kubernetes}", set.name);
        }
    }
}

#[test]
fn an_older_kubernetes_is_refused() {
    let chart = chart().display().to_string();
    for helm in Helm::ALL {
        let old = helm.run(&["template", "a", &chart, "--kube-version", "1.32.9"]);
        assert!(old.unwrap_err().to_string().contains(">=1.33.0-0"));
        let vendor = helm.run(&["template", "a", &chart, "--kube-version", "v1.33.4-gke.1"]);
        assert!(vendor.is_ok());
    }
}

#[test]
fn nothing_else_is_there() {
    let names = |directory: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(repository().join(directory)).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| name(entry.unwrap())).collect()
    };
    let sets = SETS.iter().map(|set| set.name.to_owned()).collect();
    assert_eq!(names("deploy/chart/tests"), sets);
    let by_hand = ["kustomization.yaml", "namespace.yaml"].map(str::to_owned);
    let written = rendered()
        .keys()
        .filter_map(|path| path.strip_prefix("deploy/manifests/"));
    let manifests = written.map(str::to_owned).chain(by_hand).collect();
    assert_eq!(names("deploy/manifests"), manifests);
}

#[test]
fn helm_lints_it() {
    let chart = chart().display().to_string();
    for helm in Helm::ALL {
        let lint = ["lint", "--strict", &chart, "--kube-version", written::KUBERNETES];
        helm.run(&lint).unwrap();
    }
}
