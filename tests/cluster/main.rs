//! Promises kept on a real API server: control plane, simulator, the shipped manifests and the real binary.
//!
//! One control plane and one simulator serve the whole test binary; every test has a namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test stops with a message at the first surprise, prints what it measured, and looks at the clock"
)]

mod adapter;
mod budget;
mod crash_points;
mod crd_rules;
mod evidence;
mod leaks;
mod lifecycle;
mod outages;
mod relay;
mod repair;
mod restart;
mod scene;
mod two_operators;
mod verdicts;
mod witness;

/// The control plane that all tests share.
async fn plane() -> &'static entra_lab::controlplane::ControlPlane {
    &scene::stage().await.plane
}
