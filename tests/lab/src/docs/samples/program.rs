//! Runs the program that a sample became, to its end. Nothing of the user's settings for a language changes what is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::frames::{Frame, Start};
use super::{Error, requirements};
use crate::stage::repository;
use crate::{python, tool};

/// The project of the sample in Rust.
const MANIFEST: &str = include_str!("Cargo.toml.txt");

/// Below the target directory, so that its dependencies are compiled once.
const PROJECT: &str = "docs-samples/rust";

/// Writes it into its frame's file and runs it; the inner error is the program's. Blocks.
pub(super) fn run(frame: &Frame, text: &str, directory: &Path) -> Result<Result<(), tool::Error>, Error> {
    let mut command = match frame.start {
        Start::Program(words) => words_and_file(words, &written(directory, frame.file, text)?),
        Start::Python => {
            let packages = python::packages("docs-samples", &requirements())?;
            let mut command = words_and_file(&["python3"], &written(directory, frame.file, text)?);
            command.env("PYTHONPATH", packages);
            command
        }
        Start::Cargo => cargo(frame, text)?,
    };
    // What is called is here, whatever proxy the user has.
    command.envs([("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")]);
    command.env("GOWORK", "off").env_remove("GOFLAGS");
    Ok(tool::run(&mut command).map(drop))
}

fn words_and_file(words: &[&str], file: &Path) -> Command {
    let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
    let mut command = Command::new(program);
    command.args(arguments).arg(file);
    command.current_dir(file.parent().unwrap_or(file));
    command
}

/// The workspace's lock file pins its versions; nothing is fetched, because the laboratory has the same dependencies.
fn cargo(frame: &Frame, text: &str) -> Result<Command, Error> {
    let project = repository().join("target").join(PROJECT);
    written(&project, frame.file, text)?;
    written(&project, "Cargo.toml", MANIFEST)?;
    let lock = repository().join("Cargo.lock");
    fs::copy(&lock, project.join("Cargo.lock")).map_err(Error::io(format!("copy {}", lock.display())))?;
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--offline", "--target-dir"])
        .arg(project.join("target"))
        .current_dir(project);
    Ok(command)
}

fn written(directory: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent).map_err(Error::io(format!("make {}", parent.display())))?;
    fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
    Ok(path)
}
