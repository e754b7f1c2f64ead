//! Something that was found, and where.

use serde::Serialize;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Where: `spec.tokens[0].scopes`; empty for the object as a whole.
    pub(super) path: String,
    /// What: completes the path to a sentence, or is one.
    pub(super) message: String,
}

impl Finding {
    pub(super) fn at(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}
