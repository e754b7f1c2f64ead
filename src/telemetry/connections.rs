//! The connections of a listener: few, short, and the newest first.
//!
//! Whoever reaches the port may open connections and say nothing, or never end a header. That costs them a connection, and
//! nobody else anything: the kubelet's next probe takes the place of the oldest.
//!
//! # Guarantees
//!
//! - At most [`MOST`] connections at once, each with at most [`BUFFER`] bytes of request; one more closes the oldest.
//! - A request's head is complete within [`HEAD`]; a connection ends with its answer, or after [`LIFE`].

use std::collections::VecDeque;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Connections at once: a kubelet and a few scrapers need a handful.
const MOST: usize = 64;

/// Bytes of a request that are kept: hyper takes no less than 8 KiB.
const BUFFER: usize = 16 * 1024;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(5);

/// How long a connection may last: as long as Prometheus waits for a scrape, by default 10 s, and some more.
const LIFE: Duration = Duration::from_secs(30);

/// How long nothing is accepted after the system refused to, for want of file descriptors for instance.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until `stop`, and then until the answers in progress are finished.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => connections.begin(stream, routes.clone()),
            Err(error) => {
                tracing::debug!(%error, "no connection could be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while connections.running.join_next().await.is_some() {}
}

/// What is open, oldest first.
#[derive(Debug, Default)]
struct Connections {
    running: JoinSet<()>,
    handles: VecDeque<AbortHandle>,
}

impl Connections {
    fn begin(&mut self, stream: TcpStream, routes: Router) {
        while self.running.try_join_next().is_some() {}
        self.handles.retain(|handle| !handle.is_finished());
        if self.handles.len() >= MOST
            && let Some(oldest) = self.handles.pop_front()
        {
            oldest.abort();
        }
        self.handles.push_back(self.running.spawn(answer(stream, routes)));
    }
}

async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // Whoever breaks off or says nothing is nobody's trouble but their own.
    drop(tokio::time::timeout(LIFE, connection).await);
}
