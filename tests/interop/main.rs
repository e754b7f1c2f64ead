//! Microsoft's own client libraries beside ours, against the same token service: what they get, we get; what they
//! are refused, we are refused; what they send, we send. Each library is a program of its own below this directory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops at its first surprise, and it starts programs with an environment"
)]

mod confidential;
mod crossing;
mod driver;
mod federated;
mod library;
mod managed;
mod ours;
mod parity;
mod refusals;
mod scene;
