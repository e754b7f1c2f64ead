//! `entra-lab chart`: the Helm chart in `deploy/chart`, and the files that are written from it.
//!
//! # Guarantees
//!
//! - `deploy/manifests` is what the chart gives; nobody writes it by hand.
//! - The same chart gives the same text with the oldest and the newest Helm that it is made for.

pub mod helm;
mod install;
mod lint;
pub mod sets;
pub mod values;
pub mod written;

use std::io::{self, Write};

/// What to do with the Helm chart
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum Command {
    /// Write anew what comes from the chart: deploy/manifests, its tests' expectations, its table of values
    Write,
    /// Hold what it gives against kube-score and the schemas of the oldest and the newest Kubernetes; needs no cluster
    Lint,
    /// Install, upgrade and remove it on a real API server, with the oldest and the newest Helm
    Install,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Helm.
    #[error(transparent)]
    Helm(#[from] helm::Error),
    /// The lints.
    #[error(transparent)]
    Lint(#[from] lint::Error),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] crate::controlplane::Error),
    /// Its API server.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// A promise.
    #[error("{0}")]
    Broken(String),
    /// A document.
    #[error(transparent)]
    Document(#[from] crate::docs::Error),
    /// A file cannot be used.
    #[error("cannot use {0}")]
    File(String, #[source] io::Error),
}

/// Does it.
///
/// # Errors
/// See [`Error`].
pub async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Write => write(),
        Command::Lint => Ok(lint::play()?),
        Command::Install => install::play().await,
    }
}

fn write() -> Result<(), Error> {
    for files in [written::definition, written::rendered] {
        for path in written::write(&files()?)? {
            let said = writeln!(io::stdout(), "{path} is written anew");
            said.map_err(|error| Error::File("standard output".to_owned(), error))?;
        }
    }
    Ok(crate::docs::write()?)
}
