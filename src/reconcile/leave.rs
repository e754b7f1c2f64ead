//! The leave to begin: a pass that is under way when its process is told to stop, or its credential is suspended, begins
//! nothing any more and stores what it has obtained.

use std::fmt;

/// Whether a pass may still call the identity provider, or record that it is about to. Asked before each such step, and
/// again as a password is about to leave.
#[derive(Clone, Copy)]
pub struct Leave<'a>(pub &'a (dyn Fn() -> bool + Send + Sync));

impl Leave<'_> {
    /// It is never taken away.
    pub const ALWAYS: Leave<'static> = Leave(&|| true);

    /// Whether it still stands.
    pub(super) fn stands(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Leave<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leave").field(&self.stands()).finish()
    }
}
