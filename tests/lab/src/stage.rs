//! The whole scene of a test or demonstration: control plane, simulator, the shipped manifests, and operators.
//!
//! # Guarantees
//! - What is installed is what is shipped: `deploy/manifests`, applied with kubectl.
//! - An operator runs as its own ServiceAccount, with exactly those rights, and never outlives the scene.

mod operator;
mod relay;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

pub use self::operator::{Operator, OperatorOptions};
pub use self::relay::{Relay, Trap};
use crate::controlplane::{self, Binaries, ControlPlane};
use crate::simulator::world::{Issuer, Rotation, World};
use crate::simulator::{self, Simulator};

/// Namespace and ServiceAccount that the manifests give to the operator.
pub const OPERATOR: &str = "entra-operator";

/// Name of the authority under which the operator's configuration declares the simulator.
pub const AUTHORITY: &str = "lab";
/// The user flow `B2C_1_ropc` that it has beside itself.
pub const B2C: &str = "lab-b2c";
/// The AD FS that it has beside itself.
pub const ADFS: &str = "lab-adfs";
/// The OpenID provider [`ISSUER`] that it has beside itself.
pub const OIDC: &str = "lab-oidc";

/// Name of the OpenID provider in the worlds of a stage.
const ISSUER: &str = "a";

/// What can go wrong on the scene.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// The simulator.
    #[error(transparent)]
    Simulator(#[from] simulator::StartError),
    /// A file or a process.
    #[error("{action}")]
    Io {
        /// What was attempted.
        action: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// kubectl refused.
    #[error("kubectl {command} failed: {output}")]
    Kubectl {
        /// Its arguments.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The operator did not become what was waited for.
    #[error("the operator {what}; its log ends with:\n{log}")]
    Operator {
        /// What it did not do.
        what: String,
        /// Last lines of its log.
        log: String,
    },
    /// A manifest cannot be read.
    #[error("{0} cannot be read as a CustomResourceDefinition")]
    Manifest(PathBuf),
}

/// A control plane with the operator's manifests, and a simulator.
#[derive(Debug)]
pub struct Stage {
    /// The cluster.
    pub plane: ControlPlane,
    /// The identity provider.
    pub simulator: Simulator,
    kubectl: PathBuf,
}

impl Stage {
    /// Builds what is missing, starts both, and installs the manifests.
    pub async fn start(world: simulator::Options, options: controlplane::Options) -> Result<Self, Error> {
        Self::start_with(&repository(), world, options).await
    }

    /// The same with the manifests of the version whose tree is at `root`.
    pub async fn start_with(
        root: &Path,
        world: simulator::Options,
        options: controlplane::Options,
    ) -> Result<Self, Error> {
        let kubectl = blocking(Binaries::kubectl).await?;
        let binaries = blocking(Binaries::locate).await?;
        let options = controlplane::Options {
            binaries: Some(binaries),
            crds: vec![crd(root)?],
            ..options
        };
        let plane = ControlPlane::start(options).await?;
        let simulator = Simulator::start(world).await?;
        let stage = Self {
            plane,
            simulator,
            kubectl,
        };
        stage.install(root)?;
        Ok(stage)
    }

    /// A stage whose tokens live for `seconds`, with `users` users of the simulator.
    pub async fn with_users(users: usize, seconds: u64) -> Result<Self, Error> {
        let world = World::with_users(users).issuer(Issuer::new(ISSUER, Rotation::default()));
        let world = simulator::Options::new(world).token_lifetime(seconds);
        Self::start(world, controlplane::Options::default()).await
    }

    /// Installs the manifests of the version whose tree is at `root`, its CustomResourceDefinition first.
    pub fn install(&self, root: &Path) -> Result<(), Error> {
        for (flag, path) in [("-f", "crds/entracredentials.yaml"), ("-k", "deploy/manifests")] {
            let path = root.join(path).display().to_string();
            // The control plane brought the definition along, under another name.
            self.kubectl(
                &["apply", "--server-side", "--force-conflicts", flag, &path],
                None,
            )?;
        }
        Ok(())
    }

    /// Runs kubectl as administrator and gives what it printed.
    pub fn kubectl(&self, arguments: &[&str], input: Option<&str>) -> Result<String, Error> {
        let io = |source| Error::Io {
            action: "run kubectl".to_owned(),
            source,
        };
        let mut child = Command::new(&self.kubectl)
            .args(arguments)
            .env("KUBECONFIG", self.plane.admin_kubeconfig())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin
                .write_all(input.unwrap_or_default().as_bytes())
                .map_err(io)?;
        }
        let output = child.wait_with_output().map_err(io)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(Error::Kubectl {
            command: arguments.join(" "),
            output: text(&output.stderr),
        })
    }

    /// Starts an operator from `program`.
    pub async fn operator(&self, program: &Path, options: OperatorOptions) -> Result<Operator, Error> {
        Operator::start(self, program, options).await
    }
}

/// Root of the repository that this laboratory belongs to.
pub fn repository() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.ancestors().nth(2).unwrap_or(lab).to_owned()
}

fn crd(root: &Path) -> Result<CustomResourceDefinition, Error> {
    let path = root.join("crds/entracredentials.yaml");
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
        action: format!("read {}", path.display()),
        source,
    })?;
    serde_saphyr::from_str(&text).map_err(|_| Error::Manifest(path))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, controlplane::Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Io {
            action: "build the control plane".to_owned(),
            source: std::io::ErrorKind::Interrupted.into(),
        }),
    }
}
