//! Clients for the watches: many watches share a connection, by HTTP/2.
//!
//! # Guarantees
//!
//! - A connection carries the watches of [`SCOPES`] namespaces: an API server allows 100 streams on one (k8s.io/apiserver,
//!   `secure_serving.go`), and a stream beyond that would wait until another one ends.
//! - A connection that is silent is asked whether it lives, and given up if it is not answered, after the times of
//!   client-go: its watches then go on over another one.
//! - What has come and is not taken yet is bounded, for each watch and for the connection.
//!
//! # Caveats
//!
//! Whatever offers HTTP/1.1 only (a proxy in front of the API server) gets a connection for each watch.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use super::client::ConnectError;
use super::scope::Scope;

/// Namespaces whose watches share a connection.
pub(super) const SCOPES: usize = 10;

/// Streams that an API server allows on a connection.
pub(super) const STREAMS: usize = 100;

/// A connection on which nothing has come for so long is asked whether it lives.
const ASKED_AFTER: Duration = Duration::from_secs(30);

/// How long the answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// Bytes of one watch that may wait to be taken: a page of a list is taken in a few turns.
const OF_A_WATCH: u32 = 64 << 10;

/// Bytes of one connection that may wait.
const OF_A_CONNECTION: u32 = 256 << 10;

/// For each scope the client of its watches.
#[derive(Clone)]
pub struct WatchClients {
    of: BTreeMap<Scope, Client>,
    any: Client,
}

impl WatchClients {
    /// Clients with as few connections as the scopes need. No call is made.
    pub fn new(config: &Config, scopes: &[Scope]) -> Result<Self, ConnectError> {
        let client = || sharing(config).map_err(|e| ConnectError::Client(Box::new(e)));
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

/// As the library makes a client of a configuration, but with HTTP/2 where it is offered.
fn sharing(config: &Config) -> Result<Client, kube::Error> {
    let mut timed = TimeoutConnector::new(connector(config)?);
    timed.set_connect_timeout(config.connect_timeout);
    timed.set_read_timeout(config.read_timeout);
    timed.set_write_timeout(config.write_timeout);
    timed.set_reset_reader_on_write(config.reset_reader_on_write);
    let http = hyper_util::client::legacy::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(ASKED_AFTER)
        .http2_keep_alive_timeout(ANSWERED_WITHIN)
        .http2_initial_stream_window_size(OF_A_WATCH)
        .http2_initial_connection_window_size(OF_A_CONNECTION)
        .build::<_, Body>(timed);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

fn connector(config: &Config) -> Result<HttpsConnector<HttpConnector>, kube::Error> {
    let mut builder = HttpsConnectorBuilder::new()
        .with_tls_config(config.rustls_client_config()?)
        .https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into();
        let name =
            name.map_err(|e| kube::Error::RustlsTls(kube::client::RustlsTlsError::InvalidServerName(e)))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    Ok(builder.enable_all_versions().wrap_connector(tcp))
}
