//! `cargo lab-upgrade`: the operator of an earlier commit fills a control plane, this one takes it over, and gives it back.
//!
//! # Guarantees
//! - What is judged was seen by others than the operators: the simulator's journal, and a look at every token Secret three
//!   times a second.
//! - Everything is installed as a user does it: with kubectl, from the manifests of the version that comes, its
//!   CustomResourceDefinition first.
//! - Nothing stays behind but the build of the earlier commit, in `target/upgrade`.

mod acts;
mod before;
mod cast;
mod eyes;
mod fill;
mod judge;
mod scene;
mod stored;

use std::path::PathBuf;
use std::time::Duration;

use self::before::Before;
use self::scene::Scene;
use crate::demo::program;
use crate::demo::screen::Screen;
use crate::{controlplane, demo, proxy, stage};

/// The last commit whose stored objects have the first form.
const FIRST: &str = "c3ff496";

/// Fill a control plane with an earlier operator, take it over with this one and give it back; some seven minutes
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The earlier commit: its operator is built in a worktree of its own, and its manifests are installed
    #[arg(long, default_value = FIRST)]
    pub commit: String,
    /// Use this operator binary of that commit instead of building one
    #[arg(long, value_name = "FILE")]
    pub other_binary: Option<PathBuf>,
    /// Use this operator binary as the new one instead of building one
    #[arg(long, value_name = "FILE")]
    pub operator: Option<PathBuf>,
    /// Write what both stored into this directory, to be kept beside the tests
    #[arg(long, value_name = "DIRECTORY")]
    pub store: Option<PathBuf>,
    /// Keep the log of every operator in this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub logs: Option<PathBuf>,
}

/// Why it did not come to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Screen and build of the operator.
    #[error(transparent)]
    Demo(#[from] demo::Error),
    /// Control plane, simulator or operator.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// A proxy.
    #[error("cannot start a proxy")]
    Proxy(#[source] Box<proxy::StartError>),
    /// The Kubernetes API.
    #[error("a request to the Kubernetes API failed")]
    Kube(#[source] Box<kube::Error>),
    /// The earlier commit.
    #[error("cannot get commit {commit} from this repository: {problem}")]
    Commit {
        /// Which.
        commit: String,
        /// What git said.
        problem: String,
    },
    /// Its build.
    #[error("the operator of the earlier commit does not build: cargo ended with {0}")]
    Build(std::process::ExitStatus),
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
    /// A promise does not hold.
    #[error("not everything held: {}", .0.join("; "))]
    Broken(Vec<String>),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// Plays it. Returns when everything was seen to hold.
///
/// # Errors
/// What could not be started, did not happen, or does not hold.
pub async fn run(args: Args) -> Result<(), Error> {
    let screen = Screen::new();
    let other = args.other_binary.as_deref().map(program::found).transpose()?;
    let before = Before::of(&screen, &args.commit, other.as_deref())?;
    let now = program::chosen(args.operator.as_deref(), &screen).await?;
    let scene = Box::pin(Scene::set(&before)).await?;
    let play = acts::Play::new(&screen, &scene, args.logs.clone());
    let outcome = Box::pin(play.run(&before, &now, args.store.as_deref())).await;
    Box::pin(scene.strike()).await;
    outcome
}
