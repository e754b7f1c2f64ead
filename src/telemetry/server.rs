//! Two HTTP listeners: `/livez` and `/readyz` for the kubelet, `/metrics` for Prometheus.
//!
//! # Guarantees
//!
//! - Both ports are bound before anything is served, and the addresses are returned: port 0 takes any free one.
//! - Whoever reaches a port can neither fill the memory nor keep others out ([`connections`]).
//! - Scrapes are answered one after the other, each while it is written ([`stream`]): the memory for them does not grow with
//!   their number.
//! - After the stop signal, answers in progress are finished, but nobody waits for them longer than 5 s.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::connections;
use super::health::{Health, Verdict};
use super::listen::listen;
use super::metrics::Metrics;
use super::stream;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long answers in progress may hold up the end of the process.
const GRACE: Duration = Duration::from_secs(5);

/// Why a listener could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: choose another address under http in the configuration")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// `health` or `metrics`.
    pub purpose: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Both listeners, bound and not served yet.
#[derive(Debug)]
pub struct Listeners {
    health: TcpListener,
    metrics: TcpListener,
}

/// Where the listeners are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// `/livez` and `/readyz`.
    pub health: SocketAddr,
    /// `/metrics`.
    pub metrics: SocketAddr,
}

impl Listeners {
    /// Binds both.
    pub fn bind(wanted: Addresses) -> Result<Self, BindError> {
        let health = bind(wanted.health, "health")?;
        let metrics = bind(wanted.metrics, "metrics")?;
        Ok(Self { health, metrics })
    }

    /// The addresses that were bound, with the real ports.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            health: self.health.local_addr()?,
            metrics: self.metrics.local_addr()?,
        })
    }

    /// Serves until `stop`.
    pub async fn serve(self, health: Arc<Health>, metrics: Arc<Metrics>, stop: CancellationToken) {
        let probes = connections::serve(self.health, probes(health), stop.clone());
        let scrapes = connections::serve(self.metrics, scrapes(metrics), stop.clone());
        within_grace(async { _ = tokio::join!(probes, scrapes) }, stop).await;
    }
}

fn bind(address: SocketAddr, purpose: &'static str) -> Result<TcpListener, BindError> {
    listen(address).map_err(|source| BindError {
        address,
        purpose,
        source,
    })
}

async fn within_grace(serving: impl Future<Output = ()>, stop: CancellationToken) {
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = serving => {}
        () = patience => {}
    }
}

fn probes(health: Arc<Health>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(health)
}

/// What scrapes are answered from, one after the other.
#[derive(Clone)]
struct Scrapes {
    metrics: Arc<Metrics>,
    turn: Arc<Semaphore>,
}

fn scrapes(metrics: Arc<Metrics>) -> Router {
    let turn = Arc::new(Semaphore::new(1));
    Router::new()
        .route("/metrics", get(scrape))
        .with_state(Scrapes { metrics, turn })
}

async fn livez(State(health): State<Arc<Health>>) -> Response {
    health.live().into_response()
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    health.ready().into_response()
}

async fn scrape(State(Scrapes { metrics, turn }): State<Scrapes>) -> Response {
    // The semaphore is never closed.
    let turn = turn.acquire_owned().await.ok();
    let (mut text, body) = stream::body();
    tokio::task::spawn_blocking(move || {
        let written = metrics.encode_to(&mut text);
        text.end(written);
        drop(turn);
    });
    ([(CONTENT_TYPE, OPEN_METRICS)], body).into_response()
}

impl IntoResponse for Verdict {
    fn into_response(self) -> Response {
        let status = if self.ok {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::api::Reason;
    use crate::telemetry::credentials::Observed;
    use crate::telemetry::labels::Refresh;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    struct Running {
        at: Addresses,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    fn running() -> Running {
        let listeners = Listeners::bind(Addresses {
            health: ANY,
            metrics: ANY,
        })
        .unwrap();
        let at = listeners.addresses().unwrap();
        let health = Arc::new(Health::new(
            &[("keys", "the keys are being read")],
            Arc::new(|| Duration::ZERO),
        ));
        let (metrics, stop) = (Arc::new(Metrics::new(true)), CancellationToken::new());
        let serving = listeners.serve(Arc::clone(&health), Arc::clone(&metrics), stop.clone());
        Running {
            at,
            health,
            metrics,
            stop,
            task: tokio::spawn(serving),
        }
    }

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn probes_answer_in_words() {
        let server = running();
        let waiting = fetch(server.at.health, "/readyz").await;
        assert!(
            waiting.starts_with("HTTP/1.1 503 ") && waiting.contains("[-] keys: the keys are being read"),
            "{waiting}"
        );
        server.health.met("keys");
        let ready = fetch(server.at.health, "/readyz").await;
        assert!(
            ready.starts_with("HTTP/1.1 200 ")
                && ready.contains("text/plain")
                && ready.contains("[+] keys: ok"),
            "{ready}"
        );
        assert!(
            fetch(server.at.health, "/livez")
                .await
                .starts_with("HTTP/1.1 200 ")
        );
        server.health.swept(Duration::from_hours(1));
        assert!(
            fetch(server.at.health, "/livez")
                .await
                .starts_with("HTTP/1.1 503 ")
        );
    }

    /// What one scrape needs is needed once.
    #[tokio::test(flavor = "multi_thread")]
    async fn scrapes_are_answered_one_after_the_other() {
        let server = running();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let highest = Arc::clone(&most);
        server.metrics.observe(Box::new(move || {
            highest.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::park_timeout(Duration::from_millis(20));
            running.fetch_sub(1, Ordering::SeqCst);
            Observed::default()
        }));
        let scrapes = [(); 5].map(|()| fetch(server.at.metrics, "/metrics"));
        for answer in futures::future::join_all(scrapes).await {
            assert!(
                answer.starts_with("HTTP/1.1 200 ") && answer.contains("# EOF"),
                "{answer}"
            );
        }
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }

    /// Hundreds that say nothing, and hundreds that never end a header.
    #[tokio::test]
    async fn whoever_holds_connections_open_keeps_no_probe_out() {
        let server = running();
        let mut held = Vec::new();
        for n in 0..300 {
            let mut stream = TcpStream::connect(server.at.health).await.unwrap();
            if n % 2 == 0 {
                let endless = format!("GET /livez HTTP/1.1\r\nX: {}", "x".repeat(64 * 1024));
                drop(stream.write_all(endless.as_bytes()).await);
            }
            held.push(stream);
        }
        let live = fetch(server.at.health, "/livez").await;
        assert!(live.starts_with("HTTP/1.1 200 "), "{live}");
        assert!(ended(&mut held[1]).await, "the oldest gave way");
        assert!(!ended(held.last_mut().unwrap()).await, "the newest has its time");
        for stream in &mut held {
            assert!(ended_within(stream, Duration::from_secs(10)).await);
        }
    }

    async fn ended(stream: &mut TcpStream) -> bool {
        ended_within(stream, Duration::from_millis(100)).await
    }

    /// Whether the server ends the connection within this time.
    async fn ended_within(stream: &mut TcpStream, within: Duration) -> bool {
        let mut rest = Vec::new();
        tokio::time::timeout(within, stream.read_to_end(&mut rest))
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn metrics_are_scraped_on_their_own_port() {
        let server = running();
        server.metrics.refresh(Refresh::Renewed, Reason::Fresh);
        let scraped = fetch(server.at.metrics, "/metrics").await;
        assert!(
            scraped.contains(OPEN_METRICS)
                && scraped.contains("entra_refresh_total{")
                && scraped.contains("# EOF"),
            "{scraped}"
        );
        assert!(
            fetch(server.at.health, "/metrics")
                .await
                .starts_with("HTTP/1.1 404 ")
        );
        assert!(
            fetch(server.at.metrics, "/livez")
                .await
                .starts_with("HTTP/1.1 404 ")
        );
    }

    #[tokio::test]
    async fn stopping_frees_the_ports() {
        let server = running();
        server.stop.cancel();
        server.task.await.unwrap();
        assert!(TcpStream::connect(server.at.health).await.is_err());
        assert!(TcpStream::connect(server.at.metrics).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_hangs_does_not_hold_up_the_end() {
        let stop = CancellationToken::new();
        let hanging = within_grace(std::future::pending(), stop.clone());
        tokio::pin!(hanging);
        assert!(tokio::time::timeout(GRACE * 10, &mut hanging).await.is_err());
        stop.cancel();
        let ended = tokio::time::timeout(GRACE + Duration::from_secs(1), hanging).await;
        assert!(ended.is_ok());
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let server = running();
        let error = Listeners::bind(Addresses {
            health: ANY,
            metrics: server.at.metrics,
        })
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&server.at.metrics.to_string()) && text.contains("for metrics"),
            "{text}"
        );
    }
}
