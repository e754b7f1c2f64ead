//! An object from the API server as JSON, without its bulk: `managedFields` are most of it and are skipped while they are read.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess};
use serde_json::{Map, Value};

use super::taken::{Take, Taken, taken};

/// An object without `metadata.managedFields`. What is no object is `null`.
#[derive(Debug, Default)]
pub(super) struct Pruned(pub(super) Value);

/// `metadata` without `managedFields`.
#[derive(Default)]
struct Metadata(Value);

impl<'de> Deserialize<'de> for Pruned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        taken(deserializer)
    }
}

/// The same of `metadata` alone, for a field of another type.
pub(super) fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    taken(deserializer).map(|Metadata(metadata)| metadata)
}

impl Take for Pruned {
    fn fields<'de, A: MapAccess<'de>>(mut fields: A) -> Result<Self, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = if key == "metadata" {
                let Taken(Metadata(metadata)) = fields.next_value()?;
                metadata
            } else {
                fields.next_value()?
            };
            kept.insert(key, value);
        }
        Ok(Self(Value::Object(kept)))
    }
}

impl Take for Metadata {
    fn fields<'de, A: MapAccess<'de>>(mut fields: A) -> Result<Self, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if key == "managedFields" {
                fields.next_value::<IgnoredAny>()?;
            } else {
                kept.insert(key, fields.next_value()?);
            }
        }
        Ok(Self(Value::Object(kept)))
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
