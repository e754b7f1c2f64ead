//! `cargo lab keycloak`: the real operator signs in at a Keycloak, which is declared as an authority of kind `Oidc`.
//!
//! The simulator plays OpenID providers as RFC 6749 has them; here is one that others wrote. Opt-in, because it fetches
//! 160 MB and needs a JDK and Maven. It ends by itself after some five minutes.
//!
//! # Guarantees
//! - What it says was watched on the API server or noted by Keycloak itself. What does not hold ends it with an error.
//! - Nothing stays behind but the cached distribution, also when it is killed.

mod acts;
mod admin;
mod cast;
mod distribution;
mod eyes;
mod realm;
mod scene;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use self::scene::Scene;
use crate::demo::program;
use crate::demo::screen::Screen;
use crate::{controlplane, demo, simulator, stage};

/// The real operator signs in at a real Keycloak (kind Oidc); fetches 160 MB once, takes some five minutes
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Use this operator binary instead of building one
    #[arg(long, value_name = "FILE")]
    pub operator: Option<PathBuf>,
}

/// Why it did not come to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The distribution.
    #[error(transparent)]
    Distribution(#[from] distribution::Error),
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
    /// Keycloak's administration.
    #[error("a request to Keycloak failed")]
    Http(#[from] reqwest::Error),
    /// Keycloak does not know the user.
    #[error("Keycloak knows no user {0}")]
    Unknown(String),
    /// Keycloak itself.
    #[error("Keycloak {0}; its log ends with:\n{1}")]
    Server(String, String),
    /// A file or a process.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Something that should happen did not.
    #[error("{what} did not happen within {} s; last seen: {last}", .within.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// The last state.
        last: String,
    },
    /// The watch ended.
    #[error("the watch of the credentials ended")]
    WatchEnded,
    /// A promise does not hold.
    #[error("not everything held: {}", .0.join("; "))]
    Broken(Vec<String>),
}

/// Plays it. Returns when everything was seen to hold.
///
/// # Errors
/// What could not be started, did not happen, or does not hold.
pub async fn run(args: Args) -> Result<(), Error> {
    let screen = Screen::new();
    let program = program::chosen(args.operator.as_deref(), &screen).await?;
    let scene = Box::pin(Scene::set(&screen, &program)).await?;
    let outcome = Box::pin(acts::play(&screen, &scene)).await;
    if outcome.is_err() {
        screen.plain(&scene.log_end())?;
    }
    let struck = Box::pin(scene.strike()).await;
    outcome.and(struck)
}

impl Error {
    /// Turns an I/O error into one that names the action.
    fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}
