//! Events on credentials, in the API `events.k8s.io/v1`.
//!
//! # Guarantees
//!
//! - Publishing never fails a pass: what goes wrong is logged, within the deadline of any other call.
//! - The same note about the same credential within 6 minutes raises a count; another note is another Event.
//!   (kube's recorder goes on showing the first note.)
//! - Notes fit the API's 1024 bytes and end on a character; names fit its 253 characters and differ even when two
//!   Events are published at once.
//!
//! # Caveats
//!
//! Counts live in memory: after a restart an Event is a new one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event as Object, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Resource;

use super::client::Calls;
use crate::api::{EntraCredential, FIELD_MANAGER};
use crate::plan::metadata::Uid;
use crate::reconcile::ports::{ClusterError, Event, Key, Owner};

/// Longest note, in bytes: validation of `events.k8s.io/v1`.
const NOTE_MAX: usize = 1024;

/// Longest object name: RFC 1123 subdomain.
const NAME_MAX: usize = 253;

/// Longest `reportingInstance`: validation of `events.k8s.io/v1`.
const INSTANCE_MAX: usize = 128;

/// A series ends this long after its last Event: the value of client-go.
const SERIES: SignedDuration = SignedDuration::from_mins(6);

/// Series that are remembered at once; beyond that, repetitions become Events of their own.
const SERIES_MAX: usize = 512;

/// Who reports Events, and by which clock.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Name of this pod.
    pub instance: String,
    /// Wall clock.
    pub now: fn() -> Timestamp,
}

/// Publishes Events and remembers the recent ones. One per process.
#[derive(Debug)]
pub(super) struct Events {
    calls: Calls,
    reporter: Reporter,
    recent: Mutex<BTreeMap<Subject, Series>>,
    published: AtomicU32,
}

/// What makes two Events the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subject {
    uid: Uid,
    reason: &'static str,
    warning: bool,
    note: String,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    count: i32,
    last: Timestamp,
}

impl Events {
    pub(super) fn new(calls: Calls, reporter: Reporter) -> Self {
        Self {
            calls,
            reporter,
            recent: Mutex::default(),
            published: AtomicU32::default(),
        }
    }

    /// Publishes, or logs why not.
    pub(super) async fn publish(&self, key: &Key, owner: &Owner, event: Event) {
        let subject = Subject {
            uid: owner.uid.clone(),
            reason: event.reason.into(),
            warning: event.warning,
            note: bounded(event.note),
        };
        let reason = subject.reason;
        if let Err(error) = self.count_or_create(key, subject).await {
            tracing::warn!(namespace = &*key.namespace, name = &*key.name, reason, %error, "event not published");
        }
    }

    async fn count_or_create(&self, key: &Key, subject: Subject) -> Result<(), ClusterError> {
        let now = (self.reporter.now)();
        if let Some(series) = self.again(&subject, now) {
            match self.count(key, &series).await {
                // Events live for an hour or less, and anybody may delete them.
                Err(ClusterError::NotFound) => {}
                other => return other,
            }
        }
        self.create(key, subject, now).await
    }

    async fn count(&self, key: &Key, series: &Series) -> Result<(), ClusterError> {
        let patch = Object {
            series: Some(EventSeries {
                count: series.count,
                last_observed_time: MicroTime(series.last),
            }),
            ..Object::default()
        };
        self.calls
            .merge_patch(&collection(key), &series.name, &patch)
            .await
    }

    async fn create(&self, key: &Key, subject: Subject, now: Timestamp) -> Result<(), ClusterError> {
        let name = self.name(key, now);
        let object = self.object(key, &subject, name.clone(), now);
        self.calls.create(&collection(key), &object).await?;
        self.remember(subject, name, now);
        Ok(())
    }

    fn object(&self, key: &Key, subject: &Subject, name: String, now: Timestamp) -> Object {
        Object {
            metadata: ObjectMeta {
                namespace: Some(key.namespace.to_string()),
                name: Some(name),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(subject.note.clone()),
            reason: Some(subject.reason.to_owned()),
            regarding: Some(regarding(key, &subject.uid)),
            reporting_controller: Some(FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.reporter.instance.chars().take(INSTANCE_MAX).collect()),
            type_: Some(if subject.warning { "Warning" } else { "Normal" }.to_owned()),
            ..Object::default()
        }
    }

    /// `<credential>.<time><counter>`: the counter tells apart what is published in the same instant.
    fn name(&self, key: &Key, now: Timestamp) -> String {
        let number = self.published.fetch_add(1, Ordering::Relaxed) & 0xffff;
        let suffix = format!(".{:x}{number:04x}", now.as_nanosecond());
        let room = NAME_MAX.saturating_sub(suffix.len());
        let prefix: String = key.name.chars().take(room).collect();
        format!("{}{suffix}", prefix.trim_end_matches(['.', '-']))
    }

    /// The running series of this subject, with this Event counted.
    fn again(&self, subject: &Subject, now: Timestamp) -> Option<Series> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, series| now.duration_since(series.last) < SERIES);
        let series = recent.get_mut(subject)?;
        series.count = series.count.saturating_add(1);
        series.last = now;
        Some(series.clone())
    }

    fn remember(&self, subject: Subject, name: String, now: Timestamp) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() < SERIES_MAX {
            let series = Series {
                name,
                count: 1,
                last: now,
            };
            recent.insert(subject, series);
        }
    }
}

fn collection(key: &Key) -> String {
    Object::url_path(&(), Some(&key.namespace))
}

fn regarding(key: &Key, uid: &Uid) -> ObjectReference {
    ObjectReference {
        api_version: Some(EntraCredential::api_version(&()).into_owned()),
        kind: Some(EntraCredential::kind(&()).into_owned()),
        namespace: Some(key.namespace.to_string()),
        name: Some(key.name.to_string()),
        uid: Some(uid.0.clone()),
        ..ObjectReference::default()
    }
}

/// Cuts a note to what the API takes; a cut shows.
fn bounded(note: String) -> String {
    if note.len() <= NOTE_MAX {
        return note;
    }
    let end = note.floor_char_boundary(NOTE_MAX.saturating_sub("…".len()));
    format!("{}…", note.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{unheard, unreachable};
    use super::*;
    use crate::api::Reason;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn subject(note: &str) -> Subject {
        Subject {
            uid: Uid("u".to_owned()),
            reason: Reason::WrongPassword.into(),
            warning: true,
            note: note.to_owned(),
        }
    }

    fn events() -> Events {
        let client = unreachable();
        let reporter = Reporter {
            instance: "pod-0".to_owned(),
            now: || Timestamp::UNIX_EPOCH,
        };
        Events::new(Calls::new(client, unheard()), reporter)
    }

    #[test]
    fn notes_are_cut_on_a_character() {
        assert_eq!(bounded("short".to_owned()), "short");
        let cut = bounded("ä".repeat(600));
        assert!(cut.len() <= NOTE_MAX && cut.ends_with("ä…"), "{}", cut.len());
    }

    #[tokio::test]
    async fn names_fit_and_differ() {
        let events = events();
        let key = Key::new("etl", format!("{}.b", "a".repeat(251)));
        let (one, two) = (events.name(&key, at(0)), events.name(&key, at(0)));
        assert!(one.len() <= NAME_MAX && two.len() <= NAME_MAX);
        assert_ne!(one, two);
        let dotted = Key::new("etl", format!("{}.{}", "a".repeat(240), "b".repeat(12)));
        assert!(!events.name(&dotted, at(1_700_000_000)).contains(".."));
    }

    #[tokio::test]
    async fn only_the_same_note_continues_a_series() {
        let events = events();
        events.remember(subject("one"), "x.1".to_owned(), at(0));
        assert_eq!(events.again(&subject("one"), at(10)).unwrap().count, 2);
        assert!(events.again(&subject("two"), at(10)).is_none());
    }

    #[tokio::test]
    async fn a_series_ends_after_a_pause() {
        let events = events();
        events.remember(subject("one"), "x.1".to_owned(), at(0));
        assert!(events.again(&subject("one"), at(359)).is_some());
        assert!(events.again(&subject("one"), at(359 + 360)).is_none());
    }

    #[tokio::test]
    async fn an_unreachable_server_fails_nothing() {
        let owner = Owner {
            name: "reporting".to_owned(),
            uid: Uid("u".to_owned()),
        };
        let event = Event {
            reason: Reason::WrongPassword,
            warning: true,
            note: "note".to_owned(),
        };
        events()
            .publish(&Key::new("etl", "reporting"), &owner, event)
            .await;
    }
}
