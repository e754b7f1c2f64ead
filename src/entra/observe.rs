//! Where request figures go.

use super::Grant;
use crate::api::Reason;
use crate::plan::answer::Effect;

/// Receives one call per request that was sent or tried, for `entra_token_request_duration_seconds{grant,result}`, and one
/// for each that was held back.
pub trait Observer: Send + Sync {
    /// `result` is what was decided in the end, after a question to the realm service, too; never a tenant, client or user.
    fn on_request(&self, grant: Grant, result: Result<(), Effect>, seconds: f64);

    /// A request was not made now: because of limits, because the provider asked to wait, or because it fails.
    fn on_held_back(&self, _reason: Reason) {}
}

impl<F: Fn(Grant, Result<(), Effect>, f64) + Send + Sync> Observer for F {
    fn on_request(&self, grant: Grant, result: Result<(), Effect>, seconds: f64) {
        self(grant, result, seconds);
    }
}
