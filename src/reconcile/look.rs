//! What the watches know of one credential's Secrets at one moment.
//!
//! A step is decided on one look, and what it writes or deletes carries the versions of that look: the watches go on
//! meanwhile, and with the newest version from them a write would undo what somebody else has just written, unseen.

use std::collections::BTreeMap;

use super::credential::Credential;
use super::ports::{Kind, Ports, SecretMeta, View};
use crate::plan::Object;
use crate::plan::metadata::EntryName;

/// Metadata of every Secret that concerns one credential.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The login Secret.
    pub(super) login: Option<SecretMeta>,
    /// The refresh-token Secret.
    pub(super) session: Option<SecretMeta>,
    /// The Secret with the client's secret or certificate.
    pub(super) client: Option<SecretMeta>,
    /// Token Secrets by name: those that the spec names, and those of ours that it no longer names.
    pub(super) tokens: BTreeMap<EntryName, SecretMeta>,
}

impl Look {
    /// Looks now.
    pub(super) fn take<P: Ports>(ports: &P, credential: &Credential) -> Self {
        let view = ports.view();
        let spec = &credential.spec;
        let client = credential.client_secret();
        let named = spec.tokens.iter().filter_map(|entry| {
            let meta = view.secret(Kind::Token, &credential.sibling(&entry.secret_name))?;
            Some((EntryName(entry.secret_name.clone()), meta))
        });
        let is_named = |name: &str| spec.tokens.iter().any(|entry| entry.secret_name == name);
        let dropped = view.controlled(&credential.key.namespace, &credential.owner(), is_named);
        let dropped = dropped.into_iter().map(|(name, meta)| (EntryName(name), meta));
        Self {
            login: view.secret(Kind::Login, &credential.login_key()),
            session: view.secret(Kind::Session, &credential.session_key()),
            client: client.and_then(|(kind, name)| view.secret(kind, &credential.sibling(name))),
            tokens: named.chain(dropped).collect(),
        }
    }

    /// A Secret.
    pub(super) fn of(&self, object: &Object) -> Option<&SecretMeta> {
        match object {
            Object::Login => self.login.as_ref(),
            Object::Session => self.session.as_ref(),
            Object::Client => self.client.as_ref(),
            Object::Token(name) | Object::Contents(name) => self.tokens.get(name),
        }
    }
}
