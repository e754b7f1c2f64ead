//! A copy of the working tree that can be broken and mended.
//!
//! Only files that differ are written: what is the same keeps its time, so that cargo builds only what changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// The working tree and its copy.
#[derive(Debug)]
pub(super) struct Tree {
    origin: PathBuf,
    copy: PathBuf,
    manifest: PathBuf,
}

impl Tree {
    /// `copy` is created by [`Self::restore`].
    pub(super) fn new(origin: &Path, copy: &Path) -> Self {
        Self {
            origin: origin.to_owned(),
            copy: copy.to_owned(),
            manifest: copy.with_extension("files"),
        }
    }

    /// Makes the copy equal to the working tree, whatever was done to it.
    pub(super) fn restore(&self) -> Result<(), Error> {
        let files = self.files()?;
        for file in &files {
            refresh(&self.origin.join(file), &self.copy.join(file))?;
        }
        let before = fs::read_to_string(&self.manifest).unwrap_or_default();
        for gone in before.lines().filter(|f| !files.contains(*f)) {
            remove(&self.copy.join(gone))?;
        }
        let list = files.into_iter().collect::<Vec<_>>().join("\n");
        fs::write(&self.manifest, list).map_err(Error::io("write", &self.manifest))
    }

    /// Applies a patch. `Err` inside says why it does not fit.
    pub(super) fn apply(&self, patch: &Path) -> Result<Result<(), String>, Error> {
        let output = self
            .git(&self.copy)
            .args(["apply", "--whitespace=nowarn"])
            .arg(patch)
            .output()
            .map_err(Error::io("run git for", patch))?;
        let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(if output.status.success() {
            Ok(())
        } else {
            Err(problem)
        })
    }

    /// Files under version control, and new ones that are not ignored. Deleted ones are left out.
    fn files(&self) -> Result<BTreeSet<String>, Error> {
        let output = self
            .git(&self.origin)
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()
            .map_err(Error::io("run git in", &self.origin))?;
        if !output.status.success() {
            return Err(Error::Git(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        let exists = |name: &&str| self.origin.join(name).is_file();
        Ok(names.split('\0').filter(exists).map(str::to_owned).collect())
    }

    /// The copy lies inside the working tree, whose repository must not be found from there: git would then apply a
    /// patch to nothing, and be content.
    fn git(&self, folder: &Path) -> Command {
        let mut git = Command::new("git");
        let ceiling = self.copy.parent().unwrap_or(&self.copy);
        git.current_dir(folder).env("GIT_CEILING_DIRECTORIES", ceiling);
        git
    }
}

fn refresh(from: &Path, to: &Path) -> Result<(), Error> {
    let wanted = fs::read(from).map_err(Error::io("read", from))?;
    if fs::read(to).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    fs::copy(from, to).map(drop).map_err(Error::io("write", to))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
