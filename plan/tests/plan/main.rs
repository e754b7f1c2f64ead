//! Tier 1: the pure core, `entra_plan`, against values. No clock, no network, no cluster.
//!
//! | module | what it shows |
//! |---|---|
//! | [`small_world`] | every decision in exhaustive products of small domains keeps the rules |
//! | [`random_world`] | so do decisions about arbitrary facts and wild times |
//! | [`histories`] | whole lives of a credential keep the rules of the contract, and come to rest |
//! | [`stories`] | what a user sees and what happens at every stop that the contract names |
//! | [`rules`] | every rule that decisions are checked against notices when it is broken |
//! | [`settled`] | what is known after an outcome |
//! | [`steps`] | what every step is |
//! | [`values`] | what each fact says of itself |
//! | [`policies`] | what an administrator allows |
//! | [`reasons`] | the table of reasons is the committed one |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::result_large_err,
    unreachable_pub,
    reason = "a test stops with a message at the first surprise"
)]

mod allowance;
mod build;
mod check;
mod choice;
mod facts;
mod histories;
mod model;
mod policies;
mod random_world;
mod reasons;
mod rules;
mod settled;
mod shift;
mod small_world;
mod steps;
mod stories;
mod values;
