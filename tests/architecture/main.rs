//! Rules about the source itself, so that the layout stays what the architecture says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads files and its environment, and fails by panicking"
)]

mod api_surface;
mod circles;
mod citations;
mod contract;
mod dependencies;
mod documents;
mod files;
mod shell;
mod source;
mod watch;
