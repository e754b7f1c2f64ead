//! Application registrations and the credentials with which they prove themselves.
//!
//! Any number of credentials of each kind may be valid at a time, as in a rotation.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::yes;

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
