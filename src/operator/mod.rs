//! Wiring: configuration, command line, and what becomes of them.

pub mod cli;
pub mod config;
