//! The Helm chart keeps its promises: what it renders, what it refuses, and what is written from it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "chart/admission.rs"]
mod admission;
#[path = "chart/argocd.rs"]
mod argocd;
#[path = "chart/configuration.rs"]
mod configuration;
#[path = "chart/current.rs"]
mod current;
#[path = "chart/hardening.rs"]
mod hardening;
#[path = "chart/metadata.rs"]
mod metadata;
#[path = "chart/objects.rs"]
mod objects;
#[path = "chart/refusals.rs"]
mod refusals;
#[path = "chart/rights.rs"]
mod rights;
#[path = "chart/values.rs"]
mod values;
#[path = "chart/variants.rs"]
mod variants;
