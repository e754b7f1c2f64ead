//! The world as a YAML file, for standalone use.
//!
//! Field names are those of the types in [`world`](super::world), in camelCase; unknown fields are refused.
//!
//! ```yaml
//! users:
//! - upn: alice@contoso.example
//!   password: correct horse
//! - upn: bob@contoso.example
//!   password: battery staple
//!   policy: mfa
//! applications:
//! - clientId: aaaaaaaa-0000-4000-8000-000000000001
//!   publicFlow: true
//! resources:
//! - id: api://orders
//!   scopes: [access]
//! ```

use super::world::World;

/// Why a file does not describe a world.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the users file: {0}")]
pub struct YamlError(String);

impl World {
    /// Reads a world; parts that the file leaves out come from [`World::contoso`].
    pub fn from_yaml(text: &str) -> Result<Self, YamlError> {
        let read: Self = serde_saphyr::from_str(text).map_err(|error| YamlError(error.to_string()))?;
        let contoso = Self::contoso();
        Ok(Self {
            tenants: if read.tenants.is_empty() {
                contoso.tenants
            } else {
                read.tenants
            },
            users: read.users,
            applications: if read.applications.is_empty() {
                contoso.applications
            } else {
                read.applications
            },
            issuers: read.issuers,
            resources: if read.resources.is_empty() {
                contoso.resources
            } else {
                read.resources
            },
        })
    }
}
