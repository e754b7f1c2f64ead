//! From the text of a file to its objects: several documents, lists, and other kinds beside ours.

use serde_json::Value;

use super::finding::Finding;
use super::schema::without_nulls;
use crate::api::{GROUP, LOGIN_TYPE};

const KIND: &str = "EntraCredential";

/// The one version that there is.
const VERSION: &str = "v1alpha1";

/// Fields of `metadata` that people write, and those that the API server adds.
const METADATA: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// An object of a file.
#[derive(Debug)]
pub(super) struct Object {
    /// Number of its document, from 1.
    pub(super) document: usize,
    /// What it says.
    pub(super) value: Value,
}

/// What an object is to the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// A credential, or meant to be one.
    Credential,
    /// A Secret of the type of logins.
    Login,
    /// Another Secret.
    Secret,
    /// Nothing that is looked at.
    Other,
}

/// Objects of the text, JSON or YAML.
pub(super) fn read(text: &str) -> Result<Vec<Object>, Finding> {
    let numbered = documents(text)?.into_iter().enumerate();
    let objects = numbered.flat_map(|(index, value)| {
        let all = listed(without_nulls(value));
        all.into_iter().map(move |value| Object {
            document: index + 1,
            value,
        })
    });
    Ok(objects.filter(|object| !object.value.is_null()).collect())
}

/// YAML takes most of JSON, too, but not every character.
fn documents(text: &str) -> Result<Vec<Value>, Finding> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(vec![value]),
        Err(_) => serde_saphyr::from_multiple(text)
            .map_err(|error| Finding::at("", format!("the file is not valid YAML: {error}"))),
    }
}

/// What a `List` holds, as kubectl prints several objects.
fn listed(value: Value) -> Vec<Value> {
    let kind = value.get("kind").and_then(Value::as_str);
    let is_list = kind.is_some_and(|kind| kind.ends_with("List"));
    match value.get("items") {
        Some(Value::Array(items)) if is_list => items.iter().cloned().flat_map(listed).collect(),
        _ => vec![value],
    }
}

impl Object {
    fn text(&self, pointer: &str) -> &str {
        self.value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        Some(self.text("/metadata/namespace")).filter(|name| !name.is_empty())
    }

    /// With a name, as the API server makes one of `generateName`: that and five characters.
    pub(super) fn as_created(&self) -> Value {
        let mut value = self.value.clone();
        let generated = format!("{}12345", self.text("/metadata/generateName"));
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.entry("name").or_insert_with(|| generated.into());
        }
        value
    }

    /// Whether a Secret has this key; its value is not looked at.
    pub(super) fn holds(&self, field: &str, key: &str) -> bool {
        self.value.get(field).is_some_and(|data| data.get(key).is_some())
    }

    pub(super) fn secret_type(&self) -> &str {
        self.text("/type")
    }

    pub(super) fn is(&self) -> Is {
        let group = self.text("/apiVersion").split('/').next().unwrap_or_default();
        match self.kind() {
            "Secret" if self.secret_type() == LOGIN_TYPE => Is::Login,
            "Secret" => Is::Secret,
            kind if kind.is_empty() || group == GROUP || kind.eq_ignore_ascii_case(KIND) => Is::Credential,
            _ => Is::Other,
        }
    }

    /// Why this is no object at all, or none of our kind although it is meant to be one.
    pub(super) fn identity_problems(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let wanted = [
            ("apiVersion", format!("{GROUP}/{VERSION}")),
            ("kind", KIND.to_owned()),
        ];
        for (field, wanted) in wanted {
            match self.value.get(field) {
                None => found.push(Finding::at(field, format!("is missing: write {wanted}"))),
                Some(is) if *is != wanted => found.push(Finding::at(field, format!("must be {wanted}"))),
                Some(_) => {}
            }
        }
        let named = ["/metadata/name", "/metadata/generateName"];
        if named.iter().all(|pointer| self.text(pointer).is_empty()) {
            found.push(Finding::at("metadata.name", "is missing"));
        } else if !self.name().is_empty() && !crate::operator::config::is_subdomain(self.name()) {
            let sentence = "must be lower-case letters, digits, dashes and dots (RFC 1123 subdomain)";
            found.push(Finding::at("metadata.name", sentence));
        }
        let fields = self
            .value
            .get("metadata")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let unknown = fields.filter(|(key, _)| !METADATA.contains(&key.as_str()));
        found.extend(unknown.map(|(key, _)| {
            Finding::at(
                &format!("metadata.{key}"),
                "is no field of metadata, and would be dropped",
            )
        }));
        found
    }
}
