//! The keyring: the key set in use behind a shared handle, replaceable at run time, as the port [`Vault`].
//!
//! # Guarantees
//!
//! - A key seals only once this process has held it for 3 min, so that every replica can open what it seals. At start,
//!   a key whose id says that it is older counts as held. If no key has been held for long enough, the oldest seals.
//! - All keys open, also while others are being put in their place.
//! - A seal or token Secret that cannot be made ends the process: going on would store nothing in place of a refresh
//!   token or an access token. It takes a system without random numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

use super::key_id::KeyId;
use super::keys::KeySet;
use super::{login, mac, record, render, seal, session};
use crate::api::{Realm, TokenKey};
use crate::plan::Time;
use crate::plan::answer::Granted;
use crate::plan::keys::{KeyName, Keys};
use crate::plan::mac::ClientMac;
use crate::plan::record::{ContentMac, Record};
use crate::plan::snapshot::Binding;
use crate::reconcile::material::{ClientAuthentication, LoginContent, Secret, SecretData, StoredSession};
use crate::reconcile::ports::{Key, OpenError, Purpose, Sealed, Vault};

/// How long a key is held before it seals (docs/contract.md, Timing): longer than a kubelet needs to update a mounted
/// file, so that every replica can open what one of them seals.
const SETTLING: Duration = Duration::from_mins(3);

/// A monotonic clock, given by the wiring.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Shared handle on the keys in use. Clones see the same keys.
#[derive(Clone)]
pub struct Keyring {
    ring: Arc<RwLock<Arc<Ring>>>,
    monotonic: Monotonic,
}

struct Ring {
    keys: Arc<KeySet>,
    generation: u64,
    seals_from: BTreeMap<KeyId, Duration>,
}

impl Keyring {
    /// A keyring that starts with `keys`, read at `now`.
    pub fn new(keys: KeySet, now: Time, monotonic: Monotonic) -> Self {
        let seals_from = keys
            .ids()
            .map(|id| (id.clone(), monotonic().saturating_add(settling_left(id, now))))
            .collect();
        let ring = Ring {
            keys: Arc::new(keys),
            generation: 0,
            seals_from,
        };
        Self {
            ring: Arc::new(RwLock::new(Arc::new(ring))),
            monotonic,
        }
    }

    /// Puts `keys` in place of those in use. Ids that are new seal in 3 min. The same keys again are no change.
    pub fn replace(&self, keys: KeySet) {
        let settled = (self.monotonic)().saturating_add(SETTLING);
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        if *ring.keys == keys {
            return;
        }
        let from = |id: &KeyId| ring.seals_from.get(id).copied().unwrap_or(settled);
        let seals_from = keys.ids().map(|id| (id.clone(), from(id))).collect();
        *ring = Arc::new(Ring {
            keys: Arc::new(keys),
            generation: ring.generation.wrapping_add(1),
            seals_from,
        });
    }

    /// The keys in use: to write them back where they went missing.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.current().keys)
    }

    fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn seal(&self, context: &[u8], plain: serde_json::Result<Zeroizing<Vec<u8>>>) -> Sealed {
        let sealed = plain.map_err(|_| Unspecified);
        let sealed = sealed.and_then(|plain| self.current().seal((self.monotonic)(), context, plain));
        sealed.unwrap_or_else(|_| give_up("the system gives no random numbers to seal with"))
    }
}

impl Ring {
    fn sealer(&self, monotonic: Duration) -> Option<&KeyId> {
        let settled = self.seals_from.iter().rev().find(|(_, from)| **from <= monotonic);
        settled
            .or_else(|| self.seals_from.first_key_value())
            .map(|(id, _)| id)
    }

    fn seal(
        &self,
        monotonic: Duration,
        context: &[u8],
        plain: Zeroizing<Vec<u8>>,
    ) -> Result<Sealed, Unspecified> {
        let id = self.sealer(monotonic).ok_or(Unspecified)?;
        let key = self.keys.sealing(id).ok_or(Unspecified)?;
        seal::seal(id, key, context, plain)
    }
}

/// What is missing to 3 min of age, by the clock of the key's maker; all of it for a key from the future.
fn settling_left(id: &KeyId, now: Time) -> Duration {
    let age = u64::try_from(now.since(id.created_at())).unwrap_or(0);
    SETTLING.saturating_sub(Duration::from_secs(age))
}

fn give_up(why: &str) -> ! {
    tracing::error!(error = why, "stopping before anything is lost");
    std::process::abort()
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.keys()).finish()
    }
}

impl Vault for Keyring {
    fn seal_session(&self, place: &Key, binding: &Binding, session: &StoredSession) -> Sealed {
        self.seal(&seal::session_context(place, binding), session::write(session))
    }

    fn open_session(&self, place: &Key, binding: &Binding, blob: &[u8]) -> Result<StoredSession, OpenError> {
        session::read(&seal::open(
            &self.keys(),
            &seal::session_context(place, binding),
            blob,
        )?)
    }

    fn seal_record(&self, place: &Key, record: &Record) -> Sealed {
        self.seal(&seal::record_context(place), record::write(record))
    }

    fn open_record(&self, place: &Key, blob: &[u8]) -> Result<Record, OpenError> {
        record::read(&seal::open(&self.keys(), &seal::record_context(place), blob)?)
    }

    fn key_of(&self, blob: &[u8]) -> Option<KeyName> {
        seal::key_of(blob).map(|id| KeyName(id.to_string()))
    }

    fn keys_in_use(&self) -> Keys {
        let ring = self.current();
        let sealing = ring.sealer((self.monotonic)()).map(ToString::to_string);
        Keys {
            generation: ring.generation,
            sealing: KeyName(sealing.unwrap_or_default()),
        }
    }

    fn read_login(&self, name: &str, data: &SecretData) -> Result<LoginContent, String> {
        login::read(name, data)
    }

    fn content_mac(&self, content: &LoginContent, binding: &Binding, realm: Realm) -> ContentMac {
        mac::content(self.keys().mac(), content, binding, realm)
    }

    fn mac(&self, purpose: Purpose, parts: &[&str]) -> String {
        mac::text(self.keys().mac(), purpose.into(), parts)
    }

    fn client_mac(&self, client: &ClientAuthentication) -> ClientMac {
        let (keys, purpose) = (self.keys(), Purpose::Client.into());
        ClientMac(match client {
            ClientAuthentication::Secret(secret) => mac::text(keys.mac(), purpose, &[secret.expose()]),
            ClientAuthentication::Certificate(c) => {
                let certificate = String::from_utf8_lossy(&c.certificate);
                mac::text(keys.mac(), purpose, &[&certificate, c.key.expose()])
            }
            ClientAuthentication::Assertion(_) => mac::text(keys.mac(), purpose, &[]),
        })
    }

    fn data_mac(&self, place: &Key, data: &SecretData, said: &BTreeMap<String, String>) -> String {
        mac::data(self.keys().mac(), place, data, said)
    }

    fn render(&self, keys: &[TokenKey], tokens: &Granted, access_token: &Secret) -> SecretData {
        let data = render::render(keys, tokens, access_token);
        data.unwrap_or_else(|_| give_up("a token cannot be written as JSON"))
    }
}

#[cfg(test)]
mod tests;
