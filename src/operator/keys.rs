//! The sealing keys: loaded or created at start, looked at again every few seconds, written back when they vanish.
//!
//! Only keys that were read back are used, and none is created while a sealed Secret exists that another key opens.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::config::Sealing;
use crate::api::annotation;
use crate::cluster::{KubeCluster, SecretStore, Selects};
use crate::plan::Time;
use crate::plan::metadata::Uid;
use crate::reconcile::ports::{
    Cluster, ClusterError, Key, KeyStore, SecretChange, SecretMeta, SecretObject, Vault as _,
};
use crate::secrets::{KeyError, KeyId, KeySet, Keyring, Monotonic};

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
pub(super) struct Place {
    cluster: Arc<KubeCluster>,
    store: Arc<SecretStore>,
    sealing: Sealing,
    namespace: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sealing {
            Sealing::KeyFile(path) => write!(f, "the file {}", path.display()),
            Sealing::KeySecret(name) => {
                write!(f, "the key Secret {name} in the namespace {}", self.namespace)
            }
        }
    }
}

/// Keys that were read.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The keys.
    pub keys: KeySet,
    /// `metadata.uid` of the key Secret, if they are in one.
    uid: Option<Uid>,
}

impl Place {
    /// Where an operator in `namespace` keeps its keys.
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
    pub(super) async fn load(&self, now: Time) -> Result<Loaded, KeysError> {
        match &self.sealing {
            Sealing::KeyFile(path) => in_file(path).await,
            Sealing::KeySecret(name) => match self.in_secret(name).await? {
                Some(loaded) => Ok(loaded),
                None => self.make(name, now).await,
            },
        }
    }

    /// The keys that there are; `None`: there is no key Secret.
    pub(super) async fn stored(&self) -> Result<Option<Loaded>, KeysError> {
        match &self.sealing {
            Sealing::KeyFile(path) => in_file(path).await.map(Some),
            Sealing::KeySecret(name) => self.in_secret(name).await,
        }
    }

    async fn in_secret(&self, name: &str) -> Result<Option<Loaded>, KeysError> {
        let object = self.read(name).await?;
        object.map(|object| loaded(name, object)).transpose()
    }

    async fn make(&self, name: &str, now: Time) -> Result<Loaded, KeysError> {
        if self.store.any(Selects::RefreshTokens, |_, _| true) {
            return Err(KeysError::Lost(name.to_owned()));
        }
        let fresh =
            KeySet::generate(&SystemRandom::new(), now).map_err(|e| KeysError::Keys(name.to_owned(), e))?;
        self.create(name, &fresh).await?;
        let read = self.read(name).await?;
        let object = read.ok_or_else(|| KeysError::Cluster(name.to_owned(), ClusterError::NotFound))?;
        loaded(name, object)
    }

    async fn read(&self, name: &str) -> Result<Option<SecretObject>, KeysError> {
        let object = self.cluster.read(&self.key(name)).await;
        object.map_err(|e| KeysError::Cluster(name.to_owned(), e))
    }

    /// The new Secret's uid. Somebody else may have created it first: then theirs is read back.
    async fn create(&self, name: &str, keys: &KeySet) -> Result<Option<Uid>, KeysError> {
        let data = keys.to_data();
        match self.cluster.create_unowned(&self.key(name), KIND, &data).await {
            Ok(meta) => Ok(Some(meta.uid)),
            Err(ClusterError::Conflict) => Ok(None),
            Err(error) => Err(KeysError::Cluster(name.to_owned(), error)),
        }
    }

    async fn complete(&self, name: &str, seen: &SecretMeta, keys: &KeySet) -> Result<(), KeysError> {
        let change = SecretChange {
            keys: keys.to_data(),
            ..SecretChange::default()
        };
        let written = self.cluster.change(&self.key(name), seen, change).await;
        written
            .map(drop)
            .map_err(|e| KeysError::Cluster(name.to_owned(), e))
    }

    fn key(&self, name: &str) -> Key {
        Key::new(&*self.namespace, name)
    }

    /// Whether a stored Secret is sealed under a key that `held` has and `stored` lacks: an administrator may remove
    /// a key that nothing uses.
    fn is_in_use(&self, held: &KeySet, stored: &KeySet) -> bool {
        let missing: Vec<_> = held
            .ids()
            .filter(|id| stored.ids().all(|s| s != *id))
            .map(KeyId::as_str)
            .collect();
        self.store.any(Selects::RefreshTokens, |_, meta| {
            let sealed_by = meta.annotations.get(annotation::KEY_ID);
            sealed_by.is_some_and(|id| missing.contains(&id.as_str()))
        })
    }
}

/// The keys in use and those that are stored, kept alike.
#[derive(Debug)]
pub(super) struct Keys {
    place: Place,
    ring: Keyring,
    /// `metadata.uid` of the key Secret that the keys in use are those of. One look at a time.
    seen: Mutex<Option<Uid>>,
}

impl KeyStore for Keys {
    /// Keys that are there and cannot be used are as good as none.
    async fn look(&self) -> Result<(), ClusterError> {
        match self.compare().await {
            Err(KeysError::Cluster(_, error)) => Err(error),
            Err(error @ (KeysError::Keys(..) | KeysError::Lost(_))) => {
                tell(&error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
}

impl Keys {
    /// Keys that were loaded from `place`.
    pub(super) fn new(place: Place, loaded: Loaded, now: Time, monotonic: Monotonic) -> Self {
        Self {
            place,
            ring: Keyring::new(loaded.keys, now, monotonic),
            seen: Mutex::new(loaded.uid),
        }
    }

    /// The keys in use.
    pub(super) const fn ring(&self) -> &Keyring {
        &self.ring
    }

    /// Looks every few seconds until `stop`. `changed` hears of other keys, and of another one that seals.
    pub(super) async fn keep(&self, changed: impl Fn(), stop: CancellationToken) {
        let mut told = self.ring.keys_in_use();
        while !stopped_within(&stop, LOOK).await {
            if let Err(error) = self.compare().await {
                tell(&error);
            }
            let now = self.ring.keys_in_use();
            if now != told {
                told = now;
                changed();
            }
        }
    }

    async fn compare(&self) -> Result<(), KeysError> {
        match &self.place.sealing {
            Sealing::KeyFile(path) => {
                self.ring.replace(read_file(path).await?);
                Ok(())
            }
            Sealing::KeySecret(name) => self.compare_secret(name).await,
        }
    }

    /// An administrator's change of the Secret is taken in. One that was created anew, or lost a key that is in use, gets
    /// ours back: its own keys open too, but hashes go on with the MAC key in use.
    async fn compare_secret(&self, name: &str) -> Result<(), KeysError> {
        let mut seen = self.seen.lock().await;
        let held = self.ring.keys();
        let Some(object) = self.place.read(name).await? else {
            tracing::warn!(secret = name, "the key Secret was deleted; it is written back");
            if let Some(uid) = self.place.create(name, &held).await? {
                *seen = Some(uid);
            }
            return Ok(());
        };
        let meta = object.meta.clone();
        let stored = loaded(name, object)?.keys;
        let another = seen.as_ref() != Some(&meta.uid);
        if another || (stored.lacks_of(&held) && self.place.is_in_use(&held, &stored)) {
            let both = held.duplicate().merge(stored.duplicate());
            if both != stored {
                tracing::warn!(
                    secret = name,
                    "the key Secret lacks keys in use; they are put back"
                );
                self.place.complete(name, &meta, &both).await?;
            }
            self.ring.replace(both);
        } else {
            self.ring.replace(stored);
        }
        *seen = Some(meta.uid);
        Ok(())
    }
}

fn loaded(name: &str, object: SecretObject) -> Result<Loaded, KeysError> {
    let keys = KeySet::from_data(&object.data).map_err(|e| KeysError::Keys(name.to_owned(), e))?;
    Ok(Loaded {
        keys,
        uid: Some(object.meta.uid),
    })
}

async fn in_file(path: &Path) -> Result<Loaded, KeysError> {
    Ok(Loaded {
        keys: read_file(path).await?,
        uid: None,
    })
}

fn tell(error: &KeysError) {
    tracing::warn!(error = %chain(error), "sealing keys could not be looked at");
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
