//! Whose a Secret is. Only what is ours is touched.

use super::credential::Credential;
use super::ports::{Key, Ports, SecretMeta};
use super::{annotations, marks};
use crate::api::annotation;
use crate::plan::snapshot::Ownership;

/// Whose a Secret is: by its controller, or by our proof on it if it has none (restored from a backup).
pub(super) fn ownership<P: Ports>(
    ports: &P,
    credential: &Credential,
    key: &Key,
    meta: &SecretMeta,
) -> Ownership {
    let is_proven = || meta.annotations.get(annotation::OWNER) == Some(&marks::proof(ports, credential, key));
    match &meta.controller {
        Some(c) if c.ours && c.uid == credential.uid => Ownership::Ours,
        Some(c) if c.ours && *c.name == *credential.key.name => {
            // Before the garbage collector takes it.
            if annotations::was_restored(meta) && is_proven() {
                Ownership::Adoptable
            } else {
                Ownership::Predecessor
            }
        }
        None if is_proven() => Ownership::Adoptable,
        Some(_) | None => Ownership::Foreign,
    }
}
