//! How much the operator asked of the API server, by the audit log.

use super::Error;
use super::scene::Scene;
use crate::audit::{Entry, Mark, service_account};
use crate::stage::OPERATOR;

/// Requests of the operator in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// create, update, patch and delete, but not of the Lease.
    pub(super) writes: usize,
    /// get and list, but not of the Lease.
    pub(super) reads: usize,
    /// Anything about the Lease, which is paid per time and not per renewal.
    pub(super) lease: usize,
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
        if entry.resource == "leases" {
            usage.lease += 1;
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
