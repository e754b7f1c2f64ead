//! What is played on the node: what an administrator and a user do, command by command.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};

use super::node::Node;
use super::reader::{self, EXAMPLE, EXAMPLE_FILE, READER, SCRIPT};
use super::watch::Watch;
use super::{Args, CREDENTIAL, Error, NAMESPACE, TOKEN, images, operator, say};
use crate::chart::helm::Helm;
use crate::chart::sets::{RELEASE, chart};
use crate::controlplane::certificates::NODE_ADDRESS;
use crate::controlplane::{self, Binaries, ControlPlane};
use crate::simulator::world::{DOMAIN, GRAPH, PUBLIC_CLIENT, World, password, user_name};
use crate::simulator::{self, Simulator};
use crate::stage::repository;
use crate::{image, tool};

/// Name of the simulator in the operator's configuration.
const AUTHORITY: &str = "lab";
const LOGIN: &str = "reporting-login";
/// ConfigMap with the simulator's certificate.
const CERTIFICATES: &str = "entra-ca";
/// What the operator creates, and no `helm uninstall` removes.
const KEYS: &str = "entra-operator-keys";

/// Longest for the example to end; one that ignores SIGTERM takes its grace period, 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Flags that make the API server one for nodes: as it is everywhere, but that nobody marks new nodes as not ready, because
/// the controller that would take the mark away has no part here.
const FLAGS: [&str; 3] = [
    "--authorization-mode=Node",
    "--enable-admission-plugins=NodeRestriction",
    "--disable-admission-plugins=TaintNodesByCondition",
];

/// Everything that runs; dropped from top to bottom.
pub(super) struct Scene {
    watch: Watch,
    node: Node,
    simulator: Simulator,
    plane: ControlPlane,
    client: Client,
    kubectl: PathBuf,
    begun: Instant,
}

impl Scene {
    /// Builds what is missing, and starts everything but the operator.
    pub(super) async fn set(args: &Args, begun: Instant) -> Result<Self, Error> {
        let ground = Node::prepare()?;
        let (directory, given) = (ground.0.clone(), args.image.clone());
        let archives = blocking(move || images::archives(&directory, given)).await?;
        say(begun, &image_is_there(&archives))?;
        let kubectl = blocking(|| Ok(Binaries::kubectl()?)).await?;
        let options = controlplane::Options {
            apiserver_flags: FLAGS.map(str::to_owned).to_vec(),
            ..controlplane::Options::default()
        };
        let plane = ControlPlane::start(options).await?;
        let world = simulator::Options {
            address: NODE_ADDRESS
                .parse()
                .map_err(|_| Error::Machine(NODE_ADDRESS.to_owned()))?,
            ..simulator::Options::new(World::with_users(1)).token_lifetime(args.life)
        };
        let simulator = Simulator::start(world).await?;
        let node = Node::start(&plane, ground, &archives, args.sync).await?;
        say(
            begun,
            "the node is ready: kubelet, containerd, a network for pods",
        )?;
        let client = plane.client().await?;
        Ok(Self {
            watch: Watch::begin(client.clone()),
            node,
            simulator,
            plane,
            client,
            kubectl,
            begun,
        })
    }

    /// Ends everything.
    pub(super) async fn strike(self) {
        drop(self.watch);
        self.node.shutdown().await;
        self.simulator.shutdown().await;
        self.plane.shutdown().await;
    }

    pub(super) async fn acts(&self, args: &Args) -> Result<(), Error> {
        self.namespaces()?;
        self.install().await?;
        if args.start_only {
            return Ok(());
        }
        self.sign_in()?;
        self.start_reader(args)?;
        self.renewed(1, args).await?;
        self.upgrade().await?;
        self.renewed(2, args).await?;
        self.roll_back().await?;
        self.renewed(args.renewals, args).await?;
        self.test().await?;
        self.say(&format!(
            "RSS of the operator in its pod: {:?} KiB",
            operator::resident()
        ))?;
        self.judge()?;
        self.uninstall().await
    }

    /// Both admit nothing but restricted pods.
    fn namespaces(&self) -> Result<(), Error> {
        for name in [RELEASE, NAMESPACE] {
            self.kubectl(&["create", "namespace", name])?;
            let level = "pod-security.kubernetes.io/enforce=restricted";
            self.kubectl(&["label", "namespace", name, level])?;
        }
        let file = self.file("simulator.pem", &self.simulator.ca_pem())?;
        let from = format!("--from-file=simulator.pem={file}");
        self.kubectl(&["-n", RELEASE, "create", "configmap", CERTIFICATES, &from])?;
        Ok(())
    }

    async fn install(&self) -> Result<(), Error> {
        let asked = Instant::now();
        self.helm("install", &[]).await?;
        let took = asked.elapsed().as_secs_f64();
        self.say(&format!(
            "helm install --wait: done in {took:.1} s, the operator's pod is Ready"
        ))?;
        let pods = Api::<Pod>::namespaced(self.client.clone(), RELEASE);
        for pod in pods.list(&ListParams::default()).await? {
            self.say(&format!("start to ready: {}", start_to_ready(&pod)))?;
        }
        Ok(())
    }

    fn sign_in(&self) -> Result<(), Error> {
        let credential = json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {"name": CREDENTIAL, "namespace": NAMESPACE},
            "spec": {
                "tenant": DOMAIN,
                "clientId": PUBLIC_CLIENT,
                "authority": AUTHORITY,
                "login": {"secretName": LOGIN},
                "tokens": [{"secretName": TOKEN, "scopes": [format!("{GRAPH}/.default")]}],
            },
        });
        self.apply("credential.json", &credential)?;
        let file = self.file("password", &password(0))?;
        let words = [
            "-n",
            NAMESPACE,
            "create",
            "secret",
            "generic",
            LOGIN,
            "--type=entra-operator.dev/login",
            &format!("--from-literal=username={}", user_name(0)),
            &format!("--from-file=password={file}"),
        ];
        self.kubectl(&words)?;
        let object = format!("entracredential/{CREDENTIAL}");
        self.kubectl(&[
            "-n",
            NAMESPACE,
            "wait",
            "--for=condition=Ready",
            &object,
            "--timeout=1m",
        ])?;
        self.say("kubectl wait --for=condition=Ready: the credential is")
    }

    fn start_reader(&self, args: &Args) -> Result<(), Error> {
        let file = repository().join(EXAMPLE_FILE).display().to_string();
        let example = self.kubectl(&["create", "--dry-run=client", "--output=json", "-f", &file])?;
        self.apply("reader.json", &reader::pod(&example, READER, Some(SCRIPT))?)?;
        self.apply("example.json", &reader::pod(&example, EXAMPLE, None)?)?;
        let pods = [READER, EXAMPLE].map(|name| format!("pod/{name}"));
        for pod in &pods {
            self.kubectl(&[
                "-n",
                NAMESPACE,
                "wait",
                "--for=condition=Ready",
                pod,
                "--timeout=1m",
            ])?;
        }
        self.say(&format!(
            "a restricted pod reads {TOKEN} each second; the kubelet looks every {} s",
            args.sync
        ))
    }

    /// Waits until the pod has read the token of this renewal.
    async fn renewed(&self, number: usize, args: &Args) -> Result<(), Error> {
        let patience = Duration::from_secs(args.life * (number as u64 + 1) + 120);
        let begun = Instant::now();
        loop {
            let tokens = self.watch.tokens();
            let verdict = reader::judge(&reader::looks(&self.logs())?, &tokens);
            if verdict.late.len() >= number {
                let late = verdict.late.last().copied().unwrap_or_default();
                return self.say(&format!(
                    "renewal {} is in the pod, {late} s after it was written",
                    verdict.late.len()
                ));
            }
            if begun.elapsed() > patience {
                let what = format!("the pod reads the token of renewal {number}");
                let log = self.kubectl(&[
                    "-n",
                    RELEASE,
                    "logs",
                    &format!("deployment/{RELEASE}"),
                    "--tail=20",
                ]);
                return Err(Error::Late(what, log.unwrap_or_else(|error| error.to_string())));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn upgrade(&self) -> Result<(), Error> {
        self.helm("upgrade", &["log.filter=debug"]).await?;
        self.say("helm upgrade: a new pod of the operator has taken over")
    }

    async fn roll_back(&self) -> Result<(), Error> {
        self.helm("rollback", &[]).await?;
        self.say("helm rollback: and another one")
    }

    async fn test(&self) -> Result<(), Error> {
        let output = self.helm("test", &[]).await?;
        let line = output.lines().find(|line| line.contains("Phase"));
        self.say(&format!("helm test: {}", line.unwrap_or("passed").trim()))
    }

    /// What was there stays there.
    async fn uninstall(&self) -> Result<(), Error> {
        self.helm("uninstall", &[]).await?;
        let keys = Api::<Secret>::namespaced(self.client.clone(), RELEASE);
        let tokens = Api::<Secret>::namespaced(self.client.clone(), NAMESPACE);
        let mut broken = Vec::new();
        if keys.get_metadata_opt(KEYS).await?.is_none() {
            broken.push("the key Secret stays".to_owned());
        }
        if tokens.get_metadata_opt(TOKEN).await?.is_none() {
            broken.push("the token Secret stays".to_owned());
        }
        let object = format!("entracredential/{CREDENTIAL}");
        if self.kubectl(&["-n", NAMESPACE, "get", &object]).is_err() {
            broken.push("definition and credential stay".to_owned());
        }
        self.say("helm uninstall: keys, definition, credential and token stay")?;
        let took = self.deleted(EXAMPLE)?;
        self.say(&format!(
            "kubectl delete: the pod of deploy/examples ended in {:.1} s",
            took.as_secs_f64()
        ))?;
        if took > ENDS_WITHIN {
            broken.push(format!(
                "the pod of deploy/examples ends within {ENDS_WITHIN:?} of SIGTERM"
            ));
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(Error::Broken(broken))
        }
    }

    /// How long a pod takes to end.
    fn deleted(&self, pod: &str) -> Result<Duration, Error> {
        let asked = Instant::now();
        self.kubectl(&["-n", NAMESPACE, "delete", &format!("pod/{pod}")])?;
        Ok(asked.elapsed())
    }

    fn judge(&self) -> Result<(), Error> {
        let mut tokens = self.watch.tokens();
        let looks = reader::looks(&self.logs())?;
        // One that was written a moment ago need not be there yet.
        while tokens
            .last()
            .is_some_and(|token| !looks.iter().any(|look| look.digest == token.digest))
        {
            tokens.pop();
        }
        let verdict = reader::judge(&looks, &tokens);
        let most = verdict.late.iter().max().copied().unwrap_or_default();
        self.say(&format!(
            "{} looks of the pod, {} renewals",
            verdict.looks,
            verdict.late.len()
        ))?;
        self.say(&format!(
            "the oldest token that it read had {} s left",
            verdict.lowest.unwrap_or_default()
        ))?;
        self.say(&format!(
            "renewals were in the pod after {:?} s, at most {most}",
            verdict.late
        ))?;
        if verdict.broken.is_empty() {
            Ok(())
        } else {
            Err(Error::Broken(verdict.broken))
        }
    }
}

impl Scene {
    fn say(&self, line: &str) -> Result<(), Error> {
        say(self.begun, line)
    }

    fn logs(&self) -> PathBuf {
        self.node.directory().join("logs")
    }

    fn file(&self, name: &str, text: &str) -> Result<String, Error> {
        let path = self.node.directory().join(name);
        std::fs::write(&path, text).map_err(Error::io(format!("write {name}")))?;
        Ok(path.display().to_string())
    }

    fn apply(&self, name: &str, object: &Value) -> Result<(), Error> {
        let file = self.file(name, &object.to_string())?;
        self.kubectl(&["apply", "--server-side", "-f", &file]).map(drop)
    }

    fn kubectl(&self, words: &[&str]) -> Result<String, Error> {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl
            .env("KUBECONFIG", self.plane.admin_kubeconfig())
            .args(words);
        Ok(tool::run(&mut kubectl)?)
    }

    /// Runs a command of Helm for the release, and waits until what it did is done.
    async fn helm(&self, command: &str, settings: &[&str]) -> Result<String, Error> {
        let mut words = [command, RELEASE].map(str::to_owned).to_vec();
        if matches!(command, "install" | "upgrade") {
            words.push(chart().display().to_string());
            let values = self.file("values.json", &self.values().to_string())?;
            words.extend(["--values".to_owned(), values]);
        }
        words.push(if command == "test" { "--logs" } else { "--wait" }.to_owned());
        for setting in settings {
            words.extend(["--set".to_owned(), (*setting).to_owned()]);
        }
        let kubeconfig = self.plane.admin_kubeconfig().display().to_string();
        words.extend(["--namespace", RELEASE, "--kubeconfig", &kubeconfig].map(str::to_owned));
        blocking(move || Ok(Helm::V4.run(&words)?)).await
    }

    /// As a user would write them: the image, the simulator as an authority, and its certificate.
    fn values(&self) -> Value {
        let (repository, tag) = image::TAG.rsplit_once(':').unwrap_or((image::TAG, ""));
        json!({
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "certificates": {"configMap": CERTIFICATES},
            "config": {"authorities": [{
                "name": AUTHORITY, "kind": "Entra", "url": self.simulator.url(),
                "caFile": "/etc/entra-operator-ca/simulator.pem",
            }]},
        })
    }
}

fn image_is_there([operator, _]: &[PathBuf; 2]) -> String {
    let bytes = std::fs::metadata(operator).map_or(0, |file| file.len());
    format!("the image {} has {bytes} bytes", image::TAG)
}

/// By the kubelet's own times, which are whole seconds.
fn start_to_ready(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let state = status.and_then(|status| status.container_statuses.as_ref()?.first()?.state.clone());
    let started = state.and_then(|state| state.running?.started_at);
    let conditions = status
        .and_then(|status| status.conditions.clone())
        .unwrap_or_default();
    let ready = conditions
        .into_iter()
        .find(|condition| condition.type_ == "Ready");
    let ready = ready.and_then(|condition| condition.last_transition_time);
    match (started, ready) {
        (Some(started), Some(ready)) => format!("{} s", ready.0.as_second() - started.0.as_second()),
        _ => "not known".to_owned(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::io("wait for a program")(error.into()))?
}
