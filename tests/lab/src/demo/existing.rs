//! A cluster of the user (`--context`). The operator and the simulator run here; in the cluster are only the
//! manifests without the Deployment, and the demonstration's namespace.
//!
//! Guarantee: what was there before is not touched. If anything of an entra-operator is there, nothing is
//! installed.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::user::NAMESPACE;
use super::{Error, Paint, Screen};
use crate::controlplane::Binaries;
use crate::stage::{OPERATOR, Operator, OperatorOptions, repository};

/// What a cluster must not have before.
const MUST_BE_ABSENT: [&str; 6] = [
    "namespace/entra-operator",
    "namespace/entra-demo",
    "clusterrole/entra-operator",
    "clusterrolebinding/entra-operator",
    "priorityclass/entra-operator",
    "customresourcedefinition/entracredentials.entra-operator.dev",
];

/// A cluster in which we are guests.
#[derive(Debug)]
pub(super) struct Existing {
    context: String,
    manifests: String,
}

impl Existing {
    /// Installs what the operator needs.
    pub(super) async fn occupy(screen: &Screen, context: &str) -> Result<(Self, Kubectl, Client), Error> {
        let kubectl = Kubectl::with_context(kubectl_program().await?, context);
        refuse_if_occupied(&kubectl, context).await?;
        let existing = Self {
            context: context.to_owned(),
            manifests: manifests(&kubectl).await?,
        };
        let installed = existing.install(&kubectl).await;
        if let Err(error) = installed {
            existing.clean(&kubectl).await?;
            return Err(error);
        }
        screen.change(
            "cluster",
            &format!("context {context}: manifests applied"),
            Paint::Plain,
        )?;
        let client = client(context).await?;
        Ok((existing, kubectl, client))
    }

    /// Name of the context.
    pub(super) fn context(&self) -> &str {
        &self.context
    }

    async fn install(&self, kubectl: &Kubectl) -> Result<(), Error> {
        let apply = ["apply", "--server-side", "-f", "-"];
        kubectl.run(&apply, &self.manifests).await?;
        let established = [
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd/entracredentials.entra-operator.dev",
        ];
        kubectl.run(&established, "").await.map(drop)
    }

    /// Starts the operator with a token of its ServiceAccount.
    pub(super) async fn operator(
        &self,
        kubectl: &Kubectl,
        program: &Path,
        entra: (String, String),
    ) -> Result<Operator, Error> {
        let token = ["-n", OPERATOR, "create", "token", OPERATOR, "--duration=1h"];
        let token = kubectl.run(&token, "").await?;
        let view = [
            "config",
            "view",
            "--minify",
            "--flatten",
            "--raw",
            "--output=json",
        ];
        let kubeconfig = as_service_account(&kubectl.run(&view, "").await?, token.trim());
        let options = OperatorOptions {
            config: format!("watch: {{namespaces: [{NAMESPACE}]}}\n"),
            ..OperatorOptions::default()
        };
        Ok(Operator::outside(program, &kubeconfig, entra, options).await?)
    }

    /// Removes all that was installed, the demonstration's namespace first.
    pub(super) async fn clean(&self, kubectl: &Kubectl) -> Result<(), Error> {
        let demo = ["delete", "namespace", NAMESPACE, "--ignore-not-found"];
        kubectl.run(&demo, "").await?;
        let rest = ["delete", "--ignore-not-found", "-f", "-"];
        kubectl.run(&rest, &self.manifests).await.map(drop)
    }
}

async fn kubectl_program() -> Result<PathBuf, Error> {
    let found = tokio::task::spawn_blocking(Binaries::kubectl).await;
    Ok(found.map_err(|error| Error::io("look for kubectl")(error.into()))??)
}

async fn refuse_if_occupied(kubectl: &Kubectl, context: &str) -> Result<(), Error> {
    let mut get = vec!["get", "--ignore-not-found", "--output=name"];
    get.extend(MUST_BE_ABSENT);
    let found = kubectl.run(&get, "").await?;
    if found.trim().is_empty() {
        return Ok(());
    }
    Err(Error::Occupied {
        context: context.to_owned(),
        found: found.lines().collect::<Vec<_>>().join(", "),
    })
}

/// What is shipped, without the Deployment: the operator runs here.
async fn manifests(kubectl: &Kubectl) -> Result<String, Error> {
    let directory = repository().join("deploy/manifests").display().to_string();
    let all = kubectl.run(&["kustomize", &directory], "").await?;
    Ok(without_deployment(&all))
}

fn without_deployment(manifests: &str) -> String {
    let is_deployment = |document: &&str| document.lines().any(|line| line == "kind: Deployment");
    let rest: Vec<_> = manifests
        .split("\n---\n")
        .filter(|document| !is_deployment(document))
        .collect();
    rest.join("\n---\n")
}

async fn client(context: &str) -> Result<Client, Error> {
    let unusable = |error| Error::ControlPlane(crate::controlplane::Error::from(error));
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let kubeconfig = Kubeconfig::read().map_err(unusable)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(unusable)?;
    Ok(Client::try_from(config)?)
}

/// The same cluster, but another identity.
fn as_service_account(kubeconfig: &str, token: &str) -> String {
    let mut kubeconfig: Value = serde_json::from_str(kubeconfig).unwrap_or_default();
    let users = kubeconfig.get_mut("users").and_then(Value::as_array_mut);
    for user in users.into_iter().flatten() {
        if let Some(user) = user.as_object_mut() {
            user.insert("user".to_owned(), json!({ "token": token }));
        }
    }
    kubeconfig.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_the_demonstration_must_be_absent() {
        assert!(MUST_BE_ABSENT.contains(&format!("namespace/{NAMESPACE}").as_str()));
    }

    #[test]
    fn only_the_deployment_stays_out() {
        let all = "kind: Namespace\n---\nkind: Deployment\nspec: {}\n---\nkind: Role\n";
        assert_eq!(without_deployment(all), "kind: Namespace\n---\nkind: Role\n");
    }

    #[test]
    fn no_other_identity_stays_in_the_kubeconfig() {
        let text =
            r#"{"clusters":[{"name":"c"}],"users":[{"name":"u","user":{"client-key-data":"secret"}}]}"#;
        let changed = as_service_account(text, "t");
        assert!(changed.contains(r#"{"token":"t"}"#) && !changed.contains("secret"));
    }
}
