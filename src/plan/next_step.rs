//! The policy chain.
use super::{Decision, Snapshot, Step, Time};
use crate::api::Reason;
/// Decides.
pub fn next_step(_s: &Snapshot, _now: Time) -> Decision {
    Decision {
        step: Step::Idle,
        reason: Reason::Fresh,
        message: String::new(),
        wake: None,
    }
}
