//! The laboratory's own program: what people start by hand, and what the cargo aliases call.

mod breaks;

use std::{error::Error, io::Write, process::ExitCode};

use clap::Parser;
use entra_lab::{
    bench, chaos, chart, controlplane, demo, docs, image, keycloak, pods, simulator, upgrade, watch,
};

/// Test laboratory of entra-operator.
#[derive(Debug, Parser)]
#[command(name = "entra-lab")]
enum Cli {
    /// A real etcd, kube-apiserver and kube-controller-manager
    #[command(subcommand)]
    ControlPlane(controlplane::command::Command),
    Breaks(breaks::Command),
    Bench(bench::Args),
    Chaos(chaos::Args),
    #[command(subcommand)]
    Chart(chart::Command),
    /// The real operator signs in once and renews tokens, live; ends by itself with a summary
    Demo(demo::Args),
    Docs(docs::Args),
    Image(image::Args),
    Keycloak(keycloak::Args),
    Pods(pods::Args),
    /// An Entra token service with users, applications, scripted faults and a journal
    Simulator(simulator::cli::Args),
    Upgrade(upgrade::Args),
    Watch(watch::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
    match cli {
        Cli::ControlPlane(command) => command.run().await?,
        Cli::Breaks(command) => command.run()?,
        Cli::Bench(args) => writeln!(std::io::stdout(), "{}", bench::run(&args).await?)?,
        Cli::Chaos(args) => Box::pin(chaos::run(args)).await?,
        Cli::Chart(command) => Box::pin(chart::run(command)).await?,
        Cli::Docs(args) => docs::run(args).await?,
        Cli::Demo(args) => Box::pin(demo::run(args)).await?,
        Cli::Image(args) => image::run(&args)?,
        Cli::Keycloak(args) => Box::pin(keycloak::run(args)).await?,
        Cli::Pods(args) => Box::pin(pods::run(args)).await?,
        Cli::Simulator(args) => simulator::cli::run(args).await?,
        Cli::Upgrade(args) => Box::pin(upgrade::run(args)).await?,
        Cli::Watch(args) => Box::pin(watch::run(args)).await?,
    }
    Ok(())
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
