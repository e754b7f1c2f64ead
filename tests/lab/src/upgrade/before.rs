//! The earlier version: its tree with the manifests, and its operator.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Error;
use crate::demo::screen::{Paint, Screen};
use crate::stage::repository;

/// A worktree of the earlier commit, which goes when this is dropped, and its operator.
#[derive(Debug)]
pub(super) struct Before {
    commit: String,
    tree: PathBuf,
    program: PathBuf,
}

impl Before {
    /// Checks `commit` out, and builds its operator if no `program` is given.
    pub(super) fn of(screen: &Screen, commit: &str, program: Option<&Path>) -> Result<Self, Error> {
        let scratch = repository().join("target/upgrade");
        let tree = scratch.join("tree");
        let before = Self {
            commit: commit.to_owned(),
            program: program.map_or_else(|| scratch.join("target/debug/entra-operator"), Path::to_owned),
            tree,
        };
        before.remove();
        let added = git()
            .args(["worktree", "add", "--force", "--detach"])
            .arg(&before.tree)
            .arg(commit)
            .output()
            .map_err(Error::io("run git"))?;
        if !added.status.success() {
            return Err(Error::Commit {
                commit: commit.to_owned(),
                problem: String::from_utf8_lossy(&added.stderr).trim().to_owned(),
            });
        }
        if program.is_none() {
            let text = format!("cargo build of {commit}, which takes minutes the first time");
            screen.change("the operator before", &text, Paint::Dim)?;
            before.build(&scratch.join("target"))?;
        }
        Ok(before)
    }

    fn build(&self, target: &Path) -> Result<(), Error> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--bin", "entra-operator", "--target-dir"])
            .arg(target)
            .current_dir(&self.tree)
            .stdin(Stdio::null())
            .status()
            .map_err(Error::io("start cargo"))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::Build(status))
        }
    }

    /// Its commit, as it was named.
    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    /// Root of its tree.
    pub(super) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Its operator.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Also what a run left behind that was killed.
    fn remove(&self) {
        drop(fs::remove_dir_all(&self.tree));
        drop(git().args(["worktree", "prune"]).output());
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(repository());
    git
}
