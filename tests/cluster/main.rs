//! Promises kept on a real API server: control plane, simulator, the shipped manifests and the real binary.
//!
//! One control plane and one simulator serve the whole test binary; every test has a namespace of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod adapter;
mod budget;
mod crash_points;
mod crd_rules;
mod evidence;
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
