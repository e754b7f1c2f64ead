//! The configuration: one YAML file, read in two stages.
//!
//! Stage one is the document: YAML values that know their path. Stage two turns it into one [`Config`], which is
//! validated, complete and all that the rest of the program receives.
//!
//! # Guarantees
//!
//! - A key that is not known is an error that names its full path and the keys that are known there.
//! - Every other error names the key, what is wrong and what to write.
//! - Every key has a default; an absent file is the same as an empty one, unless the file was asked for by name.
//! - Every key does something. Nothing in the file is a secret.

mod document;
mod names;
mod policy;
mod resolve;
#[cfg(test)]
mod tests;

pub(super) use names::is_subdomain;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Cloud;
use crate::entra::{Authorities, DeclarationError, Declared, Kind};
use crate::plan::policy::Policy;

/// Where the configuration is read from when no other file is named.
pub const DEFAULT_PATH: &str = "/etc/entra-operator/config.yaml";

/// Name of the Secret that holds the sealing keys when the configuration does not say.
pub const DEFAULT_KEY_SECRET: &str = "entra-operator-keys";

/// Name of the Lease by which replicas elect a leader, in the operator's own namespace.
pub const LEASE_NAME: &str = "entra-operator";

/// All settings, validated and complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `watch.namespaces`: which namespaces are served. Default: all.
    pub scope: Scope,
    /// `sealing`: where the sealing keys are kept. Default: the Secret [`DEFAULT_KEY_SECRET`].
    pub sealing: Sealing,
    /// `authorities`: what `spec.authority` may name. Default: none.
    pub authorities: Vec<Authority>,
    /// `policy`: what credentials may use, `authorities[].namespaces` included. Default: everything.
    pub policy: Policy,
    /// `federation`: which federation servers may check passwords. Default: none.
    pub federation: Federation,
    /// `limits`: how much is done at once.
    pub limits: Limits,
    /// `http`: addresses to listen on.
    pub http: Http,
    /// `workloadIdentity`: how workload identities prove an application.
    pub workload_identity: WorkloadIdentity,
    /// `leaderElection`: how replicas take turns.
    pub leader_election: LeaderElection,
    /// `metrics`: what is exported.
    pub metrics: Metrics,
    /// `audit`: what audit lines hold.
    pub audit: Audit,
}

/// Namespaces that are served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace: needs a ClusterRole for Secrets.
    #[default]
    Cluster,
    /// These namespaces only: a Role in each of them is enough. Never empty.
    Namespaces(BTreeSet<String>),
}

impl Scope {
    /// Whether objects of `namespace` are served.
    pub fn covers(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }

    /// The namespaces by name; `None`: all.
    pub fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::Cluster => None,
            Self::Namespaces(names) => Some(names.iter().cloned().collect()),
        }
    }
}

/// Where the sealing keys are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// `sealing.keySecret`: name of a Secret in the operator's own namespace, created if it may be.
    KeySecret(String),
    /// `sealing.keyFile`: absolute path of a mounted file.
    KeyFile(PathBuf),
}

impl Default for Sealing {
    fn default() -> Self {
        Self::KeySecret(DEFAULT_KEY_SECRET.to_owned())
    }
}

/// An identity provider that the administrator declared, which `spec.authority` may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// `name`: unique; lower-case letters, digits and dashes, at most 63.
    pub name: String,
    /// `kind`: what it is.
    pub kind: Kind,
    /// `url`: https, in the shape of the kind, as it is written: that of an issuer is compared to the letter.
    pub url: String,
    /// `caFile`: absolute path of the certificates to trust for this authority instead of the system's. Absent: those of
    /// the system. What is in the file is no part of the configuration: it may come later, and it changes.
    pub ca_file: Option<PathBuf>,
    /// `namespaces`: who may use it. Absent: all.
    pub namespaces: Scope,
}

/// Federation servers (WS-Trust) that may check the passwords of federated accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Federation {
    /// `allowedHosts`: hosts in lower case, with the port if it is not 443. Default: none, which refuses federated
    /// accounts.
    pub allowed_hosts: BTreeSet<String>,
    /// `caFile`: absolute path of the certificates to trust there beside those of the system. Default: none.
    pub ca_file: Option<PathBuf>,
}

/// How much is done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `requestsInFlight`: calls to identity providers at a time. Default 32.
    pub requests_in_flight: usize,
    /// `requestsPerSecondPerTenant`: calls to one tenant in a second. Default 10.
    pub requests_per_second_per_tenant: NonZeroU32,
    /// `reconcilesInFlight`: objects worked on at a time. Default 64.
    pub reconciles_in_flight: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_in_flight: 32,
            requests_per_second_per_tenant: NonZeroU32::MIN.saturating_add(9),
            reconciles_in_flight: 64,
        }
    }
}

/// Addresses to listen on. Port 0 takes any free port, and the log says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// `health`: `/livez` and `/readyz`. Default `[::]:8081`: IPv6 and IPv4, or IPv4 alone
    /// where the kernel has no IPv6.
    pub health: SocketAddr,
    /// `metrics`: `/metrics`. Default `[::]:9090`.
    pub metrics: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        Self {
            health: SocketAddr::new(any, 8081),
            metrics: SocketAddr::new(any, 9090),
        }
    }
}

/// How workload identities prove an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkloadIdentity {
    /// `audiences`: of the ServiceAccount tokens, by cloud. Default: the built-in ones, which the clouds have by default.
    pub audiences: BTreeMap<Cloud, String>,
}

/// How replicas take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// `enabled`: only the holder of the Lease works. It saves work; correctness does not depend on it. Default true.
    pub enabled: bool,
    /// `leaseSeconds`: how long a leader that went silent is waited for. Default 15 s.
    pub lease: Duration,
}

impl Default for LeaderElection {
    fn default() -> Self {
        Self {
            enabled: true,
            lease: Duration::from_secs(15),
        }
    }
}

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// `perObject`: series with the namespace and name of each credential. Default true.
    pub per_object: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { per_object: true }
    }
}

/// What audit lines hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// `userNames`: the user name, where a line is about one. Default false.
    pub user_names: bool,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file does not exist or may not be read.
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file is not YAML.
    #[error("the file is not valid YAML: {0}")]
    Yaml(String),
    /// A key that does not exist.
    #[error("unknown key `{key}`; known here: {known}")]
    UnknownKey {
        /// Full path of the key.
        key: String,
        /// Keys that exist there, separated by commas.
        known: String,
    },
    /// A value that cannot be used.
    #[error("`{key}` {problem}")]
    Invalid {
        /// Full path of the key.
        key: String,
        /// What is wrong and what to write.
        problem: String,
    },
}

/// A configuration file that cannot be used; the source says why.
#[derive(Debug, thiserror::Error)]
#[error("the configuration file {} cannot be used", file.display())]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    #[source]
    pub problem: ConfigError,
}

impl Config {
    /// Reads `file`, which must exist, or [`DEFAULT_PATH`], which may be absent.
    pub fn load(file: Option<&Path>) -> Result<Self, LoadError> {
        let path = file.unwrap_or_else(|| Path::new(DEFAULT_PATH));
        let loaded = match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError::Unreadable(error)),
        };
        loaded.map_err(|problem| LoadError {
            file: path.to_owned(),
            problem,
        })
    }

    /// What `spec.authority` and `spec.cloud` may name.
    pub fn offered(&self) -> Result<Authorities, DeclarationError> {
        let declared = self.authorities.iter().map(|authority| Declared {
            name: authority.name.clone(),
            kind: authority.kind,
            url: authority.url.clone(),
            ca_file: authority.ca_file.clone(),
        });
        Ok(Authorities::new(declared)?.with_audiences(self.workload_identity.audiences.clone()))
    }

    /// Resolves the text of a configuration file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        resolve::config(document::parse(text)?)
    }
}
