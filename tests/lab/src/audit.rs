//! Reads the API server's audit log, the judge of claims about API use. Guarantees: one entry per request, in
//! the order in which they ended (a watch: began); a window shows only what ended in it.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

/// Bytes. At Metadata level an event has some hundred, plus the URI.
const LONGEST_LINE: u64 = 1 << 20;

/// The audit log of one API server. Reading starts anew each time; it holds nothing open.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

/// A moment in the log. Take it after [`crate::controlplane::ControlPlane::audit_barrier`], so that nothing
/// earlier is still on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// One request to the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The server's id of the request.
    pub id: String,
    /// When the server received it.
    pub time: Timestamp,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other URLs the
    /// HTTP method in lower case.
    pub verb: String,
    /// For instance `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// Empty for the core group and for URLs that are no resources.
    pub group: String,
    /// Plural, such as `secrets`; empty for URLs that are no resources.
    pub resource: String,
    /// Such as `status`; usually empty.
    pub subresource: String,
    /// Empty for cluster-wide requests.
    pub namespace: String,
    /// Empty for lists, watches and generated names.
    pub name: String,
    /// Path and query, with selectors.
    pub uri: String,
    /// The HTTP status, 0 if there was none.
    pub code: u16,
}

/// Why the audit log cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file.
    #[error("cannot read the audit log {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A line is not an audit event.
    #[error("cannot understand an audit event: {line}")]
    Event {
        /// The line.
        line: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
}

/// What the server writes; `audit.k8s.io/v1` Event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: Status,
    request_received_timestamp: Timestamp,
}

#[derive(Debug, Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

/// The user name of a ServiceAccount.
pub fn service_account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

// === impl AuditLog ===

impl AuditLog {
    /// The log in this file, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Now: the end of the last whole line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn mark(&self) -> Result<Mark, Error> {
        let end = self.path.metadata().map_or(0, |metadata| metadata.len());
        let near_end = Mark(end.saturating_sub(LONGEST_LINE));
        let text = self.whole_lines(near_end, None)?;
        Ok(Mark(near_end.0 + length(&text)))
    }

    /// The beginning of the log.
    pub fn start(&self) -> Mark {
        Mark(0)
    }

    /// Every request so far.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn all(&self) -> Result<Vec<Entry>, Error> {
        self.since(self.start())
    }

    /// What ended after a mark.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn since(&self, from: Mark) -> Result<Vec<Entry>, Error> {
        entries(&self.whole_lines(from, None)?)
    }

    /// What ended between two marks.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn between(&self, from: Mark, to: Mark) -> Result<Vec<Entry>, Error> {
        entries(&self.whole_lines(from, Some(to))?)
    }

    /// What a user did after a mark.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn by_user_since(&self, user: &str, from: Mark) -> Result<Vec<Entry>, Error> {
        let entries = self.since(from)?;
        Ok(entries.into_iter().filter(|entry| entry.is_by(user)).collect())
    }

    /// The server may be in the middle of a line; that one belongs to the future.
    fn whole_lines(&self, from: Mark, to: Option<Mark>) -> Result<Vec<u8>, Error> {
        let mut text = self.read(from, to).map_err(|source| Error::Io {
            path: self.path.clone(),
            source,
        })?;
        let end = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last + 1);
        text.truncate(end);
        Ok(text)
    }

    fn read(&self, from: Mark, to: Option<Mark>) -> io::Result<Vec<u8>> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        file.seek(SeekFrom::Start(from.0))?;
        let mut text = Vec::new();
        file.take(to.map_or(u64::MAX, |to| to.0.saturating_sub(from.0)))
            .read_to_end(&mut text)?;
        Ok(text)
    }
}

// === impl Entry ===

impl Entry {
    /// Whether this user sent it.
    pub fn is_by(&self, user: &str) -> bool {
        self.user == user
    }

    /// Whether it changes, or asks to change, an object.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }

    /// Whether it reads objects: get, list or watch.
    pub fn is_read(&self) -> bool {
        !self.resource.is_empty() && matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Whether it reads more than one object.
    pub fn is_list_or_watch(&self) -> bool {
        self.is_read() && self.verb != "get"
    }

    /// Whether it is about Secrets.
    pub fn is_about_secrets(&self) -> bool {
        self.group.is_empty() && self.resource == "secrets"
    }

    /// Whether it is about this one object (of a core kind or any other: the plural decides).
    pub fn is_about(&self, resource: &str, namespace: &str, name: &str) -> bool {
        self.resource == resource && self.namespace == namespace && self.name == name
    }

    /// Whether the server did what was asked.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The label selector, if there is one.
    pub fn label_selector(&self) -> Option<String> {
        self.parameter("labelSelector")
    }

    /// The field selector, if there is one.
    pub fn field_selector(&self) -> Option<String> {
        self.parameter("fieldSelector")
    }

    /// A query parameter that is not empty, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::options()
            .base_url(Url::parse("https://server/").ok().as_ref())
            .parse(&self.uri)
            .ok()?;
        let mut pairs = url.query_pairs();
        pairs
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self {
            id: event.audit_id,
            time: event.request_received_timestamp,
            verb: event.verb,
            user: event.user.username,
            user_agent: event.user_agent,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            uri: event.request_uri,
            code: event.response_status.code,
        }
    }
}

/// A long request has two lines, when it begins and when it ends; it counts when it begins.
fn entries(text: &[u8]) -> Result<Vec<Entry>, Error> {
    let mut begun = HashSet::new();
    let mut entries = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let event = event(line)?;
        let begins = event.stage == "ResponseStarted";
        if begins {
            begun.insert(event.audit_id.clone());
        }
        if begins || !(event.verb == "watch" || begun.contains(&event.audit_id)) {
            entries.push(event.into());
        }
    }
    Ok(entries)
}

fn event(line: &[u8]) -> Result<Event, Error> {
    serde_json::from_slice(line).map_err(|source| Error::Event {
        line: String::from_utf8_lossy(line).into_owned(),
        source,
    })
}

fn length(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fs::OpenOptions, io::Write};

    use super::*;

    type Outcome = Result<(), Box<dyn Error>>;

    fn line(id: &str, stage: &str, verb: &str, uri: &str) -> String {
        format!(
            r#"{{"auditID":"{id}","stage":"{stage}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"u"}},
            "objectRef":{{"resource":"secrets","namespace":"n"}},"responseStatus":{{"code":200}},
            "requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}}"#
        )
        .replace('\n', "")
            + "\n"
    }

    fn append(log: &AuditLog, text: &str) -> io::Result<()> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(log.path())?
            .write_all(text.as_bytes())
    }

    fn ids(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    #[test]
    fn a_watch_counts_once_and_when_it_begins() -> Outcome {
        let directory = tempfile::tempdir()?;
        let log = AuditLog::at(directory.path().join("audit.log"));
        assert!(log.all()?.is_empty(), "there need not be a log yet");
        append(
            &log,
            &line("w", "ResponseStarted", "watch", "/api/v1/secrets?watch=1"),
        )?;
        append(&log, &line("g", "ResponseComplete", "get", "/api/v1/secrets/s"))?;
        let middle = log.mark()?;
        append(
            &log,
            &line("w", "ResponseComplete", "watch", "/api/v1/secrets?watch=1"),
        )?;
        append(&log, &line("c", "ResponseComplete", "create", "/api/v1/secrets"))?;
        assert_eq!(ids(&log.all()?), ["w", "g", "c"]);
        assert_eq!(ids(&log.since(middle)?), ["c"]);
        assert_eq!(ids(&log.between(log.start(), middle)?), ["w", "g"]);
        Ok(())
    }

    #[test]
    fn an_unfinished_line_belongs_to_the_future() -> Outcome {
        let directory = tempfile::tempdir()?;
        let log = AuditLog::at(directory.path().join("audit.log"));
        append(&log, &line("a", "ResponseComplete", "get", "/version"))?;
        let rest = line("b", "ResponseComplete", "get", "/version");
        let (start, end) = rest.split_at_checked(40).ok_or("a short line")?;
        append(&log, start)?;
        let mark = log.mark()?;
        assert_eq!(ids(&log.all()?), ["a"]);
        append(&log, end)?;
        assert_eq!(ids(&log.since(mark)?), ["b"]);
        Ok(())
    }

    #[test]
    fn selectors_are_decoded() -> Outcome {
        let uri = "/api/v1/secrets?fieldSelector=type%3Da%2Fb&labelSelector=";
        let entries = entries(line("a", "ResponseComplete", "list", uri).as_bytes())?;
        let entry = entries.first().ok_or("no entry")?;
        assert_eq!(entry.field_selector().as_deref(), Some("type=a/b"));
        assert_eq!(entry.label_selector(), None);
        assert!(entry.is_list_or_watch() && entry.is_about_secrets() && !entry.is_write());
        Ok(())
    }
}
