//! A node: containerd, kubelet and scheduler beside a control plane.
//!
//! # Guarantees
//! - It is a real one: pods are admitted, scheduled, given an address and run by runc, each file of theirs by the kubelet.
//! - The kubelet acts as a node, with the rights of one: it reads the Secrets of its own pods only.
//! - It goes when it is dropped, and also when the lane is killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node as Object;
use kube::Api;
use serde_json::json;

use super::{Error, machine, network};
use crate::controlplane::certificates::{NODE, NODE_ADDRESS};
use crate::controlplane::guard::{DIRECTORY_PREFIX, Guard};
use crate::controlplane::{ControlPlane, NodeFiles, Program};
use crate::tool;

/// Name of the image that pods' sandboxes run.
pub(super) const TOOLS_IMAGE: &str = "localhost/entra-lab-tools:lab";

/// Longest for anything to begin.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running node.
#[derive(Debug)]
pub(super) struct Node {
    directory: PathBuf,
    forward: tokio::task::JoinHandle<()>,
    processes: Vec<Child>,
    guard: Guard,
}

impl Node {
    /// Makes the network, of which the simulator needs an address, and nothing else yet. The guard undoes all of it.
    pub(super) fn prepare() -> Result<(PathBuf, Guard), Error> {
        machine::check()?;
        let made = tempfile::Builder::new().prefix(DIRECTORY_PREFIX).tempdir();
        let directory = made.map_err(Error::io("create a directory"))?;
        let guard = Guard::with_sweep(directory.path(), &machine::sweep())?;
        let directory = directory.keep();
        network::up()?;
        Ok((directory, guard))
    }

    /// Starts everything and returns when the node is ready. `sync` is how often the kubelet looks at its pods, seconds.
    pub(super) async fn start(
        plane: &ControlPlane,
        (directory, guard): (PathBuf, Guard),
        archives: &[PathBuf],
        sync: u64,
    ) -> Result<Self, Error> {
        let forward = network::forward(plane.port()).await?;
        let mut node = Self {
            directory,
            forward,
            processes: Vec::new(),
            guard,
        };
        node.containerd()?;
        node.wait_for_socket().await?;
        for archive in archives {
            node.ctr(&["images", "import", &archive.display().to_string()])?;
        }
        let files = plane.node_files()?;
        node.scheduler(&files).await?;
        node.kubelet(&files, sync).await?;
        node.wait_until_ready(plane).await?;
        Ok(node)
    }

    /// Ends all of it, without blocking the runtime.
    pub(super) async fn shutdown(self) {
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
    }

    /// What the programs log, and what they keep.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        fs::write(self.path(name), text).map_err(Error::io(format!("write {name}")))
    }

    fn containerd(&mut self) -> Result<(), Error> {
        network::configure(&self.directory)?;
        let place = self.directory.display().to_string();
        self.write(
            "containerd.toml",
            &CONTAINERD.replace("PLACE", &place).replace("IMAGE", TOOLS_IMAGE),
        )?;
        let config = self.path("containerd.toml");
        self.spawn(
            Path::new("containerd"),
            &["--config".to_owned(), config.display().to_string()],
        )
    }

    async fn scheduler(&mut self, files: &NodeFiles) -> Result<(), Error> {
        let program = built(Program::Scheduler).await?;
        let kubeconfig = files.scheduler_kubeconfig.display();
        let arguments = [
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--authentication-tolerate-lookup-failure=true".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        self.spawn(&program, &arguments)
    }

    async fn kubelet(&mut self, files: &NodeFiles, sync: u64) -> Result<(), Error> {
        let program = built(Program::Kubelet).await?;
        self.write("kubelet.json", &self.kubelet_configuration(files, sync))?;
        let arguments = [
            format!("--config={}", self.path("kubelet.json").display()),
            format!("--kubeconfig={}", files.kubelet_kubeconfig.display()),
            format!("--root-dir={}", self.path("kubelet").display()),
            format!("--cert-dir={}", self.path("kubelet-pki").display()),
            format!("--hostname-override={NODE}"),
            format!("--node-ip={NODE_ADDRESS}"),
        ];
        self.spawn(&program, &arguments)
    }

    fn kubelet_configuration(&self, files: &NodeFiles, sync: u64) -> String {
        let configuration = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "readOnlyPort": 0,
            "healthzPort": 0,
            "tlsCertFile": files.certificate,
            "tlsPrivateKeyFile": files.key,
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": false},
                "x509": {"clientCAFile": files.authority},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": format!("unix://{}", self.path("containerd.sock").display()),
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": false,
            "failSwapOn": false,
            "syncFrequency": format!("{sync}s"),
            "podLogsDir": self.path("logs"),
            "volumePluginDir": self.path("volume-plugins"),
            // Others live on this machine: nothing is reserved, evicted or collected for this node.
            "enforceNodeAllocatable": [],
            "makeIPTablesUtilChains": false,
            "oomScoreAdj": 0,
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        });
        configuration.to_string()
    }

    /// Its output goes to a file of its name.
    fn spawn(&mut self, program: &Path, arguments: &[String]) -> Result<(), Error> {
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let log = File::create(self.path(&format!("{name}.log"))).map_err(Error::io("create a log"))?;
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(Error::io("share a log"))?)
            .stderr(log)
            .spawn()
            .map_err(|error| tool::Error::Missing(name, error))?;
        // If the lane dies right now, the sweep finds the process by the directory in its command line.
        self.guard.watch(child.id())?;
        self.processes.push(child);
        Ok(())
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String, Error> {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address")
            .arg(self.path("containerd.sock"))
            .args(["--namespace", "k8s.io"]);
        Ok(tool::run(ctr.args(arguments))?)
    }

    async fn wait_for_socket(&self) -> Result<(), Error> {
        let begun = Instant::now();
        while self.ctr(&["version"]).is_err() {
            self.still(begun, "containerd answers", "containerd")?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    async fn wait_until_ready(&self, plane: &ControlPlane) -> Result<(), Error> {
        let nodes = Api::<Object>::all(plane.client().await?);
        let begun = Instant::now();
        while !nodes.get_opt(NODE).await?.is_some_and(|node| is_ready(&node)) {
            self.still(begun, "the node is ready", "kubelet")?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn still(&self, begun: Instant, what: &str, program: &str) -> Result<(), Error> {
        if begun.elapsed() < PATIENCE {
            return Ok(());
        }
        let log = fs::read(self.path(&format!("{program}.log"))).unwrap_or_default();
        Err(Error::Late(what.to_owned(), tool::end(&log)))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.forward.abort();
        for process in self.processes.iter_mut().rev() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

async fn built(program: Program) -> Result<PathBuf, Error> {
    let built = tokio::task::spawn_blocking(move || program.locate()).await;
    Ok(built.map_err(|error| Error::io("build a program")(error.into()))??)
}

fn is_ready(node: &Object) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}

/// containerd keeps everything below the directory; only the sockets of its shims are in /run/containerd.
const CONTAINERD: &str = r#"version = 2
root = "PLACE/containerd"
state = "PLACE/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "PLACE/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "PLACE/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "IMAGE"
restrict_oom_score_adj = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "PLACE/runc"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "PLACE/cni"
"#;
