//! How the three programs are told to run. Guarantees: a strict server (RBAC, ServiceAccount admission, every
//! request audited), loopback addresses only, no file outside the control plane's directory.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use super::{Error, certificates::Certificates};

/// Everything at Metadata level: who did what to which object, with selectors in the URI, never a body.
/// `ResponseStarted` stays, because only that shows a watch before it ends. Probes are not API use.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    nonResourceURLs: [/healthz*, /livez*, /readyz*]
  - level: Metadata
";

/// Controllers that wait for nodes, volumes or a cloud; without them the manager starts faster.
const CONTROLLERS: &str = "*,-node-ipam-controller,-node-lifecycle-controller,-persistentvolume-binder-controller,\
-persistentvolume-attach-detach-controller,-persistentvolume-expander-controller,-taint-eviction-controller,\
-pod-garbage-collector-controller,-ephemeral-volume-controller";

/// What one control plane is made of: addresses and files.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) directory: PathBuf,
    pub(super) certificates: Certificates,
    pub(super) etcd_port: u16,
    pub(super) apiserver_port: u16,
    pub(super) controller_manager_kubeconfig: PathBuf,
}

// === impl Layout ===

impl Layout {
    pub(super) fn etcd_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.etcd_port)
    }

    pub(super) fn server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.apiserver_port)
    }

    pub(super) fn etcd_data(&self) -> PathBuf {
        self.directory.join("etcd")
    }

    pub(super) fn audit_log(&self) -> PathBuf {
        self.directory.join("audit.log")
    }

    /// etcd answers only clients of our authority, and our clients talk only to an etcd of our authority:
    /// an API server would happily use whatever answers on the port.
    pub(super) fn etcd_arguments(&self) -> Vec<String> {
        let (files, url) = (&self.certificates, self.etcd_url());
        vec![
            "--name=entra-lab".into(),
            flag("data-dir", self.etcd_data().display()),
            flag("listen-client-urls", &url),
            flag("advertise-client-urls", &url),
            flag("cert-file", files.etcd.certificate.display()),
            flag("key-file", files.etcd.key.display()),
            flag("trusted-ca-file", files.authority.display()),
            "--client-cert-auth=true".into(),
            flag("peer-cert-file", files.etcd.certificate.display()),
            flag("peer-key-file", files.etcd.key.display()),
            flag("peer-trusted-ca-file", files.authority.display()),
            "--peer-client-cert-auth=true".into(),
            // A single member has no peers; port 0 cannot be taken.
            "--listen-peer-urls=https://127.0.0.1:0".into(),
            "--initial-advertise-peer-urls=https://127.0.0.1:0".into(),
            "--initial-cluster=entra-lab=https://127.0.0.1:0".into(),
            "--unsafe-no-fsync=true".into(),
            flag("quota-backend-bytes", 8_u64 << 30),
            "--log-level=warn".into(),
        ]
    }

    pub(super) fn apiserver_arguments(&self, keep_history: bool, more: &[String]) -> Vec<String> {
        let mut arguments = self.apiserver_addresses();
        arguments.extend(self.apiserver_kubelets());
        arguments.extend(self.apiserver_accounts());
        arguments.extend(self.apiserver_audit());
        if keep_history {
            arguments.push("--etcd-compaction-interval=0".into());
        }
        arguments.extend_from_slice(more);
        arguments
    }

    fn apiserver_addresses(&self) -> Vec<String> {
        let files = &self.certificates;
        vec![
            flag("etcd-servers", self.etcd_url()),
            flag("etcd-cafile", files.authority.display()),
            flag("etcd-certfile", files.etcd_client.certificate.display()),
            flag("etcd-keyfile", files.etcd_client.key.display()),
            "--bind-address=127.0.0.1".into(),
            flag("secure-port", self.apiserver_port),
            flag("tls-cert-file", files.apiserver.certificate.display()),
            flag("tls-private-key-file", files.apiserver.key.display()),
            flag("cert-dir", self.directory.join("unused").display()),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            // A loopback address is not accepted as an endpoint of the kubernetes Service.
            "--endpoint-reconciler-type=none".into(),
            "--profiling=false".into(),
        ]
    }

    /// Logs of pods, for whoever has a node.
    fn apiserver_kubelets(&self) -> Vec<String> {
        let files = &self.certificates;
        vec![
            "--kubelet-preferred-address-types=InternalIP".into(),
            flag("kubelet-certificate-authority", files.authority.display()),
            flag("kubelet-client-certificate", files.admin.certificate.display()),
            flag("kubelet-client-key", files.admin.key.display()),
        ]
    }

    fn apiserver_accounts(&self) -> Vec<String> {
        let files = &self.certificates;
        vec![
            flag("client-ca-file", files.authority.display()),
            "--authorization-mode=RBAC".into(),
            "--allow-privileged=true".into(),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            flag(
                "service-account-key-file",
                files.service_accounts_public.display(),
            ),
            flag(
                "service-account-signing-key-file",
                files.service_accounts.display(),
            ),
        ]
    }

    fn apiserver_audit(&self) -> Vec<String> {
        vec![
            flag(
                "audit-policy-file",
                self.directory.join("audit-policy.yaml").display(),
            ),
            flag("audit-log-path", self.audit_log().display()),
            // A line is in the file before its request is over for the server.
            "--audit-log-mode=blocking".into(),
            // Megabytes. A rotated log would hide what happened before.
            "--audit-log-maxsize=1000000".into(),
        ]
    }

    pub(super) fn controller_manager_arguments(&self) -> Vec<String> {
        let kubeconfig = self.controller_manager_kubeconfig.display();
        vec![
            flag("kubeconfig", &kubeconfig),
            flag("authentication-kubeconfig", &kubeconfig),
            flag("authorization-kubeconfig", &kubeconfig),
            flag("root-ca-file", self.certificates.authority.display()),
            flag(
                "service-account-private-key-file",
                self.certificates.service_accounts.display(),
            ),
            "--use-service-account-credentials=true".into(),
            flag("controllers", CONTROLLERS),
            "--leader-elect=false".into(),
            // No endpoint of its own: nobody scrapes it, and a port less can be taken.
            "--secure-port=0".into(),
            "--kube-api-qps=1000".into(),
            "--kube-api-burst=2000".into(),
            "--concurrent-gc-syncs=20".into(),
            "--concurrent-namespace-syncs=20".into(),
        ]
    }
}

/// Writes the audit policy where [`Layout::apiserver_arguments`] says it is.
pub(super) fn write_audit_policy(directory: &Path) -> Result<(), Error> {
    let path = directory.join("audit-policy.yaml");
    fs::write(&path, AUDIT_POLICY).map_err(Error::io(format!("write {}", path.display())))
}

/// A port that is free now and stays so across a stop and start of its server: below the range from which
/// systems take ports for outgoing connections.
pub(crate) fn free_port() -> Result<u16, Error> {
    let candidates = std::iter::repeat_with(|| 10_000 + u16::from_be_bytes(random_bytes()) % 20_000);
    candidates
        .take(200)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| Error::io("find a free port")(std::io::ErrorKind::AddrInUse.into()))
}

fn random_bytes() -> [u8; 2] {
    let [first, second, ..] = uuid::Uuid::new_v4().into_bytes();
    [first, second]
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
