//! `entra-lab chart install`: the chart on a real API server, with the oldest and the newest Helm.
//!
//! No node runs there, so the pods are admitted and stay pending. What Helm and the API server make of the chart is real:
//! installation, upgrade from one Helm to the next, removal, and a second release that takes over what the first left.

use std::io::{self, Write};
use std::time::Duration;

use entra_operator::api::EntraCredential;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use k8s_openapi::api::rbac::v1::{ClusterRole, Role};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Error;
use super::helm::Helm;
use super::sets::{RELEASE, chart};
use crate::controlplane::{ControlPlane, Options};

/// A namespace that is served.
const SERVED: &str = "etl";

/// The Secret that the operator would have made.
const KEYS: &str = "entra-operator-keys";

const DEFINITION: &str = "entracredentials.entra-operator.dev";

/// Longest for the controllers to create a pod, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    plane: ControlPlane,
    client: Client,
}

/// Plays all of it.
///
/// # Errors
/// [`Error::Broken`] with the first thing that does not hold.
pub(super) async fn play() -> Result<(), Error> {
    let plane = ControlPlane::start(Options::default()).await?;
    let client = plane.client().await?;
    let scene = Scene { plane, client };
    let outcome = scene.acts().await;
    scene.plane.shutdown().await;
    outcome
}

impl Scene {
    async fn acts(&self) -> Result<(), Error> {
        self.namespaces().await?;
        self.first_release().await?;
        self.upgrade().await?;
        self.removal(Helm::V4).await?;
        for helm in Helm::ALL {
            self.helm(helm, "install", &["replicas=2"]).await?;
            self.helm(helm, "upgrade", &["replicas=1"]).await?;
            said(&format!("{helm:?} installs over what was left, and upgrades"))?;
            self.removal(helm).await?;
        }
        Ok(())
    }

    async fn namespaces(&self) -> Result<(), Error> {
        for (name, level) in [(RELEASE, "restricted"), (SERVED, "privileged")] {
            let labels = json!({"pod-security.kubernetes.io/enforce": level});
            let namespace = json!({"metadata": {"name": name, "labels": labels}});
            create(&Api::<Namespace>::all(self.client.clone()), namespace).await?;
        }
        Ok(())
    }

    /// The old Helm; the pod is one that a restricted namespace admits.
    async fn first_release(&self) -> Result<(), Error> {
        self.helm(Helm::V3, "install", &[]).await?;
        held(
            is(&self.cluster_roles(), RELEASE).await?,
            "all namespaces are served",
        )?;
        held(self.has_pod().await?, "a restricted namespace admits the pod")?;
        let secret = json!({"metadata": {"name": KEYS}, "type": "Opaque"});
        create(&self.own::<Secret>(), secret).await?;
        let spec = json!({
            "tenant": "contoso.example",
            "clientId": "3f0c1a52-0000-4000-8000-000000000001",
            "login": {"secretName": "reporting-login"},
            "tokens": [{"secretName": "reporting-api", "scopes": ["https://graph.microsoft.com/.default"]}],
        });
        let credential = json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {"name": "reporting"}, "spec": spec,
        });
        create(&self.credentials(), credential).await
    }

    /// The new Helm takes the release over, and narrows its rights.
    async fn upgrade(&self) -> Result<(), Error> {
        let narrow = format!("config.watch.namespaces={{{SERVED}}}");
        self.helm(Helm::V4, "upgrade", &[&narrow]).await?;
        let role = Api::<Role>::namespaced(self.client.clone(), SERVED);
        held(
            is(&role, &format!("{RELEASE}-served")).await?,
            "the namespace has a Role",
        )?;
        held(
            !is(&self.cluster_roles(), RELEASE).await?,
            "nothing holds for the cluster any more",
        )
    }

    async fn removal(&self, helm: Helm) -> Result<(), Error> {
        self.helm(helm, "uninstall", &[]).await?;
        held(
            !is(&self.own::<Deployment>(), RELEASE).await?,
            "the release is removed",
        )?;
        let definitions = Api::<CustomResourceDefinition>::all(self.client.clone());
        held(is(&definitions, DEFINITION).await?, "the definition stays")?;
        held(
            is(&self.credentials(), "reporting").await?,
            "the credential stays",
        )?;
        held(is(&self.own::<Secret>(), KEYS).await?, "the keys stay")
    }

    fn own<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), RELEASE)
    }

    fn cluster_roles(&self) -> Api<ClusterRole> {
        Api::all(self.client.clone())
    }

    fn credentials(&self) -> Api<EntraCredential> {
        Api::namespaced(self.client.clone(), SERVED)
    }

    async fn has_pod(&self) -> Result<bool, Error> {
        let pods = self.own::<Pod>();
        let appears = async {
            while pods.list_metadata(&ListParams::default()).await?.items.is_empty() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Ok(true)
        };
        tokio::time::timeout(PATIENCE, appears).await.unwrap_or(Ok(false))
    }

    /// Runs a command of Helm for the release.
    async fn helm(&self, helm: Helm, command: &str, settings: &[&str]) -> Result<(), Error> {
        let [chart, kubeconfig] = [chart(), self.plane.admin_kubeconfig().to_owned()];
        let mut arguments = [command, RELEASE].map(str::to_owned).to_vec();
        if command != "uninstall" {
            arguments.push(chart.display().to_string());
        }
        for setting in settings {
            arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        let place = ["--namespace", RELEASE, "--kubeconfig"].map(str::to_owned);
        arguments.extend(place.into_iter().chain([kubeconfig.display().to_string()]));
        let run = tokio::task::spawn_blocking(move || helm.run(&arguments));
        let output = run.await.map_err(|error| Error::Broken(error.to_string()))?;
        Ok(output.map(drop)?)
    }
}

async fn is<K>(api: &Api<K>, name: &str) -> Result<bool, Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    Ok(api.get_metadata_opt(name).await?.is_some())
}

async fn create<K>(api: &Api<K>, object: Value) -> Result<(), Error>
where
    K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let object = serde_json::from_value(object).map_err(|error| Error::Broken(error.to_string()))?;
    Ok(api.create(&PostParams::default(), &object).await.map(drop)?)
}

fn held(holds: bool, what: &str) -> Result<(), Error> {
    if holds {
        said(what)
    } else {
        Err(Error::Broken(format!("does not hold: {what}")))
    }
}

fn said(line: &str) -> Result<(), Error> {
    let written = writeln!(io::stdout(), "{line}");
    written.map_err(|error| Error::File("standard output".to_owned(), error))
}
