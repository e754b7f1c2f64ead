//! What it plays on: a control plane, a Keycloak with its realm, and one operator that knows both.

use std::path::Path;

use serde_json::{Value, json};

use super::Error;
use super::admin::Admin;
use super::cast::{AUTHORITY, CAST, Material, NAMESPACE, OTHER_SCOPE, Proof, SCOPE};
use super::realm::{self, REALM};
use super::server::Server;
use crate::demo::screen::{Paint, Screen};
use crate::simulator::{self, ClientCertificate, StartError};
use crate::stage::{Operator, OperatorOptions, Stage};
use crate::{controlplane, simulator::world::World};

/// Seconds that access tokens live: the operator waits an eighth of it for a renewal, and the server is a busy one.
pub(super) const LIFE: u64 = 40;

/// Lines of the operator's log that explain a failure.
const LOG_LINES: usize = 30;

/// A running scene.
pub(super) struct Scene {
    pub(super) stage: Stage,
    pub(super) admin: Admin,
    pub(super) operator: Operator,
    pub(super) material: Material,
    _server: Server,
}

impl Scene {
    /// Starts everything and waits until the operator is ready.
    pub(super) async fn set(screen: &Screen, program: &Path) -> Result<Self, Error> {
        screen.change("lane", "Keycloak and a control plane start", Paint::Dim)?;
        let material = material()?;
        let world = simulator::Options::new(World::contoso());
        let stage = async { Ok(Stage::start(world, controlplane::Options::default()).await?) };
        let ((server, admin), stage) = tokio::try_join!(Box::pin(served(&material)), Box::pin(stage))?;
        let issuer = format!("{}/realms/{REALM}", server.url());
        screen.change(
            "Keycloak",
            &format!("{} is ready, issuer {issuer}", Server::version()),
            Paint::Plain,
        )?;
        let options = OperatorOptions {
            authorities: vec![
                json!({"name": AUTHORITY, "kind": "Oidc", "url": issuer, "caFile": server.ca_file()}),
            ],
            ..OperatorOptions::default()
        };
        let operator = Box::pin(stage.operator(program, options)).await?;
        screen.change(
            "operator",
            "ready; the issuer is its authority, kind Oidc",
            Paint::Plain,
        )?;
        Ok(Self {
            stage,
            admin,
            operator,
            material,
            _server: server,
        })
    }

    /// A user applies all that the cast needs.
    pub(super) fn apply_all(&self) -> Result<(), Error> {
        self.stage.kubectl(&["create", "namespace", NAMESPACE], None)?;
        let objects: Vec<_> = CAST
            .iter()
            .flat_map(|role| role.objects(&self.material))
            .collect();
        self.apply(&objects)
    }

    /// A user applies these.
    pub(super) fn apply(&self, objects: &[Value]) -> Result<(), Error> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.stage
            .kubectl(&["apply", "--server-side", "-f", "-"], Some(&list))?;
        Ok(())
    }

    /// The last lines of the operator's log.
    pub(super) fn log_end(&self) -> String {
        let log = self.operator.log();
        let skip = log.lines().count().saturating_sub(LOG_LINES);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }

    /// Ends everything. The operator must end in good order.
    pub(super) async fn strike(self) -> Result<(), Error> {
        let code = self.operator.terminate().await;
        self.stage.simulator.shutdown().await;
        self.stage.plane.shutdown().await;
        match code? {
            Some(0) => Ok(()),
            code => Err(Error::Broken(vec![format!(
                "the operator ended with code {code:?} when asked to stop"
            )])),
        }
    }
}

/// A Keycloak with the realm.
async fn served(material: &Material) -> Result<(Server, Admin), Error> {
    let (server, admin) = Server::start().await?;
    let scopes = [SCOPE, OTHER_SCOPE].map(realm::scope);
    let clients = Proof::ALL.map(|proof| realm::client(proof, material));
    admin
        .create_realm(&realm::realm(LIFE, material), &scopes, &clients)
        .await?;
    Ok((server, admin))
}

fn material() -> Result<Material, Error> {
    let ClientCertificate { certificate, key } =
        ClientCertificate::new("orders-signed").map_err(StartError::from)?;
    let secret = |mark: &str| format!("{mark}-{}-horse & battery=staple+%~", uuid::Uuid::new_v4());
    Ok(Material {
        password: secret("PWMARK"),
        client_secret: secret("CSMARK"),
        certificate: (certificate, key),
    })
}
