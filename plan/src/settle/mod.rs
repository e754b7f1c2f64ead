//! What an outcome means: facts and the outcome of a step → what is known next. Pure, like the decision for the step; the
//! shell calls, seals and writes, and has nothing to choose.
//!
//! # Guarantees
//!
//! - A refusal or an outage is held at the object or entry that it concerns, with its own back-off; nothing else waits.
//! - The same step is taken at most [`super::schedule::SAME_STEP`] times in a pass: then its objects are held, so that
//!   nothing can spin.
//! - What came back for the stored refresh token is newer than it; what came for another is kept only where it fits.
//!
//! | module | outcome of |
//! |---|---|
//! | [`pass`](mod@pass) | what begins and ends every pass; the same step again |
//! | [`trouble`](mod@trouble) | a read or write that the API server refused or did not answer |
//! | [`reads`] | a read, a look |
//! | [`client`] | what keeps a client credential from being used |
//! | [`login`] | a login: recorded, answered, stored, deleted |
//! | [`renewal`] | a redemption, a resolved tenant |
//! | [`store`] | the refresh-token Secret: does what the pocket holds still fit? |
//! | [`tokens`] | a token Secret: verified, published, deleted |
//! | [`failure`] | how a failure follows another, and what lifts it |

pub mod client;
pub mod failure;
pub mod login;
pub mod pass;
pub mod reads;
pub mod renewal;
pub mod reseal;
pub mod store;
pub mod tokens;
pub mod trouble;
