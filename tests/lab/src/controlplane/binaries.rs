//! Where the programs come from. Guarantees: never a silent absence, never a half-written program, and no
//! second build of the same sources with the same Go. Order: `KUBEBUILDER_ASSETS`, the cache, a build.

use std::{env, fs, path::PathBuf};

use super::{Error, build};
use crate::cache;

/// The variable of controller-runtime's envtest; `setup-envtest use -p path` prints a value for it.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// The programs of one control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The store.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// Default ServiceAccounts, garbage collection, namespace deletion.
    pub kube_controller_manager: PathBuf,
}

/// A program that can be built from this crate's Go modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `etcd`.
    Etcd,
    /// `kube-apiserver`.
    ApiServer,
    /// `kube-controller-manager`; `setup-envtest` does not ship it.
    ControllerManager,
    /// `kubectl`, built only when somebody asks for it.
    Kubectl,
    /// `kube-scheduler`, which only real pods need.
    Scheduler,
    /// `kubelet`, which only real pods need; `setup-envtest` ships neither.
    Kubelet,
}

/// Which Kubernetes the programs are of: each is a Go module of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Release {
    /// The newest that exists.
    Newest,
    /// The oldest that the chart is for.
    Oldest,
}

// === impl Binaries ===

impl Binaries {
    /// Finds or builds the three programs that a control plane needs.
    ///
    /// Blocks, the first time on a machine for some ten minutes, with progress on stderr: call it from a
    /// blocking context.
    ///
    /// # Errors
    /// [`Error::NoControlPlane`] names both ways out; [`Error::AssetsIncomplete`] and [`Error::Go`] say
    /// what is wrong with the way that was taken.
    pub fn locate() -> Result<Self, Error> {
        Ok(Self {
            etcd: Program::Etcd.locate()?,
            kube_apiserver: Program::ApiServer.locate()?,
            kube_controller_manager: Program::ControllerManager.locate()?,
        })
    }

    /// Builds the three programs of the oldest Kubernetes that the chart is for, and gives their directory: a value for
    /// `KUBEBUILDER_ASSETS`.
    ///
    /// # Errors
    /// As [`Binaries::locate`].
    pub fn oldest() -> Result<PathBuf, Error> {
        for program in [Program::Etcd, Program::ApiServer, Program::ControllerManager] {
            program.cached_or_built(Release::Oldest)?;
        }
        cached(Release::Oldest)
    }

    /// Finds or builds `kubectl`, which only demonstrations and a few tests need.
    ///
    /// # Errors
    /// As [`Binaries::locate`].
    pub fn kubectl() -> Result<PathBuf, Error> {
        Program::Kubectl.locate()
    }
}

// === impl Program ===

impl Program {
    /// The name of the file in `KUBEBUILDER_ASSETS` and in the cache.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
        }
    }

    /// Minutes that a build takes with cold caches on two cores (measured); later ones share packages
    /// with earlier ones.
    pub(super) fn minutes(self) -> u32 {
        match self {
            Self::Etcd | Self::Kubectl | Self::Scheduler => 1,
            Self::ApiServer => 6,
            Self::ControllerManager => 3,
            Self::Kubelet => 2,
        }
    }

    /// Finds or builds it.
    ///
    /// # Errors
    /// As [`Binaries::locate`].
    pub(crate) fn locate(self) -> Result<PathBuf, Error> {
        match assets_directory() {
            Some(directory) => self.in_assets(directory),
            None => self.cached_or_built(Release::Newest),
        }
    }

    fn in_assets(self, directory: PathBuf) -> Result<PathBuf, Error> {
        let path = directory.join(self.file_name());
        if path.is_file() {
            return Ok(path);
        }
        let incomplete = Error::AssetsIncomplete {
            directory,
            program: self.file_name(),
        };
        if self.is_shipped_by_envtest() {
            return Err(incomplete);
        }
        let no_other_way = |error: &Error| matches!(error, Error::NoControlPlane { .. });
        self.cached_or_built(Release::Newest)
            .map_err(|error| if no_other_way(&error) { incomplete } else { error })
    }

    /// A directory without one of these is a mistake in the variable; the others may come from elsewhere.
    fn is_shipped_by_envtest(self) -> bool {
        matches!(self, Self::Etcd | Self::ApiServer)
    }

    fn cached_or_built(self, release: Release) -> Result<PathBuf, Error> {
        let path = cached(release)?.join(self.file_name());
        cache::ensure(&path, |target| build::go_build(self, release, target))?;
        Ok(path)
    }
}

/// Where the programs of a release are kept.
fn cached(release: Release) -> Result<PathBuf, Error> {
    Ok(cache::directory()?.join(cache_key(release)?))
}

fn assets_directory() -> Option<PathBuf> {
    env::var_os(ASSETS)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Sources and compiler: what the built programs depend on.
fn cache_key(release: Release) -> Result<String, Error> {
    let mut parts = Vec::new();
    for module in [Program::Etcd, Program::ApiServer].map(|program| build::module_directory(program, release))
    {
        let sums = module.join("go.sum");
        parts.push(fs::read(&sums).map_err(Error::io(format!("read {}", sums.display())))?);
    }
    parts.push(build::go_version(release)?);
    Ok(cache::key(parts))
}
