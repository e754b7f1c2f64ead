//! The wire: what leaves, what may not leave, and what every kind of answer or silence means.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test stops at its first surprise, prints its figures and reads real clocks"
)]

mod answers;
mod assertions;
mod client;
mod clock;
mod clouds;
mod departure;
mod federated;
mod federation;
mod http2;
mod jwt;
mod kinds;
mod leaks;
mod odd;
mod oidc;
mod pace;
mod proxy;
mod realm;
mod requests;
mod rows;
mod server;
mod tenants;
mod transport;
mod trust;
