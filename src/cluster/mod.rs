//! The Kubernetes adapter: what the reconciler asks of an API server, over a kube client.
//!
//! # Guarantees
//!
//! - Every call but a watch ends within [`DEADLINE`] and is sent once.
//! - Every write of a Secret is compare-and-swap: it takes effect only on the uid and resourceVersion last seen.
//! - No log line, error or `Debug` output holds a value of a Secret. Foreign annotations are dropped on arrival.
//! - The watches see what they select by type or label, as metadata, and nothing else; [`SecretStore`] survives lost,
//!   late and repeated events.
//!
//! # Map
//!
//! `client` deadlines and requests · `brake` what goes out while nothing answers · `failure` what an error means · `credential` custom resources as they are read · `inspect` rights and definition · `lease` the Lease of the election ·
//! `knock` when a watch asks again · `metadata` Secrets as they are kept · `taken` and `pruned` how little is decoded · `observe` what is told of writes · `patch` JSON patch operations · `secrets`, `status`, `events` the writes ·
//! `service_accounts` tokens of others · `watch` the streams · `store` what the streams and writes add up to, in maps that stay `dense` · `adapter` the port

mod adapter;
mod brake;
mod client;
mod connections;
mod credential;
mod dense;
mod events;
mod failure;
mod inspect;
mod knock;
mod lease;
mod metadata;
mod observe;
mod patch;
mod pruned;
mod scope;
#[cfg(test)]
mod scripted;
mod secrets;
mod service_accounts;
mod status;
mod store;
mod taken;
mod watch;
mod watch_clients;

pub use adapter::KubeCluster;
pub use brake::{Brake, Class};
pub use client::{ConnectError, DEADLINE, configure, connect};
pub use credential::SeenCredential;
pub use dense::DenseMap;
pub use events::Reporter;
pub use inspect::{Right, Source};
pub use lease::{LeaseClient, LeaseRecord, lease_time};
pub use metadata::SeenSecret;
pub use observe::{Observer, Resource, Write};
pub use scope::{Scope, place, scopes};
pub use store::{Altered, KnownThen, SecretStore};
pub use watch::{
    Change, CredentialChanges, Interruption, PAGE, Rewound, SecretChanges, Selects, Watch, secret_watches,
    watch_credentials, watch_secrets,
};
pub use watch_clients::WatchClients;
