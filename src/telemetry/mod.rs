//! What the operator tells about itself: logs, metrics, health. None of it holds a secret, tenant or client id, and a user
//! name only where the administrator wants it in audit lines.
//!
//! # Layout
//!
//! | module | what it does |
//! |---|---|
//! | [`logs`] | filter and format of the log on stderr, with ceilings for targets that would print bodies |
//! | [`audit`] | lines about passwords, accounts and keys, which no filter silences |
//! | [`metrics`], [`labels`] | the registry: counters and histograms as things happen |
//! | [`credentials`] | series that describe state, computed when they are scraped |
//! | [`process`] | what the process itself takes, at the scrape |
//! | [`health`] | ready and live, in words |
//! | [`server`], `listen`, [`connections`] | the two HTTP listeners |

pub mod audit;
mod connections;
pub mod credentials;
pub mod health;
pub mod labels;
mod listen;
pub mod logs;
pub mod metrics;
mod process;
pub mod server;
mod stream;
