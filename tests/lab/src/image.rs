//! `entra-lab image`: builds the image twice, offline, and looks into it.
//!
//! # Guarantees
//! - What is judged is what the Dockerfile makes; `buildah` builds it, so no engine has to run.
//! - Of what it demands, the first thing that does not hold ends it with an error.

mod contents;
mod sbom;
pub mod workshop;

use std::io::{self, Write};

use self::contents::Contents;
use self::workshop::Workshop;
use crate::{stage, tool};

/// Name and tag of the image that the lanes build.
pub const TAG: &str = "localhost/entra-operator:lab";

/// Largest image, bytes: a promise.
const LARGEST: u64 = 15_000_000;

/// Build the image twice, offline, compare, and look into it
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Build it once, with what was compiled before: quick, and no proof that builds are equal
    #[arg(long)]
    once: bool,
    /// Where to write the list of crates in the image (CycloneDX)
    #[arg(long, value_name = "FILE", default_value_os_t = stage::repository().join("target/image/entra-operator.cdx.json"))]
    sbom: std::path::PathBuf,
}

/// Why it did not come to a good end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of the system.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// A file.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What a program wrote cannot be read.
    #[error("cannot read what {0} wrote")]
    Json(&'static str, #[source] serde_json::Error),
    /// A promise does not hold.
    #[error("not everything holds: {}", .0.join("; "))]
    Broken(Vec<String>),
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }
}

/// Builds and judges.
///
/// # Errors
/// See [`Error`].
pub fn run(args: &Args) -> Result<(), Error> {
    let revision = revision();
    let kept = Workshop::kept()?;
    kept.operator(TAG, &revision)?;
    let first = Contents::of(&kept, TAG)?;
    say(&first.table(&revision))?;
    let mut broken = first.broken();
    if !args.once {
        let (fresh, _caches) = Workshop::fresh()?;
        let again = format!("{TAG}-again");
        fresh.operator(&again, &revision)?;
        let second = Contents::of(&fresh, &again)?;
        say(&format!("second build  {}", second.digest()))?;
        if first.digest() != second.digest() {
            broken.push("two builds of the same sources have the same digest".to_owned());
        }
    }
    let crates = sbom::write(&args.sbom)?;
    say(&format!(
        "crates        {crates}, listed in {}",
        args.sbom.display()
    ))?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::Broken(broken))
}

/// Builds the image from what was compiled before, if anything was, and gives the workshop that has it.
///
/// # Errors
/// See [`Error`].
pub fn current() -> Result<Workshop, Error> {
    let workshop = Workshop::kept()?;
    workshop.operator(TAG, &revision())?;
    Ok(workshop)
}

/// The commit, as the README has it built.
fn revision() -> String {
    let mut git = std::process::Command::new("git");
    git.args(["rev-parse", "HEAD"]).current_dir(stage::repository());
    tool::run(&mut git).map_or_else(|_| "unknown".to_owned(), |line| line.trim().to_owned())
}

fn say(text: &str) -> Result<(), Error> {
    writeln!(io::stdout(), "{text}").map_err(Error::io("write to standard output"))
}
