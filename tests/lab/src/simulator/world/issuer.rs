//! Generic OpenID Connect issuers.
//!
//! They know the users and applications of the world and no tenants.

use serde::{Deserialize, Serialize};

/// What becomes of a refresh token that is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rotation {
    /// Nothing: it can be used again, and the answer has no other.
    Kept,
    /// The answer has a new one, and the old one can still be used, as at Entra.
    #[default]
    Renewed,
    /// The answer has a new one. Whoever uses the old one again ends them all (RFC 9700 section 4.14.2).
    OneTime,
}

/// An issuer at `/oidc/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    /// Its path segment.
    pub name: String,
    /// What becomes of used refresh tokens.
    #[serde(default)]
    pub rotation: Rotation,
}

impl Issuer {
    /// An issuer of this name.
    pub fn new(name: &str, rotation: Rotation) -> Self {
        Self {
            name: name.to_owned(),
            rotation,
        }
    }
}
