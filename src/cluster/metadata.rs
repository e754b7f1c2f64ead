//! What is kept of a Secret's metadata, whether it comes from a watch, a read or the answer to a write.
//!
//! # Guarantees
//!
//! - Annotations that are not read are dropped while decoding, and of the others what is longer than any of ours: on a login
//!   Secret, `kubectl.kubernetes.io/last-applied-configuration` holds the password.
//! - Every Secret decodes, whatever its metadata looks like, so that no decoder ever has a reason to log one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::pruned::Pruned;
use crate::api::{EntraCredential, GROUP, IS_TOKEN, LABEL_TOKEN, annotation};
use crate::plan::metadata::{Uid, Version};
use crate::reconcile::ports::{Controller, Key, SecretMeta};

/// A Secret in a metadata watch.
#[derive(Clone, Debug, Default)]
pub struct SeenSecret {
    /// Name, namespace, uid and resourceVersion, for the watcher.
    identity: ObjectMeta,
    meta: SecretMeta,
}

impl SeenSecret {
    /// Namespace and name.
    pub fn key(&self) -> Key {
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        Key::new(text(&self.identity.namespace), text(&self.identity.name))
    }

    /// What is kept of it.
    pub fn meta(&self) -> &SecretMeta {
        &self.meta
    }

    /// Takes apart.
    pub fn into_parts(self) -> (Key, SecretMeta) {
        (self.key(), self.meta)
    }
}

impl Resource for SeenSecret {
    type DynamicType = ();
    type Scope = <Secret as Resource>::Scope;

    fn metadata_api() -> bool {
        true
    }

    fn kind(dt: &()) -> Cow<'_, str> {
        Secret::kind(dt)
    }

    fn group(dt: &()) -> Cow<'_, str> {
        Secret::group(dt)
    }

    fn version(dt: &()) -> Cow<'_, str> {
        Secret::version(dt)
    }

    fn plural(dt: &()) -> Cow<'_, str> {
        Secret::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.identity
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.identity
    }
}

impl<'de> Deserialize<'de> for SeenSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pruned(object) = Pruned::deserialize(deserializer)?;
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        Ok(Self {
            identity: identity(metadata),
            meta: secret_meta(metadata),
        })
    }
}

fn identity(metadata: &Value) -> ObjectMeta {
    let field = |key| text(metadata, key).map(str::to_owned);
    ObjectMeta {
        name: field("name"),
        namespace: field("namespace"),
        uid: field("uid"),
        resource_version: field("resourceVersion"),
        ..ObjectMeta::default()
    }
}

/// What is kept of `metadata`. What is missing or of another type counts as absent.
pub(super) fn secret_meta(metadata: &Value) -> SecretMeta {
    let field = |key| text(metadata, key).unwrap_or_default().to_owned();
    let labels = metadata.get("labels").unwrap_or(&Value::Null);
    let annotations = metadata.get("annotations").unwrap_or(&Value::Null);
    SecretMeta {
        uid: Uid(field("uid")),
        version: Version(field("resourceVersion")),
        deleting: metadata.get("deletionTimestamp").is_some_and(|t| !t.is_null()),
        controller: controller(metadata),
        managed: text(labels, LABEL_TOKEN) == Some(IS_TOKEN),
        annotations: read_of(annotations),
        has_annotations: has_entries(annotations),
        has_labels: has_entries(labels),
        has_owners: !owners(metadata).is_empty(),
    }
}

/// All labels or annotations of `metadata`.
pub(super) fn texts(metadata: &Value, which: &str) -> BTreeMap<String, String> {
    let all = metadata
        .get(which)
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    all.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn read_of(annotations: &Value) -> BTreeMap<String, String> {
    let begin = |value: &str| {
        value
            .get(..value.floor_char_boundary(annotation::MOST))
            .map(str::to_owned)
    };
    let read = annotation::READ.iter().filter_map(|name| {
        let value = text(annotations, name).and_then(begin)?;
        Some(((*name).to_owned(), value))
    });
    read.collect()
}

/// ownerReferences of `metadata`, as they are.
pub(super) fn owners(metadata: &Value) -> &[Value] {
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    owners.map_or(&[], Vec::as_slice)
}

/// Whether an ownerReference names an EntraCredential.
pub(super) fn is_credential(owner: &Value) -> bool {
    let group = text(owner, "apiVersion").and_then(|version| version.split('/').next());
    group == Some(GROUP) && text(owner, "kind") == Some(&EntraCredential::kind(&()))
}

/// Whether an ownerReference is the controller's.
pub(super) fn controls(owner: &Value) -> bool {
    owner.get("controller") == Some(&Value::Bool(true))
}

fn controller(metadata: &Value) -> Option<Controller> {
    let owner = owners(metadata).iter().find(|owner| controls(owner))?;
    let field = |key| text(owner, key).unwrap_or_default();
    Some(Controller {
        ours: is_credential(owner),
        name: field("name").to_owned(),
        uid: Uid(field("uid").to_owned()),
    })
}

fn has_entries(map: &Value) -> bool {
    map.as_object().is_some_and(|m| !m.is_empty())
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(object: Value) -> SeenSecret {
        serde_json::from_value(object).unwrap()
    }

    fn token_secret() -> Value {
        json!({"metadata": {
            "name": "t", "namespace": "etl", "uid": "u", "resourceVersion": "7",
            "labels": {"entra-operator.dev/token": "true", "app.kubernetes.io/managed-by": "somebody"},
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "{\"password\": \"hunter2\"}",
                "entra-operator.dev/owner": "mac", "evil-entra-operator.dev/owner": "no",
                "entra-operator.dev/elsewhere": "no", "entra-operator.dev/scopes": "ä".repeat(5000),
            },
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "x"},
                {"apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential", "name": "reporting",
                 "uid": "cr", "controller": true},
            ],
        }})
    }

    #[test]
    fn only_annotations_that_are_read_are_kept_and_no_more_of_each_than_we_write() {
        let secret = seen(token_secret());
        let kept = &secret.meta().annotations;
        let keys: Vec<_> = kept.keys().map(String::as_str).collect();
        assert_eq!(keys, ["entra-operator.dev/owner", "entra-operator.dev/scopes"]);
        assert_eq!(kept["entra-operator.dev/scopes"].len(), annotation::MOST);
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn the_controller_is_found_among_the_owners() {
        let controller = seen(token_secret()).meta().controller.clone().unwrap();
        assert!(controller.ours);
        assert_eq!(
            (controller.name.as_str(), controller.uid.0.as_str()),
            ("reporting", "cr")
        );
    }

    #[test]
    fn a_controller_of_another_group_is_not_ours() {
        let mut object = token_secret();
        object["metadata"]["ownerReferences"][1]["apiVersion"] = json!("entra-operator.dev.evil/v1alpha1");
        assert!(!seen(object).meta().controller.as_ref().unwrap().ours);
    }

    #[test]
    fn flags_say_whether_maps_exist() {
        let secret = seen(token_secret());
        let meta = secret.meta();
        assert!(meta.managed && meta.has_annotations && meta.has_labels && !meta.deleting);
        let bare = seen(json!({"metadata": {"name": "x", "deletionTimestamp": "2026-11-22T07:24:37Z"}}));
        let meta = bare.meta();
        assert!(meta.deleting && !meta.managed && !meta.has_annotations && !meta.has_labels);
    }

    #[test]
    fn a_foreign_annotation_still_counts_as_an_annotation() {
        let secret = seen(json!({"metadata": {"annotations": {"a/b": "c"}}}));
        assert!(secret.meta().has_annotations && secret.meta().annotations.is_empty());
    }

    #[test]
    fn everything_decodes() {
        for odd in [
            json!(null),
            json!(1),
            json!({}),
            json!({"metadata": {"uid": 1, "annotations": [1]}}),
        ] {
            assert_eq!(seen(odd).meta(), &SecretMeta::default());
        }
    }
}
