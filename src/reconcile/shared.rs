//! What the credentials of one process have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::audit::Audited;
use super::ports::Key;
use crate::api::Reason;
use crate::plan::allowance::Allowance;
use crate::plan::snapshot::Token;
use crate::plan::{Step, Time};

/// What all credentials of a process share.
#[derive(Debug)]
pub struct Shared {
    /// Sends by account and namespace.
    allowance: Mutex<Allowance>,
    /// Who wants to know what happened: metrics.
    pub observer: Arc<dyn Observer>,
}

impl Shared {
    /// With nothing sent yet.
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            allowance: Mutex::default(),
            observer,
        }
    }

    /// Sends by account and namespace.
    pub(super) fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what a pass did.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// A new token was published over what `token` describes.
    fn published(&self, token: &Token, now: Time);
    /// A renewal failed.
    fn failed(&self, reason: Reason);
    /// A pass ended with this step, after so much time.
    fn passed(&self, step: &Step, took: Duration);
    /// An auditor is to be told this of a credential.
    fn audited(&self, whose: &Key, what: Audited<'_>);
}

/// An observer that does not listen.
#[derive(Debug)]
pub struct NoOp;

impl Observer for NoOp {
    fn published(&self, _: &Token, _: Time) {}
    fn failed(&self, _: Reason) {}
    fn passed(&self, _: &Step, _: Duration) {}
    fn audited(&self, _: &Key, _: Audited<'_>) {}
}
