//! Files use each other one way: whoever reads one needs not read all of a circle.
//!
//! A use is a path that starts with `crate`, `super`, `self` or a child module, in a `use` or in the code. What a module only
//! re-exports it does not use, and who takes it from there uses the file behind. Not seen: methods, and what a module re-exports
//! and uses itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{File, files};

/// Circles that are there, each in the order of its names. The list may only get shorter.
const PRESENT: &[&[&str]] = &[
    &[
        "entra::assertion",
        "entra::authority",
        "entra::authority::kind",
        "entra::authority::tenant",
        "entra::decode",
        "entra::failure",
        "entra::failure::b2c",
        "entra::failure::names",
        "entra::grant",
        "entra::wire",
    ],
    &[
        "entra::client",
        "entra::discovery",
        "entra::discovery::issuer",
        "entra::discovery::tenant",
    ],
];

/// A module with a file of its own.
#[derive(Default)]
struct Module {
    /// Paths in its code, but for those that it only hands on.
    paths: Vec<String>,
    /// Names that it hands on, and where they are.
    exports: BTreeMap<String, String>,
}

type Modules = BTreeMap<String, Module>;

/// `src/entra/limits/mod.rs` is `entra::limits`; the root of the crate has no name.
fn name(path: &str) -> String {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let name = inside.replace('/', "::");
    let name = name.strip_suffix("::mod").unwrap_or(&name);
    if name == "lib" {
        String::new()
    } else {
        name.to_owned()
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() {
        name.to_owned()
    } else {
        format!("{module}::{name}")
    }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Code without its re-exports, and these.
fn split(code: &str) -> (String, Vec<String>) {
    let is_export = |statement: &str| {
        let start = statement.trim_start();
        start.starts_with("pub")
            && start
                .split_once(" use ")
                .is_some_and(|(seen, _)| !seen.contains(['{', ';', '=']))
    };
    let mut rest = String::new();
    let mut exports = Vec::new();
    for statement in code.split_inclusive(';') {
        match statement.find("pub").map(|at| statement.split_at(at)) {
            Some((before, export)) if is_export(export) => {
                rest.push_str(before);
                exports.extend(export.split_once(" use ").map(|(_, tree)| tree.to_owned()));
            }
            _ => rest.push_str(statement),
        }
    }
    (rest, exports)
}

/// All paths of two names and more; `a::{b, c as d}` are two.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = ' ';
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        if is_word(c) && !is_word(before) && before != ':' {
            rest = path("", rest, &mut found);
            before = ' ';
        } else {
            rest = rest.strip_prefix(c).unwrap_or_default();
            before = c;
        }
    }
    found
}

/// Reads one path, or the tree below one, and hands back what follows.
fn path<'a>(head: &str, code: &'a str, found: &mut Vec<String>) -> &'a str {
    let (word, rest) = code.split_at(code.find(|c| !is_word(c)).unwrap_or(code.len()));
    let here = match word {
        "self" if !head.is_empty() => head.to_owned(),
        name => join(head, name),
    };
    let Some(below) = rest.strip_prefix("::") else {
        if here.contains("::") {
            found.push(here);
        }
        return rest;
    };
    match below.strip_prefix('{') {
        Some(tree) => branches(&here, tree, found),
        None => path(&here, below, found),
    }
}

/// Reads what is between braces, and hands back what follows the closing one.
fn branches<'a>(head: &str, tree: &'a str, found: &mut Vec<String>) -> &'a str {
    let mut rest = tree;
    while let Some(c) = rest.chars().next() {
        rest = if is_word(c) {
            path(head, rest, found)
        } else {
            rest.strip_prefix(c).unwrap_or_default()
        };
        if c == '}' {
            break;
        }
        // Another name for it is no path.
        if let Some(alias) = rest.strip_prefix(" as ") {
            rest = alias.trim_start_matches(is_word);
        }
    }
    rest
}

fn modules(files: &[File]) -> Modules {
    let read = |file: &File| {
        let (code, exports) = split(&file.code());
        let exports = exports.iter().flat_map(|tree| paths(tree));
        let named = exports.map(|path| (path.rsplit("::").next().unwrap_or_default().to_owned(), path));
        let module = Module {
            paths: paths(&code),
            exports: named.collect(),
        };
        (name(&file.path), module)
    };
    files.iter().map(read).collect()
}

/// The module whose file holds what `path` names in `module`, if it is one of these.
fn behind(modules: &Modules, module: &str, path: &str) -> Option<String> {
    let mut names = path.split("::").peekable();
    let mut at = module;
    match *names.peek()? {
        "crate" => at = "",
        "self" | "super" => {}
        first if modules.contains_key(&join(module, first)) => {}
        _ => return None,
    }
    while let Some(step) = names.next_if(|name| ["crate", "self", "super"].contains(name)) {
        if step == "super" {
            at = parent(at);
        }
    }
    let mut at = at.to_owned();
    for name in names {
        let below = join(&at, name);
        if modules.contains_key(&below) {
            at = below;
        } else if let Some(export) = modules.get(&at).and_then(|here| here.exports.get(name)) {
            return behind(modules, &at, export).or(Some(at));
        } else {
            break;
        }
    }
    Some(at)
}

fn uses(modules: &Modules) -> BTreeMap<&str, BTreeSet<String>> {
    let of = |(name, module): (&'_ String, &Module)| -> BTreeSet<String> {
        let all = module.paths.iter().filter_map(|path| behind(modules, name, path));
        all.filter(|used| used != name && !used.is_empty()).collect()
    };
    modules
        .iter()
        .map(|entry| (entry.0.as_str(), of(entry)))
        .collect()
}

/// Everything that `start` leads to.
fn reached<'a>(uses: &'a BTreeMap<&str, BTreeSet<String>>, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(module) = open.pop() {
        for next in uses.get(module.as_str()).into_iter().flatten() {
            if reached.insert(next.as_str()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// Modules that lead to each other.
fn circles(modules: &Modules) -> BTreeSet<Vec<String>> {
    let uses = uses(modules);
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|name| (*name, reached(&uses, name))).collect();
    let leads_back = |name: &str, other: &str| reach.get(other).is_some_and(|reached| reached.contains(name));
    let circle = |(name, reached): (&&str, &BTreeSet<&str>)| -> Vec<String> {
        let back = reached.iter().filter(|other| leads_back(name, other));
        back.map(|other| (*other).to_owned()).collect()
    };
    reach
        .iter()
        .map(circle)
        .filter(|circle| circle.len() > 1)
        .collect()
}

#[test]
fn files_use_each_other_one_way() {
    let present: BTreeSet<Vec<String>> = PRESENT
        .iter()
        .map(|circle| circle.iter().map(|name| (*name).to_owned()).collect())
        .collect();
    assert_eq!(circles(&modules(&files("src"))), present);
}

/// The files of a made-up crate.
fn crate_of(texts: &[(&str, &str)]) -> Modules {
    let file = |(path, text): &(&str, &str)| File {
        path: format!("src/{path}.rs"),
        text: (*text).to_owned(),
    };
    modules(&texts.iter().map(file).collect::<Vec<_>>())
}

#[test]
fn circles_are_seen_through_re_exports_trees_and_code() {
    let root = (
        "a/mod",
        "mod b;\nmod c;\npub(super) use b::{B as Other, B};\npub use c::C;\n",
    );
    let alone = ("a/c", "pub struct C;");
    for using in [
        "use crate::a::B;",
        "use super::{\n    B,\n    C as D,\n};",
        "fn f() -> super::b::B {}",
    ] {
        let user = ("d", using.replace("super::", "crate::a::"));
        let modules = crate_of(&[root, alone, ("a/b", "use crate::d;"), (user.0, &user.1)]);
        assert_eq!(
            circles(&modules),
            [vec!["a::b".to_owned(), "d".to_owned()]].into(),
            "{using}"
        );
    }
    let one_way = crate_of(&[
        root,
        alone,
        ("a/b", "use super::C;\n// use crate::d;"),
        ("d", "use crate::a::B;"),
    ]);
    assert!(circles(&one_way).is_empty());
}
