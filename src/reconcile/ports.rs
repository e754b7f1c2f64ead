//! The ports: everything a pass can do to the world goes through these traits.
//!
//! # Guarantees asked of an implementation
//!
//! - Every call ends within its deadline; an error says whether the call may have had its effect.
//! - [`Cluster`] writes are compare-and-swap: they carry the uid and resourceVersion that the caller last saw.
//! - [`Provider`] calls never retry by themselves and never wait for a permit.
//! - No error text holds a secret.

mod provider;

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use provider::{AuthorityRefused, Called, Later, Outcome, Provider, Request, Tokens, Wanted};

use super::material::{ClientAuthentication, LoginContent, Secret, SecretData, StoredSession};
use crate::api::{EntraCredentialStatus, Realm, Reason, TokenKey, annotation};
use crate::plan::Time;
use crate::plan::answer::Granted;
use crate::plan::keys::{KeyName, Keys};
use crate::plan::mac::ClientMac;
use crate::plan::metadata::{Uid, Version};
use crate::plan::policy::Policy;
use crate::plan::record::{ContentMac, Record};
use crate::plan::snapshot::Binding;

/// Namespace and name of an object. Copies share them: many places keep one for as long as the object is there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(Arc<Names>);

/// What a [`Key`] holds.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Names {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

impl Key {
    /// Key of `name` in `namespace`.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Names {
            namespace: namespace.into(),
            name: name.into(),
        }))
    }

    /// Key of another object in the same namespace.
    #[must_use]
    pub fn sibling(&self, name: impl Into<Arc<str>>) -> Self {
        Self::new(Arc::clone(&self.namespace), name)
    }
}

impl Deref for Key {
    type Target = Names;

    fn deref(&self) -> &Names {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

/// Controller of an object, from its ownerReferences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// It is an `EntraCredential` of our group.
    pub ours: bool,
    /// Name of the controller.
    pub name: String,
    /// Uid of the controller.
    pub uid: Uid,
}

/// What the operator keeps of a Secret's metadata. Annotations other than ours are dropped on arrival.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMeta {
    /// A deletion was asked for.
    pub deleting: bool,
    /// It carries the label by which the operator watches its token Secrets.
    pub managed: bool,
    /// Whether the object has any annotation at all (a JSON patch must know).
    pub has_annotations: bool,
    /// Whether the object has any label at all.
    pub has_labels: bool,
    /// Whether the object has any owner at all.
    #[serde(default)]
    pub has_owners: bool,
    /// Controlling owner.
    pub controller: Option<Controller>,
    /// Annotations that are read.
    pub annotations: BTreeMap<annotation::Read, String>,
    /// `metadata.resourceVersion`.
    pub version: Version,
    /// `metadata.uid`. At the end, where nothing can be [packed](super::packed), stands what cannot be anyway.
    pub uid: Uid,
}

/// A Secret that was read whole.
#[derive(Debug)]
pub struct SecretObject {
    /// Metadata.
    pub meta: SecretMeta,
    /// `type`.
    pub kind: String,
    /// `immutable`.
    pub immutable: bool,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// All its annotations.
    pub annotations: BTreeMap<String, String>,
    /// `data`.
    pub data: SecretData,
}

/// A Secret to create: always controlled by the credential, always with our proof of ownership.
#[derive(Debug)]
pub struct NewSecret {
    /// Namespace and name.
    pub key: Key,
    /// `type`.
    pub kind: &'static str,
    /// Name and uid of the controlling `EntraCredential`.
    pub owner: Owner,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Data.
    pub data: SecretData,
}

/// The credential that owns what a pass writes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: Uid,
}

/// A change of an existing Secret; what is not named stays as it is.
#[derive(Debug, Default)]
pub struct SecretChange {
    /// Sets (`Some`) or removes (`None`) annotations.
    pub annotations: BTreeMap<String, Option<String>>,
    /// Sets (`Some`) or removes (`None`) labels.
    pub labels: BTreeMap<String, Option<String>>,
    /// Replaces the whole data.
    pub data: Option<SecretData>,
    /// Sets these keys and leaves the others; not together with `data`.
    pub keys: SecretData,
    /// Makes this credential the controller.
    pub adopt: Option<Owner>,
    /// Makes this credential an owner that does not control it, and no other credential one: it goes with this one.
    pub goes_with: Option<Owner>,
}

/// Why a call to the API server did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// The object is not what the caller last saw (409), or exists already.
    #[error("the object was changed by somebody else")]
    Conflict,
    /// The object does not exist.
    #[error("the object does not exist")]
    NotFound,
    /// The API server refused the call for good: forbidden, quota, admission, terminating namespace.
    /// The text is bounded and names no value.
    #[error("the API server refused the call: {0}")]
    Refused(String),
    /// The write changes an object that is `immutable`.
    #[error("the Secret is immutable")]
    Immutable,
    /// No answer within the deadline, or the connection failed; a write may have happened.
    #[error("the API server did not answer: {text}")]
    Unavailable {
        /// What is known of it.
        text: String,
        /// Seconds that it asked us to wait (`Retry-After`).
        retry_after: Option<i64>,
    },
    /// Not asked: too many calls of this credential brought nothing lately.
    #[error("other calls of this credential failed lately, and it waits its turn")]
    Rationed {
        /// Seconds until it may be asked.
        wait: i64,
    },
}

/// A ServiceAccount, as far as workload identity needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `metadata.uid`.
    pub uid: Uid,
    /// Value of the annotation `azure.workload.identity/client-id`: the application that may use its tokens.
    pub client_id: Option<String>,
}

/// A token that the API server issued for a ServiceAccount.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token, a JWT.
    pub token: Secret,
    /// When it expires, by the API server's clock.
    pub expires_at: Time,
}

/// The API server, as a pass sees it.
pub trait Cluster: Send + Sync {
    /// What the watches told is not so, and they do not correct it: all that is watched is listed anew.
    fn mistold(&self);
    /// The API server's time, if it answers soon.
    fn date(&self) -> impl Future<Output = Option<Time>> + Send;
    /// Reads a Secret whole. `Ok(None)` if it does not exist.
    fn read(&self, key: &Key) -> impl Future<Output = Result<Option<SecretObject>, ClusterError>> + Send;
    /// Reads a Secret's metadata only: for objects that may be somebody else's.
    fn peek(&self, key: &Key) -> impl Future<Output = Result<Option<SecretMeta>, ClusterError>> + Send;
    /// Creates a Secret. [`ClusterError::Conflict`] if it exists.
    fn create(&self, secret: NewSecret) -> impl Future<Output = Result<SecretMeta, ClusterError>> + Send;
    /// Changes a Secret, if it still has `seen`'s uid and resourceVersion.
    fn change(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: SecretChange,
    ) -> impl Future<Output = Result<SecretMeta, ClusterError>> + Send;
    /// Deletes a Secret, if it still has `seen`'s uid and resourceVersion.
    fn delete(&self, key: &Key, seen: &SecretMeta) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Whether an `EntraCredential` of that name and uid exists and names `login` as its login Secret.
    fn claims(
        &self,
        namespace: &str,
        claimant: &Owner,
        login: &str,
    ) -> impl Future<Output = Result<bool, ClusterError>> + Send;
    /// `metadata.generation` of the credential, if it still exists under that uid and is not being deleted, asked live.
    fn lives(&self, key: &Key, uid: &Uid) -> impl Future<Output = Result<Option<i64>, ClusterError>> + Send;
    /// Whether the namespace exists and is not being deleted.
    fn namespace_active(&self, namespace: &str) -> impl Future<Output = Result<bool, ClusterError>> + Send;
    /// Reads a ServiceAccount's metadata. `Ok(None)` if it does not exist.
    fn service_account(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<ServiceAccount>, ClusterError>> + Send;
    /// Asks for a token of a ServiceAccount for `audience` that lives `seconds` (TokenRequest API). The API server may
    /// shorten its life.
    fn service_account_token(
        &self,
        key: &Key,
        audience: &str,
        seconds: i64,
    ) -> impl Future<Output = Result<IssuedToken, ClusterError>> + Send;
    /// Writes the whole status of a credential that still has this uid.
    fn write_status(
        &self,
        key: &Key,
        uid: &Uid,
        status: &EntraCredentialStatus,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
    /// Publishes an Event about a credential. Best effort: failures are logged, never returned.
    fn event(&self, key: &Key, owner: &Owner, event: Event) -> impl Future<Output = ()> + Send;
}

/// An Event on a credential: a transition, never a routine success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Reason.
    pub reason: Reason,
    /// `Warning` or `Normal`.
    pub warning: bool,
    /// One or two sentences, at most 1024 bytes.
    pub note: String,
}

/// A sealed blob and the id of the key that sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Key id, for the annotation.
    pub key_id: String,
    /// Blob.
    pub bytes: Vec<u8>,
}

/// Why a blob could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The sealing key is not among those we hold.
    #[error("the sealing key {0} is not available")]
    UnknownKey(String),
    /// A newer release wrote it, or nobody of ours.
    #[error("it was sealed in a form that this release does not know")]
    UnknownForm,
    /// The blob is damaged, or belongs to another object or binding: its own key refuses it.
    #[error("the seal is broken or belongs to another object")]
    Broken,
}

/// What a keyed hash is for: no two uses ever agree. The texts are part of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Purpose {
    /// Proof of ownership.
    Owner,
    /// Tag of an account.
    Account,
    /// A request and account that a token answers.
    Request,
    /// Keys of a token Secret.
    Shape,
    /// Labels and annotations that the spec asks for.
    Metadata,
    /// An account, for the limits of sends.
    User,
    /// The scopes of all entries.
    Scopes,
    /// Where a login is sent.
    Target,
    /// A client credential.
    Client,
    /// A refresh token.
    RefreshToken,
}

/// Secret material: sealing, keyed hashes, reading logins, rendering tokens. Local and fast; nothing here does I/O.
pub trait Vault: Send + Sync {
    /// Seals a session, bound to the Secret's namespace and name and to the binding.
    fn seal_session(&self, place: &Key, binding: &Binding, session: &StoredSession) -> Sealed;
    /// Opens what [`Vault::seal_session`] sealed for the same place and binding.
    fn open_session(&self, place: &Key, binding: &Binding, blob: &[u8]) -> Result<StoredSession, OpenError>;
    /// Seals a record, bound to the Secret's namespace and name.
    fn seal_record(&self, place: &Key, record: &Record) -> Sealed;
    /// Opens what [`Vault::seal_record`] sealed for the same place.
    fn open_record(&self, place: &Key, blob: &[u8]) -> Result<Record, OpenError>;
    /// The key that sealed `blob`, whether it is held or not; `None` if the blob names none.
    fn key_of(&self, blob: &[u8]) -> Option<KeyName>;
    /// The keys that open and seal now.
    fn keys_in_use(&self) -> Keys;
    /// Reads a login Secret's data for the credential `name`: keys, lengths, UTF-8, key `credential`.
    /// The error says what is wrong, for the user, without any value.
    fn read_login(&self, name: &str, data: &SecretData) -> Result<LoginContent, String>;
    /// Keyed hash of a login content for a binding and realm.
    fn content_mac(&self, content: &LoginContent, binding: &Binding, realm: Realm) -> ContentMac;
    /// Keyed hash of texts, for annotations: 32 hexadecimal digits.
    fn mac(&self, purpose: Purpose, parts: &[&str]) -> String;
    /// Keyed hash of what a client proves itself with, to tell one content from the next.
    fn client_mac(&self, client: &ClientAuthentication) -> ClientMac;
    /// Keyed hash of a token Secret's data and of what its annotations and labels say (see
    /// [`said`](super::annotations::said)), for the annotation that tells edits.
    fn data_mac(&self, place: &Key, data: &SecretData, said: &BTreeMap<String, String>) -> String;
    /// Renders the keys of a token Secret.
    fn render(&self, keys: &[TokenKey], tokens: &Granted, access_token: &Secret) -> SecretData;
}

/// Where the sealing keys are kept.
pub trait KeyStore: Send + Sync {
    /// Looks there now. What is found is what the vault uses from then on.
    fn look(&self) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// The two clocks: wall time for people and expiry, monotonic time for short deadlines.
pub trait Clock: Send + Sync {
    /// Wall-clock time, whole seconds.
    fn now(&self) -> Time;
    /// Monotonic time since some start; does not jump.
    fn monotonic(&self) -> std::time::Duration;
    /// Random text that identifies an attempt.
    fn nonce(&self) -> String;
}

/// Which watch knows a Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Login Secrets, by type.
    Login,
    /// Refresh-token Secrets, by type.
    Session,
    /// Client secrets, by type.
    ClientSecret,
    /// Certificates, by type.
    Certificate,
    /// Token Secrets, by our label.
    Token,
}

/// What the watches saw last, with our own writes on top.
pub trait View: Send + Sync {
    /// Metadata of a Secret.
    fn secret(&self, kind: Kind, key: &Key) -> Option<SecretMeta>;
    /// Names and metadata of the token Secrets that this credential controls; names that are to `skip` are left out.
    fn controlled(
        &self,
        namespace: &str,
        owner: &Owner,
        skip: impl Fn(&str) -> bool,
    ) -> Vec<(String, SecretMeta)>;
    /// Takes over what a write or a read of ours returned.
    fn wrote(&self, kind: Kind, key: &Key, meta: SecretMeta);
    /// Takes over that the object with this uid no longer exists.
    fn gone(&self, kind: Kind, key: &Key, uid: &Uid);
}

/// The ports of one process.
pub trait Ports: Send + Sync + 'static {
    /// API server.
    type Cluster: Cluster;
    /// Identity provider.
    type Provider: Provider;
    /// Secret material.
    type Vault: Vault;
    /// Where its keys are kept.
    type Keys: KeyStore;
    /// What the watches saw.
    type View: View;
    /// Clocks.
    type Clock: Clock;
    /// API server.
    fn cluster(&self) -> &Self::Cluster;
    /// Identity provider.
    fn provider(&self) -> &Self::Provider;
    /// Secret material.
    fn vault(&self) -> &Self::Vault;
    /// Where its keys are kept.
    fn keys(&self) -> &Self::Keys;
    /// What the watches saw.
    fn view(&self) -> &Self::View;
    /// Clocks.
    fn clock(&self) -> &Self::Clock;
    /// What the administrator allows.
    fn policy(&self) -> &Policy;
}
