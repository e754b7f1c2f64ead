//! `entra-lab control-plane`: the control plane for people. `build` prepares the programs ahead of time, `up`
//! runs one until Ctrl-C.

use std::io::{self, Write};

use clap::Subcommand;

use super::{Binaries, ControlPlane, Error, Options};

/// What to do with the control plane.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Find or build etcd, kube-apiserver, kube-controller-manager (and kubectl) and print where they are
    Build {
        /// Build kubectl as well
        #[arg(long)]
        kubectl: bool,
        /// Those of the oldest Kubernetes that the chart is for, and print their directory: a value for KUBEBUILDER_ASSETS
        #[arg(long, conflicts_with = "kubectl")]
        oldest: bool,
    },
    /// Start a control plane, print its KUBECONFIG and run until Ctrl-C or end of the terminal
    Up,
}

// === impl Command ===

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn run(self) -> Result<(), Error> {
        match self {
            Self::Build { oldest: true, .. } => print(&Binaries::oldest()?.display().to_string()),
            Self::Build { kubectl, .. } => build(kubectl),
            Self::Up => up().await,
        }
    }
}

fn build(kubectl: bool) -> Result<(), Error> {
    let binaries = Binaries::locate()?;
    for path in [
        &binaries.etcd,
        &binaries.kube_apiserver,
        &binaries.kube_controller_manager,
    ] {
        print(&path.display().to_string())?;
    }
    if kubectl {
        print(&Binaries::kubectl()?.display().to_string())?;
    }
    Ok(())
}

async fn up() -> Result<(), Error> {
    let plane = ControlPlane::start(Options::default()).await?;
    print(&format!(
        "export KUBECONFIG={}",
        plane.admin_kubeconfig().display()
    ))?;
    tokio::signal::ctrl_c()
        .await
        .map_err(Error::io("wait for Ctrl-C"))?;
    plane.shutdown().await;
    Ok(())
}

/// Output that a calling program reads, so it must not wait in a buffer.
fn print(line: &str) -> Result<(), Error> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(Error::io("write to standard output"))
}
