//! Files stay small and say what they are for.

use crate::source::{File, files};

/// Longest file of the operator, tests in it included.
const LINES_MAX: usize = 500;

#[test]
fn no_file_is_too_long() {
    let length = |f: &File| f.text.lines().count();
    let files: Vec<_> = ["src", "plan/src"].into_iter().flat_map(files).collect();
    let long = files.iter().filter(|f| length(f) > LINES_MAX);
    let long: Vec<_> = long.map(|f| format!("{}: {} lines", f.path, length(f))).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = ["src", "plan", "tests"].into_iter().flat_map(files);
    let silent: Vec<_> = all
        .filter(|f| !f.text.starts_with("//! "))
        .map(|f| f.path)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}
