//! Which frame each block of the page is put into. A frame makes a program of it that calls `/me`, `/rotate` and `/me`.

use super::super::blocks::{Block, blocks};

/// Where the block goes in a frame.
const PLACE: &str = "SAMPLE";

/// How a program is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A program that reads the file in this place among its arguments.
    Program(&'static [&'static str]),
    /// Python with the packages of the lock file.
    Python,
    /// A project of Cargo.
    Cargo,
}

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) name: &'static str,
    /// What stands behind the fence.
    language: &'static str,
    /// What only this block has, where a language has several.
    mark: &'static str,
    /// Name of the file, and what is in it.
    pub(super) file: &'static str,
    text: &'static str,
    pub(super) start: Start,
}

/// A block that is not run.
#[derive(Debug, PartialEq, Eq)]
struct Exception {
    language: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[Exception {
    language: "csharp",
    reason: "no registry that the tests use has a .NET SDK",
}];

const FRAMES: &[Frame] = &[
    Frame {
        name: "Shell",
        language: "sh",
        mark: "curl",
        file: "sample.sh",
        text: include_str!("sample.sh"),
        start: Start::Program(&["sh"]),
    },
    Frame {
        name: "Python",
        language: "python",
        mark: "import requests",
        file: "session.py",
        text: include_str!("session.py"),
        start: Start::Python,
    },
    Frame {
        name: "Python, Azure SDK",
        language: "python",
        mark: "from azure.core",
        file: "azure_sdk.py",
        text: include_str!("azure_sdk.py"),
        start: Start::Python,
    },
    Frame {
        name: "Go",
        language: "go",
        mark: "",
        file: "sample.go",
        text: include_str!("sample.go"),
        start: Start::Program(&["go", "run"]),
    },
    Frame {
        name: "Java",
        language: "java",
        mark: "",
        file: "Sample.java",
        text: include_str!("Sample.java"),
        start: Start::Program(&["java"]),
    },
    Frame {
        name: "Node.js",
        language: "js",
        mark: "",
        file: "sample.mjs",
        text: include_str!("sample.mjs"),
        start: Start::Program(&["node"]),
    },
    Frame {
        name: "Rust",
        language: "rust",
        mark: "",
        file: "src/main.rs",
        text: include_str!("sample.rs.txt"),
        start: Start::Cargo,
    },
];

/// A block, and its frame or why it has none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) block: Block,
    treatment: Treatment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Run(&'static Frame),
    Not(&'static Exception),
}

impl Frame {
    fn fits(&self, block: &Block) -> bool {
        self.language == block.language && block.text.contains(self.mark)
    }

    /// The program that this block becomes.
    pub(super) fn around(&self, text: &str) -> String {
        self.text.replacen(PLACE, text.trim_end(), 1)
    }
}

impl Part {
    /// Its frame, or why it has none.
    pub(super) fn frame(&self) -> Result<&'static Frame, &'static str> {
        match self.treatment {
            Treatment::Run(frame) => Ok(frame),
            Treatment::Not(exception) => Err(exception.reason),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.treatment.name()
    }
}

/// Every block of a page with its treatment, or all blocks without one and all treatments without a block.
pub(super) fn parts(page: &str) -> Result<Vec<Part>, Vec<String>> {
    let (mut parts, mut wrong) = (Vec::new(), Vec::new());
    for block in blocks(page) {
        let treatments: Vec<_> = treatments().filter(|treatment| treatment.fits(&block)).collect();
        match *treatments {
            [treatment] => parts.push(Part { block, treatment }),
            _ => wrong.push(format!(
                "line {}: {} frames or exceptions for this block of {:?}, where one is wanted \
                 (tests/lab/src/docs/samples/frames.rs)",
                block.line,
                treatments.len(),
                block.language
            )),
        }
    }
    let used = |treatment: &Treatment| parts.iter().any(|part| part.treatment == *treatment);
    let stale = treatments().filter(|treatment| !used(treatment));
    wrong.extend(stale.map(|treatment| format!("no block belongs to {}", treatment.name())));
    if wrong.is_empty() { Ok(parts) } else { Err(wrong) }
}

fn treatments() -> impl Iterator<Item = Treatment> {
    let frames = FRAMES.iter().map(Treatment::Run);
    frames.chain(EXCEPTIONS.iter().map(Treatment::Not))
}

impl Treatment {
    fn name(self) -> &'static str {
        match self {
            Self::Run(frame) => frame.name,
            Self::Not(exception) => exception.language,
        }
    }

    fn fits(self, block: &Block) -> bool {
        match self {
            Self::Run(frame) => frame.fits(block),
            Self::Not(exception) => exception.language == block.language,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::samples::{MOUNT, PAGE, URL};
    use crate::stage::repository;

    fn page() -> String {
        std::fs::read_to_string(repository().join(PAGE)).unwrap()
    }

    #[test]
    fn every_sample_is_run_or_named() {
        assert!(parts(&page()).unwrap().len() >= FRAMES.len());
    }

    #[test]
    fn a_block_that_nobody_runs_is_named() {
        let page = format!("{}\n```ruby\nputs 1\n```\n", page());
        let wrong = parts(&page).unwrap_err();
        assert!(matches!(&*wrong, [line] if line.contains("ruby")), "{wrong:?}");
    }

    #[test]
    fn a_frame_that_nothing_is_put_into_is_named() {
        let page = page().replace("```go", "```console");
        let wrong = parts(&page).unwrap_err();
        assert!(wrong.iter().any(|line| line.ends_with(" Go")), "{wrong:?}");
    }

    #[test]
    fn every_sample_reads_the_mounted_file() {
        for part in parts(&page()).unwrap() {
            let text = &part.block.text;
            assert!(text.contains(MOUNT), "{text}");
        }
        assert!(FRAMES.iter().all(|frame| frame.text.contains(URL)));
        assert!(FRAMES.iter().all(|frame| frame.text.matches(PLACE).count() == 1));
    }
}
