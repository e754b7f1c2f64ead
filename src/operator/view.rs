//! The port [`View`] over the store that the watches feed.

use std::sync::Arc;

use crate::cluster::{SecretStore, Selects};
use crate::plan::metadata::Uid;
use crate::reconcile::ports::{Key, Kind, Owner, SecretMeta, View};

/// What the watches saw last, with our own writes on top.
#[derive(Clone, Debug)]
pub(super) struct StoreView(Arc<SecretStore>);

impl StoreView {
    /// A view of `store`.
    pub(super) const fn new(store: Arc<SecretStore>) -> Self {
        Self(store)
    }
}

impl View for StoreView {
    fn secret(&self, kind: Kind, key: &Key) -> Option<SecretMeta> {
        self.0.get_as(key, selects(kind))
    }

    fn controlled(
        &self,
        namespace: &str,
        owner: &Owner,
        skip: impl Fn(&str) -> bool,
    ) -> Vec<(String, SecretMeta)> {
        self.0.controlled_by(namespace, &owner.uid, skip)
    }

    fn wrote(&self, kind: Kind, key: &Key, meta: SecretMeta) {
        self.0.wrote(key, &meta, Some(selects(kind)));
    }

    fn gone(&self, _: Kind, key: &Key, uid: &Uid) {
        if let Some(meta) = self.0.get(key).filter(|meta| meta.uid == *uid) {
            self.0.deleted(key, &meta);
        }
    }
}

/// The watch that shows Secrets of this kind.
pub(super) const fn selects(kind: Kind) -> Selects {
    match kind {
        Kind::Login => Selects::Logins,
        Kind::Session => Selects::RefreshTokens,
        Kind::ClientSecret => Selects::ClientSecrets,
        Kind::Certificate => Selects::Certificates,
        Kind::Token => Selects::Tokens,
    }
}
