//! The process around [`run`](super::run()): logging, crypto provider, runtime and signals.

use tokio::signal::unix::{SignalKind, signal};

use super::cli::RunArgs;
use super::run::run;
use crate::telemetry::logs;

type Failed = Box<dyn std::error::Error>;

/// Serves until SIGTERM or SIGINT.
pub fn serve(args: RunArgs) -> Result<(), Failed> {
    logs::init(&args.log, args.log_format)?;
    // Two TLS stacks (Kubernetes, identity provider) share one provider; nobody else installs one before.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let until = told_to_stop()?;
        tracing::info!(version = super::cli::version(), "starting");
        run(args, until).await?;
        tracing::info!("stopped");
        Ok(())
    })
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
