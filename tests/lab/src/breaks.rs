//! `entra-lab breaks`: sabotage as code. Every promise has a small committed patch that breaks it, and a test must
//! notice each of them.
//!
//! # Guarantees
//!
//! - The working tree is never touched: patches are applied to a copy of it, with build products of its own.
//! - The tests of a sabotage pass without it, so that what fails under it fails because of it.
//! - A patch that does not apply, does not compile or is noticed by no test is an error.

mod cargo;
mod error;
mod judge;
mod patch;
mod report;
mod shard;
mod tree;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use cargo::Cargo;
pub(crate) use error::Error;
use judge::Judge;
use patch::Sabotage;
use shard::Shard;
use tree::Tree;

/// Where the patches are, below the root of the repository.
const PATCHES: &str = "tests/lab/breaks";

/// The histories of the simulation, as `cargo lab-night` plays them.
const HISTORIES: &str = "--profile night --test simulation seeds::histories -- --nocapture";

/// Break each promise on purpose, and show which test notices
#[derive(Debug, Clone, Args)]
pub(crate) struct Command {
    /// Try only the sabotages whose name contains this (may be repeated)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Of those, try only every n-th, from the k-th on: n machines that share the work
    #[arg(long, value_name = "K/N")]
    shard: Option<Shard>,
    /// Print the sabotages and the promises that they break, and do nothing
    #[arg(long)]
    list: bool,
    /// Instead of its tests, play so many histories of the simulation with each, and show in how many it is caught
    #[arg(long, value_name = "N")]
    histories: Option<u64>,
    /// Longest run of the tests of one sabotage, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
}

impl Command {
    /// Does it. It fails if any sabotage goes unnoticed.
    pub(crate) fn run(self) -> Result<(), Error> {
        let root = root()?;
        let sabotages = self.select(patch::load(&root.join(PATCHES))?)?;
        if self.list {
            return report::list(&sabotages);
        }
        self.try_all(&root, &sabotages)
    }

    fn select(&self, all: Vec<Sabotage>) -> Result<Vec<Sabotage>, Error> {
        let wanted =
            |s: &Sabotage| self.only.is_empty() || self.only.iter().any(|name| s.name.contains(name));
        let selected: Vec<_> = all.into_iter().filter(wanted).collect();
        let selected = match self.shard {
            Some(shard) => shard.of(selected),
            None => selected,
        };
        let selected: Vec<_> = match self.histories {
            Some(_) => selected.into_iter().map(|s| s.tried_by(HISTORIES)).collect(),
            None => selected,
        };
        if selected.is_empty() {
            return Err(Error::NothingSelected(self.only.join(", ")));
        }
        Ok(selected)
    }

    fn try_all(&self, root: &Path, sabotages: &[Sabotage]) -> Result<(), Error> {
        let scratch = scratch(root);
        let _alone = lock(&scratch)?;
        let tree = Tree::new(root, &scratch.join("tree"));
        tree.restore()?;
        let cargo = Cargo::new(
            &scratch.join("tree"),
            &scratch.join("target"),
            Duration::from_secs(self.limit),
            self.histories,
        );
        let mut judge = Judge::new(&tree, &cargo);
        let mut findings = Vec::new();
        for sabotage in sabotages {
            findings.push(judge.try_one(sabotage)?);
        }
        if let Some(histories) = self.histories {
            return report::shares(&findings, histories);
        }
        report::table(&findings)?;
        match findings.iter().filter(|f| !f.is_caught()).count() {
            0 => Ok(()),
            failed => Err(Error::Unnoticed {
                failed,
                all: findings.len(),
            }),
        }
    }
}

/// Root of the repository that this program was built from.
fn root() -> Result<PathBuf, Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .map_err(Error::io("find the repository at", &root))
}

/// Copy and build products: below the user's target folder, but apart from the user's build.
fn scratch(root: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    root.join(target).join("breaks")
}

/// Two runs must not share the copy: the second one waits.
fn lock(scratch: &Path) -> Result<File, Error> {
    fs::create_dir_all(scratch).map_err(Error::io("create", scratch))?;
    let path = scratch.join("lock");
    let file = File::create(&path).map_err(Error::io("create", &path))?;
    if file.try_lock().is_err() {
        say("waiting for another run to end");
        file.lock().map_err(Error::io("lock", &path))?;
    }
    Ok(file)
}

/// Progress, for people.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A patch that the code has moved away from proves nothing, and would be found only when somebody runs them all.
    #[test]
    fn every_sabotage_applies_to_the_code_as_it_is() {
        let (root, scratch) = (root().unwrap(), tempfile::tempdir().unwrap());
        let tree = Tree::new(&root, &scratch.path().join("tree"));
        for sabotage in patch::load(&root.join(PATCHES)).unwrap() {
            tree.restore().unwrap();
            assert_eq!(tree.apply(&sabotage.path).unwrap(), Ok(()), "{}", sabotage.name);
        }
    }
}
