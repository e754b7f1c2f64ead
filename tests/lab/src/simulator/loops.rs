//! The loop detector: a client that repeats the same request too often gets 50196.
//!
//! About 15 equal requests in five minutes, as Microsoft's page of breaking changes says.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::form::Form;
use super::journal::hex;

const REQUESTS: usize = 15;
const WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// Times of recent requests by their fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Loops {
    recent: HashMap<String, VecDeque<Timestamp>>,
}

impl Loops {
    /// Counts this request of `owner`; true if it is one too many.
    pub(crate) fn exceeded(&mut self, form: &Form, owner: &str, now: Timestamp) -> bool {
        let times = self.recent.entry(fingerprint(form, owner)).or_default();
        times.retain(|&time| now.duration_since(time) < WINDOW);
        times.push_back(now);
        times.len() > REQUESTS
    }
}

/// The refresh token changes with every redemption of a looping client, so its owner stands for it.
fn fingerprint(form: &Form, owner: &str) -> String {
    let pairs = form.pairs().filter(|(name, _)| *name != "refresh_token");
    let text: String = pairs.flat_map(|(name, value)| [name, "=", value, "\n"]).collect();
    hex(&format!("{owner}\n{text}"))
}
