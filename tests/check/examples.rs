//! Every credential that the repository shows is one that can be applied.

use std::collections::BTreeSet;
use std::fs;

use entra_operator::operator::cli::Output;
use serde_json::Value;

use crate::{printed, report, root};

const EXAMPLES: &str = "deploy/examples";
const GOLDEN: &str = "tests/check/examples.txt";

#[test]
fn every_example_is_fine() {
    let folder = fs::read_dir(root().join(EXAMPLES)).unwrap();
    let mut credentials = 0;
    for path in folder.map(|entry| entry.unwrap().path()) {
        let report = report(&fs::read_to_string(&path).unwrap(), None);
        assert_eq!(report["fine"], true, "{}: {report:#}", path.display());
        let objects = report["files"][0]["objects"].as_array().unwrap();
        credentials += objects
            .iter()
            .filter(|object| object["explained"].is_object())
            .count();
    }
    assert!(credentials >= 2);
}

/// Whoever applies the whole folder gets all of it.
#[test]
fn no_two_examples_define_the_same_object() {
    let mut seen = BTreeSet::new();
    for file in fs::read_dir(root().join(EXAMPLES)).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for object in report(&text, None)["files"][0]["objects"].as_array().unwrap() {
            let name = ["kind", "namespace", "name"].map(|key| object[key].as_str().unwrap().to_owned());
            assert!(seen.insert(name.clone()), "{name:?} twice");
        }
    }
    assert!(seen.len() >= 6, "{seen:?}");
}

#[test]
fn the_explanation_is_the_committed_one() {
    let told: Vec<_> = ["entracredential.yaml", "workload-identity.yaml"]
        .iter()
        .map(|name| {
            let text = fs::read_to_string(root().join(EXAMPLES).join(name)).unwrap();
            format!(
                "$ entra-operator check - < {EXAMPLES}/{name}\n{}",
                printed(&text, None, Output::Text)
            )
        })
        .collect();
    let told = told.concat();
    let golden = fs::read_to_string(root().join(GOLDEN)).unwrap_or_default();
    assert!(told == golden, "{GOLDEN} should be:\n{told}");
}

/// YAML between three backticks.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let after = text.split("```yaml\n").skip(1);
    after.filter_map(|rest| rest.split("```").next())
}

#[test]
fn every_credential_in_the_documentation_is_fine() {
    let mut pages = vec![root().join("README.md")];
    pages.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    let mut seen = 0;
    for page in pages
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
    {
        let text = fs::read_to_string(page).unwrap();
        for block in blocks(&text).filter(|block| block.contains("kind: EntraCredential")) {
            let report = report(block, None);
            assert_eq!(
                report["fine"],
                Value::Bool(true),
                "{}: {report:#}",
                page.display()
            );
            seen += 1;
        }
    }
    assert!(seen >= 1, "no page shows a credential");
}
