//! Reading what a newer version may have written: what does not fit counts as absent, and nothing around it is lost.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

/// A value, if it fits.
pub(super) fn option<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(fitting)
}

/// Those values of a list that fit; none where it is no list.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let all: Vec<Value> = fitting(value).unwrap_or_default();
    Ok(all.into_iter().filter_map(fitting).collect())
}

fn fitting<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}
