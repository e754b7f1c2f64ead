//! The Entra simulator, asked over TLS as a client asks it.
//!
//! Each grant, each refusal with its exact shape, the journal, and each fault.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreadable_literal,
    reason = "a test fails by panicking, and AADSTS codes are written as Microsoft writes them"
)]

#[path = "simulator/assertions.rs"]
mod assertions;
#[path = "simulator/authorities.rs"]
mod authorities;
#[path = "simulator/brakes.rs"]
mod brakes;
#[path = "simulator/client.rs"]
mod client;
#[path = "simulator/control.rs"]
mod control;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/federation.rs"]
mod federation;
#[path = "simulator/grants.rs"]
mod grants;
#[path = "simulator/journal.rs"]
mod journal;
#[path = "simulator/metadata.rs"]
mod metadata;
#[path = "simulator/refusals.rs"]
mod refusals;
#[path = "simulator/wstrust.rs"]
mod wstrust;
#[path = "simulator/yaml.rs"]
mod yaml;
