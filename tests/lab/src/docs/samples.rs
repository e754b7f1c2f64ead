//! `entra-lab docs samples`: every sample of `docs/consumers.md`, run against an API that is played here.
//!
//! # Guarantees
//!
//! - What runs is what stands on the page, but for the mount path and the API's URL.
//! - A sample passes only if it sends the token that stands in its file at that moment, also after the file has changed.
//! - A block that is neither run nor named with a reason is an error, and so is a tool that is missing.

mod api;
mod frames;
mod mount;
mod program;

use std::io::{self, Write};
use std::path::PathBuf;

use self::api::Api;
use self::frames::{Frame, Part};
use self::mount::Mount;
use crate::stage::repository;
use crate::{python, tool};

pub(super) const PAGE: &str = "docs/consumers.md";

/// The mount path on the page.
const MOUNT: &str = "/var/run/entra";

/// The API on the page.
const URL: &str = "https://graph.microsoft.com/v1.0";

/// Why the samples do not pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The page and the frames do not belong together.
    #[error("{PAGE}:\n{0}")]
    Page(String),
    /// A program is missing, or a sample fails.
    #[error("the sample at {PAGE}:{line} ({name}) does not run")]
    Tool {
        /// Line of the block.
        line: usize,
        /// Name of its frame.
        name: &'static str,
        /// The cause.
        #[source]
        source: tool::Error,
    },
    /// It ran, and sent something else than the token of the moment.
    #[error("the sample at {PAGE}:{line} ({name}) {what}")]
    Judged {
        /// Line of the block.
        line: usize,
        /// Name of its frame.
        name: &'static str,
        /// What it did.
        what: String,
    },
    /// Packages of Python.
    #[error(transparent)]
    Python(#[from] python::Error),
    /// A file or a socket.
    #[error("cannot {0}")]
    Io(String, #[source] io::Error),
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io(action, source)
    }
}

/// Runs them, from top to bottom.
///
/// # Errors
/// See [`Error`].
pub async fn run() -> Result<(), Error> {
    let page = std::fs::read_to_string(repository().join(PAGE)).map_err(Error::io(format!("read {PAGE}")))?;
    for part in frames::parts(&page).map_err(|wrong| Error::Page(wrong.join("\n")))? {
        match part.frame() {
            Ok(frame) => {
                judged(&part, frame).await?;
                said(&part, "reads its token again for each request")?;
            }
            Err(reason) => said(&part, &format!("not run: {reason}"))?,
        }
    }
    Ok(())
}

/// Runs one before an API of its own.
async fn judged(part: &Part, frame: &'static Frame) -> Result<(), Error> {
    let directory = tempfile::tempdir().map_err(Error::io("make a directory"))?;
    let mount = Mount::new(&directory.path().join("mount")).map_err(Error::io("write a token"))?;
    let path = mount.path().to_owned();
    let api = Api::start(mount).await.map_err(Error::io("listen"))?;
    let text = frame.around(&part.block.text);
    let text = text
        .replace(MOUNT, &path.display().to_string())
        .replace(URL, &api.url());
    let (line, name) = (part.block.line, frame.name);
    let workshop = directory.path().to_owned();
    let ran = tokio::task::spawn_blocking(move || program::run(frame, &text, &workshop)).await;
    let ran = ran.map_err(|error| Error::Io("run a sample".to_owned(), io::Error::other(error)))?;
    let verdict = api.verdict();
    match (ran?, verdict) {
        // What the API saw says more than that a request was refused.
        (_, Err(what)) if api.was_asked() => Err(Error::Judged { line, name, what }),
        (Err(source), _) => Err(Error::Tool { line, name, source }),
        (Ok(()), Err(what)) => Err(Error::Judged { line, name, what }),
        (Ok(()), Ok(())) => Ok(()),
    }
}

fn said(part: &Part, what: &str) -> Result<(), Error> {
    let Part { block, .. } = part;
    writeln!(io::stdout(), "{PAGE}:{} {}: {what}", block.line, part.name())
        .map_err(Error::io("write to standard output"))
}

/// Where the lock file of Python's packages is.
fn requirements() -> PathBuf {
    repository().join("tests/lab/src/docs/samples/requirements.txt")
}
