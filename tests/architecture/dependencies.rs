//! Dependencies point one way: `plan ← api ← reconcile ← {cluster, entra, secrets} ← operator ← bin`.
//!
//! `plan` is a crate of its own, so that the compiler keeps it from naming the others. The rest is read here.

use std::collections::BTreeSet;
use std::fs;

use crate::source::{File, files, root};

/// Which modules of the crate a module may name, besides itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("plan", &[]),
    ("api", &["plan"]),
    ("reconcile", &["api", "plan"]),
    ("cluster", &["api", "plan", "reconcile"]),
    ("entra", &["api", "plan", "reconcile"]),
    ("secrets", &["api", "plan", "reconcile"]),
    ("telemetry", &["api", "plan", "reconcile"]),
    (
        "operator",
        &[
            "api",
            "plan",
            "reconcile",
            "cluster",
            "entra",
            "secrets",
            "telemetry",
        ],
    ),
    ("lib", &[]),
    ("bin", &[]),
];

/// Crates that a module must not name.
const MUST_NOT_NAME: &[(&str, &[&str])] = &[
    ("entra", &["kube", "k8s_openapi"]),
    ("secrets", &["kube", "k8s_openapi", "reqwest", "tokio"]),
    ("reconcile", &["kube", "reqwest", "aws_lc_rs"]),
    ("cluster", &["reqwest", "aws_lc_rs"]),
    ("telemetry", &["kube", "k8s_openapi", "reqwest"]),
    ("api", &["reqwest", "tokio", "tracing"]),
];

/// Crates that the plan may depend on: they derive names and schemas of its types, and do nothing.
const PLAN_MAY_DEPEND_ON: &[&str] = &["schemars", "serde", "strum"];

/// What a pure function does not name: the standard library has clocks, files and threads, too.
const PLAN_MUST_NOT_NAME: &[&str] = &[
    "async ",
    ".await",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::sync",
    "std::thread",
    "std::time",
    "thread_local",
];

/// Files that may name the Kubernetes type `Secret`; everything else sees our own types, which redact and wipe.
const MAY_NAME_SECRET: &[&str] = &["src/cluster/metadata.rs", "src/cluster/secrets.rs"];

/// The one file that may watch or list Secrets in all namespaces.
const MAY_WATCH_SECRETS: &str = "src/cluster/watch.rs";

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows each `prefix` in the code, up to the end of the word.
fn words_after<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let parts: Vec<&str> = code.split(prefix).collect();
    let ends_word = |before: &str| before.ends_with(is_word) || before.ends_with("::");
    let pairs = parts.windows(2).filter_map(|pair| match pair {
        [before, after] if !ends_word(before) => Some(*after),
        _ => None,
    });
    pairs
        .map(|after| after.split(|c| !is_word(c)).next().unwrap_or_default())
        .collect()
}

/// Whether a path in the code starts with this crate.
fn names_crate(code: &str, name: &str) -> bool {
    !words_after(code, &format!("{name}::")).is_empty()
}

fn table<'a>(rows: &[(&str, &'a [&'a str])], module: &str) -> Option<&'a [&'a str]> {
    rows.iter()
        .find(|(m, _)| *m == module)
        .map(|(_, allowed)| *allowed)
}

fn forbidden_modules(file: &File) -> Vec<String> {
    let allowed = table(MAY_USE, file.module()).unwrap_or_else(|| panic!("{}: unknown module", file.path));
    let code = file.code();
    let used = words_after(&code, "crate::");
    let wrong = used
        .into_iter()
        .filter(|m| *m != file.module() && !allowed.contains(m) && is_module(m));
    wrong.map(|m| format!("{} uses crate::{m}", file.path)).collect()
}

/// `crate::Name` is an item of the crate root, of which there are none; `crate::{…}` hides what is used.
fn is_module(word: &str) -> bool {
    word.is_empty() || table(MAY_USE, word).is_some()
}

#[test]
fn modules_depend_one_way() {
    let wrong: Vec<_> = files("src").iter().flat_map(forbidden_modules).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn modules_name_no_crate_that_belongs_elsewhere() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let code = file.code();
        let banned = table(MUST_NOT_NAME, file.module()).unwrap_or_default();
        let named = banned.iter().filter(|name| names_crate(&code, name));
        wrong.extend(named.map(|name| format!("{} names {name}", file.path)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Names of the crates in the section `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    let sections = manifest.split("\n[").filter_map(|s| s.split_once("]\n"));
    let section = sections
        .into_iter()
        .find_map(|(name, lines)| (name == "dependencies").then_some(lines));
    let names = section.unwrap_or_default().lines();
    names
        .filter_map(|line| line.split(['.', '=']).next())
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

/// What makes a file of the plan impure.
fn impure(file: &File) -> Vec<String> {
    let code = file.code();
    let named = PLAN_MUST_NOT_NAME.iter().filter(|name| code.contains(*name));
    named.map(|name| format!("{}: {name}", file.path)).collect()
}

#[test]
fn the_plan_is_pure() {
    let wrong: Vec<_> = files("plan/src").iter().flat_map(impure).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_plan_depends_on_nothing_that_acts() {
    let manifest = fs::read_to_string(root().join("plan/Cargo.toml")).unwrap();
    assert_eq!(dependencies(&manifest), PLAN_MAY_DEPEND_ON);
}

#[test]
fn only_the_adapter_names_the_kubernetes_secret() {
    let mut wrong = Vec::new();
    for file in files("src") {
        let code = file.code();
        let imports = code
            .split(';')
            .filter(|s| s.contains("use k8s_openapi::api::core::v1"));
        let names = imports
            .into_iter()
            .any(|s| s.split(|c| !is_word(c)).any(|word| word == "Secret"));
        if names && !MAY_NAME_SECRET.contains(&file.path.as_str()) {
            wrong.push(file.path.clone());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A read or list of Secrets across namespaces is how operators were turned against their users: the namespace always
/// comes from the credential.
#[test]
fn secrets_of_all_namespaces_are_only_watched() {
    let mut wrong = Vec::new();
    for file in files("src").iter().filter(|f| f.path != MAY_WATCH_SECRETS) {
        let code = file.code();
        let typed = code.contains("Api::<Secret>") || code.contains("Api<Secret>");
        let across = code.contains("SeenSecret") && (code.contains("Api::all(") || code.contains(">::all("));
        if typed || across {
            wrong.push(file.path.clone());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_scanner_sees_what_it_should() {
    let code = "use crate::api::X; let y = crate::plan::f(); my_crate::z(); a::crate::b";
    assert_eq!(words_after(code, "crate::"), BTreeSet::from(["api", "plan"]));
    assert!(names_crate("use kube::Api;", "kube") && !names_crate("use my_kube::Api;", "kube"));
    assert_eq!(
        words_after("use crate::{api, plan};", "crate::"),
        BTreeSet::from([""])
    );
}

#[test]
fn the_rules_catch_what_they_should() {
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let wrong = |path: &str, text: &str| forbidden_modules(&file(path, text)).len();
    assert_eq!(wrong("src/api/a.rs", "use crate::cluster::KubeCluster;"), 1);
    assert_eq!(wrong("src/api/a.rs", "use crate::{plan, cluster};"), 1);
    assert_eq!(wrong("src/entra/a/b.rs", "fn f() { crate::operator::run() }"), 1);
    assert_eq!(
        wrong(
            "src/entra/a.rs",
            "use crate::plan::Time;\n// crate::operator\n let t = \"crate::operator\";"
        ),
        0
    );
    assert_eq!(
        wrong("src/api/a.rs", "#[cfg(test)]\nuse crate::cluster::KubeCluster;"),
        0
    );
    let clock = file("plan/src/a.rs", "use std::time::Instant;");
    assert_eq!(impure(&clock), ["plan/src/a.rs: std::time"]);
    let manifest =
        "[package]\nname = \"a\"\n\n[dependencies]\nserde.workspace = true\ntokio = \"1\"\n\n[x]\ny = 1\n";
    assert_eq!(dependencies(manifest), ["serde", "tokio"]);
}
