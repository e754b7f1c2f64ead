//! What a user does: three commands.

use super::kubectl::Kubectl;
use super::scene::Scene;
use super::{Error, Screen};
use crate::simulator::world::{self, API, DOMAIN, GRAPH, PUBLIC_CLIENT, World};
use crate::stage::AUTHORITY;

/// Namespace of the demonstration.
pub(super) const NAMESPACE: &str = "entra-demo";
/// Name of the `EntraCredential`.
pub(super) const CREDENTIAL: &str = "reporting";
/// Name of the login Secret.
pub(super) const LOGIN: &str = "reporting-login";
/// Names of the token Secrets.
pub(super) const TOKENS: &[&str] = &["reporting-graph", "reporting-orders"];
/// The account.
pub(super) const ACCOUNT: &str = "svc-reporting@contoso.example";

/// A world with one user, who has a password that was never used before.
pub(super) fn world(password: &str) -> World {
    World::contoso().user(world::User::new(ACCOUNT, password))
}

/// A password with the characters that like to break, and with a mark that no other text has.
pub(super) fn new_password() -> String {
    format!("PWMARK-{}-horse & battery=staple+%", uuid::Uuid::new_v4())
}

/// The one who types.
#[derive(Debug)]
pub(super) struct User<'a> {
    screen: &'a Screen,
    kubectl: &'a Kubectl,
    password: &'a str,
}

impl<'a> User<'a> {
    pub(super) fn new(screen: &'a Screen, scene: &'a Scene) -> Self {
        Self {
            screen,
            kubectl: &scene.kubectl,
            password: &scene.password,
        }
    }

    /// Creates the namespace, the login Secret and the credential.
    pub(super) async fn acts(&self) -> Result<(), Error> {
        self.create_namespace().await?;
        self.create_login().await?;
        self.apply_credential().await
    }

    async fn create_namespace(&self) -> Result<(), Error> {
        let arguments = ["create", "namespace", NAMESPACE];
        self.screen.command(&format!("kubectl {}", arguments.join(" ")))?;
        self.kubectl.run(&arguments, "").await.map(drop)
    }

    async fn create_login(&self) -> Result<(), Error> {
        let username = format!("--from-literal=username={ACCOUNT}");
        let arguments = [
            "-n",
            NAMESPACE,
            "create",
            "secret",
            "generic",
            LOGIN,
            "--type=entra-operator.dev/login",
            &username,
            "--from-file=password=/dev/stdin",
        ];
        self.screen.command(&shown(&arguments))?;
        self.kubectl.run(&arguments, self.password).await.map(drop)
    }

    async fn apply_credential(&self) -> Result<(), Error> {
        let credential = credential();
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

fn credential() -> String {
    let tokens = TOKENS.iter().zip([GRAPH, API]);
    let entry =
        |(name, resource)| format!("    - {{secretName: {name}, scopes: [\"{resource}/.default\"]}}\n");
    let tokens: String = tokens.map(entry).collect();
    format!(
        "apiVersion: entra-operator.dev/v1alpha1\nkind: EntraCredential\n\
         metadata: {{name: {CREDENTIAL}, namespace: {NAMESPACE}}}\nspec:\n  \
         authority: {AUTHORITY}                       # the simulator; leave it out for Entra ID\n  \
         tenant: {DOMAIN}\n  clientId: {PUBLIC_CLIENT}\n  login: {{secretName: {LOGIN}}}\n  tokens:\n{tokens}"
    )
}

#[cfg(test)]
mod tests {
    use entra_operator::api::EntraCredential;

    use super::*;

    #[test]
    fn the_credential_is_what_the_operator_reads() -> Result<(), serde_saphyr::Error> {
        let credential: EntraCredential = serde_saphyr::from_str(&credential())?;
        let tokens: Vec<_> = credential
            .spec
            .tokens
            .iter()
            .map(|t| t.secret_name.as_str())
            .collect();
        assert_eq!(tokens, TOKENS);
        Ok(())
    }
}
