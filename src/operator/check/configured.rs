//! What the operator is configured with, as far as that was given.

use std::path::Path;

use crate::entra::{Authorities, DeclarationError};
use crate::operator::config::{Config, LoadError};
use crate::plan::policy::{Permission, Place};
use crate::plan::snapshot::Binding;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unconfigured {
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// A declared authority is wrong.
    #[error(transparent)]
    Authority(#[from] DeclarationError),
}

/// What the operator is configured with.
pub(super) struct Configured {
    /// `None`: not given.
    pub(super) config: Option<Config>,
    pub(super) authorities: Authorities,
}

impl Configured {
    pub(super) fn new(file: Option<&Path>) -> Result<Self, Unconfigured> {
        let config = file.map(|file| Config::load(Some(file))).transpose()?;
        let authorities = config
            .as_ref()
            .map_or_else(|| Ok(Authorities::default()), Config::offered)?;
        Ok(Self { config, authorities })
    }

    pub(super) fn permission(&self, place: Place<'_>, binding: &Binding) -> Permission {
        let policy = self.config.as_ref().map(|config| &config.policy);
        policy.map_or(Permission::Granted, |policy| policy.target(place, binding, None))
    }
}
