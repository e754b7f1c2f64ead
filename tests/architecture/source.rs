//! The sources as these tests see them: production code, without comments, texts and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(crate) struct File {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

impl File {
    /// Production code: up to the tests, without lines that are comments and without what is in quotes.
    pub(crate) fn code(&self) -> String {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        let production = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = production.lines().filter(|l| !l.trim_start().starts_with("//"));
        lines.map(without_texts).collect::<Vec<_>>().join("\n")
    }

    /// The top-level module that the file belongs to; `bin` for binaries, `lib` for the crate root.
    pub(crate) fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = inside.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

/// Every second part between quotation marks is a text. A text over several lines is taken for code: too strict, never
/// too lax.
fn without_texts(line: &str) -> String {
    line.replace("\\\"", "")
        .split('"')
        .step_by(2)
        .collect::<Vec<_>>()
        .join("\"\"")
}

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, in the order of their paths.
pub(crate) fn files(folder: &str) -> Vec<File> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    let found: Vec<_> = paths.iter().map(|p| read(p)).collect();
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> File {
    File {
        path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    }
}
