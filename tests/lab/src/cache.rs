//! The user's cache, `${XDG_CACHE_HOME:-~/.cache}/entra-lab`, for what takes long to build.
//!
//! Guarantees: nothing half-made is ever found there, one process at a time builds an entry, and stderr says so.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub struct Error {
    /// What was tried.
    pub action: String,
    /// The cause.
    #[source]
    pub source: io::Error,
}

impl Error {
    fn of(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self { action, source }
    }
}

/// One line of progress for people. Written straight to stderr, because the test runner hides what tests
/// print, and ten silent minutes look like a hang.
pub fn report(line: &str) {
    drop(writeln!(io::stderr(), "entra-lab: {line}"));
}

/// The cache; outside `target/`, so that a clean checkout does not make everything again.
///
/// # Errors
/// Neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn directory() -> Result<PathBuf, Error> {
    let variable = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("entra-lab"))
        .ok_or_else(|| Error {
            action: "find the cache directory: neither XDG_CACHE_HOME nor HOME is set".into(),
            source: io::ErrorKind::NotFound.into(),
        })
}

/// Sixteen digits that stand for everything that an entry is made from.
pub fn key(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let hash = parts.into_iter().fold(Sha256::new(), Sha256::chain_update);
    let digits = hash.finalize();
    digits
        .iter()
        .take(8)
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Returns when the file or directory `path` is there. If it is missing, `build` makes it under another name in the
/// same directory, and it is renamed once it is whole.
///
/// # Errors
/// Those of `build` and of the file system.
pub fn ensure<E: From<Error>>(path: &Path, build: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if path.exists() {
        return Ok(());
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::of(format!("keep {}", path.display()))(io::ErrorKind::InvalidInput.into()).into());
    };
    fs::create_dir_all(directory).map_err(Error::of(format!("create {}", directory.display())))?;
    let _lock = lock(directory)?;
    if path.exists() {
        return Ok(());
    }
    let unfinished = tempfile::Builder::new()
        .prefix(".build-")
        .tempdir_in(directory)
        .map_err(Error::of("create a build directory"))?;
    let target = unfinished.path().join(name);
    build(&target)?;
    fs::rename(&target, path).map_err(Error::of(format!("move {} into place", path.display())))?;
    Ok(())
}

/// Other test processes make the same things at the same time; the lock ends with the returned file.
fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(".lock");
    let file = File::create(&path).map_err(Error::of(format!("create {}", path.display())))?;
    if file.try_lock().is_err() {
        report(&format!(
            "waiting for another process that fills {}",
            directory.display()
        ));
        file.lock()
            .map_err(Error::of(format!("lock {}", path.display())))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_made_once_and_never_found_half_made() -> Result<(), Error> {
        let folder = tempfile::tempdir().map_err(Error::of("create a directory"))?;
        let path = folder.path().join("key/entry");
        let broken = |made: &Path| {
            fs::write(made, "half").map_err(Error::of("write"))?;
            Err(Error::of("go on")(io::ErrorKind::Interrupted.into()))
        };
        assert!(ensure::<Error>(&path, broken).is_err());
        assert!(!path.exists());
        ensure(&path, |made| fs::write(made, "whole").map_err(Error::of("write")))?;
        ensure::<Error>(&path, |_| panic!("made twice"))?;
        assert_eq!(fs::read_to_string(&path).map_err(Error::of("read"))?, "whole");
        Ok(())
    }

    #[test]
    fn a_key_depends_on_every_part() {
        assert_eq!(key(["a", "b"]).len(), 16);
        assert_ne!(key(["a", "b"]), key(["a", "c"]));
    }
}
