//! Secret material: keys, sealing, keyed hashes, reading logins and rendering tokens. No I/O but reading a key file.
//!
//! # Guarantees
//!
//! - What is sealed opens only where it was sealed for: same namespace, name and purpose, and for sessions same binding.
//! - No `Debug`, error text or log line holds a key, password or token; buffers that held one are wiped on drop.
//!   Not wiped: what the JSON parser buffers while it undoes escapes, and copies the kernel or the API server keeps.
//! - No clock is read: wall times are passed in, and [`Keyring`] is given a monotonic clock by the wiring.
//! - Blobs and records are versioned; fields and verdicts that a later version adds do not break an earlier one.
//!
//! # Layout
//!
//! | module | what it does |
//! |---|---|
//! | `keys`, `key_id`, `key_error` | the set of sealing keys and the MAC key, in a Secret or a file |
//! | `seal` | AES-256-GCM blobs bound to their place |
//! | `session`, `record` | what is sealed, as JSON |
//! | `mac` | keyed hashes |
//! | `login` | reads a login Secret |
//! | `render` | writes a token Secret |
//! | `vault` | all of the above behind the port [`crate::reconcile::ports::Vault`] |

mod framing;
mod key_error;
mod key_id;
mod keys;
mod login;
mod mac;
mod moment;
mod record;
mod render;
mod seal;
mod session;
mod vault;
mod wiped;

pub use key_error::KeyError;
pub use key_id::KeyId;
pub use keys::KeySet;
pub use vault::{Keyring, Monotonic};
