//! An object from the API server as JSON, without its bulk: `managedFields` are most of it and are skipped while they are read.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// An object without `metadata.managedFields`. What is no object is `null`.
#[derive(Debug, Default)]
pub(super) struct Pruned(pub(super) Value);

impl<'de> Deserialize<'de> for Pruned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part::Object.deserialize(deserializer).map(Self)
    }
}

/// The same of `metadata` alone, for a field of another type.
pub(super) fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Part::Metadata.deserialize(deserializer)
}

/// Part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Object,
    Metadata,
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = match (self, key.as_str()) {
                (Self::Metadata, "managedFields") => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                (Self::Object, "metadata") => map.next_value_seed(Self::Metadata)?,
                _ => map.next_value()?,
            };
            kept.insert(key, value);
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pruned(value: &Value) -> Value {
        serde_json::from_str::<Pruned>(&value.to_string()).unwrap().0
    }

    #[test]
    fn managed_fields_of_the_object_alone_are_dropped() {
        let object = json!({
            "metadata": {"name": "a", "managedFields": [{"fieldsV1": {"f:spec": {}}}], "labels": {"managedFields": "b"}},
            "spec": {"managedFields": [1], "metadata": {"managedFields": 1}},
        });
        let mut kept = object.clone();
        kept["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(pruned(&object), kept);
    }

    #[test]
    fn what_is_no_object_is_null() {
        for odd in [
            json!(null),
            json!(-1),
            json!(1),
            json!(0.5),
            json!("a"),
            json!([1, [2]]),
            json!(true),
        ] {
            assert_eq!(pruned(&odd), Value::Null);
        }
        assert_eq!(pruned(&json!({"metadata": [1]})), json!({"metadata": null}));
    }
}
