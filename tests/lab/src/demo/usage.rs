//! How much the operator asked of the API server, by the audit log.

use super::Error;
use super::scene::Scene;
use crate::audit::{Entry, Mark, service_account};
use crate::stage::OPERATOR;

/// The operator's Lease.
const LEASE: &str = "entra-operator";
/// The Secret with the sealing keys, which is read every few seconds in case that somebody rotates them.
const KEYS: &str = "entra-operator-keys";

/// Requests of the operator in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// create, update, patch and delete of other objects.
    pub(super) writes: usize,
    /// get and list of other objects.
    pub(super) reads: usize,
    /// Anything about the operator's own Lease and key Secret, and its looks at whether etcd was set back: paid per time and not
    /// per renewal.
    pub(super) own: usize,
    /// Watches that were begun.
    pub(super) watches: usize,
}

/// Now, in the audit log; nothing without one.
pub(super) async fn mark(scene: &Scene) -> Result<Option<Mark>, Error> {
    let Some(plane) = scene.plane() else {
        return Ok(None);
    };
    plane.audit_barrier().await?;
    Ok(Some(plane.audit().mark()?))
}

/// What the operator asked for since then.
pub(super) async fn since(scene: &Scene, from: Option<Mark>) -> Result<Option<Usage>, Error> {
    let (Some(plane), Some(from)) = (scene.plane(), from) else {
        return Ok(None);
    };
    plane.audit_barrier().await?;
    let entries = plane
        .audit()
        .by_user_since(&service_account(OPERATOR, OPERATOR), from)?;
    Ok(Some(count(&entries)))
}

fn count(entries: &[Entry]) -> Usage {
    let mut usage = Usage::default();
    for entry in entries {
        if is_own(entry) {
            usage.own += 1;
        } else if entry.is_write() {
            usage.writes += 1;
        } else if entry.verb == "watch" {
            usage.watches += 1;
        } else if entry.is_read() {
            usage.reads += 1;
        }
    }
    usage
}

fn is_own(entry: &Entry) -> bool {
    let looks_at_the_whole = entry.verb == "list" && entry.resource == "entracredentials";
    entry.is_about("leases", OPERATOR, LEASE)
        || entry.is_about("secrets", OPERATOR, KEYS)
        || looks_at_the_whole
}
