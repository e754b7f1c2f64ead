//! Wiring: configuration, watches, the queue, leader election, keys, metrics, and the order of start-up and shutdown.

mod check;
pub mod cli;
mod clock;
mod concerned;
pub mod config;
mod controller;
mod dumps;
mod election;
mod keys;
mod known;
mod leadership;
mod lists;
mod measure;
mod namespaces;
mod passes;
mod proxies;
mod queue;
mod rights;
mod roots;
mod run;
mod selftest;
mod serve;
mod view;
mod watches;

pub use check::{CheckError, check};
pub use clock::SystemClock;
pub use keys::chain;
pub use run::{RunError, run};
pub use selftest::Report;
pub use serve::{selftest, serve};
