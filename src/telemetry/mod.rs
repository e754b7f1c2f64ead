//! What the operator tells about itself: logs, metrics, health. None of it holds a secret, user, tenant or client id.
//!
//! # Layout
//!
//! | module | what it does |
//! |---|---|
//! | [`logs`] | filter and format of the log on stderr, with ceilings for targets that would print bodies |
//! | [`metrics`], [`labels`] | the registry: counters and histograms as things happen |
//! | [`credentials`] | series that describe state, computed when they are scraped |
//! | [`process`] | what the process itself takes, at the scrape |
//! | [`health`] | ready and live, in words |
//! | [`server`], [`connections`] | the two HTTP listeners |

mod connections;
pub mod credentials;
pub mod health;
pub mod labels;
pub mod logs;
pub mod metrics;
mod process;
pub mod server;
