//! `entra-lab docs`: the parts of the documents that are written from the code, between their markers; and
//! `entra-lab docs samples` and `entra-lab docs commands`, which run what is written by hand.
//!
//! # Guarantees
//!
//! - Nothing outside of the markers is touched, and the same code gives the same text.
//! - A marker that is missing or not closed is an error that names it; nothing is written then.

mod blocks;
mod codes;
pub mod commands;
pub mod metrics;
mod reasons;
pub mod samples;

use std::fs;
use std::io::{self, Write};

use crate::stage::repository;

/// A document with generated parts.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    /// Path below the root of the repository.
    pub path: &'static str,
    parts: &'static [Part],
}

/// A part by the name in its marker.
#[derive(Debug, Clone, Copy)]
struct Part {
    name: &'static str,
    write: fn() -> String,
}

/// Every document with generated parts.
pub const DOCUMENTS: &[Document] = &[
    Document {
        path: "docs/troubleshooting.md",
        parts: &[
            Part {
                name: "reasons",
                write: reasons::table,
            },
            Part {
                name: "codes",
                write: codes::table,
            },
        ],
    },
    Document {
        path: "docs/metrics.md",
        parts: &[Part {
            name: "metrics",
            write: metrics::table,
        }],
    },
    Document {
        path: "deploy/chart/README.md",
        parts: &[Part {
            name: "values",
            write: crate::chart::values::table,
        }],
    },
];

/// Why a document cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A marker is missing.
    #[error("{path} lacks the line {marker}")]
    Marker {
        /// The document.
        path: &'static str,
        /// The line.
        marker: String,
    },
    /// The file cannot be read or written.
    #[error("cannot use {0}")]
    Io(&'static str, #[source] io::Error),
    /// A sample.
    #[error(transparent)]
    Samples(#[from] samples::Error),
    /// A command.
    #[error(transparent)]
    Commands(#[from] Box<commands::Error>),
}

/// Write the generated parts of the documents anew
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    lane: Option<Lane>,
}

/// What is run instead.
#[derive(Debug, Clone, clap::Subcommand)]
enum Lane {
    /// Run every sample of docs/consumers.md against an API that is played here; needs Go, Python, a JDK and Node.js
    Samples,
    Commands(commands::Args),
}

/// Does it.
pub async fn run(args: Args) -> Result<(), Error> {
    match args.lane {
        None => write(),
        Some(Lane::Samples) => Ok(samples::run().await?),
        Some(Lane::Commands(args)) => Ok(Box::pin(commands::run(args)).await.map_err(Box::new)?),
    }
}

/// Writes every document that is stale.
pub fn write() -> Result<(), Error> {
    for document in DOCUMENTS {
        let io = |error| Error::Io(document.path, error);
        let file = repository().join(document.path);
        let text = fs::read_to_string(&file).map_err(io)?;
        let fresh = document.fresh(&text)?;
        if fresh != text {
            fs::write(&file, fresh).map_err(io)?;
            writeln!(io::stdout(), "{} is written anew", document.path).map_err(io)?;
        }
    }
    Ok(())
}

impl Document {
    /// This text with its generated parts as they should be.
    pub fn fresh(&self, text: &str) -> Result<String, Error> {
        self.parts.iter().try_fold(text.to_owned(), |text, part| {
            part.replaced(&text).map_err(|marker| Error::Marker {
                path: self.path,
                marker,
            })
        })
    }
}

impl Part {
    /// The text with this part anew, or the marker that is missing.
    fn replaced(&self, text: &str) -> Result<String, String> {
        let (begin, end) = (
            format!("<!-- generated: {} -->\n", self.name),
            format!("<!-- end: {} -->", self.name),
        );
        let (before, rest) = text.split_once(&begin).ok_or_else(|| begin.clone())?;
        let (_, after) = rest.split_once(&end).ok_or_else(|| end.clone())?;
        Ok(format!("{before}{begin}\n{}\n{end}{after}", (self.write)()))
    }
}

/// A table in Markdown.
pub(crate) fn markdown<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(N));
    let body = rows.map(line).collect::<String>();
    format!("{}{rule}{body}", line(head.map(str::to_owned)))
}

/// Link to the section of a reason.
fn section(reason: entra_operator::api::Reason) -> String {
    let name = reason.as_ref();
    format!("[`{name}`](#{})", name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Part = Part {
        name: "n",
        write: || "new\n".to_owned(),
    };

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = "a\n<!-- generated: n -->\nold\n<!-- end: n -->\nb";
        let fresh = PART.replaced(text).unwrap();
        assert_eq!(fresh, "a\n<!-- generated: n -->\n\nnew\n\n<!-- end: n -->\nb");
        assert_eq!(PART.replaced(&fresh).unwrap(), fresh);
    }

    #[test]
    fn a_missing_marker_is_named() {
        assert!(PART.replaced("").unwrap_err().contains("generated: n"));
        assert!(
            PART.replaced("<!-- generated: n -->\n")
                .unwrap_err()
                .contains("end: n")
        );
    }

    #[test]
    fn tables_are_markdown() {
        let rows = [["1".to_owned(), "2".to_owned()]];
        assert_eq!(
            markdown(["a", "b"], rows.into_iter()),
            "| a | b |\n|---|---|\n| 1 | 2 |\n"
        );
    }
}
