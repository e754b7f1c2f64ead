//! Keeps Microsoft Entra ID access tokens fresh in Kubernetes Secrets, from one sign-in with user name and password.
//!
//! Some APIs take delegated tokens only, and some service accounts can sign in with user name and password only. A user
//! applies an [`EntraCredential`](api::EntraCredential) and creates a one-shot login Secret. The operator sends the
//! password once, deletes it, seals the refresh token, and renews access tokens in Secrets for as long as it may.
//!
//! ```text
//! watches ──► queue ──► pass: observe ──► plan ──► act ──┐ ──► report ──► status, Events, metrics
//!                                ▲   facts     one step  │
//!                                └────── again ◄─────────┘ ports: API server, identity provider, seal, clock
//! ```
//!
//! # Map
//!
//! | module | question |
//! |---|---|
//! | [`plan`] | what is done next, when, and what does the user see? Pure, and a crate of its own |
//! | [`api`] | what do users write and read? |
//! | [`reconcile`] | how is a pass run, and through which ports? |
//! | [`entra`] | what is said to the identity provider, and what does it answer? |
//! | [`secrets`] | how is secret material kept, sealed and rendered? |
//! | [`cluster`] | how is the API server read and written? |
//! | [`telemetry`] | what can be seen from outside? |
//! | [`operator`] | how is it all started, and stopped? |
//!
//! `docs/contract.md` says what is promised, `docs/architecture.md` how it is built. The library serves the binary and
//! the tests; it is no API for other programs.

pub mod api;
pub mod cluster;
pub mod entra;
pub mod operator;
pub mod reconcile;
pub mod secrets;
pub mod telemetry;

pub use entra_plan as plan;
