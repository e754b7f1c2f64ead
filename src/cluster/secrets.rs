//! Reads and writes of Secrets.
//!
//! # Guarantees
//!
//! - A change is one JSON patch pinned to the uid and resourceVersion last seen; a delete carries both as
//!   preconditions. Whoever lost the race gets [`ClusterError::Conflict`].
//! - Labels and annotations are set and removed one by one: what others wrote survives. Data is replaced whole, or key by
//!   key.
//! - Answers to writes hold no data, and no type here shows a value in `Debug`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use kube::api::{DeleteParams, Preconditions};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::client::Calls;
use super::failure::{if_exists, unavailable};
use super::metadata::{Reference, owners, secret_meta, texts};
use super::patch::{Encoded, Op, edit, pin, replace_data, set_keys};
use super::pruned::{self, Pruned};
use crate::api::EntraCredential;
use crate::plan::metadata::Uid;
use crate::reconcile::material::SecretData;
use crate::reconcile::ports::{
    ClusterError, Controller, Key, NewSecret, Owner, SecretChange, SecretMeta, SecretObject,
};

/// Secrets of one API server.
#[derive(Clone, Debug)]
pub(super) struct Secrets(Calls);

impl Secrets {
    pub(super) fn new(calls: Calls) -> Self {
        Self(calls)
    }

    /// Reads a Secret whole.
    pub(super) async fn read(&self, key: &Key) -> Result<Option<SecretObject>, ClusterError> {
        let answer = if_exists(self.0.get(&collection(key), &key.name).await)?;
        answer.map(|answer| decode_object(&answer)).transpose()
    }

    /// Reads a Secret's metadata.
    pub(super) async fn peek(&self, key: &Key) -> Result<Option<SecretMeta>, ClusterError> {
        Ok(self.metadata(key).await?.map(|m| secret_meta(&m)))
    }

    async fn metadata(&self, key: &Key) -> Result<Option<Value>, ClusterError> {
        let answer = if_exists(self.0.get_metadata(&collection(key), &key.name).await)?;
        answer.map(|answer| decode_metadata(&answer)).transpose()
    }

    /// Creates a Secret that a credential controls.
    pub(super) async fn create(&self, secret: &NewSecret) -> Result<SecretMeta, ClusterError> {
        let owners = vec![owner_reference(&secret.owner, true)];
        let metadata = self.post(&Manifest::new(secret, owners)).await?;
        tell_rewritten(&secret.key, &metadata, &secret.labels);
        Ok(secret_meta(&metadata))
    }

    /// Creates a Secret without owner: the operator's own, in its own namespace.
    pub(super) async fn create_unowned(
        &self,
        key: &Key,
        kind: &str,
        data: &SecretData,
    ) -> Result<SecretMeta, ClusterError> {
        let metadata = self.post(&Manifest::unowned(key, kind, data)).await?;
        Ok(secret_meta(&metadata))
    }

    async fn post(&self, manifest: &Manifest<'_>) -> Result<Value, ClusterError> {
        let collection = Secret::url_path(&(), Some(manifest.metadata.namespace));
        let answer = self.0.create(&collection, manifest).await?;
        decode_metadata(&answer)
    }

    /// Changes a Secret that is still what was seen.
    pub(super) async fn change(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: &SecretChange,
    ) -> Result<SecretMeta, ClusterError> {
        let outcome = self.apply(key, seen, change, DataMap::Exists).await;
        if outcome == Err(ClusterError::Conflict) && self.lacks_data(key, seen, change).await? {
            return self.apply(key, seen, change, DataMap::Missing).await;
        }
        outcome
    }

    async fn apply(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: &SecretChange,
        map: DataMap,
    ) -> Result<SecretMeta, ClusterError> {
        let mut ops = changes(seen, change, map)?;
        if let Some(owner) = &change.adopt {
            ops.push(self.adoption(key, seen, owner).await?);
        }
        if let Some(owner) = &change.goes_with {
            ops.push(self.belonging(key, seen, owner).await?);
        }
        let answer = self.0.json_patch(&collection(key), &key.name, &ops).await?;
        let metadata = decode_metadata(&answer)?;
        tell_rewritten(
            key,
            &metadata,
            change.labels.iter().filter_map(|(k, v)| Some((k, v.as_ref()?))),
        );
        Ok(secret_meta(&metadata))
    }

    /// Whether a change of single keys failed only because somebody removed all data: a patch cannot add a key to what
    /// is not there, and without this the same conflict would come again for ever.
    async fn lacks_data(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: &SecretChange,
    ) -> Result<bool, ClusterError> {
        if change.keys.is_empty() {
            return Ok(false);
        }
        let live = self.read(key).await?;
        Ok(live
            .is_some_and(|l| l.meta.uid == seen.uid && l.meta.version == seen.version && l.data.is_empty()))
    }

    /// Other owners stay; a former credential of this name gives way. They are not among what is kept of a Secret, so they are asked for; adoption is rare.
    async fn adoption(&self, key: &Key, seen: &SecretMeta, owner: &Owner) -> Result<Op<'_>, ClusterError> {
        let metadata = self.metadata(key).await?.ok_or(ClusterError::NotFound)?;
        let live = secret_meta(&metadata);
        let is_former = |c: &Controller| c.ours && c.name == owner.name && c.uid != owner.uid;
        if live.uid != seen.uid || live.version != seen.version || !live.controller.iter().all(is_former) {
            return Err(ClusterError::Conflict);
        }
        let mut all = owners(&metadata).to_vec();
        let is = |o: &Value, uid: &Uid| o.get("uid").and_then(Value::as_str) == Some(uid.0.as_str());
        let former = live.controller.as_ref().map(|c| &c.uid);
        all.retain(|o| !is(o, &owner.uid) && !former.is_some_and(|uid| is(o, uid)));
        all.push(owner_reference(owner, true));
        Ok(own(all))
    }

    /// Other owners stay, except for credentials: what one of them claimed before is this one's. Most have no owner, and none is asked for.
    async fn belonging(&self, key: &Key, seen: &SecretMeta, owner: &Owner) -> Result<Op<'_>, ClusterError> {
        let mut all = Vec::new();
        if seen.has_owners {
            let metadata = self.metadata(key).await?.ok_or(ClusterError::NotFound)?;
            let stays = |owner: &&Value| {
                let owner = Reference::of(owner);
                owner.controls() || !owner.is_credential()
            };
            all.extend(owners(&metadata).iter().filter(stays).cloned());
        }
        all.push(owner_reference(owner, false));
        Ok(own(all))
    }

    /// Deletes a Secret that is still what was seen. What it owns, if anything, is left to the garbage collector.
    pub(super) async fn delete(&self, key: &Key, seen: &SecretMeta) -> Result<(), ClusterError> {
        if seen.uid.0.is_empty() || seen.version.0.is_empty() {
            return Err(ClusterError::Conflict);
        }
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(seen.uid.0.clone()),
            resource_version: Some(seen.version.0.clone()),
        });
        self.0.delete(&collection(key), &key.name, &params).await
    }
}

/// Says which labels an admission policy made into others than were written. They are left as they are.
fn tell_rewritten<'a>(
    key: &Key,
    metadata: &Value,
    written: impl IntoIterator<Item = (&'a String, &'a String)>,
) {
    let there = texts(metadata, "labels");
    for (label, _) in written
        .into_iter()
        .filter(|(label, value)| there.get(*label) != Some(*value))
    {
        tracing::warn!(
            namespace = &*key.namespace,
            secret = &*key.name,
            label,
            "an admission policy changes this label of the operator's Secrets"
        );
    }
}

fn collection(key: &Key) -> String {
    Secret::url_path(&(), Some(&key.namespace))
}

fn own(owners: Vec<Value>) -> Op<'static> {
    Op::Add {
        path: "/metadata/ownerReferences".to_owned(),
        value: Value::Array(owners),
    }
}

/// The credential as owner. It does not block: deleting the credential must never wait for us.
fn owner_reference(owner: &Owner, controller: bool) -> Value {
    json!({
        "apiVersion": EntraCredential::api_version(&()),
        "kind": EntraCredential::kind(&()),
        "name": owner.name,
        "uid": owner.uid.0,
        "controller": controller,
        "blockOwnerDeletion": false,
    })
}

/// Whether a Secret has any data to add keys to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataMap {
    Exists,
    Missing,
}

fn changes<'a>(
    seen: &SecretMeta,
    change: &'a SecretChange,
    map: DataMap,
) -> Result<Vec<Op<'a>>, ClusterError> {
    let mut ops = pin(seen)?;
    ops.extend(edit("/metadata/labels", seen.has_labels, &change.labels));
    ops.extend(edit(
        "/metadata/annotations",
        seen.has_annotations,
        &change.annotations,
    ));
    match (&change.data, map) {
        (Some(data), _) => ops.push(replace_data(data)),
        (None, DataMap::Missing) => ops.push(replace_data(&change.keys)),
        (None, DataMap::Exists) => ops.extend(set_keys(&change.keys)),
    }
    Ok(ops)
}

/// A Secret on its way to the API server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ManifestMeta<'a>,
    r#type: &'a str,
    data: Encoded<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestMeta<'a> {
    namespace: &'a str,
    name: &'a str,
    labels: Option<&'a BTreeMap<String, String>>,
    annotations: Option<&'a BTreeMap<String, String>>,
    owner_references: Vec<Value>,
}

impl<'a> Manifest<'a> {
    fn new(secret: &'a NewSecret, owners: Vec<Value>) -> Self {
        let mut manifest = Self::unowned(&secret.key, secret.kind, &secret.data);
        manifest.metadata.labels = Some(&secret.labels);
        manifest.metadata.annotations = Some(&secret.annotations);
        manifest.metadata.owner_references = owners;
        manifest
    }

    fn unowned(key: &'a Key, kind: &'a str, data: &'a SecretData) -> Self {
        Self {
            api_version: "v1",
            kind: "Secret",
            metadata: ManifestMeta {
                namespace: &key.namespace,
                name: &key.name,
                labels: None,
                annotations: None,
                owner_references: Vec::new(),
            },
            r#type: kind,
            data: Encoded(data),
        }
    }
}

/// A Secret on its way from the API server; its values are wiped when it is dropped.
#[derive(Deserialize)]
struct Received {
    #[serde(default, deserialize_with = "pruned::metadata")]
    metadata: Value,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    immutable: Option<bool>,
    #[serde(default)]
    data: Option<BTreeMap<String, Bytes>>,
}

/// A value of `data`. What is not base64 (the API server never sends that) counts as empty.
struct Bytes(Zeroizing<Vec<u8>>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(Option::<String>::deserialize(deserializer)?.unwrap_or_default());
        let bytes = STANDARD.decode(text.as_bytes()).unwrap_or_default();
        Ok(Self(Zeroizing::new(bytes)))
    }
}

fn decode_object(answer: &[u8]) -> Result<SecretObject, ClusterError> {
    let received: Received = serde_json::from_slice(answer).map_err(|_| incomprehensible())?;
    let mut data = SecretData::default();
    for (key, mut value) in received.data.unwrap_or_default() {
        data.insert(key, std::mem::take(&mut *value.0));
    }
    Ok(SecretObject {
        meta: secret_meta(&received.metadata),
        kind: received.r#type.unwrap_or_default(),
        immutable: received.immutable.unwrap_or_default(),
        labels: texts(&received.metadata, "labels"),
        annotations: texts(&received.metadata, "annotations"),
        data,
    })
}

fn decode_metadata(answer: &[u8]) -> Result<Value, ClusterError> {
    let Pruned(mut object) = serde_json::from_slice(answer).map_err(|_| incomprehensible())?;
    Ok(object.get_mut("metadata").map(Value::take).unwrap_or_default())
}

/// Never says why: the decoder might quote the answer.
fn incomprehensible() -> ClusterError {
    unavailable("its answer could not be understood")
}

#[cfg(test)]
mod tests;
