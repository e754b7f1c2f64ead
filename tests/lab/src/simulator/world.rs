//! What the simulated service knows: tenants, users, applications, resources.
//!
//! Built in code for tests, or read from a file; a test may change it while the simulator runs.

mod application;
mod issuer;
mod user;

use serde::{Deserialize, Serialize};

pub use application::{Application, ClientSecret, FederatedCredential};
pub use issuer::{Issuer, Rotation};
pub use user::{Account, Consent, Policy, User};

/// Tenant of [`World::contoso`].
pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
/// Verified domain of [`World::contoso`].
pub const DOMAIN: &str = "contoso.example";
/// Domain for federated users, see [`World::federated_user`].
pub const FEDERATED_DOMAIN: &str = "fed.example";
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Users of all tenants.
    pub users: Vec<User>,
    /// Application registrations.
    pub applications: Vec<Application>,
    /// APIs that tokens can be asked for.
    pub resources: Vec<Resource>,
    /// Generic OpenID Connect issuers.
    pub issuers: Vec<Issuer>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Tenant {
    /// The tenant GUID.
    pub id: String,
    /// Verified domains.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Verified domains whose users sign in at a federation server.
    #[serde(default)]
    pub federated_domains: Vec<String>,
    /// The password grant takes the passwords of federated users too: hashes are synchronised and a home-realm
    /// policy has `AllowCloudPasswordValidation`. Without it they get 50126 for the right password.
    #[serde(default)]
    pub cloud_password_validation: bool,
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

impl Tenant {
    /// A tenant with one verified domain, whose users it manages itself.
    pub fn new(id: &str, domain: &str) -> Self {
        Self {
            id: id.to_owned(),
            domains: vec![domain.to_owned()],
            federated_domains: Vec::new(),
            cloud_password_validation: false,
        }
    }

    /// Hands a domain over to the federation server.
    pub fn federate(&mut self, domain: &str) {
        if !self.federates(domain) {
            self.federated_domains.push(domain.to_owned());
        }
    }

    pub(crate) fn federates(&self, domain: &str) -> bool {
        let mut federated = self.federated_domains.iter();
        federated.any(|known| known.eq_ignore_ascii_case(domain))
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
            tenants: vec![Tenant::new(TENANT, DOMAIN)],
            users: Vec::new(),
            applications: vec![
                Application::public(PUBLIC_CLIENT),
                Application::confidential(CONFIDENTIAL_CLIENT, CLIENT_SECRET),
            ],
            resources: vec![
                Resource::new(API, &["access", "read"]),
                Resource::new(GRAPH, &["User.Read"]),
            ],
            issuers: Vec::new(),
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

    /// The same world with one more issuer, at `/oidc/{name}`.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// The same world with one more tenant.
    #[must_use]
    pub fn tenant(mut self, id: &str, domain: &str) -> Self {
        self.tenants.push(Tenant::new(id, domain));
        self
    }

    /// The same world with one more user, who signs in at the federation server of the first tenant. Nothing
    /// happens in a world without tenants.
    #[must_use]
    pub fn federated_user(mut self, upn: &str, password: &str) -> Self {
        if let Some(tenant) = self.tenants.first_mut() {
            tenant.federate(upn.rsplit_once('@').map_or(upn, |(_, domain)| domain));
        }
        self.user(User::new(upn, password))
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
