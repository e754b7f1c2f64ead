//! Every machine-readable reason, in one closed list: conditions, Events and metric labels use these and no other.
//!
//! The names are API. One table ([`Reason::verdicts`]) says what each means for the conditions and for retries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumIter, EnumMessage, EnumString, IntoStaticStr};

/// Stands before the link to further reading at the end of a message.
pub const MORE: &str = "More: ";

/// Why a condition is what it is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    Display,
    EnumIter,
    EnumMessage,
    EnumString,
    IntoStaticStr,
    AsRefStr,
)]
pub enum Reason {
    /// Every token is valid and renewed on time.
    Fresh,
    /// Renewal fails, but the published token is still valid.
    Expiring,
    /// A published token has expired.
    Expired,
    /// No usable login Secret exists yet.
    AwaitingLogin,
    /// A login is being exchanged.
    LoggingIn,
    /// The refresh token is dead or belongs to another tenant, client or authority: a new login is needed.
    LoginRequired,
    /// The identity provider refused user name or password.
    WrongPassword,
    /// A login was sent up to three times and never completely answered.
    LoginOutcomeUnknown,
    /// The account must do something interactive, such as multi-factor authentication.
    InteractionRequired,
    /// The user or an administrator must consent to the scopes.
    ConsentMissing,
    /// The app registration, client credential, scope or authority is set up wrongly.
    AppMisconfigured,
    /// The tenant does not exist in this cloud.
    TenantNotFound,
    /// The user does not exist in this tenant.
    UserNotFound,
    /// The account is locked or disabled.
    AccountLocked,
    /// A policy of the tenant, such as Conditional Access, blocks the sign-in.
    BlockedByPolicy,
    /// The identity provider asked to slow down.
    Throttled,
    /// The identity provider cannot be reached or is failing.
    ServiceUnavailable,
    /// The API server does not answer, or refuses a read.
    ClusterUnavailable,
    /// The answer could not be understood.
    UnexpectedResponse,
    /// The answer was for another account than the pinned one.
    IdentityChanged,
    /// The login Secret lacks what is needed, or belongs to another credential.
    InvalidLoginSecret,
    /// The login Secret was used but could not be deleted.
    LoginSecretNotDeleted,
    /// A Secret of this name belongs to somebody else.
    SecretConflict,
    /// The API server refused a write, for instance because of a quota or an admission policy.
    WriteRefused,
    /// The administrator's policy does not allow this.
    NotAllowed,
    /// The refresh token cannot be opened: its sealing key is gone.
    Unsealable,
    /// `spec.suspend` is set.
    Suspended,
    /// Fewer scopes were granted than asked for.
    ScopesReduced,
    /// The node's clock differs from the identity provider's.
    ClockSkew,
    /// The client certificate expires within 30 days.
    CertificateExpiring,
    /// A redeemable refresh token is stored (`LoggedIn=True`).
    RefreshTokenStored,
    /// Every token Secret holds what was last written (`Published=True`).
    UpToDate,
    /// A token was not obtained yet, or is about to be written (`Published=False`).
    Publishing,
    /// The spec changed and is being applied (`Reconciling=True`).
    SpecChanged,
    /// Nothing is in progress and nothing is stuck (`Reconciling=False`, `Stalled=False`).
    Settled,
}

/// What a reason says about a condition: its status outright, or "look at the stored facts".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The condition is `True`.
    True,
    /// The condition is `False`.
    False,
    /// The reason does not decide: the stored facts do.
    Facts,
}

/// How a failure with this reason is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing to try again.
    None,
    /// 20 s, 60 s, 3 min, then every 10 min; sooner while a published token nears its expiry, where none lives, and once a
    /// provider that put off several answers one.
    BackOff,
    /// Every 30 min, and at once when the spec or a referenced Secret changes.
    Probe,
    /// 20 s, 1, 5, then every 10 min; no call to the identity provider meanwhile.
    Write,
    /// 5, 10, 20, 40 s, then every 80 s: the API server was away.
    Cluster,
    /// Not before a person changes something.
    Person,
}

/// A row of the reason table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdicts {
    /// `Ready`.
    pub ready: Says,
    /// `LoggedIn`.
    pub logged_in: Says,
    /// `Published`.
    pub published: Says,
    /// `Reconciling`.
    pub reconciling: Says,
    /// `Stalled`: whether only a person can help. It becomes `True` once no valid token is left.
    pub needs_person: bool,
    /// When to try again.
    pub retry: Retry,
}

const fn row(
    ready: Says,
    logged_in: Says,
    published: Says,
    reconciling: Says,
    needs_person: bool,
    retry: Retry,
) -> Verdicts {
    Verdicts {
        ready,
        logged_in,
        published,
        reconciling,
        needs_person,
        retry,
    }
}

impl Reason {
    /// What it means, in a sentence.
    pub fn meaning(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }

    /// Whether the administrator's policy is what stands in the way.
    pub fn is_of_policy(self) -> bool {
        self == Self::NotAllowed
    }

    /// Whether the identity provider could not be had, which is nobody's fault who asked.
    pub fn is_of_provider(self) -> bool {
        matches!(self, Self::Throttled | Self::ServiceUnavailable)
    }

    /// Where the troubleshooting guide has its section: a path in the repository.
    pub fn guide(self) -> String {
        format!("docs/troubleshooting.md#{}", self.as_ref().to_ascii_lowercase())
    }

    /// What this reason means for the conditions when it heads them, and how it is retried.
    #[rustfmt::skip]
    #[expect(clippy::match_same_arms, reason = "a table has one row for each reason")]
    pub const fn verdicts(self) -> Verdicts {
        use Says::{Facts, False, True};
        match self {
            // reason                          Ready  LoggedIn Published Reconc. person retry
            Self::Fresh                 => row(True,  Facts,   True,     False, false, Retry::None),
            Self::Expiring              => row(True,  Facts,   Facts,    False, false, Retry::BackOff),
            Self::Expired               => row(False, Facts,   Facts,    False, false, Retry::BackOff),
            Self::AwaitingLogin         => row(Facts, Facts,   Facts,    True,  false, Retry::None),
            Self::LoggingIn             => row(Facts, Facts,   Facts,    True,  false, Retry::None),
            Self::LoginRequired         => row(Facts, Facts,   Facts,    False, true,  Retry::Person),
            Self::WrongPassword         => row(Facts, Facts,   Facts,    False, true,  Retry::Person),
            Self::LoginOutcomeUnknown   => row(Facts, Facts,   Facts,    False, true,  Retry::Person),
            Self::InteractionRequired   => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::ConsentMissing        => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::AppMisconfigured      => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::TenantNotFound        => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::UserNotFound          => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::AccountLocked         => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::BlockedByPolicy       => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::Throttled             => row(Facts, Facts,   Facts,    Facts, false, Retry::BackOff),
            Self::ServiceUnavailable    => row(Facts, Facts,   Facts,    Facts, false, Retry::BackOff),
            Self::ClusterUnavailable    => row(Facts, Facts,   Facts,    Facts, false, Retry::Cluster),
            Self::UnexpectedResponse    => row(Facts, Facts,   Facts,    Facts, false, Retry::BackOff),
            Self::IdentityChanged       => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::InvalidLoginSecret    => row(Facts, Facts,   Facts,    False, true,  Retry::Person),
            Self::LoginSecretNotDeleted => row(Facts, Facts,   Facts,    Facts, false, Retry::Write),
            Self::SecretConflict        => row(Facts, Facts,   Facts,    False, true,  Retry::Write),
            Self::WriteRefused          => row(Facts, Facts,   Facts,    Facts, false, Retry::Write),
            Self::NotAllowed            => row(Facts, Facts,   Facts,    False, true,  Retry::Probe),
            Self::Unsealable            => row(Facts, False,   Facts,    False, true,  Retry::Person),
            Self::Suspended             => row(Facts, Facts,   Facts,    False, false, Retry::None),
            Self::ScopesReduced         => row(True,  Facts,   Facts,    False, false, Retry::None),
            Self::ClockSkew             => row(True,  Facts,   Facts,    False, false, Retry::None),
            Self::CertificateExpiring   => row(True,  Facts,   Facts,    False, false, Retry::None),
            Self::RefreshTokenStored    => row(Facts, True,    Facts,    Facts, false, Retry::None),
            Self::UpToDate              => row(Facts, Facts,   True,     Facts, false, Retry::None),
            Self::Publishing            => row(False, Facts,   False,    True,  false, Retry::None),
            Self::SpecChanged           => row(Facts, Facts,   Facts,    True,  false, Retry::None),
            Self::Settled               => row(Facts, Facts,   Facts,    False, false, Retry::None),
        }
    }
}
