//! The world file of a standalone simulator: everything of [`World`], and the switches of [`Behaviour`].
//!
//! Field names are those of the types, in camelCase; an unknown one is an error, and so is a credential that could
//! never be used. The README beside this file has an example.

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;

use super::certificate::Certificate;
use super::world::{Application, Issuer, Resource, Tenant, User, World};
use super::{Behaviour, Options};

/// Why a file does not describe a world.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// It is not YAML of the right shape.
    #[error("cannot read the world file: {0}")]
    Shape(String),
    /// A certificate cannot be read.
    #[error("application {0} has a certificate that is not one certificate in PEM")]
    Certificate(String),
    /// Keys of an issuer cannot be read.
    #[error("application {0} has a federated credential whose jwks is no JSON Web Key Set")]
    KeySet(String),
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    tenants: Vec<Tenant>,
    users: Vec<User>,
    applications: Vec<Application>,
    resources: Vec<Resource>,
    issuers: Vec<Issuer>,
    behaviour: Behaviour,
}

impl Default for File {
    /// What the file leaves out.
    fn default() -> Self {
        let contoso = World::contoso();
        Self {
            tenants: contoso.tenants,
            users: contoso.users,
            applications: contoso.applications,
            resources: contoso.resources,
            issuers: contoso.issuers,
            behaviour: Behaviour::default(),
        }
    }
}

impl Options {
    /// Reads a world file; parts that it leaves out come from [`World::contoso`].
    pub fn from_yaml(text: &str) -> Result<Self, YamlError> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| YamlError::Shape(error.to_string()))?;
        file.applications.iter().try_for_each(check)?;
        let world = World {
            tenants: file.tenants,
            users: file.users,
            applications: file.applications,
            resources: file.resources,
            issuers: file.issuers,
        };
        Ok(Self {
            behaviour: file.behaviour,
            ..Self::new(world)
        })
    }
}

fn check(application: &Application) -> Result<(), YamlError> {
    let name = || application.client_id.clone();
    let mut certificates = application.certificates.iter();
    if certificates.any(|pem| Certificate::read(pem).is_none()) {
        return Err(YamlError::Certificate(name()));
    }
    let mut credentials = application.federated_credentials.iter();
    if credentials.any(|credential| serde_json::from_value::<JwkSet>(credential.jwks.clone()).is_err()) {
        return Err(YamlError::KeySet(name()));
    }
    Ok(())
}
