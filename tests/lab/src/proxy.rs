//! A TLS reverse proxy that refuses, resets, stalls, delays, cuts, or does the work and loses the answer.
//!
//! Stands before the API server or the simulator. Bodies flow through as they come, so watches work; every
//! header passes, `Authorization` too. A rule can also stop a request at an exact point and run a trigger,
//! with which tests kill the operator there.

mod forward;
mod journal;
mod rules;
mod trigger;

use std::sync::{Arc, Mutex, PoisonError};

use hyper::Request;
use hyper::body::Incoming;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::simulator::listener::{self, Availability, Handled, Handler, Hangup, LOOPBACK, Listener};
pub use crate::simulator::{Authority, Gate, TlsError};
pub use forward::TargetError;
use forward::Upstream;
pub use journal::{Entry, Journal};
pub use rules::{Action, Canned, Rule};
pub use trigger::{Next, Trigger};

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port could not be bound.
    #[error("cannot listen on the loopback interface")]
    Bind(#[from] std::io::Error),
    /// No certificate, or the target's authority cannot be read.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// The target is not a usable URL.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// `https://host:port` behind the proxy.
    pub target: String,
    /// PEM of the authority that the target's certificate comes from.
    pub target_ca: String,
    /// Port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Authority that signs the proxy's certificate; a new one if absent.
    pub authority: Option<Authority>,
    /// Pass the client's `Host` on, so that URLs in answers lead back through the proxy. For targets that
    /// speak HTTP/1.1, such as the simulator.
    pub forward_host: bool,
    /// Offer HTTP/2. Without it every request that fails takes only its own connection with it.
    pub http2: bool,
}

impl Options {
    /// The defaults for this target.
    pub fn new(target: &str, target_ca: &str) -> Self {
        Self {
            target: target.to_owned(),
            target_ca: target_ca.to_owned(),
            port: 0,
            authority: None,
            forward_host: false,
            http2: true,
        }
    }
}

/// A running proxy; dropping it stops it.
#[derive(Debug)]
pub struct Proxy {
    shared: Shared,
    authority: Authority,
    availability: Availability,
    port: u16,
    task: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug, Clone)]
struct Shared {
    upstream: Upstream,
    rules: Arc<Mutex<Vec<Rule>>>,
    journal: Journal,
    stop: CancellationToken,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Proxy {
    /// Starts a proxy on the loopback interface.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let authority = match options.authority.clone() {
            Some(authority) => authority,
            None => Authority::new("entra-lab proxy")?,
        };
        let versions: &[&str] = if options.http2 {
            &["h2", "http/1.1"]
        } else {
            &["http/1.1"]
        };
        let tls = Arc::new(authority.server(&[], versions)?);
        let upstream = Upstream::new(&options)?;
        let (socket, address) = listener::bind(LOOPBACK, options.port).await?;
        let stop = CancellationToken::new();
        let shared = Shared {
            upstream,
            rules: Arc::default(),
            journal: Journal::default(),
            stop,
        };
        let availability = Availability::default();
        let listener = Listener {
            socket,
            tls,
            availability: availability.clone(),
            stop: shared.stop.clone(),
        };
        let task = tokio::spawn(listener.serve(handler(shared.clone())));
        Ok(Self {
            shared,
            authority,
            availability,
            port: address.port(),
            task,
        })
    }

    /// Stops the proxy and drops every connection.
    pub async fn shutdown(mut self) {
        self.shared.stop.cancel();
        drop((&mut self.task).await);
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that clients must trust.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// The authority, to start another proxy that the same clients trust.
    pub fn authority(&self) -> Authority {
        self.authority.clone()
    }

    /// Drops all connections and refuses new ones.
    pub fn down(&self) {
        self.availability.down();
    }

    /// Accepts connections again.
    pub fn up(&self) {
        self.availability.up();
    }

    /// Drops all connections, watches too, and goes on accepting.
    pub fn cut_connections(&self) {
        self.availability.cut();
    }

    /// The requests so far.
    pub fn journal(&self) -> Journal {
        self.shared.journal.clone()
    }

    /// Adds a rule behind those that are there.
    pub fn add(&self, rule: Rule) {
        self.shared.rules().push(rule);
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.shared.rules().clear();
    }

    /// How many rules have not run out.
    pub fn rules_left(&self) -> usize {
        self.shared.rules().len()
    }
}

fn handler(shared: Shared) -> Handler {
    Arc::new(move |request| Box::pin(handle(shared.clone(), request)))
}

/// Runs in a task of its own: what the proxy has begun it finishes, also when the client was killed.
async fn handle(shared: Shared, request: Request<Incoming>) -> Handled {
    let stop = shared.stop.clone();
    let work = async move { stop.run_until_cancelled(shared.pass(request)).await };
    match tokio::spawn(work).await {
        Ok(Some(handled)) => handled,
        Ok(None) | Err(_) => Err(Hangup::Close),
    }
}

impl Shared {
    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(self, request: Request<Incoming>) -> Handled {
        let entry = Entry::of(&request);
        let action = rules::take(&mut self.rules(), &entry);
        let sequence = self.journal.append(entry, action.as_ref().map(Action::name));
        let exchange = forward::Exchange {
            upstream: self.upstream,
            journal: self.journal,
            sequence,
        };
        exchange.run(request, action).await
    }
}
