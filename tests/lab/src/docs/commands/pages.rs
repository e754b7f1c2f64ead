//! The pages, and the row of the table that each of their blocks has.

use std::fs;
use std::path::Path;

use super::Error;
use super::table::{CHANGES, PAGES, Row, Treatment};
use crate::docs::blocks::{Block, blocks};
use crate::stage::repository;

/// What is typed stands in blocks of these languages.
const LANGUAGES: [&str; 3] = ["console", "sh", "bash"];

/// Where pages for users are; those for developers stand elsewhere.
const FOLDERS: [&str; 5] = ["", "docs", "deploy", "deploy/chart", "deploy/examples"];

/// Its blocks are no commands for a cluster; `cargo lab docs samples` runs them.
const SAMPLES: &str = crate::docs::samples::PAGE;

/// A page with what is done about its commands.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: &'static str,
    pub(super) blocks: Vec<(Block, Treatment)>,
    text: String,
}

/// All pages of the table, in its order.
pub(super) fn all() -> Result<Vec<Page>, Error> {
    let mut wrong = Vec::new();
    let read = |path: &'static str| {
        let text = fs::read_to_string(repository().join(path));
        text.map(|text| (path, text))
            .map_err(Error::io(format!("read {path}")))
    };
    let mut pages = Vec::new();
    for (path, rows) in PAGES {
        let (path, text) = read(path)?;
        let blocks = matched(path, &text, rows, &mut wrong);
        pages.push(Page { path, blocks, text });
    }
    wrong.extend(unlisted()?);
    wrong.extend(unused(&pages));
    if wrong.is_empty() {
        Ok(pages)
    } else {
        Err(Error::Table(wrong.join("\n")))
    }
}

impl Page {
    /// The block of any language that starts so.
    pub(super) fn block(&self, starts: &str) -> Result<String, Error> {
        let block = blocks(&self.text)
            .into_iter()
            .find(|block| block.text.starts_with(starts));
        block
            .map(|block| block.text)
            .ok_or_else(|| Error::Table(format!("{} has no block that starts with {starts:?}", self.path)))
    }
}

/// Each block with its treatment. What has none, and rows without a block, are added to what is wrong.
fn matched(path: &str, text: &str, rows: &[Row], wrong: &mut Vec<String>) -> Vec<(Block, Treatment)> {
    let typed: Vec<_> = typed(text);
    let fits = |row: &Row, block: &Block| block.text.starts_with(row.starts);
    for row in rows {
        let count = typed.iter().filter(|block| fits(row, block)).count();
        if count != 1 {
            wrong.push(format!(
                "{path}: {count} blocks start with {:?}, and one should",
                row.starts
            ));
        }
    }
    let mut found = Vec::new();
    for block in typed {
        match rows.iter().find(|row| fits(row, &block)) {
            Some(row) => found.push((block, row.treatment)),
            None => wrong.push(format!(
                "{path}:{}: add a row that says how this block is run, or why not",
                block.line
            )),
        }
    }
    found
}

fn typed(text: &str) -> Vec<Block> {
    let mut found = blocks(text);
    found.retain(|block| LANGUAGES.contains(&block.language.as_str()));
    found
}

/// Pages with commands that the table does not have.
fn unlisted() -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let directory = repository().join(folder);
        for entry in fs::read_dir(&directory).map_err(Error::io(format!("read {folder}")))? {
            let name = entry.map_err(Error::io(format!("read {folder}")))?.file_name();
            let path = Path::new(folder).join(name).display().to_string();
            let is_page = Path::new(&path).extension().is_some_and(|end| end == "md");
            if !is_page || path == SAMPLES || PAGES.iter().any(|(listed, _)| *listed == path) {
                continue;
            }
            let text = fs::read_to_string(repository().join(&path));
            if !typed(&text.map_err(Error::io(format!("read {path}")))?).is_empty() {
                found.push(format!("{path} has commands: add the page"));
            }
        }
    }
    Ok(found)
}

/// Changes that meet nothing.
fn unused(pages: &[Page]) -> Vec<String> {
    let run = pages.iter().flat_map(|page| &page.blocks);
    let texts: Vec<_> = run
        .filter(|(_, treatment)| matches!(treatment, Treatment::Run(_)))
        .map(|(block, _)| &block.text)
        .collect();
    let stale = CHANGES
        .iter()
        .filter(|change| !texts.iter().any(|text| text.contains(change.from)));
    stale
        .map(|change| format!("nothing has {:?} any more: remove the change", change.from))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::commands::table;

    #[test]
    fn every_block_is_run_or_named() {
        let pages = all().unwrap();
        assert!(pages.iter().map(|page| page.blocks.len()).sum::<usize>() > 20);
    }

    #[test]
    fn a_block_without_a_row_and_a_row_without_a_block_are_told() {
        let row = Row {
            starts: "one",
            treatment: Treatment::Not("no node"),
        };
        let mut wrong = Vec::new();
        let found = matched(
            "p",
            "```console\none x\n```\n\n```sh\ntwo\n```\n",
            &[row],
            &mut wrong,
        );
        assert_eq!(found.len(), 1);
        assert!(matches!(&*wrong, [line] if line.starts_with("p:5:")), "{wrong:?}");
        let mut wrong = Vec::new();
        matched("p", "", &[row], &mut wrong);
        assert!(matches!(&*wrong, [line] if line.contains("one")), "{wrong:?}");
    }

    #[test]
    fn changes_say_why() {
        assert!(CHANGES.iter().all(|change| !change.why.is_empty()));
        let text = CHANGES
            .iter()
            .map(|change| change.from)
            .collect::<Vec<_>>()
            .join("\n");
        let changed = table::changed(&text);
        assert!(CHANGES.iter().all(|change| !changed.contains(change.from)));
    }
}
