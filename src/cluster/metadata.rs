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
use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::taken::{Begin, IsSaid, Take, Taken, structure, taken};
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
        key_of(&self.identity)
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
        let Object { mut metadata } = taken(deserializer)?;
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let identity = ObjectMeta {
            name: metadata.name.take(),
            namespace: metadata.namespace.take(),
            uid: said(&metadata.uid),
            resource_version: said(&metadata.resource_version),
            ..ObjectMeta::default()
        };
        Ok(Self {
            identity,
            meta: metadata.into(),
        })
    }
}

/// A Secret, as far as it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    #[serde(deserialize_with = "taken")]
    metadata: Metadata,
}

/// Its metadata.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "taken")]
    name: Option<String>,
    #[serde(deserialize_with = "taken")]
    namespace: Option<String>,
    #[serde(deserialize_with = "taken")]
    uid: String,
    #[serde(deserialize_with = "taken")]
    resource_version: String,
    #[serde(deserialize_with = "taken")]
    deletion_timestamp: IsSaid,
    #[serde(deserialize_with = "taken")]
    labels: Labels,
    #[serde(deserialize_with = "taken")]
    annotations: Annotations,
    #[serde(deserialize_with = "taken")]
    owner_references: Owners,
}

#[derive(Default)]
struct Labels {
    managed: bool,
    any: bool,
}

#[derive(Default)]
struct Annotations {
    read: BTreeMap<annotation::Read, String>,
    any: bool,
}

#[derive(Default)]
struct Owners {
    controller: Option<Controller>,
    any: bool,
}

/// One of `ownerReferences`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reference {
    #[serde(deserialize_with = "taken")]
    api_version: String,
    #[serde(deserialize_with = "taken")]
    kind: String,
    #[serde(deserialize_with = "taken")]
    name: String,
    #[serde(deserialize_with = "taken")]
    uid: String,
    #[serde(deserialize_with = "taken")]
    controller: bool,
}

/// Whether a label's key is that of the label that is read.
#[derive(Default)]
struct IsToken(bool);

/// Key of an annotation, if it is read.
#[derive(Default)]
struct IsRead(Option<annotation::Read>);

/// Namespace and name.
pub(super) fn key_of(identity: &ObjectMeta) -> Key {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    Key::new(text(&identity.namespace), text(&identity.name))
}

/// What is kept of `metadata`. What is missing or of another type counts as absent.
pub(super) fn secret_meta(metadata: &Value) -> SecretMeta {
    taken::<Metadata, _>(metadata).unwrap_or_default().into()
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

/// ownerReferences of `metadata`, as they are.
pub(super) fn owners(metadata: &Value) -> &[Value] {
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    owners.map_or(&[], Vec::as_slice)
}

impl From<Metadata> for SecretMeta {
    fn from(metadata: Metadata) -> Self {
        Self {
            uid: Uid(metadata.uid),
            version: Version(metadata.resource_version),
            deleting: metadata.deletion_timestamp.0,
            controller: metadata.owner_references.controller,
            managed: metadata.labels.managed,
            annotations: metadata.annotations.read,
            has_annotations: metadata.annotations.any,
            has_labels: metadata.labels.any,
            has_owners: metadata.owner_references.any,
        }
    }
}

impl Reference {
    /// Reads one.
    pub(super) fn of(owner: &Value) -> Self {
        taken(owner).unwrap_or_default()
    }

    /// Whether it names an `EntraCredential`.
    pub(super) fn is_credential(&self) -> bool {
        self.api_version.split('/').next() == Some(GROUP) && self.kind == EntraCredential::kind(&())
    }

    /// Whether it is the controller's.
    pub(super) const fn controls(&self) -> bool {
        self.controller
    }
}

impl From<Reference> for Controller {
    fn from(owner: Reference) -> Self {
        Self {
            ours: owner.is_credential(),
            name: owner.name,
            uid: Uid(owner.uid),
        }
    }
}

impl Take for Object {
    fn fields<'de, A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        structure(fields)
    }
}

impl Take for Metadata {
    fn fields<'de, A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        structure(fields)
    }
}

impl Take for Reference {
    fn fields<'de, A: MapAccess<'de>>(fields: A) -> Result<Self, A::Error> {
        structure(fields)
    }
}

impl Take for Labels {
    fn fields<'de, A: MapAccess<'de>>(mut labels: A) -> Result<Self, A::Error> {
        let mut kept = Self::default();
        while let Some((Taken(IsToken(is)), Taken::<String>(value))) = labels.next_entry()? {
            kept.any = true;
            kept.managed |= is && value == IS_TOKEN;
        }
        Ok(kept)
    }
}

impl Take for Annotations {
    fn fields<'de, A: MapAccess<'de>>(mut annotations: A) -> Result<Self, A::Error> {
        let mut kept = Self::default();
        while let Some(Taken(IsRead(key))) = annotations.next_key()? {
            kept.any = true;
            let Some(key) = key else {
                annotations.next_value::<IgnoredAny>()?;
                continue;
            };
            if let Taken(Begin(Some(value))) = annotations.next_value()? {
                kept.read.insert(key, value);
            }
        }
        Ok(kept)
    }
}

impl Take for Owners {
    fn elements<'de, A: SeqAccess<'de>>(mut owners: A) -> Result<Self, A::Error> {
        let mut kept = Self::default();
        while let Some(Taken::<Reference>(owner)) = owners.next_element()? {
            kept.any = true;
            if owner.controls() && kept.controller.is_none() {
                kept.controller = Some(owner.into());
            }
        }
        Ok(kept)
    }
}

impl Take for IsToken {
    fn text(text: &str) -> Self {
        Self(text == LABEL_TOKEN)
    }
}

impl Take for IsRead {
    fn text(text: &str) -> Self {
        Self(annotation::Read::of(text))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;

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
        let keys: Vec<&str> = kept.keys().map(Borrow::borrow).collect();
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
