//! A real control plane: etcd, kube-apiserver and kube-controller-manager as child processes of this one.
//!
//! # Guarantees
//! - The servers that answer are the processes that were started: each control plane has its own certificate
//!   authority, and etcd accepts nobody else either.
//! - It is strict: RBAC, ServiceAccount admission, real tokens, garbage collection, namespace deletion, and
//!   every API request in the audit log (probes excepted).
//! - Nothing stays behind. The processes and the directory go when the value is dropped, and also when the
//!   process that holds it ends in any other way, including SIGKILL.
//!
//! # Assumptions
//! Unix with `/bin/sh`; no nodes: pods are stored and never run.
//!
//! # Caveats
//! - The garbage collector learns new kinds every 30 s. Give CRDs to [`Options::crds`] and it knows them from
//!   the start.
//! - [`ControlPlane::client`] belongs to the runtime that it was made in: make one per test.

mod backup;
mod binaries;
mod build;
pub(crate) mod certificates;
pub mod command;
mod error;
mod etcd;
pub(crate) mod flags;
pub(crate) mod guard;
mod kubeconfig;
mod outages;
mod process;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::PostParams,
    runtime::{conditions::is_crd_established, wait::Condition},
};

pub use self::{
    backup::Backup,
    binaries::{Binaries, Program},
    error::Error,
    etcd::KeyValue,
};
use self::{
    certificates::Certificates,
    etcd::Etcd,
    flags::Layout,
    guard::{DIRECTORY_PREFIX, Guard},
    kubeconfig::Target,
    process::{Process, Processes},
};
use crate::audit::AuditLog;

/// How long a server may take to become ready; it takes seconds, but a loaded machine is slow.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// The pace of all waiting here.
const POLL: Duration = Duration::from_millis(25);

/// What may differ between control planes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The programs; by default [`Binaries::locate`].
    pub binaries: Option<Binaries>,
    /// Installed and established before the controllers start, so that garbage collection knows their kinds.
    pub crds: Vec<CustomResourceDefinition>,
    /// More flags for kube-apiserver; later ones win.
    pub apiserver_flags: Vec<String>,
    /// Keep every old value in etcd, for [`ControlPlane::etcd_history`]. Otherwise the API server removes
    /// what is older than five minutes.
    pub keep_history: bool,
}

/// One of the three programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The built-in controllers.
    ControllerManager,
}

/// A running control plane. Dropping it ends the processes and removes the directory.
#[derive(Debug)]
pub struct ControlPlane {
    layout: Layout,
    admin_kubeconfig: PathBuf,
    readiness: reqwest::Client,
    etcd: Etcd,
    processes: Mutex<Processes>,
}

/// Files that a node needs.
#[derive(Debug)]
pub(crate) struct NodeFiles {
    pub(crate) scheduler_kubeconfig: PathBuf,
    pub(crate) kubelet_kubeconfig: PathBuf,
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

// === impl Component ===

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Etcd => Program::Etcd.file_name(),
            Self::ApiServer => Program::ApiServer.file_name(),
            Self::ControllerManager => Program::ControllerManager.file_name(),
        })
    }
}

// === impl ControlPlane: life ===

impl ControlPlane {
    /// Starts everything and returns when the API server is ready and the `default` ServiceAccount exists:
    /// then the controllers work too. Takes seconds, or minutes if the programs have to be built first.
    ///
    /// # Errors
    /// See [`Error`]; nothing stays behind then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let plane = Self::prepare(&located(options.binaries.clone()).await?, &options)?;
        plane.launch(Component::Etcd).await?;
        plane.launch(Component::ApiServer).await?;
        plane.install(&options.crds).await?;
        plane.launch(Component::ControllerManager).await?;
        plane.wait_for_default_account().await?;
        Ok(plane)
    }

    /// Ends everything and removes the directory, without blocking the runtime as dropping does.
    pub async fn shutdown(self) {
        drop(tokio::task::spawn_blocking(move || drop(self)).await);
    }

    fn prepare(binaries: &Binaries, options: &Options) -> Result<Self, Error> {
        let (directory, guard) = guarded_directory()?;
        let layout = layout(directory)?;
        flags::write_audit_policy(&layout.directory)?;
        let identity = layout.certificates.etcd_client.pem()?;
        let admin = layout.certificates.admin.pem()?;
        let authority = &layout.certificates.authority_pem;
        Ok(Self {
            admin_kubeconfig: admin_kubeconfig(&layout)?,
            readiness: etcd::http_client(authority, &admin)?,
            etcd: Etcd::new(layout.etcd_url(), authority, &identity)?,
            processes: Mutex::new(Processes::new(&layout, binaries, options, guard)),
            layout,
        })
    }

    async fn install(&self, crds: &[CustomResourceDefinition]) -> Result<(), Error> {
        if crds.is_empty() {
            return Ok(());
        }
        let api = Api::<CustomResourceDefinition>::all(self.client().await?);
        for crd in crds {
            api.create(&PostParams::default(), crd).await?;
            self.wait_for_crd(&api, &crd.name_any()).await?;
        }
        Ok(())
    }

    async fn wait_for_crd(&self, api: &Api<CustomResourceDefinition>, name: &str) -> Result<(), Error> {
        eventually(&format!("CRD {name}"), async || {
            let crd = api.get_opt(name).await?;
            Ok(is_crd_established().matches_object(crd.as_ref()))
        })
        .await
    }

    async fn wait_for_default_account(&self) -> Result<(), Error> {
        let accounts = Api::<ServiceAccount>::default_namespaced(self.client().await?);
        eventually("ServiceAccount default/default", async || {
            self.with(Component::ControllerManager, Process::check_alive)?;
            Ok(accounts.get_opt("default").await?.is_some())
        })
        .await
    }
}

// === impl ControlPlane: access ===

impl ControlPlane {
    /// A new client as cluster administrator, bound to the current runtime.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn client(&self) -> Result<Client, Error> {
        kubeconfig::client(&self.admin_kubeconfig).await
    }

    /// The kubeconfig file of the cluster administrator, for `kubectl` and other programs.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// `https://127.0.0.1:<port>`, the same for the whole life of the control plane.
    pub fn server_url(&self) -> String {
        self.layout.server_url()
    }

    /// The port in it.
    pub fn server_port(&self) -> u16 {
        self.layout.apiserver_port
    }

    /// The certificate authority of the API server.
    pub fn ca_pem(&self) -> &str {
        &self.layout.certificates.authority_pem
    }

    /// A token for a ServiceAccount through the TokenRequest API, as the kubelet gets it for a pod. The API
    /// server refuses less than 600 seconds.
    ///
    /// # Errors
    /// [`Error::Kube`], for instance when the ServiceAccount does not exist.
    pub async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        seconds: u32,
    ) -> Result<String, Error> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let spec = TokenRequestSpec {
            expiration_seconds: Some(seconds.into()),
            ..Default::default()
        };
        let request = TokenRequest {
            spec: Some(spec),
            ..Default::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await?;
        answer
            .status
            .and_then(|status| status.token)
            .ok_or_else(|| Error::Missing {
                what: format!("a token for ServiceAccount {namespace}/{name}"),
                waited: Duration::ZERO,
            })
    }

    /// Writes `<name>.kubeconfig` with a bearer token into the directory of the control plane. The overrides
    /// are for a proxy in between: its URL, and the authority (PEM) that its certificate is from.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn kubeconfig_for_token(
        &self,
        name: &str,
        token: &str,
        server_url_override: Option<&str>,
        ca_override: Option<&str>,
    ) -> Result<PathBuf, Error> {
        let server_url = self.server_url();
        let server = server_url_override.unwrap_or(&server_url);
        let target = Target {
            server,
            authority_pem: ca_override.unwrap_or_else(|| self.ca_pem()),
        };
        kubeconfig::for_token(self.directory(), name, target, token)
    }

    /// What a node and its scheduler need to take part.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn node_files(&self) -> Result<NodeFiles, Error> {
        let (server, files) = (self.server_url(), &self.layout.certificates);
        let target = Target {
            server: &server,
            authority_pem: &files.authority_pem,
        };
        let kubeconfig = |name, identity| kubeconfig::for_identity(self.directory(), name, target, identity);
        Ok(NodeFiles {
            scheduler_kubeconfig: kubeconfig("scheduler", &files.scheduler)?,
            kubelet_kubeconfig: kubeconfig("node", &files.node)?,
            authority: files.authority.clone(),
            certificate: files.node.certificate.clone(),
            key: files.node.key.clone(),
        })
    }

    /// The port of the API server.
    pub(crate) fn port(&self) -> u16 {
        self.layout.apiserver_port
    }

    /// The private directory of this control plane. It is removed at the end; what tests put there, too.
    pub fn directory(&self) -> &Path {
        &self.layout.directory
    }
}

// === impl ControlPlane: evidence ===

impl ControlPlane {
    /// The audit log, one JSON object per line.
    pub fn audit_log_path(&self) -> PathBuf {
        self.layout.audit_log()
    }

    /// A reader of the audit log.
    pub fn audit(&self) -> AuditLog {
        AuditLog::at(self.audit_log_path())
    }

    /// Returns when the audit log holds everything that was answered before this call. The server writes a
    /// line when a request is over, which may be a moment after the client has its answer.
    ///
    /// # Errors
    /// [`Error::NotReady`] if the API server does not answer, [`Error::Audit`].
    pub async fn audit_barrier(&self) -> Result<(), Error> {
        let marker = format!("/version?barrier={}", uuid::Uuid::new_v4());
        let url = format!("{}{marker}", self.server_url());
        let before = self.audit().mark()?;
        self.wait_until(Component::ApiServer, async || {
            etcd::is_ok(&self.readiness, &url).await
        })
        .await?;
        self.wait_until(Component::ApiServer, async || {
            let entries = self.audit().since(before);
            entries.is_ok_and(|entries| entries.iter().any(|entry| entry.uri == marker))
        })
        .await
    }

    /// The output of a component, across restarts.
    pub fn log_path(&self, component: Component) -> PathBuf {
        self.with(component, |process| process.log().to_owned())
    }

    /// Every key that etcd holds now, with its raw value (protobuf for built-in kinds, JSON for custom ones).
    ///
    /// # Errors
    /// [`Error::Http`] while etcd does not run.
    pub async fn etcd_dump(&self) -> Result<Vec<KeyValue>, Error> {
        self.etcd.dump("").await
    }

    /// As [`ControlPlane::etcd_dump`], for the keys below a prefix such as `/registry/secrets/`.
    ///
    /// # Errors
    /// [`Error::Http`] while etcd does not run.
    pub async fn etcd_get_raw_prefix(&self, prefix: &str) -> Result<Vec<KeyValue>, Error> {
        self.etcd.dump(prefix).await
    }

    /// Every value that etcd was ever given, oldest first, also of keys that are overwritten or deleted by
    /// now. Complete only with [`Options::keep_history`].
    ///
    /// # Errors
    /// [`Error::Http`] while etcd does not run.
    pub async fn etcd_history(&self) -> Result<Vec<KeyValue>, Error> {
        self.etcd.history().await
    }

    /// The files of etcd: database and write-ahead log.
    pub fn etcd_data_directory(&self) -> PathBuf {
        self.layout.etcd_data()
    }
}

/// Finding may mean building, which blocks for minutes.
async fn located(binaries: Option<Binaries>) -> Result<Binaries, Error> {
    let Some(binaries) = binaries else {
        let search = tokio::task::spawn_blocking(Binaries::locate).await;
        return search.map_err(|error| Error::io("look for the programs")(error.into()))?;
    };
    Ok(binaries)
}

/// From here on the guard removes the directory, and nobody else does.
fn guarded_directory() -> Result<(PathBuf, Guard), Error> {
    let directory = tempfile::Builder::new()
        .prefix(DIRECTORY_PREFIX)
        .tempdir()
        .map_err(Error::io("create a temporary directory"))?;
    let guard = Guard::over(directory.path())?;
    Ok((directory.keep(), guard))
}

fn layout(directory: PathBuf) -> Result<Layout, Error> {
    let certificates = Certificates::issue(&directory)?;
    let apiserver_port = flags::free_port()?;
    let server = format!("https://127.0.0.1:{apiserver_port}");
    let target = Target {
        server: &server,
        authority_pem: &certificates.authority_pem,
    };
    let identity = &certificates.controller_manager;
    Ok(Layout {
        controller_manager_kubeconfig: kubeconfig::for_identity(
            &directory,
            "controller-manager",
            target,
            identity,
        )?,
        etcd_port: flags::free_port()?,
        apiserver_port,
        certificates,
        directory,
    })
}

fn admin_kubeconfig(layout: &Layout) -> Result<PathBuf, Error> {
    let server = layout.server_url();
    let target = Target {
        server: &server,
        authority_pem: &layout.certificates.authority_pem,
    };
    kubeconfig::for_identity(&layout.directory, "admin", target, &layout.certificates.admin)
}

async fn eventually(what: &str, holds: impl AsyncFn() -> Result<bool, Error>) -> Result<(), Error> {
    let deadline = Instant::now() + READY_WITHIN;
    while !holds().await? {
        if Instant::now() >= deadline {
            return Err(Error::Missing {
                what: what.to_owned(),
                waited: READY_WITHIN,
            });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
