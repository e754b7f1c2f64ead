//! The API server: Secrets and credentials with uid, resourceVersion and generation, compare-and-swap as the real one does
//! it, and the garbage collector's view of owners.

use std::collections::BTreeMap;

use entra_operator::api::{
    EntraCredentialSpec, EntraCredentialStatus, LABEL_MANAGED_BY, LOGIN_TYPE, MANAGED_BY, REFRESH_TOKEN_TYPE,
    annotation,
};
use entra_operator::cluster::{SeenSecret, Selects};
use entra_operator::plan::metadata::{Uid, Version};
use entra_operator::reconcile::Credential;
use entra_operator::reconcile::material::SecretData;
use entra_operator::reconcile::ports::{
    ClusterError, Controller, Key, NewSecret, Owner, SecretChange, SecretMeta, SecretObject, ServiceAccount,
};
use serde_json::json;

/// A Secret as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    pub uid: Uid,
    pub version: u64,
    pub kind: String,
    pub immutable: bool,
    /// Something holds it: a deletion only marks it.
    pub finalizer: bool,
    pub deleting: bool,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub controller: Option<Controller>,
    /// The credential that it goes with, without being controlled by it.
    pub goes_with: Option<Uid>,
    pub data: BTreeMap<String, Vec<u8>>,
}

/// A credential as it is stored.
#[derive(Clone, Debug)]
pub struct Resource {
    pub uid: Uid,
    pub generation: i64,
    pub deleting: bool,
    pub spec: EntraCredentialSpec,
    pub status: Option<EntraCredentialStatus>,
    pub request: Option<String>,
}

/// What a watch will tell.
#[derive(Clone, Debug)]
pub enum Notice {
    Secret {
        key: Key,
        old: Option<Object>,
        new: Option<Object>,
        version: u64,
    },
    Credential(Key),
    /// Etcd was set back from this version.
    SetBack(u64),
}

/// Between two versions there are so many numbers. A history that begins when etcd is set back counts beside those before
/// it: in the real one, one of thousands of versions is given twice to the same object.
const STEP: u64 = 64;

/// What all uids begin with; the rest is a number that grows.
const UID: &str = "uid-";

/// The store behind the API.
#[derive(Clone, Debug, Default)]
pub struct Api {
    pub secrets: BTreeMap<Key, Object>,
    pub credentials: BTreeMap<Key, Resource>,
    pub outbox: Vec<Notice>,
    /// Since when its namespaces have been on their way out.
    pub terminating_since: Option<i64>,
    version: u64,
    uids: u64,
    /// How many uids had been given when a credential was deleted.
    ended: BTreeMap<Uid, u64>,
    /// How often it was set back.
    set_back: u64,
}

impl Object {
    /// What the operator keeps of it.
    pub fn meta(&self) -> SecretMeta {
        SecretMeta {
            uid: self.uid.clone(),
            version: Version(self.version.to_string()),
            deleting: self.deleting,
            controller: self.controller.clone(),
            managed: self.managed(),
            annotations: annotation::read(&self.annotations),
            has_annotations: !self.annotations.is_empty(),
            has_labels: !self.labels.is_empty(),
            has_owners: self.controller.is_some() || self.goes_with.is_some(),
        }
    }

    /// Whether the watch by label shows it.
    pub fn managed(&self) -> bool {
        self.labels.get(LABEL_MANAGED_BY).is_some_and(|v| v == MANAGED_BY)
    }

    /// Whether that watch shows it.
    pub fn shown_by(&self, selects: Selects) -> bool {
        match selects {
            Selects::Tokens => self.managed(),
            of_type => Selects::of_type(&self.kind) == Some(of_type),
        }
    }

    /// As a metadata watch tells it, in version `version`.
    pub fn seen(&self, key: &Key, version: u64) -> SeenSecret {
        let owners: Vec<_> = self
            .controller
            .iter()
            .map(|c| {
                let api = if c.ours {
                    "entra-operator.dev/v1alpha1"
                } else {
                    "apps/v1"
                };
                let kind = if c.ours { "EntraCredential" } else { "Deployment" };
                json!({"apiVersion": api, "kind": kind, "name": c.name, "uid": c.uid.0, "controller": true})
            })
            .collect();
        let deleted = self.deleting.then_some("2026-01-01T00:00:00Z");
        serde_json::from_value(json!({"metadata": {
            "namespace": key.namespace, "name": key.name, "uid": self.uid.0,
            "resourceVersion": version.to_string(), "labels": self.labels,
            "annotations": self.annotations, "ownerReferences": owners,
            "deletionTimestamp": deleted,
        }}))
        .unwrap()
    }

    /// Value of a key as text.
    pub fn text(&self, key: &str) -> Option<String> {
        self.data
            .get(key)
            .map(|v| String::from_utf8_lossy(v).into_owned())
    }

    /// Data as the operator reads it.
    pub fn secret_data(&self) -> SecretData {
        let mut data = SecretData::default();
        for (key, value) in &self.data {
            data.insert(key.clone(), value.clone());
        }
        data
    }
}

impl Api {
    /// The newest version of anything.
    pub const fn version(&self) -> u64 {
        self.version
    }

    fn bump(&mut self) -> u64 {
        self.version += STEP;
        self.version
    }

    fn new_uid(&mut self) -> Uid {
        self.uids += 1;
        Uid(format!("{UID}{}", self.uids))
    }

    fn notice(&mut self, key: &Key, old: Option<Object>, new: Option<Object>) {
        let version = self.version;
        self.outbox.push(Notice::Secret {
            key: key.clone(),
            old,
            new,
            version,
        });
    }

    /// Stores a Secret as it is, whatever was there: what a user or a restore does. Returns its uid.
    pub fn put(&mut self, key: &Key, mut object: Object) -> Uid {
        let old = self.secrets.remove(key);
        object.version = self.bump();
        if object.uid.0.is_empty() {
            object.uid = self.new_uid();
        }
        let uid = object.uid.clone();
        self.notice(key, old, Some(object.clone()));
        self.secrets.insert(key.clone(), object);
        uid
    }

    /// Changes a Secret in place, as a user does.
    pub fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Object)) {
        if let Some(mut object) = self.secrets.get(key).cloned() {
            change(&mut object);
            self.put(key, object);
        }
    }

    /// Deletes a Secret, as a user or the garbage collector does.
    pub fn remove(&mut self, key: &Key) -> bool {
        if self.secrets.get(key).is_some_and(|o| o.finalizer) {
            self.edit(key, |o| o.deleting = true);
            return true;
        }
        let Some(old) = self.secrets.remove(key) else {
            return false;
        };
        self.bump();
        self.notice(key, Some(old), None);
        true
    }

    /// Nothing holds any Secret any more: those that are being deleted go.
    pub fn let_all_go(&mut self) {
        let held = self.secrets.iter().filter(|(_, o)| o.finalizer);
        for key in held.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.edit(&key, |o| o.finalizer = false);
            if self.secrets[&key].deleting {
                self.remove(&key);
            }
        }
    }

    /// A Secret read whole.
    pub fn read(&self, key: &Key) -> Option<SecretObject> {
        self.secrets.get(key).map(|o| SecretObject {
            meta: o.meta(),
            kind: o.kind.clone(),
            immutable: o.immutable,
            labels: o.labels.clone(),
            annotations: o.annotations.clone(),
            data: o.secret_data(),
        })
    }

    /// Creates what the operator asks for.
    pub fn create(&mut self, secret: &NewSecret) -> Result<SecretMeta, ClusterError> {
        if self.secrets.contains_key(&secret.key) {
            return Err(ClusterError::Conflict);
        }
        if self.terminating_since.is_some() {
            return Err(ClusterError::Refused("the namespace is being deleted".to_owned()));
        }
        let object = Object {
            kind: secret.kind.to_owned(),
            labels: secret.labels.clone(),
            annotations: secret.annotations.clone(),
            controller: Some(controller(&secret.owner)),
            data: bytes(&secret.data),
            ..Object::default()
        };
        self.put(&secret.key, object);
        Ok(self.secrets[&secret.key].meta())
    }

    fn current(&self, key: &Key, seen: &SecretMeta) -> Result<Object, ClusterError> {
        let object = self.secrets.get(key).ok_or(ClusterError::NotFound)?;
        let same = object.uid == seen.uid && object.version.to_string() == seen.version.0;
        if same {
            Ok(object.clone())
        } else {
            Err(ClusterError::Conflict)
        }
    }

    /// Changes what the operator last saw.
    pub fn change(
        &mut self,
        key: &Key,
        seen: &SecretMeta,
        change: &SecretChange,
    ) -> Result<SecretMeta, ClusterError> {
        let old = self.current(key, seen)?;
        let mut new = old.clone();
        patch(&mut new.annotations, &change.annotations);
        patch(&mut new.labels, &change.labels);
        if let Some(data) = &change.data {
            new.data = bytes(data);
        }
        new.data.extend(bytes(&change.keys));
        if let Some(owner) = &change.adopt {
            new.controller = Some(controller(owner));
        }
        if let Some(owner) = &change.goes_with {
            new.goes_with = Some(owner.uid.clone());
        }
        if old.immutable && old.data != new.data {
            return Err(ClusterError::Immutable);
        }
        if new == old {
            return Ok(old.meta());
        }
        self.put(key, new);
        Ok(self.secrets[key].meta())
    }

    /// Deletes what the operator last saw.
    pub fn delete(&mut self, key: &Key, seen: &SecretMeta) -> Result<(), ClusterError> {
        self.current(key, seen)?;
        self.remove(key);
        Ok(())
    }

    /// Whether that credential exists and names that login.
    pub fn claims(&self, namespace: &str, claimant: &Owner, login: &str) -> bool {
        self.credentials
            .get(&Key::new(namespace, &*claimant.name))
            .is_some_and(|c| c.uid == claimant.uid && c.spec.login.secret_name == login)
    }

    /// The ServiceAccount of a credential, which bears its name: it always belongs to its application.
    pub fn service_account(&self, key: &Key) -> Option<ServiceAccount> {
        let resource = self.credentials.get(key)?;
        Some(ServiceAccount {
            uid: Uid(format!("account-{}", resource.uid.0)),
            client_id: Some(resource.spec.client_id.clone()),
        })
    }

    /// Whether that credential exists and is not being deleted.
    pub fn lives(&self, key: &Key, uid: &Uid) -> Option<i64> {
        let found = self.credentials.get(key);
        found
            .filter(|c| c.uid == *uid && !c.deleting)
            .map(|c| c.generation)
    }

    /// Writes a status; it bumps no generation.
    pub fn write_status(
        &mut self,
        key: &Key,
        uid: &Uid,
        status: &EntraCredentialStatus,
    ) -> Result<(), ClusterError> {
        let resource = self.credentials.get_mut(key).ok_or(ClusterError::NotFound)?;
        if resource.uid != *uid {
            return Err(ClusterError::Conflict);
        }
        resource.status = Some(status.clone());
        self.bump();
        self.outbox.push(Notice::Credential(key.clone()));
        Ok(())
    }

    /// A user creates a credential.
    pub fn create_credential(&mut self, key: &Key, spec: EntraCredentialSpec) {
        let resource = Resource {
            uid: self.new_uid(),
            generation: 1,
            deleting: false,
            spec,
            status: None,
            request: None,
        };
        self.bump();
        self.credentials.insert(key.clone(), resource);
        self.outbox.push(Notice::Credential(key.clone()));
    }

    /// A user changes a credential; a changed spec gets a new generation.
    pub fn edit_credential(&mut self, key: &Key, change: impl FnOnce(&mut Resource)) {
        let Some(resource) = self.credentials.get_mut(key) else {
            return;
        };
        let before = resource.spec.clone();
        change(resource);
        if resource.deleting {
            self.ended.entry(resource.uid.clone()).or_insert(self.uids);
        }
        if resource.spec != before {
            resource.generation += 1;
        }
        self.bump();
        self.outbox.push(Notice::Credential(key.clone()));
    }

    /// A credential is gone.
    pub fn remove_credential(&mut self, key: &Key) {
        self.bump();
        if let Some(gone) = self.credentials.remove(key) {
            self.ended.entry(gone.uid).or_insert(self.uids);
        }
        self.outbox.push(Notice::Credential(key.clone()));
    }

    /// Whether an object was made after a credential was deleted.
    pub fn is_later_than(&self, made: &Uid, credential: &Uid) -> bool {
        let number = made.0.strip_prefix(UID).and_then(|n| n.parse::<u64>().ok());
        let ended = self.ended.get(credential);
        number.zip(ended).is_some_and(|(made, ended)| made > *ended)
    }

    /// A credential as a watch tells it.
    pub fn credential(&self, key: &Key) -> Option<Credential> {
        self.credentials.get(key).map(|r| Credential {
            key: key.clone(),
            uid: r.uid.clone(),
            generation: r.generation,
            deleting: r.deleting,
            spec: r.spec.clone(),
            status: r.status.clone(),
            request: r.request.clone(),
        })
    }

    /// All is as it was then. No uid is given twice.
    pub fn set_back(&mut self, then: &Self) {
        let set_back = self.set_back + 1;
        *self = Self {
            version: then.version / STEP * STEP + set_back,
            uids: self.uids,
            set_back,
            outbox: vec![Notice::SetBack(self.version)],
            ..then.clone()
        };
    }

    /// Secrets whose credential no longer exists, whether or not it controlled them.
    pub fn orphans(&self) -> Vec<Key> {
        let dead = |o: &Object| {
            let controller = o.controller.as_ref().filter(|c| c.ours).map(|c| &c.uid);
            let owner = controller.or(o.goes_with.as_ref());
            owner.is_some_and(|uid| !self.credentials.values().any(|r| r.uid == *uid))
        };
        self.secrets
            .iter()
            .filter(|(_, o)| dead(o))
            .map(|(k, _)| k.clone())
            .collect()
    }
}

/// A login Secret.
pub fn login(user: &str, password: &str) -> Object {
    Object {
        kind: LOGIN_TYPE.to_owned(),
        data: [("username", user), ("password", password)]
            .map(|(k, v)| (k.to_owned(), v.as_bytes().to_vec()))
            .into(),
        ..Object::default()
    }
}

/// Somebody else's Secret.
pub fn foreign(kind: &str) -> Object {
    Object {
        kind: kind.to_owned(),
        data: [("theirs".to_owned(), b"theirs".to_vec())].into(),
        ..Object::default()
    }
}

/// Whether it is the Secret of a refresh token.
pub fn is_session(object: &Object) -> bool {
    object.kind == REFRESH_TOKEN_TYPE
}

fn controller(owner: &Owner) -> Controller {
    Controller {
        ours: true,
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    }
}

fn bytes(data: &SecretData) -> BTreeMap<String, Vec<u8>> {
    data.iter().map(|(k, v)| (k.to_owned(), v.to_vec())).collect()
}

fn patch(map: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}
