//! Accepts TLS connections and hands each request to a handler that may also hang up.
//!
//! A fault needs power over the connection itself, which no HTTP framework offers: hence this loop.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// The body of every answer: whole, streamed, or cut short by an error.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How a connection ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// The connection is closed in the ordinary way.
    Close,
    /// The peer gets a TCP reset.
    Reset,
}

/// What a handler makes of one request.
pub(crate) type Handled = Result<Response<Body>, Hangup>;

/// The future of a handler.
pub(crate) type Handling = Pin<Box<dyn Future<Output = Handled> + Send>>;

/// Turns requests into answers; shared by all connections.
pub(crate) type Handler = Arc<dyn Fn(Request<Incoming>) -> Handling + Send + Sync>;

/// Where listeners are found unless told otherwise.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Binds a port of this address, any free one if `port` is 0.
pub(crate) async fn bind(address: IpAddr, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Whether connections are accepted at all, shared between a listener and its owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Availability {
    inner: Arc<std::sync::Mutex<Epoch>>,
}

#[derive(Debug, Default)]
struct Epoch {
    down: bool,
    connections: CancellationToken,
}

impl Availability {
    /// Refuses new connections and drops the open ones.
    pub(crate) fn down(&self) {
        let mut epoch = self.lock();
        epoch.down = true;
        std::mem::take(&mut epoch.connections).cancel();
    }

    /// Drops the open connections and goes on accepting.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut self.lock().connections).cancel();
    }

    /// Accepts connections again.
    pub(crate) fn up(&self) {
        self.lock().down = false;
    }

    fn admit(&self) -> Option<CancellationToken> {
        let epoch = self.lock();
        (!epoch.down).then(|| epoch.connections.child_token())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Epoch> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A listener that is ready to serve.
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    pub(crate) availability: Availability,
    pub(crate) stop: CancellationToken,
}

impl Listener {
    /// Serves until `stop` is cancelled; then every connection is dropped.
    pub(crate) async fn serve(self, handler: Handler) {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
        while let Some(accepted) = self.stop.run_until_cancelled(self.socket.accept()).await {
            let Ok((stream, _)) = accepted else {
                // Out of descriptors, most likely: trying again at once would only burn time.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            let Some(life) = self.availability.admit() else {
                continue;
            };
            let connection = Connection::new(life, Arc::clone(&handler));
            tokio::spawn(within(
                self.stop.clone(),
                connection.run(acceptor.clone(), stream),
            ));
        }
        self.availability.down();
    }
}

async fn within(stop: CancellationToken, connection: impl Future<Output = ()>) {
    stop.run_until_cancelled(connection).await;
}

#[derive(Clone)]
struct Connection {
    life: CancellationToken,
    reset: Arc<AtomicBool>,
    handler: Handler,
}

impl Connection {
    fn new(life: CancellationToken, handler: Handler) -> Self {
        Self {
            life,
            reset: Arc::default(),
            handler,
        }
    }

    async fn run(self, acceptor: TlsAcceptor, stream: TcpStream) {
        let life = self.life.clone();
        life.run_until_cancelled(self.speak(acceptor, stream)).await;
    }

    async fn speak(self, acceptor: TlsAcceptor, stream: TcpStream) {
        // A failure here is the client's business: it closed early, or it does not trust the authority.
        drop(stream.set_nodelay(true));
        let wire = Wire {
            stream,
            reset: Arc::clone(&self.reset),
        };
        let Ok(stream) = acceptor.accept(wire).await else {
            return;
        };
        let service = service_fn(move |request| self.clone().respond(request));
        let server = auto::Builder::new(TokioExecutor::new());
        if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn respond(self, request: Request<Incoming>) -> Handled {
        let handled = (self.handler)(request).await;
        if let Err(hangup) = handled {
            self.hang_up(hangup).await;
        }
        handled
    }

    async fn hang_up(&self, hangup: Hangup) {
        self.reset.store(hangup == Hangup::Reset, Ordering::SeqCst);
        self.life.cancel();
        // The connection's task is dropped by the line above; nothing may be answered in between.
        std::future::pending::<()>().await;
    }
}

impl std::fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is to be closed")
    }
}

impl std::error::Error for Hangup {}

/// A TCP stream that can end with a reset.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // Unread or unsent data is thrown away and the peer sees ECONNRESET.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
