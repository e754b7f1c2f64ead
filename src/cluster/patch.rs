//! Operations of a JSON patch (RFC 6902), and the two that make a write compare-and-swap.
//!
//! # Guarantees
//!
//! - [`pin`] puts uid and resourceVersion first. Replacing `metadata.resourceVersion` with the value last seen makes
//!   the API server answer 409 if the object moved on; a `test` of the same value would be a 422 without a cause.
//! - Keys are set and removed one by one, so what others wrote stays.
//! - `Debug` prints no value.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::api::EntraCredentialStatus;
use crate::reconcile::material::SecretData;
use crate::reconcile::ports::{ClusterError, SecretMeta};

/// One operation.
#[derive(serde::Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Op<'a> {
    /// The patch fails unless the value is there.
    Test { path: String, value: Value },
    /// Replaces what must be there.
    Replace { path: String, value: Value },
    /// Adds or replaces.
    Add { path: String, value: Value },
    /// Adds or replaces a status.
    #[serde(rename = "add")]
    AddStatus {
        path: String,
        value: &'a EntraCredentialStatus,
    },
    /// Adds or replaces a Secret's whole data.
    #[serde(rename = "add")]
    AddData { path: String, value: Encoded<'a> },
    /// Adds or replaces one key of a Secret's data.
    #[serde(rename = "add")]
    AddKey { path: String, value: EncodedValue<'a> },
    /// Removes what must be there.
    Remove { path: String },
}

impl fmt::Debug for Op<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Test { path, .. } => write!(f, "test {path}"),
            Self::Replace { path, .. } => write!(f, "replace {path}"),
            Self::Add { path, .. }
            | Self::AddStatus { path, .. }
            | Self::AddData { path, .. }
            | Self::AddKey { path, .. } => {
                write!(f, "add {path}")
            }
            Self::Remove { path } => write!(f, "remove {path}"),
        }
    }
}

/// Data of a Secret as the API wants it: base64. `Debug` prints the keys.
#[derive(Debug)]
pub(super) struct Encoded<'a>(pub(super) &'a SecretData);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.0.iter() {
            let text = Zeroizing::new(STANDARD.encode(value));
            map.serialize_entry(key, text.as_str())?;
        }
        map.end()
    }
}

/// One value of a Secret's data, in base64. `Debug` prints nothing of it.
pub(super) struct EncodedValue<'a>(&'a [u8]);

impl fmt::Debug for EncodedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for EncodedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(self.0));
        serializer.serialize_str(&text)
    }
}

/// Replaces the data whole, whether there was any or not.
pub(super) fn replace_data(data: &SecretData) -> Op<'_> {
    Op::AddData {
        path: "/data".to_owned(),
        value: Encoded(data),
    }
}

/// Sets single keys of the data, and leaves the others as they are.
pub(super) fn set_keys(keys: &SecretData) -> impl Iterator<Item = Op<'_>> {
    keys.iter().map(|(key, value)| Op::AddKey {
        path: format!("/data/{}", escape(key)),
        value: EncodedValue(value),
    })
}

/// The operations that pin an object to what was last seen of it.
///
/// Both must be known: an empty resourceVersion would switch the comparison off.
pub(super) fn pin<'a>(seen: &SecretMeta) -> Result<Vec<Op<'a>>, ClusterError> {
    if seen.uid.0.is_empty() || seen.version.0.is_empty() {
        return Err(ClusterError::Conflict);
    }
    Ok(vec![
        replace("/metadata/resourceVersion", &seen.version.0),
        replace("/metadata/uid", &seen.uid.0),
    ])
}

fn replace<'a>(path: &str, value: &str) -> Op<'a> {
    Op::Replace {
        path: path.to_owned(),
        value: value.into(),
    }
}

/// Sets and removes keys of the string map at `path`, which exists or not.
pub(super) fn edit<'a>(path: &str, exists: bool, changes: &BTreeMap<String, Option<String>>) -> Vec<Op<'a>> {
    if exists {
        changes
            .iter()
            .flat_map(|(k, v)| set_or_remove(path, k, v.as_deref()))
            .collect()
    } else {
        whole(path, changes).into_iter().collect()
    }
}

/// Removing a key that is not there fails the whole patch, and of annotations that are not ours we do not know: so it
/// is added first.
fn set_or_remove<'a>(path: &str, key: &str, value: Option<&str>) -> Vec<Op<'a>> {
    let path = format!("{path}/{}", escape(key));
    let add = Op::Add {
        path: path.clone(),
        value: value.unwrap_or_default().into(),
    };
    if value.is_some() {
        vec![add]
    } else {
        vec![add, Op::Remove { path }]
    }
}

/// The map itself is missing: it is added whole, and there is nothing to remove.
fn whole<'a>(path: &str, changes: &BTreeMap<String, Option<String>>) -> Option<Op<'a>> {
    let set = changes
        .iter()
        .filter_map(|(k, v)| v.as_ref().map(|v| (k.clone(), Value::from(v.as_str()))));
    let map: serde_json::Map<_, _> = set.collect();
    (!map.is_empty()).then(|| Op::Add {
        path: path.to_owned(),
        value: Value::Object(map),
    })
}

/// RFC 6901: `~` and `/` in a key.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::metadata::{Uid, Version};

    fn json_of(ops: &[Op<'_>]) -> Value {
        serde_json::to_value(ops).unwrap()
    }

    fn changes(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
        let owned = |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(str::to_owned));
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_write_is_pinned_to_version_and_uid() {
        let seen = SecretMeta {
            uid: Uid("u".to_owned()),
            version: Version("7".to_owned()),
            ..SecretMeta::default()
        };
        assert_eq!(
            json_of(&pin(&seen).unwrap()),
            json!([
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "replace", "path": "/metadata/uid", "value": "u"},
            ])
        );
    }

    #[test]
    fn what_was_never_seen_cannot_be_written() {
        let unseen = SecretMeta {
            uid: Uid("u".to_owned()),
            ..SecretMeta::default()
        };
        assert_eq!(pin(&unseen).unwrap_err(), ClusterError::Conflict);
        let nobody = SecretMeta {
            version: Version("7".to_owned()),
            ..SecretMeta::default()
        };
        assert_eq!(pin(&nobody).unwrap_err(), ClusterError::Conflict);
    }

    #[test]
    fn keys_are_escaped_and_touched_one_by_one() {
        let ops = edit(
            "/metadata/annotations",
            true,
            &changes(&[("a.b/c~d", Some("1")), ("x/y", None)]),
        );
        assert_eq!(
            json_of(&ops),
            json!([
                {"op": "add", "path": "/metadata/annotations/a.b~1c~0d", "value": "1"},
                {"op": "add", "path": "/metadata/annotations/x~1y", "value": ""},
                {"op": "remove", "path": "/metadata/annotations/x~1y"},
            ])
        );
    }

    #[test]
    fn a_missing_map_is_added_whole() {
        let ops = edit(
            "/metadata/labels",
            false,
            &changes(&[("a/b", Some("1")), ("c", None)]),
        );
        assert_eq!(
            json_of(&ops),
            json!([{"op": "add", "path": "/metadata/labels", "value": {"a/b": "1"}}])
        );
        assert!(edit("/metadata/labels", false, &changes(&[("c", None)])).is_empty());
    }

    #[test]
    fn data_is_encoded_and_never_shown() {
        let mut data = SecretData::default();
        data.insert("k", b"hunter2".to_vec());
        let op = replace_data(&data);
        assert_eq!(
            json_of(&[op]),
            json!([{"op": "add", "path": "/data", "value": {"k": "aHVudGVyMg=="}}])
        );
        let shown = format!("{:?} {:?}", replace_data(&data), Encoded(&data));
        assert_eq!(shown, r#"add /data Encoded({"k"})"#);
    }

    #[test]
    fn single_keys_are_set_and_never_shown() {
        let mut data = SecretData::default();
        data.insert("a/b", b"hunter2".to_vec());
        let ops: Vec<_> = set_keys(&data).collect();
        assert_eq!(
            json_of(&ops),
            json!([{"op": "add", "path": "/data/a~1b", "value": "aHVudGVyMg=="}])
        );
        assert_eq!(format!("{ops:?}"), "[add /data/a~1b]");
    }
}
