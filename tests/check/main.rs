//! `entra-operator check` against files: what it calls wrong, what it explains, and by which code it ends.
//!
//! | module | what it shows |
//! |---|---|
//! | [`crd`] | it refuses what the API server refuses, and accepts what that accepts |
//! | [`wrong`] | the sentences about wrong files are the committed ones |
//! | [`examples`] | every example of the repository is fine, and its explanation is the committed one |
//! | [`configured`] | what the operator's configuration says counts |
//! | [`command`] | the command line: exit codes, standard input, JSON |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test stops with a message at the first surprise"
)]

mod command;
mod configured;
mod crd;
mod examples;
mod wrong;

use std::path::{Path, PathBuf};

use entra_operator::operator::check;
use entra_operator::operator::cli::{CheckArgs, Output};
use serde_json::Value;

/// Root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn arguments(files: &[&str], config: Option<PathBuf>, output: Output) -> CheckArgs {
    CheckArgs {
        files: files.iter().map(|&file| file.to_owned()).collect(),
        config,
        namespace: "default".to_owned(),
        output,
    }
}

/// What is printed about this text.
fn printed(text: &str, config: Option<PathBuf>, output: Output) -> String {
    let mut told = Vec::new();
    check(&arguments(&["-"], config, output), text.as_bytes(), &mut told).unwrap();
    String::from_utf8(told).unwrap()
}

/// The report about this text.
fn report(text: &str, config: Option<PathBuf>) -> Value {
    serde_json::from_str(&printed(text, config, Output::Json)).unwrap()
}

/// Paths and sentences of what is wrong with the objects of a report.
fn problems(report: &Value) -> Vec<String> {
    let objects = report["files"][0]["objects"].as_array().unwrap();
    let all = objects
        .iter()
        .flat_map(|object| object["problems"].as_array().unwrap());
    all.map(|p| {
        format!(
            "{}: {}",
            p["path"].as_str().unwrap(),
            p["message"].as_str().unwrap()
        )
    })
    .collect()
}
