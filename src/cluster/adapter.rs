//! The port [`Cluster`] over a kube client.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Client, Resource};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Answer, Calls};
use super::events::{Events, Reporter};
use super::failure::{if_exists, unavailable};
use super::observe::Observer;
use super::scope::Scope;
use super::secrets::Secrets;
use super::service_accounts;
use super::status;
use super::store::SecretStore;
use super::watch::Selects;
use crate::api::{EntraCredential, EntraCredentialStatus};
use crate::plan::Time;
use crate::plan::metadata::{Uid, Version};
use crate::reconcile::material::SecretData;
use crate::reconcile::ports::{
    Cluster, ClusterError, Event, IssuedToken, Key, NewSecret, Owner, SecretChange, SecretMeta, SecretObject,
    ServiceAccount,
};

/// The API server, as a pass sees it. What it writes is known to the store at once.
#[derive(Debug)]
pub struct KubeCluster {
    calls: Calls,
    secrets: Secrets,
    events: Events,
    store: Arc<SecretStore>,
}

/// A list, without what it contains.
#[derive(Deserialize)]
struct Listed {
    metadata: ListedMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedMetadata {
    resource_version: String,
}

impl KubeCluster {
    /// An adapter over `client` (see [`super::connect`]) that keeps `store` up to date with its own writes. `observer` hears of them.
    pub fn new(
        client: Client,
        store: Arc<SecretStore>,
        reporter: Reporter,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let calls = Calls::new(client, observer);
        Self {
            secrets: Secrets::new(calls.clone()),
            events: Events::new(calls.clone(), reporter),
            calls,
            store,
        }
    }

    /// Creates a Secret of the operator's own, such as the key Secret: no owner, no labels, not in the store.
    pub async fn create_unowned(
        &self,
        key: &Key,
        kind: &str,
        data: &SecretData,
    ) -> Result<SecretMeta, ClusterError> {
        self.secrets.create_unowned(key, kind, data).await
    }

    /// Asks for the version of the whole, for the store to compare: that of a list of one credential in `scope`, whatever it
    /// contains.
    pub async fn look_at_present(&self, scope: &Scope) -> Result<(), ClusterError> {
        let collection = EntraCredential::url_path(&(), scope.as_deref());
        let one = ListParams::default().limit(1);
        let answer = self.calls.list(&collection, &one).await?;
        let list: Listed =
            serde_json::from_slice(&answer).map_err(|_| unavailable("its answer is no list"))?;
        self.store.present(&Version(list.metadata.resource_version));
        Ok(())
    }

    pub(super) const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// An object as JSON; `None` if it does not exist.
    async fn object(&self, collection: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        found(self.calls.get(collection, name).await)
    }

    async fn metadata(&self, collection: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        found(self.calls.get_metadata(collection, name).await)
    }
}

impl Cluster for KubeCluster {
    fn mistold(&self) {
        self.store.mistold();
    }

    async fn date(&self) -> Option<Time> {
        self.calls.date().await
    }

    async fn read(&self, key: &Key) -> Result<Option<SecretObject>, ClusterError> {
        let known = self.store.known(key);
        let live = self.secrets.read(key).await?;
        self.store
            .answered(key, &known, live.as_ref().map(|object| &object.meta));
        Ok(live)
    }

    async fn peek(&self, key: &Key) -> Result<Option<SecretMeta>, ClusterError> {
        let known = self.store.known(key);
        let live = self.secrets.peek(key).await?;
        self.store.answered(key, &known, live.as_ref());
        Ok(live)
    }

    async fn create(&self, secret: NewSecret) -> Result<SecretMeta, ClusterError> {
        let meta = self.secrets.create(&secret).await?;
        let selects = Selects::of_type(secret.kind).or_else(|| by_label(&meta));
        self.store.wrote(&secret.key, &meta, selects);
        Ok(meta)
    }

    async fn change(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: SecretChange,
    ) -> Result<SecretMeta, ClusterError> {
        let meta = self.secrets.change(key, seen, &change).await?;
        self.store.wrote(key, &meta, by_label(&meta));
        Ok(meta)
    }

    async fn delete(&self, key: &Key, seen: &SecretMeta) -> Result<(), ClusterError> {
        self.secrets.delete(key, seen).await?;
        self.store.deleted(key, seen);
        Ok(())
    }

    async fn claims(&self, namespace: &str, claimant: &Owner, login: &str) -> Result<bool, ClusterError> {
        let collection = EntraCredential::url_path(&(), Some(namespace));
        let object = self.object(&collection, &claimant.name).await?;
        Ok(object.is_some_and(|o| names_login(&o, &claimant.uid, login)))
    }

    async fn lives(&self, key: &Key, uid: &Uid) -> Result<Option<i64>, ClusterError> {
        let collection = EntraCredential::url_path(&(), Some(&key.namespace));
        let object = self.metadata(&collection, &key.name).await?;
        let living = object.filter(|o| has_uid(o, uid) && !is_deleting(o));
        Ok(living.map(|o| generation(&o)))
    }

    async fn namespace_active(&self, namespace: &str) -> Result<bool, ClusterError> {
        let object = self.metadata(&Namespace::url_path(&(), None), namespace).await?;
        Ok(object.is_some_and(|o| !is_deleting(&o)))
    }

    async fn service_account(&self, key: &Key) -> Result<Option<ServiceAccount>, ClusterError> {
        let metadata = self
            .metadata(&service_accounts::collection(key), &key.name)
            .await?;
        Ok(metadata.map(|m| service_accounts::account(&m)))
    }

    async fn service_account_token(
        &self,
        key: &Key,
        audience: &str,
        seconds: i64,
    ) -> Result<IssuedToken, ClusterError> {
        service_accounts::issue(&self.calls, key, audience, seconds).await
    }

    async fn write_status(
        &self,
        key: &Key,
        uid: &Uid,
        status: &EntraCredentialStatus,
    ) -> Result<(), ClusterError> {
        status::write(&self.calls, key, uid, status).await
    }

    async fn event(&self, key: &Key, owner: &Owner, event: Event) {
        self.events.publish(key, owner, event).await;
    }
}

fn by_label(meta: &SecretMeta) -> Option<Selects> {
    meta.managed.then_some(Selects::Tokens)
}

/// Decoded leniently: whether a claim is void must not depend on the rest of the object.
fn names_login(object: &Value, uid: &Uid, login: &str) -> bool {
    has_uid(object, uid) && text(object, "/spec/login/secretName") == Some(login)
}

fn has_uid(object: &Value, uid: &Uid) -> bool {
    text(object, "/metadata/uid") == Some(&uid.0)
}

fn generation(object: &Value) -> i64 {
    let generation = object.pointer("/metadata/generation");
    generation.and_then(Value::as_i64).unwrap_or_default()
}

fn is_deleting(object: &Value) -> bool {
    object
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|t| !t.is_null())
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

fn found(answer: Result<Answer, ClusterError>) -> Result<Option<Value>, ClusterError> {
    let answer = if_exists(answer)?;
    let read = answer.map(|answer| serde_json::from_slice(&answer)).transpose();
    read.map_err(|_| unavailable("its answer could not be understood"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_holds_for_this_uid_and_this_login_only() {
        let uid = |text: &str| Uid(text.to_owned());
        let object = json!({"metadata": {"uid": "u"}, "spec": {"login": {"secretName": "l"}}});
        assert!(names_login(&object, &uid("u"), "l"));
        assert!(!names_login(&object, &uid("other"), "l"));
        assert!(!names_login(&object, &uid("u"), "other"));
        assert!(!names_login(&json!({}), &uid("u"), "l"));
    }

    #[test]
    fn what_does_not_exist_is_no_error() {
        let answer = |text: &str| Ok(Answer::new(text.as_bytes().to_vec()));
        assert_eq!(found(Err(ClusterError::NotFound)), Ok(None));
        assert_eq!(found(answer("{}")), Ok(Some(json!({}))));
        assert!(matches!(
            found(answer("<html>")),
            Err(ClusterError::Unavailable { .. })
        ));
    }
}
