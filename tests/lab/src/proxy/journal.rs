//! What went through the proxy: enough to count calls and to prove how they were made.
//!
//! The API server's audit log holds no headers; that a list was metadata-only is seen here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use hyper::{Request, Version};
use jiff::Timestamp;
use serde::Serialize;

use crate::simulator::Clock;

/// One request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Position in the journal, from 0.
    pub sequence: u64,
    /// When it came in.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// `Accept` header, empty if absent.
    pub accept: String,
    /// `Content-Type` header, empty if absent: it tells an apply from a merge patch.
    pub content_type: String,
    /// `User-Agent` header, empty if absent.
    pub user_agent: String,
    /// The client spoke HTTP/2.
    pub http2: bool,
    /// Action of the rule that it met.
    pub action: Option<&'static str>,
    /// Status of the target's answer, or of the answer that a rule made up.
    pub status: Option<u16>,
    /// The answer, or its beginning, was handed to the client.
    pub delivered: bool,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Entry {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let header = |name: HeaderName| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let path = request.uri().path_and_query();
        Self {
            sequence: 0,
            time: Clock::default().now(),
            method: request.method().to_string(),
            path: path.map(ToString::to_string).unwrap_or_default(),
            accept: header(ACCEPT),
            content_type: header(CONTENT_TYPE),
            user_agent: header(USER_AGENT),
            http2: request.version() == Version::HTTP_2,
            action: None,
            status: None,
            delivered: false,
        }
    }

    /// Whether it asks for a watch.
    pub fn is_watch(&self) -> bool {
        self.path.contains("watch=true") || self.path.contains("watch=1")
    }

    /// Whether the method changes something.
    pub fn is_write(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
    }
}

/// The requests so far; clones see the same journal.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All requests.
    pub fn requests(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The sequence number that the next request will get.
    pub fn mark(&self) -> u64 {
        self.lock().len() as u64
    }

    /// Requests from `mark` on.
    pub fn since(&self, mark: u64) -> Vec<Entry> {
        self.matching(|entry| entry.sequence >= mark)
    }

    /// Requests that satisfy a condition.
    pub fn matching(&self, condition: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.lock()
            .iter()
            .filter(|entry| condition(entry))
            .cloned()
            .collect()
    }

    pub(super) fn append(&self, entry: Entry, action: Option<&'static str>) -> u64 {
        let mut entries = self.lock();
        let sequence = entries.len() as u64;
        entries.push(Entry {
            sequence,
            action,
            ..entry
        });
        sequence
    }

    pub(super) fn entry(&self, sequence: u64) -> Option<Entry> {
        self.lock().get(usize::try_from(sequence).ok()?).cloned()
    }

    pub(super) fn answered(&self, sequence: u64, status: u16) {
        self.amend(sequence, |entry| entry.status = Some(status));
    }

    pub(super) fn delivered(&self, sequence: u64) {
        self.amend(sequence, |entry| entry.delivered = true);
    }

    fn amend(&self, sequence: u64, change: impl FnOnce(&mut Entry)) {
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        if let Some(entry) = self.lock().get_mut(index) {
            change(entry);
        }
    }
}
