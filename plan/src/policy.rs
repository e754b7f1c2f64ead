//! What the administrator allows: tenants and clients everywhere, and these, authorities and users in each namespace.
//!
//! # Guarantees
//!
//! - What is absent restricts nothing; a list that is there allows what is on it and nothing else.
//! - What holds for a namespace narrows what holds everywhere: both must allow.
//! - With tenants listed, `organizations` is refused: it would stand for any.
//! - A tenant is allowed by its name as the spec writes it, or by its GUID, which may have to be asked for.
//! - A refusal names the key of the configuration that allows it, and never a user name.

mod names;

use std::collections::{BTreeMap, BTreeSet};

pub use names::{Name, Names};

use super::snapshot::{Binding, Snapshot, Target};

/// Stands for the namespaces that have no bounds of their own.
pub const OTHERS: &str = "*";

/// Everything that an administrator allows. By default that is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What holds everywhere.
    pub everywhere: Bounds,
    /// What holds in one namespace besides; under [`OTHERS`], in those that are not listed.
    pub namespaces: BTreeMap<String, Bounds>,
    /// Namespaces that may name an authority. One without an entry is open to all.
    pub authorities: BTreeMap<String, BTreeSet<String>>,
}

/// What may be used; an absent list is no restriction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Tenants, by name or GUID, at authorities that have tenants.
    pub tenants: Option<Names>,
    /// Client ids.
    pub client_ids: Option<Names>,
    /// Declared authorities.
    pub authorities: Option<Names>,
    /// User names.
    pub users: Option<Names>,
}

/// What the policy says. The greatest of several counts: what is denied stays denied whatever the tenant's GUID is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// It is allowed.
    #[default]
    Granted,
    /// The GUID of the tenant decides, and is not known yet.
    Unresolved,
    /// It is not: what is not allowed, and what would allow it.
    Denied(String),
}

/// What the policy says of a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions {
    /// Of authority, tenant and client. Unless it is granted nothing is sent, but to resolve the tenant.
    pub target: Permission,
    /// Of the user whose refresh token is stored. Granted as long as the seal was not opened.
    pub account: Permission,
}

impl Permissions {
    /// Whether renewals are not allowed.
    pub const fn deny(&self) -> bool {
        matches!(self.target, Permission::Denied(_)) || matches!(self.account, Permission::Denied(_))
    }
}

/// Where a credential is, and what it calls its authority.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The declared authority that it names.
    pub authority: Option<&'a str>,
}

/// Bounds that hold for a namespace, and the key that they stand under.
type Holding<'p> = (&'p Bounds, String);

impl Policy {
    /// A policy that allows everything.
    pub const fn open() -> Self {
        Self {
            everywhere: Bounds::open(),
            namespaces: BTreeMap::new(),
            authorities: BTreeMap::new(),
        }
    }

    /// What it says of the credential at `place`, with these facts.
    pub fn permissions(&self, place: Place<'_>, s: &Snapshot) -> Permissions {
        let Some(binding) = s.binding() else {
            return Permissions::default();
        };
        Permissions {
            target: self.target(place, binding, tenant_id(s, binding)),
            account: s
                .session
                .pinned()
                .map_or(Permission::Granted, |pin| self.user(place.namespace, &pin.user)),
        }
    }

    /// Whether tokens may come from there. `tenant_id` is the GUID of the binding's tenant, as far as it is known.
    pub fn target(&self, place: Place<'_>, binding: &Binding, tenant_id: Option<&str>) -> Permission {
        let holding = self.holding(place.namespace);
        let of_authority = place
            .authority
            .and_then(|name| self.authority(place.namespace, name));
        let of_bounds = holding.iter().map(|(bounds, key)| {
            let authority = place.authority.and_then(|name| bounds.authority(key, name));
            let client = bounds.client(key, &binding.client_id);
            let denied = authority.or(client).map(Permission::Denied);
            denied.unwrap_or_else(|| bounds.tenant(key, &binding.tenant, tenant_id))
        });
        let of_authority = of_authority.map(Permission::Denied).into_iter();
        of_authority.chain(of_bounds).max().unwrap_or_default()
    }

    /// Whether this user may sign in for a credential of the namespace.
    pub fn user(&self, namespace: &str, user: &str) -> Permission {
        let denied = self.holding(namespace).into_iter().find_map(|(bounds, key)| {
            let allowed = bounds.users.as_ref().is_none_or(|users| users.allow(user));
            (!allowed).then(|| {
                denied(
                    "this user",
                    &format!("the user name, as the login Secret has it, to {key}.users"),
                )
            })
        });
        denied.map_or(Permission::Granted, Permission::Denied)
    }

    /// `authorities[].namespaces` of the configuration.
    fn authority(&self, namespace: &str, name: &str) -> Option<String> {
        let open = self
            .authorities
            .get(name)
            .is_none_or(|kept| kept.contains(namespace));
        (!open).then(|| {
            denied(
                &format!("authority {name} in namespace {namespace}"),
                &format!("{namespace} to authorities[].namespaces of {name}"),
            )
        })
    }

    fn holding(&self, namespace: &str) -> Vec<Holding<'_>> {
        let own = self.namespaces.get(namespace).map(|bounds| (bounds, namespace));
        let of_namespace = own.or_else(|| self.namespaces.get(OTHERS).map(|bounds| (bounds, "\"*\"")));
        let of_namespace =
            of_namespace.map(|(bounds, written)| (bounds, format!("policy.namespaces.{written}")));
        [(&self.everywhere, "policy".to_owned())]
            .into_iter()
            .chain(of_namespace)
            .collect()
    }
}

impl Bounds {
    const fn open() -> Self {
        Self {
            tenants: None,
            client_ids: None,
            authorities: None,
            users: None,
        }
    }

    fn authority(&self, key: &str, name: &str) -> Option<String> {
        let allowed = self.authorities.as_ref().is_none_or(|names| names.allow(name));
        (!allowed).then(|| {
            denied(
                &format!("authority {name}"),
                &format!("{name} to {key}.authorities"),
            )
        })
    }

    fn client(&self, key: &str, client_id: &str) -> Option<String> {
        let allowed = self
            .client_ids
            .as_ref()
            .is_none_or(|names| names.allow(client_id));
        (!allowed).then(|| {
            denied(
                &format!("client {client_id}"),
                &format!("{client_id} to {key}.clientIds"),
            )
        })
    }

    /// Authorities without tenants leave it empty, and are bound by their names.
    fn tenant(&self, key: &str, tenant: &str, tenant_id: Option<&str>) -> Permission {
        let Some(names) = self.tenants.as_ref().filter(|_| !tenant.is_empty()) else {
            return Permission::Granted;
        };
        if tenant.eq_ignore_ascii_case("organizations") {
            return Permission::Denied(
                "the administrator's policy lists tenants, so spec.tenant must name one: write its GUID or domain \
                 instead of organizations"
                    .to_owned(),
            );
        }
        match tenant_id {
            _ if names.allow(tenant) => Permission::Granted,
            Some(guid) if names.allow(guid) => Permission::Granted,
            None if tenant.contains('.') && names.may_hold_guid() => Permission::Unresolved,
            Some(guid) if !guid.eq_ignore_ascii_case(tenant) => Permission::Denied(denied(
                &format!("tenant {tenant}, whose GUID is {guid}"),
                &format!("{guid} to {key}.tenants"),
            )),
            Some(_) | None => Permission::Denied(denied(
                &format!("tenant {tenant}"),
                &format!("{tenant} to {key}.tenants"),
            )),
        }
    }
}

/// GUID of the tenant that the binding names: as it was asked for, or of the account whose refresh token it brought.
fn tenant_id<'s>(s: &'s Snapshot, binding: &Binding) -> Option<&'s str> {
    let resolved = match &s.target {
        Target::Known { resolved_tenant, .. } => resolved_tenant.as_deref(),
        Target::Refused { .. } => None,
    };
    let stored = s.session.token.as_ref().filter(|token| token.binding == *binding);
    let pinned = stored
        .and_then(|_| s.session.pinned())
        .map(|pin| pin.account.tenant());
    resolved.or(pinned).filter(|guid| !guid.is_empty())
}

fn denied(what: &str, add: &str) -> String {
    format!(
        "the administrator's policy does not allow {what}; ask the administrator of the operator to add {add}"
    )
}
