//! What is known of one credential and its objects at one moment. Plain values, no Kubernetes types, no secrets.

mod login;
mod session;
mod tokens;

pub use login::{Claim, Content, LastLogin, LastVerdict, Login, LoginOutcome, LoginSecret};
pub use session::{
    AttemptSeen, Newer, Opened, Ownership, Pocket, RefreshOutcome, Sealed, Session, StoredToken, Unopened,
};
pub use tokens::{Held, Leftover, Published, Repairs, Token, Wanted};

use super::Time;
use super::answer::{Account, CheckedBy, Refusal};
use super::client::Client;
use super::hold::Holds;
use super::identity::AccountTag;
use super::keys::Keys;
use super::looks::Search;
use super::policy::Permissions;
use super::record::{ClientVersion, FirstForm, Inputs, Record};
use super::word::{Said, Word};
use crate::reason::Reason;

/// Everything that [`super::next_step`] looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The custom resource.
    pub object: Object,
    /// Where its tokens come from.
    pub target: Target,
    /// What the administrator's policy says of it.
    pub permissions: Permissions,
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
    /// Who checked its password, if that is known.
    pub checked_by: Option<CheckedBy>,
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
    /// The sealing keys.
    pub keys: Keys,
    /// When the refresh-token Secret is sealed anew, if an older key has sealed it.
    pub reseal_at: Option<Time>,
}

/// The operator's own limits, or an authority that fails for everybody, hold all calls back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Withheld {
    /// Until then.
    pub until: Time,
    /// Whether that is long enough to be told of, from when it is known until it is over.
    pub long: bool,
    /// Why.
    pub reason: Reason,
    /// The same in words, without a full stop.
    pub message: String,
    /// For whom: with another binding it is void.
    pub binding: Option<Binding>,
}

/// Facts of the custom resource.
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
    /// The same as the first form of the record has it, without the leave.
    pub first_form: FirstForm,
    /// Seconds by which the authority's clock is ahead of the node's, if by more than a minute. All times of the facts are
    /// the node's; a token's own are written by its authority's.
    pub ahead: i64,
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
    /// Not usable: unknown authority, or a tenant that it does not take.
    Refused {
        /// Why.
        reason: Reason,
        /// What to do, for the user.
        message: String,
    },
}

impl Target {
    /// Authority, tenant and client, if the authority is known.
    pub const fn binding(&self) -> Option<&Binding> {
        match self {
            Self::Known { binding, .. } => Some(binding),
            Self::Refused { .. } => None,
        }
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

/// A failure and its back-off.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// What happened.
    pub refusal: Refusal,
    /// When, last.
    pub at: Time,
    /// How often in a row; 0: it only waits its turn, and was not tried.
    pub consecutive: u32,
    /// When to try again; `None`: not before something changes.
    pub next_attempt_at: Option<Time>,
    /// What was in force then: a failure that a person must end is tried again when it changes.
    pub under: Option<Circumstances>,
}

impl Failure {
    /// Whether what ends in `refusal` is tried again by the same back-off.
    pub(super) fn retries_as(&self, refusal: &Refusal) -> bool {
        self.refusal.reason.verdicts().retry == refusal.reason.verdicts().retry
    }
}

/// What a person changes to end a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Circumstances {
    /// `metadata.generation`.
    pub generation: i64,
    /// Version of the client credential.
    pub client: ClientVersion,
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

    /// The record to go by: `None` as long as it was not read, or cannot be opened and may be that of the login that is
    /// here. Only a person, who creates another login Secret, gives such a record up.
    pub fn record(&self) -> Option<&Record> {
        static EMPTY: Record = Record::empty();
        let given_up = self.session.record_is_locked() && self.is_login_of_later();
        self.session.record().or_else(|| given_up.then_some(&EMPTY))
    }

    /// Whether the login Secret is another one than that for which the record was written last.
    fn is_login_of_later(&self) -> bool {
        let noted = self
            .session
            .last_login
            .as_ref()
            .and_then(|l| l.login_uid.as_ref());
        match (&self.login, noted) {
            (Login::Present(login), Some(noted)) => login.uid != *noted,
            (Login::Present(_), None) | (Login::Absent | Login::WrongType, _) => false,
        }
    }

    /// The binding that the spec asks for, if its target is known.
    pub fn binding(&self) -> Option<&Binding> {
        self.target.binding()
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
