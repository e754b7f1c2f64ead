//! `cargo demo`: the real operator on a real control plane, signing in once and renewing tokens, live.
//!
//! # Guarantees
//! - What is shown was watched on the API server, and what the summary says was measured: by the simulator's
//!   journal, the API server's audit log and the whole history of etcd. A promise that does not hold ends it
//!   with an error.
//! - Nothing stays behind, also when it is killed; in a cluster of the user (`--context`) unless it is killed
//!   with SIGKILL.

mod cast;
mod certificate;
mod checks;
mod existing;
mod kubectl;
mod leaks;
pub(crate) mod narrator;
pub(crate) mod program;
mod scene;
pub(crate) mod screen;
mod story;
mod usage;
mod user;
pub(crate) mod watch;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::scene::Scene;
use self::screen::{Paint, Screen};
use self::story::Story;
use self::user::User;
use crate::{audit, controlplane, simulator, stage};

/// Seconds that access tokens live in the demonstration; the operator renews such short ones at half of it.
const LIFE: u64 = 24;

/// How often each token Secret is renewed before it ends.
const RENEWALS: usize = 3;

/// Longest from the user's last command to the first tokens.
const FIRST_TOKENS: Duration = Duration::from_mins(1);

/// Options of `cargo demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Leave everything running at the end and print its KUBECONFIG, until Ctrl-C
    #[arg(long)]
    pub keep: bool,
    /// Play in the cluster of this context of your kubeconfig; what is installed there is removed at the end.
    /// API calls and etcd are not measured then
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Use this operator binary instead of building one
    #[arg(long, value_name = "FILE")]
    pub operator: Option<PathBuf>,
}

/// Why the demonstration did not come to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Control plane, simulator or operator.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// The simulator.
    #[error(transparent)]
    Simulator(#[from] simulator::StartError),
    /// The Kubernetes API.
    #[error("request to the Kubernetes API failed")]
    Kube(#[source] Box<kube::Error>),
    /// The control plane or its evidence.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// A file, a process or the terminal.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// cargo did not build the operator.
    #[error("cargo did not build the operator: {0}")]
    Build(String),
    /// kubectl refused.
    #[error("kubectl {command} failed: {output}")]
    Kubectl {
        /// Its arguments.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The cluster of `--context` is not free for a demonstration.
    #[error(
        "context {context} already has {found}: the demonstration would remove what is yours, so it stays away"
    )]
    Occupied {
        /// The context.
        context: String,
        /// What is there.
        found: String,
    },
    /// Something that should happen did not.
    #[error("{what} did not happen within {} s; last seen: {last}\nthe operator's log ends with:\n{log}", .waited.as_secs())]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        waited: Duration,
        /// The last state.
        last: String,
        /// Last lines of the operator's log.
        log: String,
    },
    /// The watch ended.
    #[error("the watch of the demonstration's objects ended")]
    WatchEnded,
    /// A promise does not hold.
    #[error("{}", broken(.0))]
    Broken(Vec<String>),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Plays it. Returns when all promises were seen to hold.
pub async fn run(args: Args) -> Result<(), Error> {
    let screen = Screen::new();
    let program = program::chosen(args.operator.as_deref(), &screen).await?;
    // In a cluster of ours nothing is left to clean up, and the very first start takes minutes: there Ctrl-C ends
    // the process at once. In the user's cluster it must not end before it has tidied up.
    let mut guest = args.context.is_some().then(Interrupt::listen).transpose()?;
    let scene = Box::pin(Scene::set(&screen, &program, args.context.as_deref())).await?;
    let mut interrupt = guest.take().map_or_else(Interrupt::listen, Ok)?;
    let outcome = Box::pin(play(&screen, &scene, &mut interrupt, args.keep)).await;
    let struck = Box::pin(scene.strike(&screen)).await;
    outcome.and(struck)
}

async fn play(screen: &Screen, scene: &Scene, interrupt: &mut Interrupt, keep: bool) -> Result<(), Error> {
    if keep {
        screen.plain(&scene.export())?;
    }
    let mut story = Story::open(screen, scene);
    let outcome = interrupt.or(act(screen, scene, &mut story)).await;
    if keep && !matches!(outcome, Err(Error::Interrupted)) {
        stay(screen, scene, &mut story, interrupt, &outcome).await?;
    }
    outcome
}

/// The commands of the user, what comes of them, and the summary.
async fn act(screen: &Screen, scene: &Scene, story: &mut Story<'_>) -> Result<(), Error> {
    let user = User::new(screen, scene);
    tokio::try_join!(
        user.acts(),
        story.until(0, "the first publication of every token", FIRST_TOKENS)
    )?;
    let settled = usage::mark(scene).await?;
    story
        .until(RENEWALS, "the renewals of every token", renewing())
        .await?;
    checks::report(screen, &checks::measure(scene, story, settled).await?)
}

/// Goes on to show what happens, until Ctrl-C.
async fn stay(
    screen: &Screen,
    scene: &Scene,
    story: &mut Story<'_>,
    interrupt: &mut Interrupt,
    outcome: &Result<(), Error>,
) -> Result<(), Error> {
    if let Err(error) = outcome {
        screen.plain(&format!("{error}\n"))?;
    }
    screen.plain("Everything keeps running; Ctrl-C ends it.")?;
    screen.plain(&scene.export())?;
    match interrupt.or(story.forever()).await {
        Err(Error::Interrupted) => Ok(()),
        other => other,
    }
}

/// All renewals, and one life more: a slow machine is no broken promise.
fn renewing() -> Duration {
    let lives = u64::try_from(RENEWALS).unwrap_or(u64::MAX).saturating_add(1);
    Duration::from_secs(LIFE.saturating_mul(lives))
}

/// Ctrl-C and SIGTERM, from the moment at which it was made.
struct Interrupt {
    keyboard: Signal,
    terminate: Signal,
}

impl Interrupt {
    fn listen() -> Result<Self, Error> {
        let of = |kind| signal(kind).map_err(Error::io("listen for signals"));
        Ok(Self {
            keyboard: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    /// The work, unless a signal comes first.
    async fn or(&mut self, work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
        let work = Box::pin(work);
        tokio::select! {
            outcome = work => outcome,
            _ = self.keyboard.recv() => Err(Error::Interrupted),
            _ = self.terminate.recv() => Err(Error::Interrupted),
        }
    }
}

fn broken(promises: &[String]) -> String {
    format!("not everything held: {}", promises.join("; "))
}

impl Error {
    /// Turns an I/O error into one that names the action.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}
