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
    /// Registered certificates in PEM, with RSA keys.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Other issuers whose tokens it proves itself with, such as a Kubernetes cluster (workload identity).
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,
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

/// Trust in the tokens that another issuer makes for one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FederatedCredential {
    /// The `iss` of the tokens: an https URL, compared verbatim.
    pub issuer: String,
    /// Their `sub`, for example `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// Their `aud`.
    #[serde(default = "token_exchange")]
    pub audience: String,
    /// The issuer's JSON Web Key Set. Entra fetches it from the issuer; here it must be given.
    pub jwks: serde_json::Value,
}

fn token_exchange() -> String {
    "api://AzureADTokenExchange".to_owned()
}

impl FederatedCredential {
    /// Trust with the audience that Microsoft recommends.
    pub fn new(issuer: &str, subject: &str, jwks: serde_json::Value) -> Self {
        Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: token_exchange(),
            jwks,
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
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
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

    /// A registration that must authenticate with the key of this certificate.
    pub fn with_certificate(client_id: &str, pem: &str) -> Self {
        Self {
            public_flow: false,
            certificates: vec![pem.to_owned()],
            ..Self::public(client_id)
        }
    }

    /// A registration that must authenticate with a token of another issuer.
    pub fn with_federated_credential(client_id: &str, credential: FederatedCredential) -> Self {
        Self {
            public_flow: false,
            federated_credentials: vec![credential],
            ..Self::public(client_id)
        }
    }

    pub(crate) fn has_credentials(&self) -> bool {
        !self.secrets.is_empty() || !self.certificates.is_empty() || !self.federated_credentials.is_empty()
    }

    pub(crate) fn exists_in(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.contains(tenant)
    }

    pub(crate) fn may_ask_for(&self, resource: &str) -> bool {
        self.permissions.is_empty() || self.permissions.contains(resource)
    }
}
