//! What the API server says of every object, as types: texts become them where objects are read and where our own notes
//! are, and nowhere else.

/// `metadata.uid`: tells an object from another that had its name before.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub String);

/// `metadata.resourceVersion`: tells one state of an object from the next. Compared for equality only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version(pub String);
