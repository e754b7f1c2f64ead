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
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the processes under test run by the real clock, and their figures are printed"
)]

mod account;
mod adapter;
mod admission;
mod audit;
mod backups;
mod budget;
mod client_credentials;
mod crash_points;
mod crd_rules;
mod election;
mod evidence;
mod keys;
mod kubectl;
mod labels;
mod leaks;
mod lifecycle;
mod metrics;
mod namespaces;
mod network;
mod outages;
mod policy;
mod readiness;
mod relay;
mod repair;
mod restart;
mod rights;
mod scene;
mod selftest;
mod shutdown;
mod tenancy;
#[path = "../protocol/server.rs"]
#[allow(dead_code, reason = "the protocol tests use more of it")]
mod token_service;
mod two_operators;
mod verdicts;
mod versions;
mod witness;

/// The control plane that all tests share.
async fn plane() -> &'static entra_lab::controlplane::ControlPlane {
    &scene::stage().await.plane
}
