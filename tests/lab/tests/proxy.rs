//! The fault proxy before a plain HTTP target and before the simulator.
//!
//! Each action as the client sees it, and what the target saw of it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "proxy/actions.rs"]
mod actions;
#[path = "proxy/passing.rs"]
mod passing;
#[path = "proxy/target.rs"]
mod target;
