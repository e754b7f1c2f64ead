//! `entra-lab chart lint`: what every set of values gives, before kube-score and before the schemas of Kubernetes.
//!
//! # Guarantees
//!
//! - Each exception from kube-score's checks is written down with its reason, and still needed.
//! - An object that has no schema is named; one that was not looked at is an error.

mod exceptions;
mod schemas;
mod score;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::helm::{self, Helm};
use super::sets::{Rendered, SETS, Set};
use super::written::KUBERNETES;
use crate::{cache, python, tool};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Helm.
    #[error(transparent)]
    Helm(#[from] helm::Error),
    /// Packages of Python.
    #[error(transparent)]
    Python(#[from] python::Error),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// A tool could not be made.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// A file or a program cannot be used.
    #[error("cannot {0}")]
    Io(String, #[source] io::Error),
    /// A tool, or the file of exceptions, says what nobody understands.
    #[error("{0}: {1}")]
    Unclear(&'static str, String),
    /// The chart is not as it should be.
    #[error("the chart does not pass:\n{0}")]
    Found(String),
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |error| Self::Io(action, error)
    }

    /// Nothing, if nothing was found.
    fn found(lines: &[String]) -> Result<(), Self> {
        if lines.is_empty() {
            return Ok(());
        }
        Err(Self::Found(lines.join("\n")))
    }
}

/// The output of a set, in a file of its own.
struct Output {
    set: &'static str,
    file: PathBuf,
    objects: usize,
}

/// Lints all of it. Blocks.
pub(super) fn play() -> Result<(), Error> {
    let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
    let outputs = outputs(directory.path())?;
    said(&score::judge(&outputs)?)?;
    for kubernetes in schemas::VERSIONS {
        said(&schemas::judge(&outputs, kubernetes)?)?;
    }
    Ok(())
}

/// For one version of Kubernetes: a test says that the others get the same.
fn outputs(directory: &Path) -> Result<Vec<Output>, Error> {
    let output = |set: &Set| {
        let objects = set.rendered(Helm::V4, KUBERNETES)?;
        let texts: Vec<_> = objects.iter().map(|object| object.text.as_str()).collect();
        let file = directory.join(format!("{}.yaml", set.name));
        fs::write(&file, texts.join("\n---\n")).map_err(Error::io(format!("write {}", file.display())))?;
        Ok(Output {
            set: set.name,
            file,
            objects: objects.iter().map(documents).sum(),
        })
    };
    SETS.iter().map(output).collect()
}

/// A template may give several.
fn documents(rendered: &Rendered) -> usize {
    rendered.text.split("\n---\n").count()
}

fn said(line: &str) -> Result<(), Error> {
    writeln!(io::stdout(), "{line}").map_err(Error::io("write to standard output"))
}

/// Where the module or the lock file of a tool is.
fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
