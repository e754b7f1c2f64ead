//! Where request figures go.

use super::Grant;
use crate::plan::answer::Effect;

/// Receives one call per request that was sent or tried: for `entra_token_request_duration_seconds{grant,result}`.
pub trait Observer: Send + Sync {
    /// `result` is what was decided in the end, after a question to the realm service, too; never a tenant, client or user.
    fn on_request(&self, grant: Grant, result: Result<(), Effect>, seconds: f64);
}

impl<F: Fn(Grant, Result<(), Effect>, f64) + Send + Sync> Observer for F {
    fn on_request(&self, grant: Grant, result: Result<(), Effect>, seconds: f64) {
        self(grant, result, seconds);
    }
}
