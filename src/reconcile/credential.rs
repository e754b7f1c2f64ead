//! The custom resource as a pass takes it in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::ports::{Key, Kind, Owner};
use super::stamp;
use crate::api::{ClientCredential, EntraCredentialSpec, EntraCredentialStatus, Realm, TokenSpec};
use crate::plan::metadata::{EntryName, Uid};
use crate::plan::policy::Place;
use crate::plan::word::{Said, Word};

/// One `EntraCredential`, lean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Namespace and name. It is not packed: what is packed is found by it.
    #[serde(skip, default = "nowhere")]
    pub key: Key,
    /// `metadata.generation`.
    pub generation: i64,
    /// A deletion was asked for.
    pub deleting: bool,
    /// `spec`.
    pub spec: EntraCredentialSpec,
    /// `status`.
    pub status: Option<EntraCredentialStatus>,
    /// Value of `entra-operator.dev/refresh-requested-at`.
    pub request: Option<String>,
    /// `metadata.uid`. At the end, where nothing can be [packed](super::packed), stands what cannot be anyway.
    pub uid: Uid,
}

fn nowhere() -> Key {
    static NOWHERE: LazyLock<Key> = LazyLock::new(|| Key::new("", ""));
    NOWHERE.clone()
}

impl Credential {
    /// As the controller of what it owns.
    pub fn owner(&self) -> Owner {
        Owner {
            name: self.key.name.to_string(),
            uid: self.uid.clone(),
        }
    }

    /// Key of another object in its namespace.
    pub fn sibling(&self, name: &str) -> Key {
        self.key.sibling(name)
    }

    /// What the administrator's policy goes by, besides the facts.
    pub fn place(&self) -> Place<'_> {
        Place {
            namespace: &self.key.namespace,
            authority: self.spec.authority.as_deref(),
        }
    }

    /// Key of its login Secret.
    pub fn login_key(&self) -> Key {
        self.sibling(&self.spec.login.secret_name)
    }

    /// Key of its refresh-token Secret.
    pub fn session_key(&self) -> Key {
        self.sibling(&crate::api::refresh_token_secret(&self.key.name))
    }

    /// Kind and name of the Secret that holds its client credential, if a Secret does.
    pub fn client_secret(&self) -> Option<(Kind, &str)> {
        match self.spec.client_credential.as_ref()? {
            ClientCredential::Secret(s) => Some((Kind::ClientSecret, &s.secret_name)),
            ClientCredential::Certificate(c) => Some((Kind::Certificate, &c.secret_name)),
            ClientCredential::WorkloadIdentity(_) => None,
        }
    }

    /// Keys of the Secrets that its spec names, and of its refresh token's.
    pub fn secrets(&self) -> BTreeSet<Key> {
        let client = self.client_secret().map(|(_, name)| name);
        let tokens = self.spec.tokens.iter().map(|t| t.secret_name.as_str());
        let named = tokens.chain(client).map(|name| self.sibling(name));
        named.chain([self.login_key(), self.session_key()]).collect()
    }

    /// Whether it is `before` with another status at most.
    pub fn differs_in_status_only(&self, before: &Self) -> bool {
        before.uid == self.uid
            && before.generation == self.generation
            && before.deleting == self.deleting
            && before.request == self.request
            && before.spec == self.spec
    }

    /// What a person wrote into the annotation that asks for a renewal.
    pub fn said(&self) -> Option<Said> {
        let text = self.request.as_deref()?;
        Some(stamp::from_text(text).map_or(Said::Unreadable, |at| Said::At(Word(at))))
    }

    /// Stable number from the uid (FNV-1a): jitter and spread come from it.
    pub fn spread(&self) -> u32 {
        self.uid.0.bytes().fold(0x811C_9DC5, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        })
    }

    /// Where its account signs in.
    pub fn realm(&self) -> Realm {
        self.spec.login.realm.unwrap_or_default()
    }

    /// Labels that the spec asks for on the Secret of an entry: the entry's own win.
    pub fn labels_of(&self, entry: &TokenSpec) -> BTreeMap<String, String> {
        let all = self.spec.secret_labels.clone().into_iter();
        all.chain(entry.labels.clone()).collect()
    }

    /// Entry of the spec that writes this Secret.
    pub fn entry(&self, name: &EntryName) -> Option<&TokenSpec> {
        self.spec.tokens.iter().find(|t| t.secret_name == name.0)
    }
}
