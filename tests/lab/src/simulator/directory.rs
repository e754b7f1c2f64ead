//! Look-ups in the world: who is meant by a tenant segment, a user name, a client id.
//!
//! Users are indexed by their lower-case name, because scale tests ask for ten thousand of them.

use std::collections::HashMap;

use super::authority::Authority;
use super::world::{Application, CONSUMERS, Issuer, Resource, Rotation, Tenant, User, World};

/// The world with its index.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    world: World,
    by_name: HashMap<String, usize>,
}

/// What the first path segment of a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Realm {
    /// One tenant, by GUID or domain.
    Tenant(String),
    /// `organizations`: the tenant follows from the user name.
    Organizations,
    /// `common`.
    Common,
    /// `consumers`, or the GUID that stands for it.
    Consumers,
}

impl Directory {
    pub(crate) fn new(world: World) -> Self {
        let mut directory = Self {
            world,
            by_name: HashMap::new(),
        };
        directory.index();
        directory
    }

    /// Changes the world and brings the index up to date.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.world);
        self.index();
        result
    }

    /// Changes one user without touching the index, so that scale tests stay fast.
    pub(crate) fn change_user<T>(&mut self, upn: &str, change: impl FnOnce(&mut User) -> T) -> Option<T> {
        let index = *self.by_name.get(&upn.to_lowercase())?;
        self.world.users.get_mut(index).map(change)
    }

    fn index(&mut self) {
        for user in self.world.users.iter_mut().filter(|user| user.tenant.is_empty()) {
            user.tenant = owner(&self.world.tenants, &user.upn)
                .map(|tenant| tenant.id.clone())
                .unwrap_or_default();
        }
        let names = self.world.users.iter().enumerate();
        self.by_name = names
            .map(|(index, user)| (user.upn.to_lowercase(), index))
            .collect();
    }

    pub(crate) fn realm(&self, segment: &str) -> Option<Realm> {
        match segment.to_lowercase().as_str() {
            "common" => Some(Realm::Common),
            "consumers" | CONSUMERS => Some(Realm::Consumers),
            "organizations" => Some(Realm::Organizations),
            name => self.tenant(name).map(|tenant| Realm::Tenant(tenant.id.clone())),
        }
    }

    fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.world.tenants.iter().find(|tenant| tenant.answers_to(name))
    }

    pub(crate) fn user(&self, upn: &str) -> Option<&User> {
        self.world.users.get(*self.by_name.get(&upn.to_lowercase())?)
    }

    pub(crate) fn application(&self, client_id: &str) -> Option<&Application> {
        self.world
            .applications
            .iter()
            .find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    pub(crate) fn resource(&self, id: &str) -> Option<&Resource> {
        let id = id.trim_end_matches('/');
        self.world
            .resources
            .iter()
            .find(|resource| resource.id.trim_end_matches('/') == id || resource.app_id == id)
    }

    /// Whether there is such an authority; a tenant is looked for later.
    pub(crate) fn serves(&self, authority: Authority<'_>) -> bool {
        match authority {
            Authority::Oidc(name) => self.issuer(name).is_some(),
            Authority::Entra(_) | Authority::Adfs | Authority::B2c { .. } => true,
        }
    }

    /// What becomes of refresh tokens that are used there.
    pub(crate) fn rotation(&self, authority: Authority<'_>) -> Rotation {
        let issuer = match authority {
            Authority::Oidc(name) => self.issuer(name),
            Authority::Entra(_) | Authority::Adfs | Authority::B2c { .. } => None,
        };
        issuer.map(|issuer| issuer.rotation).unwrap_or_default()
    }

    fn issuer(&self, name: &str) -> Option<&Issuer> {
        self.world.issuers.iter().find(|issuer| issuer.name == name)
    }

    pub(crate) fn owns_domain(&self, upn: &str) -> bool {
        owner(&self.world.tenants, upn).is_some()
    }

    /// Whether the user of this name signs in at a federation server.
    pub(crate) fn is_federated(&self, upn: &str) -> bool {
        owner(&self.world.tenants, upn).is_some_and(|tenant| tenant.federates(domain(upn)))
    }

    /// Whether the cloud can judge the password of this user.
    pub(crate) fn knows_password(&self, upn: &str) -> bool {
        let owner = owner(&self.world.tenants, upn);
        !self.is_federated(upn) || owner.is_some_and(|tenant| tenant.cloud_password_validation)
    }
}

impl Tenant {
    fn answers_to(&self, name: &str) -> bool {
        self.id.eq_ignore_ascii_case(name)
            || self.federates(name)
            || self
                .domains
                .iter()
                .any(|domain| domain.eq_ignore_ascii_case(name))
    }
}

/// The tenant to whose domains the name belongs.
fn owner<'w>(tenants: &'w [Tenant], upn: &str) -> Option<&'w Tenant> {
    tenants.iter().find(|tenant| tenant.answers_to(domain(upn)))
}

/// The part of a user name behind its last `@`; empty without one.
pub(crate) fn domain(upn: &str) -> &str {
    upn.rsplit_once('@').map_or("", |(_, domain)| domain)
}
