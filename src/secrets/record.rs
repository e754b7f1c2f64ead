//! The record of login attempts as it is sealed: versioned JSON that mirrors [`crate::plan::record`].
//!
//! What a later release adds never loosens it: unknown fields are ignored, and an unknown verdict or reason is read as
//! "kept", so that the content is not sent again by itself. At most [`Record::LIMIT`] contents pass, the newest.

use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::wiped::to_json;
use crate::api::Reason;
use crate::plan::Time;
use crate::plan::mac::{ClientMac, ScopesMac};
use crate::plan::metadata::{EntryName, Uid};
use crate::plan::record::{
    Attempt, ClientInput, ClientVersion, ContentMac, Entry, FirstForm, Inputs, Record, Verdict,
};
use crate::plan::word::Word;
use crate::reconcile::ports::OpenError;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    version: u32,
    entries: Vec<StoredEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<StoredAttempt>,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry {
    content: String,
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    unanswered: u32,
    sends: u32,
    login_uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sent_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<i64>,
    /// A record in which this is no text, or is missing, counts as empty for versions that know the first form only.
    #[serde(default, deserialize_with = "noted")]
    inputs: Option<String>,
    #[serde(default, deserialize_with = "noted", skip_serializing_if = "Option::is_none")]
    in_force: Option<StoredInputs>,
    refused_entries: Vec<String>,
    postponed: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    word: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    word_before: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lifts: Vec<i64>,
    #[serde(default)]
    doubtful: u32,
    #[serde(default)]
    proven: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredInputs {
    scopes: String,
    client_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_content: Option<String>,
    leave: bool,
}

/// What was noted in another form says nothing: it counts as unchanged.
fn noted<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

impl From<&Inputs> for StoredInputs {
    fn from(inputs: &Inputs) -> Self {
        Self {
            scopes: inputs.scopes.0.clone(),
            client_version: inputs.client.version.0.clone(),
            client_content: inputs.client.content.clone().map(|mac| mac.0),
            leave: inputs.leave,
        }
    }
}

impl From<StoredInputs> for Inputs {
    fn from(stored: StoredInputs) -> Self {
        Self {
            scopes: ScopesMac(stored.scopes),
            client: ClientInput {
                version: ClientVersion(stored.client_version),
                content: stored.client_content.map(ClientMac),
            },
            leave: stored.leave,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredAttempt {
    id: String,
    content: String,
    #[serde(default)]
    entry: String,
}

/// `record` as JSON.
pub(super) fn write(record: &Record) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    to_json(&StoredRecord {
        version: VERSION,
        entries: newest(&record.entries).map(StoredEntry::from).collect(),
        attempt: record.attempt.as_ref().map(StoredAttempt::from),
    })
}

/// The record in `json`.
pub(super) fn read(json: &[u8]) -> Result<Record, OpenError> {
    let stored: StoredRecord = serde_json::from_slice(json).map_err(|_| OpenError::UnknownForm)?;
    if stored.version != VERSION {
        return Err(OpenError::UnknownForm);
    }
    let surplus = stored.entries.len().saturating_sub(Record::LIMIT);
    Ok(Record {
        entries: stored
            .entries
            .into_iter()
            .skip(surplus)
            .map(Entry::from)
            .collect(),
        attempt: stored.attempt.map(Attempt::from),
    })
}

fn newest(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().skip(entries.len().saturating_sub(Record::LIMIT))
}

fn names(verdict: &Verdict) -> (&'static str, Option<&'static str>) {
    match verdict {
        Verdict::Open => ("Open", None),
        Verdict::Accepted => ("Accepted", None),
        Verdict::Wrong => ("Wrong", None),
        Verdict::Kept(reason) => ("Kept", Some(reason.into())),
    }
}

fn verdict(name: &str, reason: Option<&str>) -> Verdict {
    match name {
        "Open" => Verdict::Open,
        "Accepted" => Verdict::Accepted,
        "Wrong" => Verdict::Wrong,
        _ => Verdict::Kept(
            reason
                .and_then(named_reason)
                .unwrap_or(Reason::UnexpectedResponse),
        ),
    }
}

fn named_reason(name: &str) -> Option<Reason> {
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    Reason::deserialize(name).ok()
}

impl From<&Entry> for StoredEntry {
    fn from(entry: &Entry) -> Self {
        let (verdict, reason) = names(&entry.verdict);
        Self {
            content: entry.content.0.clone(),
            verdict: verdict.to_owned(),
            reason: reason.map(str::to_owned),
            unanswered: entry.unanswered,
            sends: entry.sends,
            login_uid: entry.login_uid.clone().map_or_else(String::new, |uid| uid.0),
            last_sent_at: entry.last_sent_at.map(|t| t.0),
            next_attempt_at: entry.next_attempt_at.map(|t| t.0),
            inputs: Some(entry.first_form.0.clone()),
            in_force: entry.inputs.as_ref().map(StoredInputs::from),
            word: entry.word.map(|w| w.0.0),
            word_before: entry.word_before.map(|w| w.0.0),
            lifts: entry.lifts.iter().map(|t| t.0).collect(),
            doubtful: entry.doubtful,
            proven: entry.proven,
            refused_entries: entry.refused_entries.iter().map(|name| name.0.clone()).collect(),
            postponed: entry.postponed,
        }
    }
}

impl From<StoredEntry> for Entry {
    fn from(stored: StoredEntry) -> Self {
        Self {
            verdict: verdict(&stored.verdict, stored.reason.as_deref()),
            content: ContentMac(stored.content),
            unanswered: stored.unanswered,
            sends: stored.sends,
            login_uid: Some(stored.login_uid).filter(|uid| !uid.is_empty()).map(Uid),
            last_sent_at: stored.last_sent_at.map(Time),
            next_attempt_at: stored.next_attempt_at.map(Time),
            inputs: stored.in_force.map(Inputs::from),
            first_form: FirstForm(stored.inputs.unwrap_or_default()),
            word: stored.word.map(|t| Word(Time(t))),
            word_before: stored.word_before.map(|t| Word(Time(t))),
            lifts: stored.lifts.into_iter().map(Time).collect(),
            doubtful: stored.doubtful,
            proven: stored.proven,
            refused_entries: stored.refused_entries.into_iter().map(EntryName).collect(),
            postponed: stored.postponed,
        }
    }
}

impl From<&Attempt> for StoredAttempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            id: attempt.id.clone(),
            content: attempt.content.0.clone(),
            entry: attempt.entry.0.clone(),
        }
    }
}

impl From<StoredAttempt> for Attempt {
    fn from(stored: StoredAttempt) -> Self {
        Self {
            id: stored.id,
            content: ContentMac(stored.content),
            entry: EntryName(stored.entry),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const STORED: &str = r#"{"version":1,"entries":[{"content":"ab","verdict":"Kept","reason":"ConsentMissing","unanswered":1,"sends":2,"login_uid":"u","last_sent_at":5,"inputs":"uid;3;client=public;request=;leave=true","in_force":{"scopes":"s","client_version":"u/1","client_content":"c","leave":true},"refused_entries":["graph"],"postponed":4,"word":7,"word_before":3,"lifts":[6],"doubtful":2,"proven":1}],"attempt":{"id":"a1","content":"ab","entry":"graph"}}"#;

    fn entry(number: usize) -> Entry {
        Entry {
            verdict: Verdict::Kept(Reason::ConsentMissing),
            unanswered: 1,
            sends: 2,
            login_uid: Some(Uid("u".to_owned())),
            last_sent_at: Some(Time(5)),
            next_attempt_at: None,
            inputs: Some(Inputs {
                scopes: ScopesMac("s".to_owned()),
                client: ClientInput {
                    version: ClientVersion("u/1".to_owned()),
                    content: Some(ClientMac("c".to_owned())),
                },
                leave: true,
            }),
            first_form: FirstForm("uid;3;client=public;request=;leave=true".to_owned()),
            refused_entries: vec![EntryName("graph".to_owned())],
            postponed: 4,
            word: Some(Word(Time(7))),
            word_before: Some(Word(Time(3))),
            lifts: vec![Time(6)],
            doubtful: 2,
            proven: 1,
            ..Entry::new(ContentMac(format!("{number:02x}")))
        }
    }

    fn record(entries: Vec<Entry>) -> Record {
        let attempt = Attempt {
            id: "a1".to_owned(),
            content: ContentMac("ab".to_owned()),
            entry: EntryName("graph".to_owned()),
        };
        Record {
            entries,
            attempt: Some(attempt),
        }
    }

    fn read_verdict(text: &str) -> Verdict {
        let stored = STORED.replace(r#""verdict":"Kept","reason":"ConsentMissing""#, text);
        read(stored.as_bytes()).unwrap().entries.remove(0).verdict
    }

    #[test]
    fn the_stored_form_is_stable() {
        let record = record(vec![entry(0xab)]);
        assert_eq!(std::str::from_utf8(&write(&record).unwrap()).unwrap(), STORED);
        assert_eq!(read(STORED.as_bytes()), Ok(record));
        assert_eq!(read(br#"{"version":1,"entries":[]}"#), Ok(Record::default()));
    }

    #[test]
    fn inputs_in_the_first_form_decide_nothing_and_are_carried_along() {
        let first = r#"{"version":1,"entries":[{"content":"ab","verdict":"Wrong","unanswered":0,"sends":1,"login_uid":"u","inputs":"uid;3;client=public;request=;leave=false","refused_entries":[],"postponed":0}]}"#;
        let record = read(first.as_bytes()).unwrap();
        let [entry] = record.entries.as_slice() else {
            panic!("{record:?}")
        };
        assert_eq!((&entry.verdict, &entry.inputs), (&Verdict::Wrong, &None));
        let again = first_form(&write(&record).unwrap());
        assert_eq!(again, first_form(first.as_bytes()));
    }

    /// What a version that knows the first form only demands of an entry. Without one of these the whole record is nothing to it,
    /// and it sends every password again.
    #[derive(Debug, PartialEq, Deserialize)]
    struct FirstEntry {
        content: String,
        verdict: String,
        reason: Option<String>,
        unanswered: u32,
        sends: u32,
        login_uid: String,
        last_sent_at: Option<i64>,
        next_attempt_at: Option<i64>,
        inputs: String,
        refused_entries: Vec<String>,
        postponed: u32,
    }

    fn first_form(json: &[u8]) -> Vec<FirstEntry> {
        #[derive(Deserialize)]
        struct First {
            version: u32,
            entries: Vec<FirstEntry>,
        }
        let first: First = serde_json::from_slice(json).unwrap();
        assert_eq!(first.version, 1);
        first.entries
    }

    #[test]
    fn a_version_that_knows_the_first_form_only_reads_what_is_written_now() {
        let bare = Entry::new(ContentMac("00".to_owned()));
        let [first, second] = first_form(&write(&record(vec![entry(0xab), bare])).unwrap())
            .try_into()
            .unwrap();
        assert_eq!(
            (first.content.as_str(), first.inputs.as_str()),
            ("ab", "uid;3;client=public;request=;leave=true")
        );
        assert_eq!((second.content.as_str(), second.inputs.as_str()), ("00", ""));
    }

    #[test]
    fn every_verdict_survives() {
        for verdict in [
            Verdict::Open,
            Verdict::Accepted,
            Verdict::Wrong,
            Verdict::Kept(Reason::AccountLocked),
        ] {
            let record = record(vec![Entry { verdict, ..entry(1) }]);
            assert_eq!(read(&write(&record).unwrap()), Ok(record));
        }
    }

    #[test]
    fn what_is_unknown_keeps_the_content_from_being_sent() {
        let kept = Verdict::Kept(Reason::UnexpectedResponse);
        assert_eq!(read_verdict(r#""verdict":"Postponed""#), kept);
        assert_eq!(read_verdict(r#""verdict":"Kept","reason":"Martian""#), kept);
        assert_eq!(read_verdict(r#""verdict":"Kept""#), kept);
    }

    #[test]
    fn later_fields_are_ignored_and_later_versions_refused() {
        let later = STORED.replace("{\"content\"", "{\"more\":{},\"content\"");
        assert_eq!(read(later.as_bytes()), read(STORED.as_bytes()));
        let next = STORED.replace("\"version\":1", "\"version\":2");
        assert_eq!(read(next.as_bytes()), Err(OpenError::UnknownForm));
        let less = STORED.replace("\"sends\":2,", "");
        assert_eq!(read(less.as_bytes()), Err(OpenError::UnknownForm));
    }

    #[test]
    fn only_the_newest_contents_are_kept() {
        let long = record((0..20).map(entry).collect());
        let expected = record((4..20).map(entry).collect());
        assert_eq!(read(&write(&long).unwrap()), Ok(expected.clone()));
        let untrimmed = StoredRecord {
            version: VERSION,
            entries: long.entries.iter().map(StoredEntry::from).collect(),
            attempt: long.attempt.as_ref().map(StoredAttempt::from),
        };
        assert_eq!(read(&serde_json::to_vec(&untrimmed).unwrap()), Ok(expected));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_quietly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
