//! What is cited can be read: files of this repository, RFCs and other published pages, and nothing that a reader of the
//! sources cannot open.

use std::fs;
use std::path::Path;

use crate::source::root;

/// Folders with files that people read.
const FOLDERS: &[&str] = &["src", "plan", "tests", "docs", "deploy", "crds", "fuzz"];

/// Names of documents that are not here, in lower case. Rules are cited as `docs/contract.md, rule 1`.
const NOT_HERE: &[&str] = &[
    "product §",
    "product rule",
    "product's rule",
    "product.md",
    "entra-protocol",
    "operator-lessons",
    "kube-notes",
    "architecture §",
    "testing §",
    "packaging §",
];

/// This file has to name them, and generated folders hold other people's texts.
const NEVER: &[&str] = &["tests/architecture/citations.rs", "fuzz/target", "fuzz/corpus"];

/// Text files below the root of the repository, each with its path from there.
fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root(), false, &mut found);
    for folder in FOLDERS {
        collect(&root().join(folder), true, &mut found);
    }
    assert!(found.len() > FOLDERS.len(), "the repository is empty");
    found
}

fn collect(folder: &Path, deep: bool, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if is_below(&name, NEVER) {
            continue;
        }
        if path.is_dir() {
            if deep && !path.ends_with("node_modules") {
                collect(&path, deep, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((name, text));
        }
    }
}

fn is_below(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| Path::new(path).starts_with(folder))
}

/// The first document that a line cites and that is not here.
fn cited(line: &str) -> Option<&'static str> {
    let line = line.to_lowercase();
    NOT_HERE.iter().copied().find(|name| line.contains(name))
}

#[test]
fn nothing_is_cited_that_is_not_here() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        let lines = text.lines().enumerate();
        let cites = lines.filter_map(|(index, line)| Some((index + 1, cited(line)?)));
        wrong.extend(cites.map(|(line, name)| format!("{path}:{line}: {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_citation_is_seen() {
    assert_eq!(cited("//! The numbers are Product §5."), Some("product §"));
    assert_eq!(cited("/// (entra-protocol §7.3)"), Some("entra-protocol"));
    assert_eq!(cited("/// docs/contract.md, rule 1; RFC 6749 §5.2"), None);
    assert!(is_below("fuzz/target/a", NEVER) && !is_below("fuzz/targets/a.rs", NEVER));
}
