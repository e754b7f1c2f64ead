//! Connections to the API server: as the library makes them, but closed when they are not used, or shared.
//!
//! # Guarantees
//!
//! - A connection for calls carries one at a time, and is closed once none has used it for [`UNUSED`]. The library keeps as many
//!   as were ever needed at once, each with the buffers of HTTP and TLS.
//! - A shared connection that is silent is asked whether it lives, and given up if it is not answered, after the times of
//!   client-go: its watches then go on over another one.
//! - What has come over a shared one and is not taken yet is bounded, for each watch and for the connection.

use std::time::Duration;

use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::Builder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// A connection that no call has used for so long is closed.
const UNUSED: Duration = Duration::from_secs(15);

/// A connection on which nothing has come for so long is asked whether it lives.
const ASKED_AFTER: Duration = Duration::from_secs(30);

/// How long the answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(15);

/// Bytes of one watch that may wait to be taken: a page of a list is taken in a few turns.
const OF_A_WATCH: u32 = 64 << 10;

/// Bytes of one connection that may wait.
const OF_A_CONNECTION: u32 = 256 << 10;

/// What goes over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One call at a time, by HTTP/1.1.
    Single,
    /// Many at a time, by HTTP/2 where it is offered.
    Shared,
}

/// A client whose connections are of this kind. None is made.
pub(super) fn open(config: &Config, kind: Kind) -> Result<Client, kube::Error> {
    closing(config, kind, UNUSED)
}

fn closing(config: &Config, kind: Kind, unused: Duration) -> Result<Client, kube::Error> {
    let mut timed = TimeoutConnector::new(connector(config, kind)?);
    timed.set_connect_timeout(config.connect_timeout);
    timed.set_read_timeout(config.read_timeout);
    timed.set_write_timeout(config.write_timeout);
    timed.set_reset_reader_on_write(config.reset_reader_on_write);
    let mut http = Builder::new(TokioExecutor::new());
    http.pool_timer(TokioTimer::new()).pool_idle_timeout(unused);
    if kind == Kind::Shared {
        http.timer(TokioTimer::new())
            .http2_keep_alive_interval(ASKED_AFTER)
            .http2_keep_alive_timeout(ANSWERED_WITHIN)
            .http2_initial_stream_window_size(OF_A_WATCH)
            .http2_initial_connection_window_size(OF_A_CONNECTION);
    }
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http.build::<_, Body>(timed));
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).build())
}

fn connector(config: &Config, kind: Kind) -> Result<HttpsConnector<HttpConnector>, kube::Error> {
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
    Ok(match kind {
        Kind::Single => builder.enable_http1().wrap_connector(tcp),
        Kind::Shared => builder.enable_all_versions().wrap_connector(tcp),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::join_all;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Barrier;

    use super::*;

    const AT_ONCE: usize = 4;

    /// Answers one call once all have come, and waits until the connection is closed.
    async fn serve(mut connection: TcpStream, all: Arc<Barrier>) {
        assert!(connection.read(&mut [0; 4096]).await.unwrap() > 0, "a call");
        all.wait().await;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        connection.write_all(answer).await.unwrap();
        assert_eq!(connection.read(&mut [0; 1]).await.unwrap(), 0, "nothing more");
    }

    #[tokio::test]
    async fn what_no_call_uses_is_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config::new(url.parse().unwrap());
        let client = closing(&config, Kind::Single, Duration::from_millis(50)).unwrap();
        let all = Arc::new(Barrier::new(AT_ONCE));
        let mut served = Vec::new();
        let accepting = async {
            while served.len() < AT_ONCE {
                let (connection, _) = listener.accept().await.unwrap();
                served.push(tokio::spawn(serve(connection, Arc::clone(&all))));
            }
        };
        let call = || client.request_text(http::Request::get("/").body(Vec::new()).unwrap());
        let ((), answers) = tokio::join!(accepting, join_all((0..AT_ONCE).map(|_| call())));
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_deref().is_ok_and(|text| text == "ok"))
        );
        let closed = tokio::time::timeout(Duration::from_secs(10), join_all(served)).await;
        let closed = closed.expect("connections that nobody uses stay open");
        closed.into_iter().for_each(Result::unwrap);
    }
}
