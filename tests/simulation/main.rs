//! Tier 2: the real `reconcile::pass` on an in-memory API server and identity provider, in virtual time.
//!
//! One seed is one history: processes that crash at any await point, people who edit anything at any time, watches that
//! come late, storms of every kind of failure. After every event the rules of the contract are checked; when the storms
//! end, everything recovers.
//!
//! | module | what it is |
//! |---|---|
//! | [`history`] | the scheduler: what happens next |
//! | [`world`], [`api`], [`idp`], [`identity`], [`faults`], [`spells`] | everything outside of the operator |
//! | [`users`], [`words`] | people |
//! | [`replica`], [`ports`] | a process of the operator, as `operator` wires it |
//! | [`book`], [`rules_login`], [`rules_sends`], [`rules_tokens`], [`rules_passes`], [`rules_rest`] | the judge |
//! | [`seeds`] | histories that once broke a rule |
//! | [`stories`], [`wide`], [`keys`] | what happens too rarely by itself |
//!
//! `SEED=… cargo test --test simulation` replays one and shows it (`TRACE_LINES=…` of its end). `cargo lab-night` is optimised
//! and some seven times as fast: `SIMULATION_SEEDS=…` plays so many there, from `SIMULATION_FROM=…` on, each
//! `SIMULATION_STEP=…`-th: n machines share a night with `FROM` 0 to n − 1 and `STEP` n. `SIMULATION_EACH=1` prints a line for
//! every history.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_in_result,
    clippy::clone_on_ref_ptr,
    clippy::collapsible_if,
    clippy::needless_pass_by_value,
    clippy::ref_option,
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    clippy::assigning_clones,
    clippy::large_enum_variant,
    clippy::result_large_err,
    missing_docs,
    unreachable_pub,
    reason = "a test stops with a message at the first surprise"
)]

mod api;
mod book;
mod faults;
mod feed;
mod history;
mod identity;
mod idp;
mod keys;
mod ports;
mod replica;
mod rng;
mod rules_login;
mod rules_passes;
mod rules_rest;
mod rules_sends;
mod rules_tokens;
mod seeds;
mod spells;
mod stories;
mod users;
mod wide;
mod words;
mod world;
