//! What is known of one credential and its objects at one moment. Plain values, no Kubernetes types, no secrets.

use super::Time;
use super::answer::{Account, Granted, Refusal};
use super::client::Client;
use super::hold::Holds;
use super::identity::{AccountTag, Pin};
use super::looks::Search;
use super::record::{ContentMac, Inputs, Record};
use super::word::{Said, Word};
use strum::{EnumString, IntoStaticStr};

use crate::reason::Reason;

/// Everything that [`super::next_step`] looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The custom resource.
    pub object: Object,
    /// Where its tokens come from.
    pub target: Target,
    /// How the application authenticates.
    pub client: Client,
    /// The one-shot login Secret.
    pub login: Login,
    /// The refresh-token Secret.
    pub session: Session,
    /// Token entries, in the order of the spec.
    pub tokens: Vec<Token>,
    /// Token Secrets of ours that the spec no longer names.
    pub leftovers: Vec<Leftover>,
    /// Answers that are not stored yet.
    pub pocket: Pocket,
    /// Failure of the refresh token, client or tenant, and its back-off: no call before it allows one.
    pub failure: Option<Failure>,
    /// Failure of the last login attempt, for showing. What decides about a login is its record.
    pub login_failure: Option<Failure>,
    /// When this process deleted a used login Secret last.
    pub deleted_login_at: Option<Time>,
    /// When a refresh token was redeemed last.
    pub last_redeemed_at: Option<Time>,
    /// Who signed in, as far as it is known without opening the seal.
    pub account: Option<Account>,
    /// Objects that the API server refused, or did not answer for.
    pub holds: Holds,
    /// No permit for a call before then.
    pub withheld: Option<Withheld>,
    /// The limits of sends allow the next login then.
    pub turn_at: Option<Time>,
    /// The last word of a person that led to a renewal.
    pub handled: Option<Word>,
    /// Objects that somebody else changed since they were looked at.
    pub moved: Vec<super::hold::Object>,
    /// Looks for a login Secret that no watch shows.
    pub search: Search,
}

/// The operator's own limits, or an authority that fails for everybody, hold all calls back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Withheld {
    /// Until then.
    pub until: Time,
    /// Why.
    pub reason: Reason,
    /// For whom: with another binding it is void.
    pub binding: Option<Binding>,
}

/// Facts of the custom resource.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Object {
    /// `metadata.generation`.
    pub generation: i64,
    /// Generation that the stored status answers; 0 if none.
    pub observed_generation: i64,
    /// The resource or its namespace is being deleted.
    pub deleting: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Stable number derived from the uid: jitter and spread come from it.
    pub spread: u32,
    /// `spec.refresh.atPercent`, 50 to 66.
    pub at_percent: i64,
    /// What a person wrote into the annotation that asks for a renewal.
    pub said: Option<Said>,
    /// What decides how an answer turns out; the leave is the login Secret's.
    pub inputs: Inputs,
    /// The node's clock differs from the identity provider's by more than a minute.
    pub clock_skewed: bool,
    /// Whether tokens were published before.
    pub was_ready: bool,
}

/// Host or issuer, tenant as written and client id: where a refresh token may go, and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binding {
    /// Host or issuer of the authority: the host with its port if that is not 443, and the path that belongs to it.
    pub authority: String,
    /// Tenant as the spec writes it; empty for an authority that has none.
    pub tenant: String,
    /// Client id as the spec writes it.
    pub client_id: String,
}

/// Where the spec says that tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A known authority.
    Known {
        /// Authority, tenant and client.
        binding: Binding,
        /// GUID of the tenant, if a `Resolve` step learned it in this process.
        resolved_tenant: Option<String>,
    },
    /// Not usable: unknown authority, or not allowed here.
    Refused {
        /// `NotAllowed` or `AppMisconfigured`.
        reason: Reason,
        /// What to do, for the user.
        message: String,
    },
}

impl Target {
    /// The administrator's policy took it away: what was published for it before answers the spec all the same.
    pub const fn is_withdrawn(&self) -> bool {
        matches!(self, Self::Refused { reason: Reason::NotAllowed, .. })
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::Known {
            binding: Binding::default(),
            resolved_tenant: None,
        }
    }
}

/// The login Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Login {
    /// No Secret of that name and type is known.
    #[default]
    Absent,
    /// A Secret of that name exists, but its type is another. Its content was not read.
    WrongType,
    /// It exists.
    Present(LoginSecret),
}

/// Facts of an existing login Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginSecret {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// It is being deleted.
    pub deleting: bool,
    /// The login itself allows the pinned account to change.
    pub allows_identity_change: bool,
    /// Who may use it.
    pub claim: Claim,
    /// What is in it.
    pub content: Content,
}

/// Which credential claimed a login Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// None yet, or a claim that a live read showed to be void.
    Free,
    /// This credential.
    Ours,
    /// Another credential; whether it still lives is not known yet.
    Unchecked,
    /// Another credential, which a live read showed to exist and to name this Secret.
    Held,
}

/// Content of a login Secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Not read in this version.
    Unread,
    /// Read and unusable: what is wrong with it, for the user.
    Invalid(String),
    /// Read and not allowed here by the administrator's policy.
    Forbidden(String),
    /// Read and well-formed.
    Valid {
        /// Its keyed hash.
        mac: ContentMac,
    },
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ownership {
    /// It does not exist, as far as we know.
    #[default]
    Absent,
    /// Controlled by this resource.
    Ours,
    /// No controller, but our proof of ownership: restored from a backup.
    Adoptable,
    /// Controlled by an earlier resource of the same name: the garbage collector will take it.
    Predecessor,
    /// Somebody else's. Never touched.
    Foreign,
}

/// The refresh-token Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Session {
    /// Whose it is.
    pub ownership: Ownership,
    /// `metadata.resourceVersion`; empty if absent.
    pub version: String,
    /// The Secret is `immutable`: nothing can be stored in it.
    pub immutable: bool,
    /// The stored refresh token, as its annotations describe it.
    pub token: Option<StoredToken>,
    /// The last login attempt, as the annotation describes it.
    pub last_login: Option<LastLogin>,
    /// What a read of the sealed blobs gave, in this version.
    pub opened: Opened,
    /// When this process first saw the attempt in flight, and whether it may still send for it.
    pub attempt: Option<AttemptSeen>,
}

/// The stored refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredToken {
    /// Time of the answer that brought it.
    pub issued_at: Time,
    /// When the provider declared it dead.
    pub dead_since: Option<Time>,
    /// Where it may go.
    pub binding: Binding,
    /// Tenant GUID from the answer.
    pub tenant_id: String,
    /// Keyed hash of the pinned account.
    pub account: AccountTag,
}

/// The last login attempt, readable without the seal. For showing and scheduling only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastLogin {
    /// The verdict, without the reason.
    pub verdict: Option<LastVerdict>,
    /// `uid` of the login Secret.
    pub login_uid: String,
    /// `resourceVersion` of the login Secret when the outcome was recorded.
    pub login_version: String,
    /// Sends of that content.
    pub sends: u32,
    /// When it was sent last.
    pub last_sent_at: Option<Time>,
    /// When it may be sent again; `None`: not before something changes.
    pub next_attempt_at: Option<Time>,
    /// [`super::record::Entry::inputs`] of that attempt.
    pub inputs: Option<Inputs>,
    /// [`super::record::Entry::word`] of that attempt.
    pub word: Option<Word>,
}

/// A [`super::record::Verdict`] without its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
pub enum LastVerdict {
    /// No complete answer yet.
    Open,
    /// Accepted.
    Accepted,
    /// Wrong: condemned.
    Wrong,
    /// Refused for a reason that a person can change.
    Kept,
}

/// Result of reading the sealed blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Opened {
    /// Not read in this version.
    #[default]
    Unread,
    /// Read.
    Read {
        /// Attempts; empty if the record could not be opened.
        record: Record,
        /// The pinned account, if a token is stored and opens.
        pin: Option<Pin>,
        /// A token is stored, but its key is unknown or the seal is broken.
        unsealable: bool,
    },
}

/// What this process knows of the attempt in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttemptSeen {
    /// Attempt id.
    pub id: String,
    /// When this process first saw it, by its own clock.
    pub first_seen: Time,
    /// This process recorded it and has not sent for it yet.
    pub unsent_ours: bool,
}

/// A token entry of the spec and its Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    /// Name of the Secret.
    pub name: String,
    /// Whose the Secret is.
    pub ownership: Ownership,
    /// What the spec asks for now.
    pub wanted: Wanted,
    /// Hash of the keys, labels and annotations that the spec asks for now.
    pub shape: String,
    /// What is published.
    pub published: Option<Published>,
    /// A token that was obtained and not published yet.
    pub held: Option<Held>,
    /// Failure of this entry, and its back-off.
    pub failure: Option<Failure>,
    /// A later renewal than the published annotations say, because the last answer expired no later than what is
    /// published.
    pub deferred_until: Option<Time>,
    /// Fewer scopes were granted than the entry names.
    pub reduced: bool,
    /// How often in a row the Secret had to be repaired, and when the last repair was.
    pub repairs: Option<Repairs>,
    /// The Secret is being deleted: something holds it, for instance a finalizer.
    pub deleting: bool,
    /// When a foreign Secret of that name was looked at last.
    pub looked_at: Option<Time>,
}

/// Which request and account a published token must answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// No account is known: whatever is published may stay.
    #[default]
    Anything,
    /// The spec asks for something that no published token can answer: another binding, or none that is usable.
    Another,
    /// This keyed hash of request and account.
    Request(String),
}

impl Wanted {
    /// Whether a token with this hash answers it.
    pub fn is_answered_by(&self, request: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Another => false,
            Self::Request(wanted) => wanted == request,
        }
    }
}

/// Repairs of a token Secret that somebody keeps deleting or editing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repairs {
    /// In a row.
    pub count: u32,
    /// The last one.
    pub at: Time,
}

/// Facts of a published token Secret, from its metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Published {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Keyed hash of the request and account that it answers.
    pub request: String,
    /// Hash of keys, labels and annotations it was written with.
    pub shape: String,
    /// When the token was issued.
    pub issued_at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// When its renewal is due.
    pub refresh_at: Time,
    /// It is in the version that we wrote or verified last.
    pub verified: bool,
    /// A read showed that its data is not what we wrote.
    pub edited: bool,
    /// It must be deleted and created anew: immutable, or stripped of our label.
    pub unwritable: bool,
    /// Scopes granted.
    pub scopes: Vec<String>,
}

/// A token in the pocket, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Request and account that it answers.
    pub request: String,
    /// The answer.
    pub granted: Granted,
}

/// A token Secret of ours that the spec no longer names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leftover {
    /// Name.
    pub name: String,
}

/// Answers that are not stored yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pocket {
    /// Outcome of an exchange.
    pub login: Option<LoginOutcome>,
    /// A newer refresh token, or the death of the stored one.
    pub refresh: Option<RefreshOutcome>,
}

/// Outcome of an exchange that is not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginOutcome {
    /// Which content was sent.
    pub content: ContentMac,
    /// Attempt under which it was sent.
    pub attempt: String,
    /// Name of the token entry whose scopes were sent.
    pub entry: String,
    /// User name that was sent, in lower case.
    pub user: String,
    /// What came of it.
    pub result: Result<Granted, Refusal>,
}

/// Outcome of redemptions that is not stored yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RefreshOutcome {
    /// A newer refresh token, or the same one with a completed pin.
    Newer(Newer),
    /// The stored token is dead, since then.
    Dead {
        /// Answer's time of the token that was redeemed.
        redeemed: Time,
        /// Since then.
        since: Time,
    },
    /// The stored token, which counted as dead, was redeemed.
    Alive {
        /// Answer's time of the token that was redeemed.
        redeemed: Time,
    },
}

/// A refresh token that a renewal brought.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Newer {
    /// Answer's time of the token that was redeemed.
    pub redeemed: Time,
    /// Its own answer's time.
    pub answered_at: Time,
    /// The account that it belongs to.
    pub account: AccountTag,
}

/// A failure and its back-off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What happened.
    pub refusal: Refusal,
    /// When, last.
    pub at: Time,
    /// How often in a row.
    pub consecutive: u32,
    /// When to try again; `None`: not before something changes.
    pub next_attempt_at: Option<Time>,
    /// What was in force then: a failure that a person must end is tried again when it changes.
    pub under: Option<Circumstances>,
}

/// What a person changes to end a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Circumstances {
    /// `metadata.generation`.
    pub generation: i64,
    /// Version of the client credential.
    pub client: String,
}

impl Session {
    /// The record, if it was read.
    pub fn record(&self) -> Option<&Record> {
        match &self.opened {
            Opened::Read { record, .. } => Some(record),
            Opened::Unread => None,
        }
    }

    /// Whether a read showed that the stored token cannot be opened: its annotations are there, its content is not.
    pub fn unsealable(&self) -> bool {
        match &self.opened {
            Opened::Read { pin, unsealable, .. } => *unsealable || (self.token.is_some() && pin.is_none()),
            Opened::Unread => false,
        }
    }

    /// The pinned account, if the seal was opened.
    pub fn pinned(&self) -> Option<&Pin> {
        match &self.opened {
            Opened::Read { pin, .. } => pin.as_ref(),
            Opened::Unread => None,
        }
    }
}

impl Snapshot {
    /// What is in force now.
    pub fn circumstances(&self) -> Circumstances {
        Circumstances {
            generation: self.object.generation,
            client: self.object.inputs.client.version.clone(),
        }
    }

    /// Why no call can be made at `now`, if none can.
    pub fn withheld(&self, now: Time) -> Option<&Withheld> {
        self.withheld
            .as_ref()
            .filter(|w| w.until > now && (w.binding.is_none() || w.binding.as_ref() == self.binding()))
    }

    /// Tag of the account whose tokens the spec asks for: the sealed one where it was opened.
    pub fn account_tag(&self) -> Option<&AccountTag> {
        let sealed = self.session.pinned().map(|pin| &pin.tag);
        sealed.or_else(|| self.session.token.as_ref().map(|t| &t.account))
    }

    /// The binding that the spec asks for, if its target is known.
    pub fn binding(&self) -> Option<&Binding> {
        match &self.target {
            Target::Known { binding, .. } => Some(binding),
            Target::Refused { .. } => None,
        }
    }

    /// Whether the stored refresh token belongs to the spec's binding: as written, or by a resolved tenant GUID.
    pub fn session_matches(&self) -> bool {
        let (
            Some(stored),
            Target::Known {
                binding,
                resolved_tenant,
            },
        ) = (&self.session.token, &self.target)
        else {
            return false;
        };
        stored.binding == *binding
            || (stored.binding.authority == binding.authority
                && stored.binding.client_id == binding.client_id
                && resolved_tenant.as_ref().is_some_and(|t| *t == stored.tenant_id))
    }

    /// Whether the stored refresh token belongs to the spec's authority and client and to the tenant of that GUID,
    /// however the spec writes it.
    pub fn stored_for_tenant(&self, guid: &str) -> bool {
        let (Some(stored), Some(binding)) = (&self.session.token, self.binding()) else {
            return false;
        };
        !guid.is_empty()
            && stored.tenant_id == guid
            && stored.binding.authority == binding.authority
            && stored.binding.client_id == binding.client_id
    }

    /// Whether a refresh token is stored that may be redeemed.
    pub fn redeemable(&self) -> bool {
        let alive = self
            .session
            .token
            .as_ref()
            .is_some_and(|t| t.dead_since.is_none());
        self.session.ownership == Ownership::Ours
            && alive
            && self.session_matches()
            && !self.session.unsealable()
    }
}
