//! `entra-lab pods`: the shipped image and the shipped chart on a real node, from nothing.
//!
//! # Guarantees
//! - Real are the API server, kubelet, containerd, runc, the network of the pods, Helm, image and chart. Played are Entra ID
//!   (the simulator, on an address that pods reach), kube-proxy and the pull of images.
//! - What is said was seen: the pod's own looks at its file, judged by the expiry within each token.
//! - It ends by itself, with an error if a promise does not hold, and leaves nothing behind but caches; also when it is
//!   killed.
//!
//! # Assumptions
//! Linux, root, and the Debian packages that `entra-lab pods --help` names; no other kubelet or containerd on the machine.

mod acts;
mod images;
mod machine;
mod network;
mod node;
mod operator;
mod reader;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use self::acts::Scene;
use crate::chart::helm;
use crate::{controlplane, image, simulator, tool};

/// Namespace of the credential and of the pod.
const NAMESPACE: &str = "etl";
/// The credential.
const CREDENTIAL: &str = "reporting";
/// Its token Secret.
const TOKEN: &str = "reporting-graph";

const NEEDS: &str = "\
Needs root, Linux, Rust, Go, python3 with pip, and the packages buildah, containerd, runc, containernetworking-plugins,
busybox-static and iproute2 of a Debian system. No other kubelet or containerd may be on the machine.";

/// The shipped image and chart on a real node: real pods read real files (Linux, root)
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = NEEDS)]
pub struct Args {
    /// Life of access tokens, seconds; they are renewed after about 60 %
    #[arg(long, default_value_t = 90)]
    life: u64,
    /// How often the kubelet looks at its pods, seconds. Its own default is 60, which needs a --life of 300 or more
    #[arg(long, default_value_t = 10)]
    sync: u64,
    /// Renewals that the pod must see
    #[arg(long, default_value_t = 5)]
    renewals: usize,
    /// Use this archive of the image (docker save, buildah push docker-archive:), tagged localhost/entra-operator:lab
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Stop when the operator's pod is ready
    #[arg(long)]
    start_only: bool,
}

/// Why it did not come to a good end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine is not fit for it.
    #[error("no node can be started here: {0}")]
    Machine(String),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// Its API server.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// The simulator.
    #[error(transparent)]
    Simulator(#[from] simulator::StartError),
    /// The image.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// Helm.
    #[error(transparent)]
    Helm(#[from] helm::Error),
    /// A program of the system.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// A file or a process.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Something did not happen in time.
    #[error("in vain was waited until {0}; the end of the log:\n{1}")]
    Late(String, String),
    /// Promises do not hold.
    #[error("not everything held: {}", .0.join("; "))]
    Broken(Vec<String>),
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// Plays it. Returns when everything was seen to hold.
///
/// # Errors
/// See [`Error`].
pub async fn run(args: Args) -> Result<(), Error> {
    let begun = Instant::now();
    let interrupted = async {
        tokio::signal::ctrl_c()
            .await
            .map_err(Error::io("wait for Ctrl-C"))
    };
    let scene = Scene::set(&args, begun).await?;
    let outcome = tokio::select! {
        outcome = scene.acts(&args) => outcome,
        asked = interrupted => asked.and(Err(Error::Broken(vec!["it was not interrupted".to_owned()]))),
    };
    scene.strike().await;
    outcome
}

fn say(begun: Instant, line: &str) -> Result<(), Error> {
    let seconds = begun.elapsed().as_secs_f64();
    writeln!(io::stdout(), "{seconds:>7.1} s  {line}").map_err(Error::io("write to standard output"))
}
