//! The shell around the plan: observe, decide, act, report; one object at a time.
//!
//! # Guarantees
//!
//! - Every pass starts from what is stored, so a crash at any point is the same as starting again.
//! - Exactly one step is performed at a time, and its outcome is a fact of the next look.
//! - Secrets live in a pass or in the pocket, redacted; no error, log field or status holds one.
//!
//! # Layout
//!
//! | module | job |
//! |---|---|
//! | [`pass`](mod@pass) | the loop |
//! | `look` | what the watches know at one moment |
//! | `observe` | resource, look and memory → facts |
//! | `act` | one step through the ports; the plan settles what comes of it |
//! | `report` | status and Events |
//! | [`audit`] | what auditors are told |
//! | `leave` | whether a pass may still begin something |
//! | `shared` | what the credentials of a process have in common |
//! | [`ports`] | what the shell needs of the world |
//! | [`memory`], `restore` | what a process keeps of one credential, and takes from its status |
//! | [`rest`], [`packed`] | what is forgotten between renewals, and how the rest is kept |
//! | [`pocket`] | answers that are not stored yet |
//! | `marks` | keyed hashes on our objects |
//! | [`material`] | secrets on their way through |
//! | [`annotations`], [`stamp`] | facts and times in text |
//! | [`footing`], `time` | whether the wall clock was set, and what is believed then |

mod act;
pub mod annotations;
pub mod audit;
pub mod credential;
pub mod footing;
mod leave;
mod look;
mod marks;
pub mod material;
pub mod memory;
mod observe;
mod ownership;
pub mod packed;
pub mod pass;
pub mod pocket;
pub mod ports;
mod report;
pub mod rest;
mod restore;
mod shared;
pub mod stamp;
mod time;

pub use credential::Credential;
pub use leave::Leave;
pub use memory::Memory;
pub use pass::{Passed, pass};
pub use rest::Remembered;
pub use shared::{NoOp, Observer, Shared};
pub use time::ToldTime;
