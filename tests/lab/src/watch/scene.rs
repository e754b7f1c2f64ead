//! What it plays on: a control plane, the simulator, one operator, and a Prometheus that reads it; credentials in many states.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Error;
use super::programs::Programs;
use super::prometheus::Prometheus;
use super::promtool::impatient;
use crate::demo::screen::{Paint, Screen};
use crate::simulator::world::{API, Application, PUBLIC_CLIENT, TENANT, password, user_name};
use crate::simulator::{ClientCertificate, Fault, Refusal, Rule, StartError};
use crate::stage::{ADFS, AUTHORITY, Operator, OperatorOptions, Stage};

/// Namespace of the credentials.
pub(super) const NAMESPACE: &str = "tokens";

/// Seconds that access tokens live.
const LIFE: u64 = 24;

/// An application whose proof is a certificate.
const CERTIFICATE_CLIENT: &str = "aaaaaaaa-0000-4000-8000-00000000000e";

const CERTIFICATE_SECRET: &str = "certificate-client";

/// The account is disabled.
const DISABLED: u32 = 50057;

/// Credentials; each has the user of its place in the list.
const CAST: [&str; 9] = [
    "reporting",
    "orders",
    "billing",
    CERTIFICATE,
    AT_ADFS,
    FAILING,
    REVOKED,
    SUSPENDED,
    LOCKED,
];

const CERTIFICATE: &str = "certificate";
const AT_ADFS: &str = "adfs";
/// Its renewals fail from some moment on.
pub(super) const FAILING: &str = "failing";
const REVOKED: &str = "revoked";
const SUSPENDED: &str = "suspended";
/// Its login is refused, and waits.
pub(super) const LOCKED: &str = "locked";

/// A running scene.
pub(super) struct Scene {
    pub(super) prometheus: Prometheus,
    operator: Operator,
    stage: Stage,
}

impl Scene {
    /// Starts everything, and signs in.
    pub(super) async fn set(
        screen: &Screen,
        program: &Path,
        programs: &Programs,
        rules: &Value,
    ) -> Result<Self, Error> {
        screen.change("lane", "a control plane starts", Paint::Dim)?;
        let stage = Box::pin(Stage::with_users(CAST.len(), LIFE)).await?;
        let options = OperatorOptions {
            // A pace that lets requests wait, and a namespace that does not exist.
            config: format!(
                "watch: {{namespaces: [{NAMESPACE}, missing]}}\nlimits: {{requestsPerSecondPerTenant: 2}}"
            ),
            ..OperatorOptions::default()
        };
        stage.kubectl(&["create", "namespace", NAMESPACE], None)?;
        let operator = Box::pin(stage.operator(program, options)).await?;
        let target = operator.metrics().unwrap_or_default();
        let target = target.trim_start_matches("http://");
        let rules = impatient(rules.clone());
        let prometheus = Prometheus::start(&programs.prometheus, target, &rules).await?;
        let scene = Self {
            prometheus,
            operator,
            stage,
        };
        scene.apply_all()?;
        screen.change("Prometheus", "reads the operator, each second", Paint::Plain)?;
        Ok(scene)
    }

    fn apply_all(&self) -> Result<(), Error> {
        let locked = Rule::new(Fault::Refuse(Refusal::of(DISABLED)));
        self.stage
            .simulator
            .script(locked.user(&user_of(LOCKED)).forever());
        let client = ClientCertificate::new("client").map_err(StartError::from)?;
        let application = Application::with_certificate(CERTIFICATE_CLIENT, &client.certificate);
        self.stage
            .simulator
            .change(|world| world.applications.push(application));
        let mut objects = vec![secret(
            CERTIFICATE_SECRET,
            "kubernetes.io/tls",
            &json!({"tls.crt": client.certificate, "tls.key": client.key}),
        )];
        for (index, name) in CAST.into_iter().enumerate() {
            let login = json!({"username": user_name(index), "password": password(index)});
            objects.push(credential(name));
            objects.push(secret(
                &format!("{name}-login"),
                "entra-operator.dev/login",
                &login,
            ));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.stage
            .kubectl(&["apply", "--server-side", "-f", "-"], Some(&list))?;
        Ok(())
    }

    /// How many credentials are ready while nothing is wrong.
    pub(super) fn can_be_ready() -> usize {
        CAST.len() - 1
    }

    /// Renewals of one fail, the sessions of another are revoked, a third is suspended.
    pub(super) fn make_trouble(&self) -> Result<(), Error> {
        let failing = Rule::new(Fault::ServerError).user(&user_of(FAILING));
        self.stage.simulator.script(failing.forever());
        self.stage.simulator.revoke_sessions(&user_of(REVOKED));
        let patch = r#"{"spec":{"suspend":true}}"#;
        let command = [
            "patch",
            "entracredential",
            SUSPENDED,
            "--namespace",
            NAMESPACE,
            "--type=merge",
            "--patch",
            patch,
        ];
        self.stage.kubectl(&command, None)?;
        Ok(())
    }

    /// The operator ends; what Prometheus says of that can be asked for.
    pub(super) async fn end_of_operator(self) -> Result<(Prometheus, Stage), Error> {
        self.operator.terminate().await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok((self.prometheus, self.stage))
    }

    /// The last lines of the operator's log.
    pub(super) fn log_end(&self) -> String {
        let log = self.operator.log();
        let skip = log.lines().count().saturating_sub(30);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }
}

fn user_of(name: &str) -> String {
    let index = CAST.iter().position(|one| *one == name).unwrap_or_default();
    user_name(index)
}

fn credential(name: &str) -> Value {
    let login = json!({"secretName": format!("{name}-login")});
    let token =
        |scope: &str| json!([{"secretName": format!("{name}-api"), "scopes": [format!("{API}/{scope}")]}]);
    let spec = match name {
        AT_ADFS => json!({
            "clientId": PUBLIC_CLIENT, "authority": ADFS, "login": login, "tokens": token("read"),
        }),
        CERTIFICATE => json!({
            "tenant": TENANT, "clientId": CERTIFICATE_CLIENT, "authority": AUTHORITY, "login": login,
            "clientCredential": {"certificate": {"secretName": CERTIFICATE_SECRET}}, "tokens": token(".default"),
        }),
        _ => json!({
            "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY, "login": login,
            "tokens": token(".default"),
        }),
    };
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
}

fn secret(name: &str, kind: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data,
    })
}

/// Ends what is left.
pub(super) async fn strike(stage: Stage) {
    stage.simulator.shutdown().await;
    stage.plane.shutdown().await;
}
