//! Clients for the watches: many watches share a connection, by HTTP/2.
//!
//! # Guarantees
//!
//! - A connection carries the watches of [`SCOPES`] namespaces: an API server allows 100 streams on one (k8s.io/apiserver,
//!   `secure_serving.go`), and a stream beyond that would wait until another one ends.
//!
//! # Caveats
//!
//! Whatever offers HTTP/1.1 only (a proxy in front of the API server) gets a connection for each watch.

use std::collections::BTreeMap;

use kube::{Client, Config};

use super::client::ConnectError;
use super::connections::{Kind, open};
use super::scope::Scope;

/// Namespaces whose watches share a connection.
pub(super) const SCOPES: usize = 10;

/// Streams that an API server allows on a connection.
pub(super) const STREAMS: usize = 100;

/// For each scope the client of its watches.
#[derive(Clone)]
pub struct WatchClients {
    of: BTreeMap<Scope, Client>,
    any: Client,
}

impl WatchClients {
    /// Clients with as few connections as the scopes need. No call is made.
    pub fn new(config: &Config, scopes: &[Scope]) -> Result<Self, ConnectError> {
        let client = || open(config, Kind::Shared).map_err(|e| ConnectError::Client(Box::new(e)));
        let mut clients = Self::from(client()?);
        for scopes in scopes.chunks(SCOPES) {
            let client = client()?;
            clients
                .of
                .extend(scopes.iter().map(|scope| (scope.clone(), client.clone())));
        }
        Ok(clients)
    }

    /// The client of the watches of this scope.
    pub fn of(&self, scope: &Scope) -> Client {
        self.of.get(scope).unwrap_or(&self.any).clone()
    }
}

/// One for all scopes.
impl From<Client> for WatchClients {
    fn from(any: Client) -> Self {
        Self {
            of: BTreeMap::new(),
            any,
        }
    }
}

impl std::fmt::Debug for WatchClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WatchClients")
    }
}
