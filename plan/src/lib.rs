//! The pure core: facts in, one decision out. No async, no clock, no random numbers, no Kubernetes, no HTTP.
//!
//! # Guarantees
//!
//! - [`next_step`] is total and deterministic: the same [`Snapshot`] and time give the same [`Decision`].
//! - Every decision it can make satisfies [`invariants::violations`]; the tests check that over an exhaustive small
//!   world and over random ones.
//! - Nothing here holds a secret: contents appear as keyed hashes, tokens as their times.
//!
//! # Layout
//!
//! | module | question it answers |
//! |---|---|
//! | [`snapshot`] | what is known? |
//! | [`client`] | can the application prove who it is? |
//! | [`record`] | which login contents were tried, and what came of it? |
//! | [`answer`] | what does an answer of the identity provider mean? |
//! | [`identity`], [`word`] | whose is it, and what does a person ask for? |
//! | [`policy`] | what does the administrator allow? |
//! | [`mac`] | what is the same, without knowing what it is? |
//! | [`metadata`] | which object, and which state of it? |
//! | [`hold`] | what does the API server refuse? |
//! | [`ration`] | how many calls to the API server may bring nothing? |
//! | [`keys`] | which key seals, and what did another one seal? |
//! | [`allowance`] | may a password be sent now, whoever asks? |
//! | [`turns`], [`outages`] | whose turn is it, and who need not wait any longer? |
//! | [`step`] | what can be done? |
//! | `next_step`, `login`, `tokens` | what is done next? |
//! | [`looks`] | when is looked at what no watch shows? |
//! | [`schedule`] | when? |
//! | [`settle`] | what does an outcome mean: what is [`known`] next? |
//! | [`conditions`] | what does the user see? |
//! | [`invariants`] | what must always hold? |

pub mod allowance;
pub mod answer;
pub mod client;
pub mod conditions;
pub mod hold;
pub mod identity;
pub mod invariants;
pub mod keys;
pub mod known;
mod login;
pub mod looks;
pub mod mac;
pub mod metadata;
mod next_step;
pub mod outages;
pub mod policy;
pub mod ration;
pub mod reason;
pub mod record;
pub mod schedule;
pub mod settle;
pub mod snapshot;
pub mod step;
mod time;
pub mod tokens;
pub mod turns;
pub mod word;

pub use hold::Object;
pub use known::Known;
pub use next_step::{next_step, rest_of_pass};
pub use snapshot::Snapshot;
pub use step::{Decision, Step};
pub use time::Time;
