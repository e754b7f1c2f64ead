//! The laboratory's own program: what people start by hand, and what the cargo aliases call.

mod breaks;

use std::{error::Error, io::Write, process::ExitCode};

use clap::Parser;
use entra_lab::controlplane;

/// Test laboratory of entra-operator.
#[derive(Debug, Parser)]
#[command(name = "entra-lab")]
enum Cli {
    /// A real etcd, kube-apiserver and kube-controller-manager
    #[command(subcommand)]
    ControlPlane(controlplane::command::Command),
    Breaks(breaks::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result: Result<(), Box<dyn Error>> = match Cli::parse() {
        Cli::ControlPlane(command) => command.run().await.map_err(Into::into),
        Cli::Breaks(command) => command.run().map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// The whole chain of causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
