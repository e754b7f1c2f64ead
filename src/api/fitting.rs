//! Reading what a newer version may have written: what does not fit counts as absent, and nothing around it is lost.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A value, as far as it fits: of an object the fields that do, of a list the elements, and of each of them in turn. An object
/// of which nothing is left does not fit.
pub(crate) fn fitting<T: DeserializeOwned>(value: &Value) -> Option<T> {
    let whole = T::deserialize(value).ok();
    whole.or_else(|| {
        let part = part(value, &|part| T::deserialize(part).is_ok())?;
        serde_json::from_value(part).ok()
    })
}

/// What of `value` fits, each field and element by itself.
fn part(value: &Value, fits: &dyn Fn(&Value) -> bool) -> Option<Value> {
    if fits(value) {
        return Some(value.clone());
    }
    let left = match value {
        Value::Object(fields) => {
            let alone =
                |name: &str, value: &Value| Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
            let left = fields.iter().filter_map(|(name, value)| {
                let part = part(value, &|part| fits(&alone(name, part)))?;
                Some((name.clone(), part))
            });
            Value::Object(Some(left.collect::<Map<_, _>>()).filter(|left| !left.is_empty())?)
        }
        Value::Array(elements) => {
            let left = elements
                .iter()
                .filter_map(|element| part(element, &|part| fits(&Value::Array(vec![part.clone()]))));
            Value::Array(left.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    Some(left).filter(fits)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Outer {
        count: Option<u32>,
        whole: Option<Whole>,
        parts: Vec<Part>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Whole {
        needed: u32,
        also: String,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Part {
        name: String,
        inner: Option<Whole>,
    }

    fn part(name: &str) -> Part {
        Part {
            name: name.to_owned(),
            inner: None,
        }
    }

    #[test]
    fn what_fits_is_read_and_what_does_not_is_absent() {
        let value = json!({
            "count": "seven", "unknown": [1], "whole": {"needed": 1, "also": "a"},
            "parts": [{"name": "a", "inner": {"needed": 1}}, {"name": 7}, 7, {"name": "b"}],
        });
        let read: Outer = fitting(&value).unwrap();
        assert_eq!(read.count, None);
        assert_eq!(read.whole.unwrap().needed, 1);
        assert_eq!(read.parts, [part("a"), part("b")]);
    }

    #[test]
    fn what_needs_a_field_that_does_not_fit_is_absent_as_a_whole() {
        let value = json!({"count": 7, "whole": {"needed": 1, "also": 2}});
        let read: Outer = fitting(&value).unwrap();
        assert_eq!((read.count, read.whole), (Some(7), None));
    }

    #[test]
    fn nonsense_does_not_fit() {
        for nonsense in [json!(null), json!(7), json!("a"), json!({"count": "seven"})] {
            assert_eq!(fitting::<Outer>(&nonsense), None);
        }
        assert_eq!(fitting::<Outer>(&json!({})), Some(Outer::default()));
    }
}
