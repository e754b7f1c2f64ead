//! What keeps the sabotages from being tried, and that some went unnoticed.

use std::io;
use std::path::{Path, PathBuf};

/// Why `entra-lab breaks` failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or program could not be used.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A patch file is not what it should be.
    #[error("{}: {problem}", path.display())]
    Patch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No patch has such a name.
    #[error("no sabotage is called {0:?}; --list shows all")]
    NothingSelected(String),
    /// Git refused to list the files.
    #[error("git ls-files failed: {0}")]
    Git(String),
    /// Some sabotages were not caught.
    #[error("{failed} of {all} sabotages were not caught")]
    Unnoticed {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
}

impl Error {
    /// Says what was tried with which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
