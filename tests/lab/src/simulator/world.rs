//! What the simulated service knows: tenants, users, applications, resources.
//!
//! Built in code for tests, or read from YAML; a test may change it while the simulator runs.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Tenant of [`World::contoso`].
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// Verified domain of [`World::contoso`].
pub const DOMAIN: &str = "contoso.example";
/// Public client of [`World::contoso`], with "Allow public client flows" on.
pub const PUBLIC_CLIENT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
/// Confidential client of [`World::contoso`].
pub const CONFIDENTIAL_CLIENT: &str = "aaaaaaaa-0000-4000-8000-000000000002";
/// Secret of [`CONFIDENTIAL_CLIENT`].
pub const CLIENT_SECRET: &str = "SIMCLIENTSECRET~contoso";
/// Identifier of the API of [`World::contoso`]; it publishes the scopes `access` and `read`.
pub const API: &str = "api://orders";
/// Microsoft Graph, to which bare scope names belong.
pub const GRAPH: &str = "https://graph.microsoft.com";
/// Tenant of personal accounts, where the password grant is refused.
pub const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Everything that is registered with the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct World {
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Users of all tenants.
    pub users: Vec<User>,
    /// Application registrations.
    pub applications: Vec<Application>,
    /// APIs that tokens can be asked for.
    pub resources: Vec<Resource>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The tenant GUID.
    pub id: String,
    /// Verified domains.
    #[serde(default)]
    pub domains: Vec<String>,
}

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

/// An application registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Application {
    /// Application (client) id.
    pub client_id: String,
    /// "Allow public client flows".
    #[serde(default)]
    pub public_flow: bool,
    /// Accepted client secrets; several may be valid at a time.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// Whether the enterprise application is enabled.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Single-page application: refresh tokens die after 24 h.
    #[serde(default)]
    pub single_page: bool,
    /// Tenants where the application exists; empty: all.
    #[serde(default)]
    pub tenants: BTreeSet<String>,
    /// Resources among its API permissions; empty: all.
    #[serde(default)]
    pub permissions: BTreeSet<String>,
}

/// A client secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientSecret {
    /// The secret value.
    pub value: String,
    /// When it ends: from then on 7000222.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// An API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resource {
    /// Identifier URI: the part of a scope before its last slash.
    pub id: String,
    /// Application id, which becomes the `aud` of access tokens.
    #[serde(default = "new_guid")]
    pub app_id: String,
    /// Scopes that it publishes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether its service principal is enabled.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// It understands continuous access evaluation: clients that declare `cp1` get long-lived tokens.
    #[serde(default = "yes")]
    pub continuous_access: bool,
}

fn yes() -> bool {
    true
}

pub(crate) fn new_guid() -> String {
    uuid::Uuid::new_v4().to_string()
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

impl Application {
    /// A registration that allows public client flows and has no credential.
    pub fn public(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            public_flow: true,
            secrets: Vec::new(),
            enabled: true,
            single_page: false,
            tenants: BTreeSet::new(),
            permissions: BTreeSet::new(),
        }
    }

    /// A registration that must authenticate with `secret`.
    pub fn confidential(client_id: &str, secret: &str) -> Self {
        let secrets = vec![ClientSecret {
            value: secret.to_owned(),
            expires: None,
        }];
        Self {
            public_flow: false,
            secrets,
            ..Self::public(client_id)
        }
    }

    pub(crate) fn exists_in(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.contains(tenant)
    }

    pub(crate) fn may_ask_for(&self, resource: &str) -> bool {
        self.permissions.is_empty() || self.permissions.contains(resource)
    }
}

impl Resource {
    /// An enabled API with these scopes.
    pub fn new(id: &str, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        Self {
            id: id.to_owned(),
            app_id: new_guid(),
            scopes,
            enabled: true,
            continuous_access: true,
        }
    }
}

impl World {
    /// One tenant with a public and a confidential client, one API and Graph, and no users.
    pub fn contoso() -> Self {
        Self {
            tenants: vec![Tenant {
                id: TENANT.to_owned(),
                domains: vec![DOMAIN.to_owned()],
            }],
            users: Vec::new(),
            applications: vec![
                Application::public(PUBLIC_CLIENT),
                Application::confidential(CONFIDENTIAL_CLIENT, CLIENT_SECRET),
            ],
            resources: vec![
                Resource::new(API, &["access", "read"]),
                Resource::new(GRAPH, &["User.Read"]),
            ],
        }
    }

    /// [`World::contoso`] with `n` users; see [`user_name`] and [`password`] for their credentials.
    pub fn with_users(n: usize) -> Self {
        let users = (0..n)
            .map(|index| User::new(&user_name(index), &password(index)))
            .collect();
        Self {
            users,
            ..Self::contoso()
        }
    }

    /// The same world with one more user.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// The same world with one more application.
    #[must_use]
    pub fn application(mut self, application: Application) -> Self {
        self.applications.push(application);
        self
    }

    /// The same world with one more resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// The same world with one more tenant.
    #[must_use]
    pub fn tenant(mut self, id: &str, domain: &str) -> Self {
        self.tenants.push(Tenant {
            id: id.to_owned(),
            domains: vec![domain.to_owned()],
        });
        self
    }
}

/// Name of the user with this index in [`World::with_users`]: `user0@contoso.example` and so on.
pub fn user_name(index: usize) -> String {
    format!("user{index}@{DOMAIN}")
}

/// Password of the user with this index in [`World::with_users`]; it carries the mark `PWMARK`.
pub fn password(index: usize) -> String {
    format!("PWMARK-{index}-correct horse & battery=staple+%")
}
