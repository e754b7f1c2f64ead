//! Packages of Python's registry, installed once into the user's cache. Guarantee: exactly those of a committed lock file,
//! with their checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{cache, tool};

/// Why they are not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache.
    #[error(transparent)]
    Cache(#[from] cache::Error),
    /// Python or pip.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// The lock file.
    #[error("cannot read {0}")]
    Lock(PathBuf, #[source] std::io::Error),
}

/// The directory for `PYTHONPATH` with what `lock` names, installed if it is not there yet. Blocks.
///
/// # Errors
/// See [`Error`].
pub(crate) fn packages(name: &str, lock: &Path) -> Result<PathBuf, Error> {
    let locked = fs::read(lock).map_err(|error| Error::Lock(lock.to_owned(), error))?;
    let version = tool::call("python3", &["--version"])?;
    let key = cache::key([&*locked, version.as_bytes()]);
    let path = cache::directory()?.join(format!("{name}-{key}")).join("packages");
    cache::ensure(&path, |target| {
        cache::report(&format!("installing {name}, once"));
        Ok::<_, Error>(install(lock, target)?)
    })?;
    Ok(path)
}

fn install(lock: &Path, target: &Path) -> Result<(), tool::Error> {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary=:all:",
    ]);
    pip.arg("--target").arg(target).arg("--requirement").arg(lock);
    tool::run(&mut pip).map(drop)
}
