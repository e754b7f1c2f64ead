//! A sabotage: a unified diff with a header that says which promise it breaks and which tests must notice.
//!
//! ```text
//! rule: A condemned password is never sent again.
//! tests: -p entra-plan --test plan
//! expect: a_condemned_password
//! diff --git a/plan/src/login.rs b/plan/src/login.rs
//! …
//! ```
//!
//! `tests:` are arguments of `cargo test` (without it: `-p entra-plan --test plan`); `expect:` is part of the name of a test that
//! must be among those that fail. Lines that begin otherwise continue the line before.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;

/// Tests that are run if the header names none.
const TESTS: &str = "-p entra-plan --test plan";

/// What a sabotage may edit, as a diff names it.
const SOURCES: [&str; 3] = ["b/src/", "b/plan/src/", "b/deploy/"];

/// One way to break a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sabotage {
    /// File name without `.patch`.
    pub(super) name: String,
    /// The promise that is broken, one sentence.
    pub(super) rule: String,
    /// Arguments of `cargo test`.
    pub(super) tests: String,
    /// Part of the name of a test that must fail.
    pub(super) expect: Option<String>,
    /// The patch.
    pub(super) path: PathBuf,
}

impl Sabotage {
    /// The same, tried by other tests.
    pub(super) fn tried_by(self, tests: &str) -> Self {
        Self {
            tests: tests.to_owned(),
            expect: None,
            ..self
        }
    }
}

/// All sabotages of a folder, in the order of their names.
pub(super) fn load(folder: &Path) -> Result<Vec<Sabotage>, Error> {
    let mut all = patches(folder)?
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn patches(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let paths = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(Error::io("read", folder))?;
    let is_patch = |path: &PathBuf| path.extension().is_some_and(|e| e == "patch");
    Ok(paths.into_iter().filter(is_patch).collect())
}

fn read(path: &Path) -> Result<Sabotage, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    parse(path, &text).map_err(|problem| Error::Patch {
        path: path.to_owned(),
        problem,
    })
}

fn parse(path: &Path, text: &str) -> Result<Sabotage, String> {
    only_sources(text)?;
    let header = header(text);
    let field = |name: &str| {
        header
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.clone())
    };
    Ok(Sabotage {
        name: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        rule: field("rule").ok_or("the line `rule: …` is missing")?,
        tests: field("tests").unwrap_or_else(|| TESTS.to_owned()),
        expect: field("expect"),
        path: path.to_owned(),
    })
}

/// A sabotage breaks the product. One that edits the tests would prove nothing.
fn only_sources(text: &str) -> Result<(), String> {
    let files: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("+++ ")).collect();
    let is_source = |file: &str| SOURCES.iter().any(|folder| file.starts_with(folder));
    match files.iter().find(|file| !is_source(file)) {
        Some(other) => Err(format!(
            "a sabotage edits src/, plan/src/ or deploy/, not {other}"
        )),
        None if files.is_empty() => Err("there is no unified diff in it".to_owned()),
        None if text.lines().any(|l| l == "--- /dev/null") => Err("a sabotage adds no files".to_owned()),
        None => Ok(()),
    }
}

/// Names and values before the diff.
fn header(text: &str) -> Vec<(String, String)> {
    let is_diff = |line: &str| line.starts_with("diff ") || line.starts_with("--- ");
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().take_while(|line| !is_diff(line)) {
        match (known(line), fields.last_mut()) {
            (Some(field), _) => fields.push(field),
            (None, Some((_, value))) if !line.trim().is_empty() => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (None, _) => {}
        }
    }
    fields
}

fn known(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    ["rule", "tests", "expect"]
        .contains(&name)
        .then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str =
        "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-a\n+b\n";

    fn sabotage(text: &str) -> Result<Sabotage, String> {
        parse(Path::new("breaks/07-name.patch"), text)
    }

    #[test]
    fn a_header_is_read() {
        let read = sabotage(&format!(
            "rule: One thing.\n\ntests: --lib a::b\nexpect: c\n{DIFF}"
        ))
        .unwrap();
        assert_eq!(
            (read.name.as_str(), read.rule.as_str()),
            ("07-name", "One thing.")
        );
        assert_eq!(
            (read.tests.as_str(), read.expect.as_deref()),
            ("--lib a::b", Some("c"))
        );
    }

    #[test]
    fn the_plan_is_tested_if_nothing_is_said_and_lines_go_on() {
        let read = sabotage(&format!("rule: One thing,\n  and another.\n{DIFF}")).unwrap();
        assert_eq!(
            (read.rule.as_str(), read.tests.as_str()),
            ("One thing, and another.", TESTS)
        );
        assert_eq!(read.expect, None);
    }

    #[test]
    fn what_breaks_no_promise_is_refused() {
        assert!(sabotage(DIFF).unwrap_err().contains("rule"));
        assert!(sabotage("rule: r\n").unwrap_err().contains("diff"));
    }

    #[test]
    fn a_sabotage_may_not_edit_the_tests() {
        let edited = DIFF.replace("src/a.rs", "plan/tests/plan/a.rs");
        assert!(
            sabotage(&format!("rule: r\n{edited}"))
                .unwrap_err()
                .contains("plan/tests/plan/a.rs")
        );
    }
}
