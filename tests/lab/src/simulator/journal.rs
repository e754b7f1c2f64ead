//! What was asked and what became of it, with secrets as digests only.
//!
//! A test can therefore say "this password was sent exactly once" without the journal knowing it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::form::Form;
use super::signing::any_base64;

/// Form and query parameters that are written as they are; all others become digests.
const PLAIN: &[&str] = &[
    "action",
    "api-version",
    "appliesTo",
    "authorization_endpoint",
    "claims",
    "client-request-id",
    "client_assertion_type",
    "client_id",
    "client_info",
    "elements",
    "grant_type",
    "keyType",
    "requestType",
    "requested_token_use",
    "resource",
    "response_type",
    "scope",
    "to",
    "username",
    "x-client-CPU",
    "x-client-OS",
    "x-client-SKU",
    "x-client-VER",
    "x-client-current-telemetry",
    "x-client-last-telemetry",
    "x-ms-lib-capability",
];

/// Headers whose values are secrets.
const SECRET_HEADERS: &[&str] = &["authorization", "cookie", "proxy-authorization"];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Not answered yet, or the simulator stopped before.
    Pending,
    /// The answer went out.
    Answered {
        /// HTTP status.
        status: u16,
        /// AADSTS code of a refusal.
        code: Option<u32>,
    },
    /// The work was done, but the client never got the answer.
    Lost {
        /// HTTP status that the answer would have had.
        status: u16,
        /// AADSTS code of a refusal.
        code: Option<u32>,
    },
    /// The connection was closed and nothing was done.
    Dropped,
}

/// One request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Position in the journal, from 0.
    pub sequence: u64,
    /// When it came in, by the simulator's clock.
    #[serde(serialize_with = "as_text")]
    pub time: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query parameters; secrets as digests.
    pub query: BTreeMap<String, String>,
    /// Headers in lower case; secrets as digests.
    pub headers: BTreeMap<String, String>,
    /// Form parameters, or the parts of a WS-Trust request; secrets as digests.
    pub form: BTreeMap<String, String>,
    /// User whom the request names by user name or by refresh token, in lower case.
    pub user: Option<String>,
    /// Scripted fault that it met.
    pub fault: Option<&'static str>,
    /// What became of it.
    pub outcome: Outcome,
}

fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

impl Entry {
    /// The `grant_type` of a token request.
    pub fn grant(&self) -> Option<&str> {
        self.form.get("grant_type").map(String::as_str)
    }

    /// The AADSTS code of a refusal.
    pub fn code(&self) -> Option<u32> {
        match self.outcome {
            Outcome::Answered { code, .. } | Outcome::Lost { code, .. } => code,
            Outcome::Pending | Outcome::Dropped => None,
        }
    }

    /// The HTTP status, also of an answer that was lost.
    pub fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered { status, .. } | Outcome::Lost { status, .. } => Some(status),
            Outcome::Pending | Outcome::Dropped => None,
        }
    }

    fn carries(&self, parameter: &str, user: &str) -> bool {
        self.form.contains_key(parameter) && self.user.as_deref() == Some(user.to_lowercase().as_str())
    }
}

/// The form in which a secret appears in the journal.
pub fn digest(secret: &str) -> String {
    format!("sha256:{}", hex(secret))
}

pub(crate) fn hex(secret: &str) -> String {
    format!("{:x}", Sha256::digest(secret.as_bytes()))
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
        self.lock()
            .iter()
            .filter(|entry| entry.sequence >= mark)
            .cloned()
            .collect()
    }

    /// Requests that satisfy a condition.
    pub fn matching(&self, condition: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.lock()
            .iter()
            .filter(|entry| condition(entry))
            .cloned()
            .collect()
    }

    /// How often any password was sent for this user, to the cloud or to the federation server.
    pub fn password_sends(&self, user: &str) -> usize {
        self.lock()
            .iter()
            .filter(|entry| entry.carries("password", user))
            .count()
    }

    /// How often exactly this password was sent for this user.
    pub fn password_sends_of(&self, user: &str, password: &str) -> usize {
        let password = digest(password);
        let sent = |entry: &&Entry| entry.form.get("password") == Some(&password);
        self.lock()
            .iter()
            .filter(|entry| entry.carries("password", user))
            .filter(sent)
            .count()
    }

    /// How often a refresh token of this user was sent, whatever the answer.
    pub fn redemptions(&self, user: &str) -> usize {
        self.lock()
            .iter()
            .filter(|entry| entry.carries("refresh_token", user))
            .count()
    }

    pub(crate) fn append(&self, arrival: Arrival<'_>) -> u64 {
        let mut entries = self.lock();
        let sequence = entries.len() as u64;
        entries.push(arrival.entry(sequence));
        sequence
    }

    pub(crate) fn amend(&self, sequence: u64, change: impl FnOnce(&mut Entry)) {
        let index = usize::try_from(sequence).unwrap_or(usize::MAX);
        if let Some(entry) = self.lock().get_mut(index) {
            change(entry);
        }
    }

    pub(crate) fn settle(&self, sequence: u64, outcome: Outcome) {
        self.amend(sequence, |entry| entry.outcome = outcome);
    }
}

/// A request as it comes in.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) time: Timestamp,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
}

impl Arrival<'_> {
    fn entry(self, sequence: u64) -> Entry {
        Entry {
            sequence,
            time: self.time,
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            query: redact(&Form::parse(self.query.as_bytes())),
            headers: headers(self.headers),
            form: BTreeMap::new(),
            user: None,
            fault: None,
            outcome: Outcome::Pending,
        }
    }
}

/// The parameters with everything unknown turned into digests, and the names of a client assertion's members.
pub(crate) fn redact(form: &Form) -> BTreeMap<String, String> {
    let plain = |name: &str| PLAIN.iter().any(|known| known.eq_ignore_ascii_case(name));
    let pairs = form.pairs().map(|(name, value)| {
        if plain(name) {
            (name.to_owned(), value.to_owned())
        } else {
            (name.to_owned(), digest(value))
        }
    });
    let assertion = form.get("client_assertion").unwrap_or_default();
    let members = members(assertion).map(|name| (format!("client_assertion:{name}"), String::new()));
    pairs.chain(members).collect()
}

/// Names of what stands in a JWT's header and claims.
fn members(jwt: &str) -> impl Iterator<Item = String> {
    let object = |part: &str| serde_json::from_slice(&any_base64(part)?).ok();
    let objects = jwt.split('.').take(2).filter_map(object);
    objects.flat_map(|object: serde_json::Map<_, _>| object.into_iter().map(|(name, _)| name))
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let pairs = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        if SECRET_HEADERS.contains(&name.as_str()) {
            (name.to_string(), digest(&value))
        } else {
            (name.to_string(), value.into_owned())
        }
    });
    pairs.collect()
}
