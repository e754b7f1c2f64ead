//! Wrong files, and the sentences that are printed about them.

use std::fs;

use crate::{printed, root};
use entra_operator::operator::cli::Output;

const FILES: &str = "tests/check/wrong";
const GOLDEN: &str = "tests/check/wrong.txt";

/// Name and text of every wrong file, in order.
fn files() -> Vec<(String, String)> {
    let folder = fs::read_dir(root().join(FILES)).unwrap();
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.iter().map(read).collect()
}

/// What is wrong, as it is printed, without the explanation of what is right.
fn said(text: &str) -> String {
    let all = printed(text, None, Output::Text);
    let lines = all.lines().filter(|line| {
        let told = line.trim_start();
        told.starts_with("problem:") || told.starts_with("warning:") || line.starts_with("-: ")
    });
    let lines: Vec<_> = lines.map(|line| format!("  {}\n", line.trim_start())).collect();
    lines.concat()
}

#[test]
fn each_wrong_file_has_its_sentence() {
    let files = files();
    assert!(files.len() >= 20, "{}", files.len());
    let told: Vec<_> = files
        .iter()
        .map(|(name, text)| format!("{name}\n{}", said(text)))
        .collect();
    let told = told.concat();
    let golden = fs::read_to_string(root().join(GOLDEN)).unwrap_or_default();
    assert!(told == golden, "{GOLDEN} should be:\n{told}");
}

#[test]
fn none_of_them_is_fine_and_no_password_is_repeated() {
    for (name, text) in files() {
        let report = crate::report(&text, None);
        assert_eq!(report["fine"], false, "{name}");
        assert!(!report.to_string().contains("PWMARK"), "{name}: {report:#}");
        assert!(!printed(&text, None, Output::Text).contains("PWMARK"), "{name}");
    }
}
