//! What `check` found: the shape of its JSON (docs/check.md).

use serde::Serialize;

use super::explain::Explained;
use super::finding::Finding;

/// Of all files.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Nothing is wrong.
    pub(super) fine: bool,
    /// In the order of the arguments.
    pub(super) files: Vec<FileReport>,
}

/// Of one file.
#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    /// As it was named; `-` is the standard input.
    pub(super) file: String,
    /// What is wrong with the file as a whole.
    pub(super) problems: Vec<Finding>,
    /// Its objects, in order.
    pub(super) objects: Vec<ObjectReport>,
}

/// Of one object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectReport {
    /// Number of its document in the file, from 1.
    pub(super) document: usize,
    /// `kind`, as far as it is there.
    pub(super) kind: String,
    /// `metadata.namespace`, or that of the command line.
    pub(super) namespace: String,
    /// `metadata.name`.
    pub(super) name: String,
    /// It is an object that `check` knows.
    pub(super) checked: bool,
    /// What is wrong: the API server or the operator refuses it.
    pub(super) problems: Vec<Finding>,
    /// What is right and may not be what was meant.
    pub(super) warnings: Vec<Finding>,
    /// What the operator does with it; absent where something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explained: Option<Explained>,
}

impl Report {
    pub(super) fn new(files: Vec<FileReport>) -> Self {
        let fine = files
            .iter()
            .all(|f| f.problems.is_empty() && f.objects.iter().all(|o| o.problems.is_empty()));
        Self { fine, files }
    }
}
