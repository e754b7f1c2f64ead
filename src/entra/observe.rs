//! Where request figures go.

use super::Grant;
use crate::plan::answer::{Effect, Refusal};

/// Receives one call per request that was sent or tried: for `entra_token_request_duration_seconds{grant,result}`.
pub trait Observer: Send + Sync {
    /// `result` is one of [`RESULTS`]; never a tenant, client or user.
    fn on_request(&self, grant: Grant, result: &'static str, seconds: f64);
}

impl<F: Fn(Grant, &'static str, f64) + Send + Sync> Observer for F {
    fn on_request(&self, grant: Grant, result: &'static str, seconds: f64) {
        self(grant, result, seconds);
    }
}

/// Every value of `result`.
pub const RESULTS: [&str; 9] = [
    "granted",
    "condemned",
    "doubtful",
    "entry",
    "person",
    "dead",
    "suspect",
    "transient",
    "unanswered",
];

/// Label of a success.
pub(super) const GRANTED: &str = "granted";

/// Label of a refusal.
pub(super) const fn label(refusal: &Refusal) -> &'static str {
    match refusal.effect {
        Effect::Condemned => "condemned",
        Effect::Entry => "entry",
        Effect::Person => "person",
        Effect::Dead => "dead",
        Effect::Doubtful => "doubtful",
        Effect::Suspect | Effect::Unreadable => "suspect",
        Effect::Transient | Effect::Withheld => "transient",
        Effect::Unanswered => "unanswered",
    }
}
