//! The sealing keys: loaded or created at start, looked at again every few seconds, written back when they vanish.
//!
//! Only keys that were read back are used, and none is created while a sealed Secret exists that another key opens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use tokio_util::sync::CancellationToken;

use super::config::Sealing;
use crate::cluster::{KubeCluster, SecretStore, Selects};
use crate::plan::Time;
use crate::reconcile::ports::{Cluster, ClusterError, Key, SecretChange};
use crate::secrets::{KeyError, KeyId, KeySet, Keyring};

/// How often the keys are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Type of the key Secret.
const KIND: &str = "Opaque";

/// Why there are no keys yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    /// Sealed Secrets exist, but the key Secret does not: a new key would make them useless.
    #[error(
        "the key Secret {0} does not exist, but sealed refresh tokens do: restore it from a backup, or delete the Secrets of type entra-operator.dev/refresh-token to start afresh"
    )]
    Lost(String),
    /// The keys cannot be used.
    #[error("the sealing keys in {0} cannot be used")]
    Keys(String, #[source] KeyError),
    /// The API server did not do it.
    #[error("the key Secret {0} cannot be read or created")]
    Cluster(String, #[source] ClusterError),
}

/// Where the keys are kept.
#[derive(Debug)]
pub(super) struct Keys {
    cluster: Arc<KubeCluster>,
    store: Arc<SecretStore>,
    sealing: Sealing,
    namespace: String,
}

impl Keys {
    /// Keys of an operator that runs in `namespace`.
    pub(super) const fn new(
        cluster: Arc<KubeCluster>,
        store: Arc<SecretStore>,
        sealing: Sealing,
        namespace: String,
    ) -> Self {
        Self {
            cluster,
            store,
            sealing,
            namespace,
        }
    }

    /// Loads the keys, or creates them if nothing is sealed yet. The watches must have been listed before.
    pub(super) async fn load(&self, now: Time) -> Result<KeySet, KeysError> {
        match &self.sealing {
            Sealing::KeyFile(path) => read_file(path).await,
            Sealing::KeySecret(name) => self.load_secret(name, now).await,
        }
    }

    async fn load_secret(&self, name: &str, now: Time) -> Result<KeySet, KeysError> {
        if let Some(keys) = self.read_secret(name).await? {
            return Ok(keys);
        }
        if !self.store.all(Selects::RefreshTokens).is_empty() {
            return Err(KeysError::Lost(name.to_owned()));
        }
        let fresh =
            KeySet::generate(&SystemRandom::new(), now).map_err(|e| KeysError::Keys(name.to_owned(), e))?;
        self.create(name, &fresh).await?;
        let read = self.read_secret(name).await?;
        read.ok_or_else(|| KeysError::Cluster(name.to_owned(), ClusterError::NotFound))
    }

    async fn read_secret(&self, name: &str) -> Result<Option<KeySet>, KeysError> {
        let object = self
            .cluster
            .read(&self.key(name))
            .await
            .map_err(|e| KeysError::Cluster(name.to_owned(), e))?;
        let keys = object.map(|o| KeySet::from_data(&o.data)).transpose();
        keys.map_err(|e| KeysError::Keys(name.to_owned(), e))
    }

    /// Somebody else may have created it first: then theirs is read back.
    async fn create(&self, name: &str, keys: &KeySet) -> Result<(), KeysError> {
        match self
            .cluster
            .create_unowned(&self.key(name), KIND, &keys.to_data())
            .await
        {
            Ok(_) | Err(ClusterError::Conflict) => Ok(()),
            Err(error) => Err(KeysError::Cluster(name.to_owned(), error)),
        }
    }

    fn key(&self, name: &str) -> Key {
        Key::new(&self.namespace, name)
    }

    /// Keeps `ring` and the stored keys alike, until `stop`. `changed` hears of new keys.
    pub(super) async fn keep(self, ring: Keyring, changed: impl Fn(), stop: CancellationToken) {
        while !stopped_within(&stop, LOOK).await {
            let before = ring.keys();
            match self.look(&ring).await {
                Ok(()) if before.ids().ne(ring.keys().ids()) => changed(),
                Ok(()) => {}
                Err(error) => tracing::warn!(error = %chain(&error), "sealing keys could not be looked at"),
            }
        }
    }

    async fn look(&self, ring: &Keyring) -> Result<(), KeysError> {
        match &self.sealing {
            Sealing::KeyFile(path) => {
                ring.replace(read_file(path).await?);
                Ok(())
            }
            Sealing::KeySecret(name) => self.look_at_secret(name, ring).await,
        }
    }

    async fn look_at_secret(&self, name: &str, ring: &Keyring) -> Result<(), KeysError> {
        let held = ring.keys();
        let object = self
            .cluster
            .read(&self.key(name))
            .await
            .map_err(|e| KeysError::Cluster(name.to_owned(), e))?;
        let Some(object) = object else {
            tracing::warn!(secret = name, "the key Secret was deleted; it is written back");
            return self.create(name, &held).await;
        };
        let stored = KeySet::from_data(&object.data).map_err(|e| KeysError::Keys(name.to_owned(), e))?;
        if stored.lacks_of(&held) && self.in_use(&held, &stored) {
            let change = SecretChange {
                keys: held.duplicate().merge(stored).to_data(),
                ..SecretChange::default()
            };
            let written = self.cluster.change(&self.key(name), &object.meta, change).await;
            return written
                .map(drop)
                .map_err(|e| KeysError::Cluster(name.to_owned(), e));
        }
        ring.replace(stored);
        Ok(())
    }

    /// Whether a stored Secret is sealed under a key that `held` has and `stored` lacks: an administrator may remove
    /// a key that nothing uses.
    fn in_use(&self, held: &KeySet, stored: &KeySet) -> bool {
        let missing: Vec<_> = held
            .ids()
            .filter(|id| stored.ids().all(|s| s != *id))
            .map(KeyId::as_str)
            .collect();
        let sealed_by = |meta: &crate::reconcile::ports::SecretMeta| {
            meta.annotations.get(crate::api::annotation::KEY_ID).cloned()
        };
        let sealed = self.store.all(Selects::RefreshTokens);
        sealed
            .iter()
            .filter_map(|(_, meta)| sealed_by(meta))
            .any(|id| missing.contains(&id.as_str()))
    }
}

async fn read_file(path: &Path) -> Result<KeySet, KeysError> {
    let (shown, path) = (path.display().to_string(), path.to_owned());
    let read = tokio::task::spawn_blocking(move || KeySet::read_file(&path)).await;
    read.unwrap_or(Err(KeyError::File))
        .map_err(|e| KeysError::Keys(shown, e))
}

async fn stopped_within(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::time::timeout(pause, stop.cancelled()).await.is_ok()
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| e.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
