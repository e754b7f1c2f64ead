//! Stage one: YAML values that know their path, and the sentences that say what is wrong with one.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::ConfigError;

/// A value and the path that leads to it.
pub(super) struct Node {
    path: String,
    value: Value,
}

/// A mapping whose keys are all known.
pub(super) struct Section {
    path: String,
    entries: Map<String, Value>,
}

/// Parses a document. An empty one is an empty mapping.
pub(super) fn parse(text: &str) -> Result<Node, ConfigError> {
    let value: Option<Value> = serde_saphyr::from_str(text).map_err(|e| ConfigError::Yaml(e.to_string()))?;
    Ok(Node {
        path: String::new(),
        value: value.unwrap_or(Value::Null),
    })
}

impl Node {
    /// An error about this value: `problem` completes "`path` ...".
    pub(super) fn invalid(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            key: self.name(),
            problem: problem.into(),
        }
    }

    /// "must be `wanted`, but is `value`".
    pub(super) fn unlike(&self, wanted: &str) -> ConfigError {
        self.invalid(format!("must be {wanted}, but is {}", shown(&self.value)))
    }

    /// A mapping with keys of `known` only; nothing at all counts as an empty one.
    pub(super) fn section(self, known: &[&str]) -> Result<Section, ConfigError> {
        match self.value {
            Value::Null => Ok(Section::new(self.path, Map::new())),
            Value::Object(entries) => Section::new(self.path, entries).checked(known),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self.unlike(&format!("a mapping with the keys {}", listed(known))))
            }
        }
    }

    /// The elements of a list; `wanted` describes it.
    pub(super) fn list(self, wanted: &str) -> Result<Vec<Self>, ConfigError> {
        match self.value {
            Value::Array(items) => Ok(elements(&self.path, items)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(self.unlike(wanted))
            }
        }
    }

    /// Keys that are not known beforehand, with their values; `wanted` describes the mapping.
    pub(super) fn mapping(self, wanted: &str) -> Result<Vec<(String, Self)>, ConfigError> {
        match self.value {
            Value::Object(entries) => Ok(entries
                .into_iter()
                .map(|(key, value)| {
                    let path = joined(&self.path, &key);
                    (key, Self { path, value })
                })
                .collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(self.unlike(wanted))
            }
        }
    }

    /// The value, if it is not null; `problem` says what is wrong with that.
    pub(super) fn not_null(self, problem: &str) -> Result<Self, ConfigError> {
        if self.value.is_null() {
            return Err(self.invalid(problem));
        }
        Ok(self)
    }

    /// A text; `wanted` describes it.
    pub(super) fn text(&self, wanted: &str) -> Result<&str, ConfigError> {
        self.value.as_str().ok_or_else(|| self.unlike(wanted))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.unlike("true or false, without quotes"))
    }

    /// A whole number within `range`.
    pub(super) fn integer(&self, range: RangeInclusive<u16>, example: u16) -> Result<u16, ConfigError> {
        let number = self.value.as_u64().and_then(|n| u16::try_from(n).ok());
        number.filter(|n| range.contains(n)).ok_or_else(|| {
            let (low, high) = (range.start(), range.end());
            self.unlike(&format!(
                "a whole number from {low} to {high}, for example {example}"
            ))
        })
    }

    /// An absolute path.
    pub(super) fn absolute_path(&self, example: &str) -> Result<PathBuf, ConfigError> {
        let wanted = format!("an absolute path, for example {example}");
        let path = PathBuf::from(self.text(&wanted)?);
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(self.unlike(&wanted))
        }
    }

    fn name(&self) -> String {
        if self.path.is_empty() {
            "the document".to_owned()
        } else {
            self.path.clone()
        }
    }
}

impl Section {
    fn new(path: String, entries: Map<String, Value>) -> Self {
        Self { path, entries }
    }

    fn checked(self, known: &[&str]) -> Result<Self, ConfigError> {
        match self.entries.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(self),
            Some(key) => Err(ConfigError::UnknownKey {
                key: joined(&self.path, key),
                known: listed(known),
            }),
        }
    }

    /// Takes the value of `key`; a value of null counts as absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let value = self.entries.remove(key).filter(|value| !value.is_null())?;
        Some(Node {
            path: joined(&self.path, key),
            value,
        })
    }

    /// Takes the value of `key`; null is none, and `problem` says so.
    pub(super) fn given(&mut self, key: &str, problem: &str) -> Result<Option<Node>, ConfigError> {
        let path = joined(&self.path, key);
        let node = self.entries.remove(key).map(|value| Node { path, value });
        node.map(|node| node.not_null(problem)).transpose()
    }

    /// Takes the value of `key`, which has no default; `wanted` describes it.
    pub(super) fn require(&mut self, key: &str, wanted: &str) -> Result<Node, ConfigError> {
        self.take(key).ok_or_else(|| ConfigError::Invalid {
            key: joined(&self.path, key),
            problem: format!("is missing: write {wanted}"),
        })
    }
}

fn elements(path: &str, items: Vec<Value>) -> Vec<Node> {
    let element = |(at, value)| Node {
        path: format!("{path}[{at}]"),
        value,
    };
    items.into_iter().enumerate().map(element).collect()
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn listed(keys: &[&str]) -> String {
    keys.join(", ")
}

/// A value as it is quoted in an error: short, and on one line.
fn shown(value: &Value) -> String {
    const LIMIT: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LIMIT {
        return text;
    }
    let start: String = text.chars().take(LIMIT).collect();
    format!("{start}...")
}
