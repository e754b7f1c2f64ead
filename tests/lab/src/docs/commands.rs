//! `entra-lab docs commands`: the commands that the documents tell people to type, typed into a shell before real clusters.
//!
//! Two control planes, the simulator, Helm, kubectl and the operator as a process, because no node is there. The blocks run
//! in the order in which they stand on their pages.
//!
//! # Guarantees
//!
//! - What runs is what stands on the page, but for the changes in [`table::CHANGES`], each with its reason.
//! - A block that is neither run nor named with a reason is an error, also in the ordinary tests.

mod pages;
mod scene;
mod shell;
mod table;

use std::io::{self, Write};
use std::path::PathBuf;

use self::pages::Page;
use self::scene::Scene;
use self::table::{Run, Treatment};
use super::blocks::Block;
use crate::chart::helm;
use crate::demo::program;
use crate::demo::screen::Screen;
use crate::{controlplane, demo, simulator, stage, tool};

/// Run the commands that README.md and docs tell people to type, before real clusters; needs jq
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Use this operator binary instead of building one
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
}

/// Why they do not hold.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The pages and the table do not belong together.
    #[error("tests/lab/src/docs/commands/table.rs:\n{0}")]
    Table(String),
    /// A command failed.
    #[error("{place} failed:\n{said}")]
    Failed {
        /// Page and line.
        place: String,
        /// What the shell printed.
        said: String,
    },
    /// It went well, and did not say what it should.
    #[error("{place} does not say {wanted:?}:\n{said}")]
    Unsaid {
        /// Page and line.
        place: String,
        /// What is missing.
        wanted: &'static str,
        /// What the shell printed.
        said: String,
    },
    /// Build of the operator.
    #[error(transparent)]
    Demo(#[from] demo::Error),
    /// The operator.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// A control plane.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// The simulator.
    #[error(transparent)]
    Simulator(#[from] simulator::StartError),
    /// Helm.
    #[error(transparent)]
    Helm(#[from] helm::Error),
    /// A program of the system.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// A file or a process.
    #[error("cannot {0}")]
    Io(String, #[source] io::Error),
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io(action, source)
    }
}

/// Types all of them.
///
/// # Errors
/// See [`Error`].
pub async fn run(args: Args) -> Result<(), Error> {
    let pages = pages::all()?;
    let program = program::chosen(args.operator.as_deref(), &Screen::new()).await?;
    let mut scene = Box::pin(Scene::set(program, &pages)).await?;
    let outcome = Box::pin(typed(&mut scene, &pages)).await;
    scene.strike().await;
    outcome
}

async fn typed(scene: &mut Scene, pages: &[Page]) -> Result<(), Error> {
    for change in table::CHANGES {
        said(&format!("replaced everywhere: {}: {}", change.from, change.why))?;
    }
    let (mut ran, mut named) = (0, 0);
    for page in pages {
        for (block, treatment) in &page.blocks {
            let place = format!("{}:{}", page.path, block.line);
            match treatment {
                Treatment::Not(reason) => {
                    named += 1;
                    said(&format!("{place}: not run: {reason}"))?;
                }
                Treatment::Run(run) => {
                    ran += 1;
                    hold(scene, pages, &place, block, run).await?;
                    said(&format!("{place}: holds"))?;
                }
            }
        }
    }
    said(&format!("{ran} blocks hold, {named} are not run"))
}

async fn hold(scene: &mut Scene, pages: &[Page], place: &str, block: &Block, run: &Run) -> Result<(), Error> {
    let mut script = String::new();
    for before in run.before {
        script.push_str(&scene.before(*before, pages).await?);
    }
    script.push_str(&table::changed(&block.text));
    script.push_str(run.after);
    let text = scene.shell(place, run.cluster, &script).await?;
    match run.says.iter().find(|wanted| !text.contains(**wanted)) {
        None => Ok(()),
        Some(wanted) => Err(Error::Unsaid {
            place: place.to_owned(),
            wanted,
            said: text,
        }),
    }
}

fn said(line: &str) -> Result<(), Error> {
    writeln!(io::stdout(), "{line}").map_err(Error::io("write to standard output"))
}
