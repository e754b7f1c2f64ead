//! The process around [`run`](super::run()) and the self-test: logging, crypto provider, runtime and signals.

use tokio::signal::unix::{SignalKind, signal};

use super::cli::{RunArgs, SelftestArgs};
use super::run::run;
use super::selftest::{Report, look};
use crate::telemetry::logs;

type Failed = Box<dyn std::error::Error>;

/// Serves until SIGTERM or SIGINT.
pub fn serve(args: RunArgs) -> Result<(), Failed> {
    logs::init(&args.log, args.log_format)?;
    runtime()?.block_on(async {
        let until = told_to_stop()?;
        tracing::info!(version = super::cli::version(), "starting");
        run(args, until).await?;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Looks whether everything is there that [`serve`] needs. It logs nothing.
pub fn selftest(args: &SelftestArgs) -> Result<Report, Failed> {
    Ok(runtime()?.block_on(look(args))?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // Two TLS stacks (Kubernetes, identity provider) share one provider; nobody else installs one before.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
