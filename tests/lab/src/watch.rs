//! `cargo lab watch`: the chart's alerts and its dashboard before a real Prometheus, which reads a real operator.
//!
//! Opt-in, because it needs Prometheus: Debian's package, installed or fetched once. It ends by itself after some two
//! minutes.
//!
//! # Guarantees
//! - The rules are those that the chart gives; `promtool` checks and tests them.
//! - What alerts and dashboard ask for, the operator was seen to answer. What does not hold ends it with an error.
//! - Nothing stays behind but the cached programs, also when it is killed.

pub mod alerts;
pub mod dashboard;
mod judge;
pub mod names;
mod picture;
mod programs;
mod prometheus;
mod promtool;
mod scene;

use std::path::PathBuf;

use crate::chart::helm;
use crate::demo::program;
use crate::demo::screen::{Paint, Screen};
use crate::{cache, controlplane, demo, simulator, stage};

/// Alerts and dashboard before a real Prometheus; needs Debian's package prometheus, takes some two minutes
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Use this operator binary instead of building one
    #[arg(long, value_name = "FILE")]
    pub operator: Option<PathBuf>,
    /// Draw the dashboard from Prometheus' answers into this SVG file
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// Check and test the rules only
    #[arg(long)]
    pub rules: bool,
}

/// Why it did not come to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cache.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// Helm.
    #[error(transparent)]
    Helm(#[from] helm::Error),
    /// Screen and build of the operator.
    #[error(transparent)]
    Demo(#[from] demo::Error),
    /// Control plane or operator.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] simulator::StartError),
    /// A request to Prometheus.
    #[error("a request to Prometheus failed")]
    Http(#[from] reqwest::Error),
    /// A file of the chart.
    #[error("{0} cannot be read: {1}")]
    Chart(&'static str, String),
    /// A program failed.
    #[error("{0} failed:\n{1}")]
    Program(String, String),
    /// Prometheus itself.
    #[error("Prometheus {0}; its log ends with:\n{1}")]
    Server(&'static str, String),
    /// The picture.
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
    /// A file or a process.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Promises that do not hold.
    #[error("not everything held: {}", .0.join("; "))]
    Broken(Vec<String>),
}

/// Plays it. Returns when everything was seen to hold.
///
/// # Errors
/// What could not be started, or does not hold.
pub async fn run(args: Args) -> Result<(), Error> {
    let screen = Screen::new();
    let programs = blocking(programs::installed).await?;
    let rules = blocking(promtool::rules).await?;
    let tested = blocking({
        let (programs, rules) = (programs.clone(), rules.clone());
        move || promtool::judge(&programs, &rules)
    });
    screen.change("promtool", tested.await?.trim(), Paint::Good)?;
    if args.rules {
        return Ok(());
    }
    let program = program::chosen(args.operator.as_deref(), &screen).await?;
    let scene = Box::pin(scene::Scene::set(&screen, &program, &programs, &rules)).await?;
    let outcome = Box::pin(judge::judge(&screen, scene, args.picture.as_deref())).await;
    let broken = outcome?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::Broken(broken))
}

/// What blocks, beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::io("wait for a program")(error.into()))?
}

impl Error {
    /// Turns an I/O error into one that names the action.
    fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
