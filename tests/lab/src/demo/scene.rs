//! What the demonstration plays on: a cluster, the simulator and one operator.

use std::path::Path;

use kube::Client;

use super::certificate::Certificate;
use super::existing::Existing;
use super::kubectl::Kubectl;
use super::{Error, LIFE, Paint, Screen, cast};
use crate::audit::service_account;
use crate::controlplane::{self, ControlPlane};
use crate::simulator::{self, Simulator};
use crate::stage::{OPERATOR, Operator, OperatorOptions, Stage};

/// Lines of the operator's log that explain a failure.
const LOG_LINES: usize = 15;

/// A running scene.
pub(super) struct Scene {
    pub(super) kubectl: Kubectl,
    pub(super) client: Client,
    pub(super) simulator: Simulator,
    pub(super) operator: Operator,
    pub(super) password: String,
    pub(super) certificate: Certificate,
    pub(super) ground: Ground,
}

/// Whose cluster it is.
#[derive(Debug)]
pub(super) enum Ground {
    /// Ours, with its audit log and etcd.
    Own(Box<ControlPlane>),
    /// The user's.
    Existing(Existing),
}

impl Scene {
    /// Starts everything and waits until the operator is ready.
    pub(super) async fn set(screen: &Screen, program: &Path, context: Option<&str>) -> Result<Self, Error> {
        let scene = match context {
            None => Self::own(screen, program).await?,
            Some(context) => Self::existing(screen, program, context).await?,
        };
        let identity = service_account(OPERATOR, OPERATOR);
        screen.change("operator", &format!("ready, as {identity}"), Paint::Plain)?;
        Ok(scene)
    }

    async fn own(screen: &Screen, program: &Path) -> Result<Self, Error> {
        screen.change(
            "cluster",
            "etcd, kube-apiserver, controllers, simulator start",
            Paint::Dim,
        )?;
        let (password, certificate) = (cast::new_password(), Certificate::new()?);
        let options = controlplane::Options {
            keep_history: true,
            ..controlplane::Options::default()
        };
        let stage = Box::pin(Stage::start(world(&password, &certificate), options)).await?;
        let client = stage.plane.client().await?;
        let version = client.apiserver_version().await?.git_version;
        let text = format!("Kubernetes {version} is ready, deploy/manifests applied");
        screen.change("cluster", &text, Paint::Plain)?;
        let operator = Box::pin(stage.operator(program, OperatorOptions::default())).await?;
        let kubectl = tokio::task::spawn_blocking(controlplane::Binaries::kubectl).await;
        let kubectl = kubectl.map_err(|error| Error::io("look for kubectl")(error.into()))??;
        Ok(Self {
            kubectl: Kubectl::with_kubeconfig(kubectl, stage.plane.admin_kubeconfig()),
            client,
            operator,
            password,
            certificate,
            simulator: stage.simulator,
            ground: Ground::Own(Box::new(stage.plane)),
        })
    }

    async fn existing(screen: &Screen, program: &Path, context: &str) -> Result<Self, Error> {
        let (password, certificate) = (cast::new_password(), Certificate::new()?);
        let simulator = Simulator::start(world(&password, &certificate)).await?;
        let (existing, kubectl, client) = Existing::occupy(screen, context).await?;
        let entra = (simulator.url(), simulator.ca_pem());
        let operator = match existing.operator(&kubectl, program, entra).await {
            Ok(operator) => operator,
            Err(error) => {
                existing.clean(&kubectl).await?;
                return Err(error);
            }
        };
        Ok(Self {
            kubectl,
            client,
            simulator,
            operator,
            password,
            certificate,
            ground: Ground::Existing(existing),
        })
    }

    /// Ends everything. The operator must end in good order.
    pub(super) async fn strike(self, screen: &Screen) -> Result<(), Error> {
        let code = self.operator.terminate().await;
        self.simulator.shutdown().await;
        match self.ground {
            Ground::Own(plane) => plane.shutdown().await,
            Ground::Existing(existing) => {
                screen.change("cluster", "what was installed is removed", Paint::Dim)?;
                existing.clean(&self.kubectl).await?;
            }
        }
        match code? {
            Some(0) => Ok(()),
            code => Err(Error::Broken(vec![format!(
                "the operator ended with code {code:?} when asked to stop"
            )])),
        }
    }

    /// The control plane, if it is ours.
    pub(super) fn plane(&self) -> Option<&ControlPlane> {
        match &self.ground {
            Ground::Own(plane) => Some(plane),
            Ground::Existing(_) => None,
        }
    }

    /// How to look into the cluster from another terminal.
    pub(super) fn export(&self) -> String {
        match &self.ground {
            Ground::Own(plane) => format!("export KUBECONFIG={}", plane.admin_kubeconfig().display()),
            Ground::Existing(existing) => format!("kubectl config use-context {}", existing.context()),
        }
    }

    /// The last lines of the operator's log.
    pub(super) fn log_end(&self) -> String {
        let log = self.operator.log();
        let skip = log.lines().count().saturating_sub(LOG_LINES);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

fn world(password: &str, certificate: &Certificate) -> simulator::Options {
    simulator::Options::new(cast::world(password, certificate.pem())).token_lifetime(LIFE)
}
