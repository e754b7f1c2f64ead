//! The Lease by which replicas agree who works: read, created, and replaced whole if it is still what was seen.
//!
//! # Guarantees
//!
//! - Its times are text: nothing here compares the clocks of two machines, and no time is too strange to be read.
//! - An answer that shows that versions went back says so to the watches: no object is written as often as a Lease that is
//!   held, so it is the first to show that etcd was set back.
//! - Every call ends within the deadline of all calls, and fails alone: what is held back for others is not held back here.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Client, Resource};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Calls;
use super::failure::{if_exists, unavailable};
use super::patch::Op;
use super::store::{Latest, SecretStore};
use crate::plan::metadata::Version;
use crate::reconcile::ports::{ClusterError, Key};

/// `spec` of a Lease (coordination.k8s.io/v1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LeaseRecord {
    /// Who leads; absent or empty: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder_identity: Option<String>,
    /// How long a holder that went silent is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_duration_seconds: Option<i64>,
    /// Since when it leads, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acquire_time: Option<String>,
    /// When it last said so, by its own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_time: Option<String>,
    /// How often the holder changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_transitions: Option<i64>,
}

/// A time as a Lease has it: RFC 3339 with microseconds.
pub fn lease_time(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// One Lease of an API server. One call goes out after the other: its versions are compared as they come.
#[derive(Debug)]
pub struct LeaseClient {
    calls: Calls,
    key: Key,
    latest: Latest,
    store: Arc<SecretStore>,
}

/// What is read of the object.
#[derive(Deserialize)]
struct Object {
    metadata: Metadata,
    #[serde(default)]
    spec: Option<LeaseRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

impl LeaseClient {
    /// The Lease of this name. What is watched for the store is listed anew if its versions go back.
    pub fn new(client: Client, key: Key, store: Arc<SecretStore>) -> Self {
        let unobserved = Arc::new(|_, _, _: Result<(), &ClusterError>| ());
        Self {
            calls: Calls::new(client, unobserved),
            key,
            latest: Latest::default(),
            store,
        }
    }

    /// Namespace and name.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Reads it; `None` if it does not exist.
    pub async fn read(&mut self) -> Result<Option<(Version, LeaseRecord)>, ClusterError> {
        let Some(answer) = if_exists(self.calls.get(&self.collection(), &self.key.name).await)? else {
            return Ok(None);
        };
        let object = decode(&answer)?;
        Ok(Some((self.saw(object.metadata), object.spec.unwrap_or_default())))
    }

    /// Creates it. [`ClusterError::Conflict`] if it exists.
    pub async fn create(&mut self, record: &LeaseRecord) -> Result<Version, ClusterError> {
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.key.name}, "spec": record,
        });
        let answer = self.calls.create(&self.collection(), &object).await?;
        Ok(self.saw(decode(&answer)?.metadata))
    }

    /// Replaces the record, if nobody changed the object since it was `seen`.
    pub async fn replace(&mut self, seen: &Version, record: &LeaseRecord) -> Result<Version, ClusterError> {
        let ops = [
            Op::Replace {
                path: "/metadata/resourceVersion".to_owned(),
                value: seen.0.as_str().into(),
            },
            Op::Add {
                path: "/spec".to_owned(),
                value: json!(record),
            },
        ];
        let answer = self
            .calls
            .json_patch(&self.collection(), &self.key.name, &ops)
            .await?;
        Ok(self.saw(decode(&answer)?.metadata))
    }

    fn saw(&mut self, metadata: Metadata) -> Version {
        let version = Version(metadata.resource_version);
        if self.latest.see(&version) {
            self.store.mistold();
        }
        version
    }

    fn collection(&self) -> String {
        Lease::url_path(&(), Some(&self.key.namespace))
    }
}

fn decode(answer: &[u8]) -> Result<Object, ClusterError> {
    serde_json::from_slice(answer).map_err(|_| unavailable("its answer is no Lease"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Asked, Scripted};

    #[test]
    fn any_lease_can_be_read_whatever_its_times_say() {
        let object = json!({"metadata": {"resourceVersion": "7"}, "spec": {
            "holderIdentity": "a", "renewTime": "9999-12-31T23:59:59.999999Z", "leaseDurationSeconds": i32::MAX,
            "strategy": "OldestEmulationVersion"}});
        let read = decode(object.to_string().as_bytes()).unwrap().spec.unwrap();
        assert_eq!(read.holder_identity.as_deref(), Some("a"));
        assert_eq!(read.lease_duration_seconds, Some(i64::from(i32::MAX)));
        let bare = json!({"metadata": {"resourceVersion": "7"}});
        assert_eq!(decode(bare.to_string().as_bytes()).unwrap().spec, None);
    }

    #[test]
    fn times_are_written_with_microseconds() {
        let at: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(lease_time(at), "2026-01-02T03:04:05.000000Z");
    }

    fn lease(version: &str) -> (u16, serde_json::Value) {
        let spec = json!({"holderIdentity": "a", "leaseDurationSeconds": 15});
        (
            200,
            json!({"metadata": {"resourceVersion": version}, "spec": spec}),
        )
    }

    fn held_by(name: &str) -> LeaseRecord {
        LeaseRecord {
            holder_identity: Some(name.to_owned()),
            lease_duration_seconds: Some(15),
            ..LeaseRecord::default()
        }
    }

    #[tokio::test]
    async fn it_is_read_created_and_replaced_as_it_was_seen() {
        let missing = (404, json!({"kind": "Status", "code": 404}));
        let server = Scripted::new(vec![missing, lease("1"), lease("2"), lease("3")]);
        let key = Key::new("entra", "leader");
        let store = Arc::new(SecretStore::new(&[]));
        let mut client = LeaseClient::new(server.client(), key.clone(), store);
        assert_eq!(client.key(), &key);
        assert_eq!(client.read().await, Ok(None));
        assert_eq!(client.create(&held_by("a")).await, Ok(Version("1".to_owned())));
        let read = client.read().await.unwrap().unwrap();
        assert_eq!(read, (Version("2".to_owned()), held_by("a")));
        let replaced = client.replace(&read.0, &held_by("b")).await;
        assert_eq!(replaced, Ok(Version("3".to_owned())));
        let collection = "/apis/coordination.k8s.io/v1/namespaces/entra/leases";
        let path = format!("{collection}/leader");
        let spec = |name: &str| json!({"holderIdentity": name, "leaseDurationSeconds": 15});
        let created = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "leader"}, "spec": spec("a")});
        let replacement = json!([
            {"op": "replace", "path": "/metadata/resourceVersion", "value": "2"},
            {"op": "add", "path": "/spec", "value": spec("b")},
        ]);
        assert_eq!(
            server.asked(),
            [
                Asked::new("GET", &path, json!(null)),
                Asked::new("POST", collection, created),
                Asked::new("GET", &path, json!(null)),
                Asked::new("PATCH", &path, replacement),
            ]
        );
    }

    /// Etcd was set back: it is what it was before this process renewed it last.
    #[tokio::test]
    async fn a_lease_that_went_back_asks_for_lists() {
        let moved_on = (409, json!({"kind": "Status", "code": 409, "reason": "Conflict"}));
        let server = Scripted::new(vec![lease("8"), lease("9"), moved_on, lease("5"), lease("6")]);
        let store = Arc::new(SecretStore::new(&[]));
        let mut rewound = store.rewound();
        let mut client = LeaseClient::new(server.client(), Key::new("entra", "leader"), store);
        let (eight, _) = client.read().await.unwrap().unwrap();
        let nine = client.replace(&eight, &held_by("a")).await.unwrap();
        assert!(client.replace(&nine, &held_by("a")).await.is_err());
        assert!(!rewound.has_changed().unwrap());
        let (five, _) = client.read().await.unwrap().unwrap();
        assert!(rewound.has_changed().unwrap());
        rewound.mark_unchanged();
        client.replace(&five, &held_by("a")).await.unwrap();
        assert!(!rewound.has_changed().unwrap());
    }
}
