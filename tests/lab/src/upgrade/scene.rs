//! Where it happens: a control plane, the simulator, and one operator at a time behind the same proxies.

use std::path::Path;
use std::time::{Duration, Instant};

use entra_operator::api::EntraCredential;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::Error;
use super::before::Before;
use super::cast::{self, NAMESPACE, Role};
use crate::controlplane;
use crate::simulator;
use crate::stage::{Operator, OperatorOptions, Relay, Stage};

/// Seconds that tokens live.
pub(super) const LIFE: u64 = 24;

/// How often it is looked whether something happened.
const LOOK: Duration = Duration::from_millis(200);

/// A running scene.
pub(super) struct Scene {
    pub(super) stage: Stage,
    /// A refresh token belongs to the host that it came from: the proxies stay.
    pub(super) relay: Relay,
    pub(super) client: Client,
}

/// How a credential is seen to stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Status and reason of `Ready`, as `True/Fresh`.
    pub(super) ready: String,
    /// Its login Secret is there.
    pub(super) login: bool,
    /// Verdict of its last login.
    pub(super) verdict: Option<String>,
}

impl Scene {
    /// Starts everything but an operator, with the manifests of the earlier version.
    pub(super) async fn set(before: &Before) -> Result<Self, Error> {
        let world = simulator::Options::new(cast::world()).token_lifetime(LIFE);
        let stage = Stage::start_with(before.tree(), world, controlplane::Options::default()).await?;
        let relay = Relay::before(&stage).await;
        let relay = relay.map_err(|error| Error::Proxy(Box::new(error)))?;
        let client = stage.plane.client().await?;
        let scene = Self { stage, relay, client };
        scene.apply(&cast::surroundings())?;
        Ok(scene)
    }

    /// Starts an operator, with the rights and limits that the manifests give it.
    pub(super) async fn operator(&self, program: &Path, identity: &str) -> Result<Operator, Error> {
        let options = OperatorOptions {
            identity: identity.to_owned(),
            ..self.relay.options()
        };
        Ok(self.stage.operator(program, options).await?)
    }

    /// A user applies these.
    pub(super) fn apply(&self, objects: &[Value]) -> Result<(), Error> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.stage
            .kubectl(&["apply", "--server-side", "-f", "-"], Some(&list))?;
        Ok(())
    }

    /// A user applies a credential and its login Secret.
    pub(super) fn sign_in(&self, role: &Role) -> Result<(), Error> {
        self.apply(&[role.credential(), role.login_with(&role.content())])
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        Ok(self
            .stage
            .kubectl(&[&["-n", NAMESPACE], arguments].concat(), None)?)
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// How it stands.
    pub(super) async fn seen(&self, role: &Role) -> Result<Seen, Error> {
        let credentials = Api::<EntraCredential>::namespaced(self.client.clone(), NAMESPACE);
        let status = credentials
            .get_opt(role.name)
            .await?
            .and_then(|found| found.status);
        let status = status.unwrap_or_default();
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        Ok(Seen {
            ready: ready.map_or_else(String::new, |c| format!("{}/{}", c.status, c.reason)),
            login: self.has(&role.login()).await?,
            verdict: status.login.and_then(|login| login.verdict),
        })
    }

    /// Whether there is a Secret of that name.
    pub(super) async fn has(&self, secret: &str) -> Result<bool, Error> {
        Ok(self.secrets().get_metadata_opt(secret).await?.is_some())
    }

    /// Waits until it stands as it should.
    pub(super) async fn until(
        &self,
        role: &Role,
        what: &str,
        within: Duration,
        condition: impl Fn(&Seen) -> bool,
    ) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let seen = self.seen(role).await?;
            if condition(&seen) {
                return Ok(());
            }
            if begun.elapsed() > within {
                return Err(Error::Late {
                    what: format!("{}: {what}", role.name),
                    within,
                    last: format!("{seen:?}"),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends everything.
    pub(super) async fn strike(self) {
        self.stage.simulator.shutdown().await;
        self.stage.plane.shutdown().await;
    }
}
