//! What a user does: a few commands for each credential.

use super::cast::{CAST, CERTIFICATE, Role};
use super::kubectl::Kubectl;
use super::scene::Scene;
use super::{Error, Screen};

/// Namespace of the demonstration.
pub(super) const NAMESPACE: &str = "entra-demo";

/// The one who types.
pub(super) struct User<'a> {
    screen: &'a Screen,
    scene: &'a Scene,
    kubectl: &'a Kubectl,
}

impl<'a> User<'a> {
    pub(super) fn new(screen: &'a Screen, scene: &'a Scene) -> Self {
        Self {
            screen,
            scene,
            kubectl: &scene.kubectl,
        }
    }

    /// Creates the namespace, and for each role what it needs.
    pub(super) async fn acts(&self) -> Result<(), Error> {
        self.create_namespace().await?;
        for role in &CAST {
            let subject = format!("EntraCredential {}", role.name);
            self.screen
                .change(&subject, role.introduction(), super::Paint::Dim)?;
            self.create_login(role).await?;
            if role.has_certificate() {
                self.create_certificate().await?;
            }
            self.apply_credential(role).await?;
        }
        Ok(())
    }

    async fn create_namespace(&self) -> Result<(), Error> {
        let arguments = ["create", "namespace", NAMESPACE];
        self.screen.command(&format!("kubectl {}", arguments.join(" ")))?;
        self.kubectl.run(&arguments, "").await.map(drop)
    }

    async fn create_login(&self, role: &Role) -> Result<(), Error> {
        let username = format!("--from-literal=username={}", role.account());
        let arguments = [
            "-n",
            NAMESPACE,
            "create",
            "secret",
            "generic",
            role.login,
            "--type=entra-operator.dev/login",
            &username,
            "--from-file=password=/dev/stdin",
        ];
        self.screen.command(&shown(&arguments))?;
        self.kubectl.run(&arguments, &self.scene.password).await.map(drop)
    }

    async fn create_certificate(&self) -> Result<(), Error> {
        let files = self.scene.certificate.files();
        let create = ["-n", NAMESPACE, "create", "secret", "tls", CERTIFICATE];
        self.screen.command(&format!(
            "kubectl {} --cert=tls.crt --key=tls.key",
            create.join(" ")
        ))?;
        let [certificate, key] = files.map(|(flag, path)| format!("--{flag}={}", path.display()));
        let arguments = [&create[..], &[&certificate, &key]].concat();
        self.kubectl.run(&arguments, "").await.map(drop)
    }

    async fn apply_credential(&self, role: &Role) -> Result<(), Error> {
        let credential = role.manifest(NAMESPACE);
        self.screen.command("kubectl apply -f - <<EOF")?;
        self.screen.input(&credential)?;
        self.kubectl
            .run(&["apply", "-f", "-"], &credential)
            .await
            .map(drop)
    }
}

/// The command that creates the login Secret, in three lines.
fn shown(arguments: &[&str]) -> String {
    let (head, tail) = arguments.split_at(arguments.len().saturating_sub(3));
    let (types, password) = tail.split_at(tail.len().saturating_sub(1));
    let lines = [head, types, password].map(|part| part.join(" "));
    format!(
        "printf %s \"$PASSWORD\" | kubectl {}",
        lines.join(" \\\n                ")
    )
}
