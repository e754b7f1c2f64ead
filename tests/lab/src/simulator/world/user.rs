//! Accounts: who they are, whether they can sign in, and what policy and consent say.
//!
//! Where an account signs in follows from the domain of its name, not from the account.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::new_guid;

/// Whether an account can sign in at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Account {
    /// Nothing special.
    #[default]
    Active,
    /// Disabled by an administrator: 50057.
    Disabled,
    /// Locked, or coming from a blocked address: 50053 whatever the password.
    Locked,
}

/// What Conditional Access makes of a sign-in whose password was right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Policy {
    /// Nothing is demanded.
    #[default]
    Allow,
    /// A second factor: 50076 `basic_action`.
    Mfa,
    /// Registration of a second factor: 50079.
    MfaRegistration,
    /// Blocked: 53003 `message_only`.
    Block,
    /// A compliant device: 53000.
    CompliantDevice,
    /// Security defaults refuse the grant: 530035.
    SecurityDefaults,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct User {
    /// User principal name; compared without case.
    pub upn: String,
    /// The password, compared verbatim.
    pub password: String,
    /// Object id.
    #[serde(default = "new_guid")]
    pub oid: String,
    /// GUID of the home tenant; empty: found by the domain of the name.
    #[serde(default)]
    pub tenant: String,
    /// Whether the account can sign in.
    #[serde(default)]
    pub account: Account,
    /// What Conditional Access says once the password was right.
    #[serde(default)]
    pub policy: Policy,
    /// The password is right but expired: 50055.
    #[serde(default)]
    pub password_expired: bool,
    /// Tenants that invited this user as a guest.
    #[serde(default)]
    pub guest_of: BTreeSet<String>,
    /// Seconds after which a sign-in-frequency policy ends a refresh-token family: 70043.
    #[serde(default)]
    pub sign_in_frequency: Option<i64>,
    /// Seconds that this user's access tokens live; absent: as everybody's.
    #[serde(default)]
    pub token_lifetime: Option<u64>,
    /// Seconds that answers say a refresh token of this user lives, and that it does not keep to; absent: they say nothing.
    #[serde(default)]
    pub told_refresh_life: Option<i64>,
    /// Consents that were withdrawn.
    #[serde(default)]
    pub withheld: BTreeSet<Consent>,
}

/// The pair that a consent names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Consent {
    /// Application (client) id.
    pub client: String,
    /// Identifier of the resource.
    pub resource: String,
}

impl User {
    /// An ordinary account; the tenant is found by the domain of `upn`.
    pub fn new(upn: &str, password: &str) -> Self {
        Self {
            upn: upn.to_owned(),
            password: password.to_owned(),
            oid: new_guid(),
            tenant: String::new(),
            account: Account::default(),
            policy: Policy::default(),
            password_expired: false,
            guest_of: BTreeSet::new(),
            sign_in_frequency: None,
            token_lifetime: None,
            told_refresh_life: None,
            withheld: BTreeSet::new(),
        }
    }

    /// The same user, with a policy of Conditional Access.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The same user, disabled or locked.
    #[must_use]
    pub fn with_account(self, account: Account) -> Self {
        Self { account, ..self }
    }

    pub(crate) fn consents(&self, client: &str, resource: &str) -> bool {
        !self.withheld.contains(&Consent::new(client, resource))
    }
}

impl Consent {
    /// The consent to let `client` call `resource`.
    pub fn new(client: &str, resource: &str) -> Self {
        Self {
            client: client.to_owned(),
            resource: resource.to_owned(),
        }
    }
}
