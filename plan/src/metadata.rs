//! What the API server says of every object, as types: texts become them where objects are read and where our own notes
//! are, and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of a token entry: that of the Secret which it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(pub String);

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `metadata.uid`: tells an object from another that had its name before.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid(pub String);

/// `metadata.resourceVersion`: tells one state of an object from the next. Compared for equality only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version(pub String);
