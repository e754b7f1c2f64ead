//! What can go wrong with the control plane. Every message says what to do next; the end of the failing
//! program's log is part of it, because the temporary directory is gone by the time somebody reads it.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use super::Component;

/// Why the control plane could not be built, started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither Go nor ready-made programs.
    #[error(
        "no control plane: no Go on the PATH and KUBEBUILDER_ASSETS is not set; either install Go 1.26 or newer \
         (etcd and Kubernetes are then built once from Go modules, about {minutes} minutes), or set \
         KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver and kube-controller-manager"
    )]
    NoControlPlane {
        /// How long a build from Go modules takes on two cores.
        minutes: u32,
    },
    /// `KUBEBUILDER_ASSETS` names a directory that lacks a program.
    #[error(
        "KUBEBUILDER_ASSETS={} has no {program}: put the one of the same Kubernetes release there, \
         or unset the variable and install Go 1.26 or newer", directory.display()
    )]
    AssetsIncomplete {
        /// The value of the variable.
        directory: PathBuf,
        /// The file that is missing.
        program: &'static str,
    },
    /// Go refused to build or to answer.
    #[error("{command} failed ({status}): {output}")]
    Go {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it wrote.
        output: String,
    },
    /// A program ended although it should run.
    #[error("{component} ended by itself ({status}); end of its log:\n{log}")]
    Exited {
        /// Which program.
        component: Component,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// Something was asked of a program that was not started, or was stopped.
    #[error("{0} does not run")]
    NotRunning(Component),
    /// A program runs but does not become ready.
    #[error("{component} was not ready after {waited:?}; end of its log:\n{log}")]
    NotReady {
        /// Which program.
        component: Component,
        /// How long was waited.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// Something that should appear did not.
    #[error("{what} did not appear within {waited:?}")]
    Missing {
        /// What was waited for.
        what: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The file system or a child process.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A certificate or key could not be made.
    #[error("cannot issue a certificate")]
    Certificate(#[from] rcgen::Error),
    /// etcd or the readiness endpoint could not be asked.
    #[error("request to the control plane failed")]
    Http(#[from] reqwest::Error),
    /// etcd answered with something unexpected.
    #[error("unexpected answer from etcd: {0}")]
    Etcd(String),
    /// The audit log cannot be read.
    #[error(transparent)]
    Audit(#[from] crate::audit::Error),
    /// The Kubernetes API refused.
    #[error("request to the Kubernetes API failed")]
    Kube(#[source] Box<kube::Error>),
    /// A kubeconfig that we wrote is not accepted.
    #[error("cannot use the kubeconfig")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
}

impl Error {
    /// Turns an I/O error into one that names the action: `.map_err(Error::io("create X"))`.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

impl From<crate::cache::Error> for Error {
    fn from(crate::cache::Error { action, source }: crate::cache::Error) -> Self {
        Self::Io { action, source }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl From<kube::config::KubeconfigError> for Error {
    fn from(error: kube::config::KubeconfigError) -> Self {
        Self::Kubeconfig(Box::new(error))
    }
}
