//! One HTTPS request and its answer; nothing is ever sent twice.
//!
//! # Guarantees
//!
//! - No redirect is followed, no cookie kept, no request repeated by a library; https only, TLS 1.2 or newer.
//! - [`Lost`] says exactly whether any byte of the body may have left.
//! - At most [`BODY_MAX`] bytes of an answer are read, and no more come out of its content coding; the whole ends within
//!   the deadline.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, redirect, retry, tls};
use url::Url;
use zeroize::Zeroizing;

use super::authority::{Authorities, Authority};
use super::body::{Door, Payload, guarded};
use super::bundle::{self, Bundle};
use super::clock::Timing;
use super::decode::{self, Coding};
use super::failure::guid_like;
use super::retry_after::parse_retry_after;
use super::{BuildError, Peer, USER_AGENT};
use crate::plan::Time;
use crate::reconcile::ports::Clock;
use crate::reconcile::stamp;

/// Most bytes of an answer's body: real ones have 5 to 10 kB.
pub const BODY_MAX: usize = 64 * 1024;

/// Idle connections are dropped before the service does it: a connection that dies under a password costs a send.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// Time for TCP and TLS, within the deadline of the request.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTP clients: one for the system's certificates, one for each authority that brings its own, one for federation
/// servers. All of them go through the proxy of the environment, if there is one (`HTTPS_PROXY`, `NO_PROXY`).
#[derive(Debug)]
pub(super) struct Connections {
    system: reqwest::Client,
    private: BTreeMap<String, Private>,
    /// `None`: the system's certificates are enough there.
    federation: Option<Private>,
}

/// The client of whoever brings certificates of his own. The system's never stand in for them.
#[derive(Debug)]
struct Private {
    file: PathBuf,
    /// `None`: no certificate has been read from the file yet.
    client: RwLock<Option<reqwest::Client>>,
}

/// Certificates without which nothing is sent to a peer have not been read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoRoots {
    pub(super) peer: Peer,
    pub(super) file: PathBuf,
}

impl Connections {
    pub(super) fn new(authorities: &Authorities) -> Result<Self, BuildError> {
        let private = authorities.private_roots();
        Ok(Self {
            private: private
                .map(|(name, file)| (name.to_owned(), Private::of(file)))
                .collect(),
            federation: None,
            system: build(builder())?,
        })
    }

    /// Federation servers bring the certificates of this file.
    pub(super) fn federation_brings(&mut self, file: &Path) {
        self.federation = Some(Private::of(file));
    }

    /// Replaces the client of whoever brings certificates of his own: no kept connection outlives the trust that it was
    /// made under.
    pub(super) fn trust(&self, peer: &Peer, pem: &[u8]) -> Result<(), BuildError> {
        let (private, client) = match peer {
            Peer::Authority(name) => (self.private.get(name), only(peer, pem)),
            Peer::Federation => (self.federation.as_ref(), beside(peer, pem)),
        };
        let client = client.ok_or_else(|| BuildError::Certificates(peer.clone()))?;
        if let Some(private) = private {
            *private.client.write().unwrap_or_else(PoisonError::into_inner) = Some(client);
        }
        Ok(())
    }

    pub(super) fn federation(&self) -> Result<reqwest::Client, NoRoots> {
        self.of(self.federation.as_ref(), || Peer::Federation)
    }

    pub(super) fn to(&self, authority: &Authority) -> Result<reqwest::Client, NoRoots> {
        let name = authority.name().unwrap_or_default();
        self.of(self.private.get(name), || Peer::Authority(name.to_owned()))
    }

    fn of(&self, private: Option<&Private>, peer: impl FnOnce() -> Peer) -> Result<reqwest::Client, NoRoots> {
        let Some(private) = private else {
            return Ok(self.system.clone());
        };
        let client = private
            .client
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        client.ok_or_else(|| NoRoots {
            peer: peer(),
            file: private.file.clone(),
        })
    }
}

impl Private {
    fn of(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            client: RwLock::new(None),
        }
    }
}

/// A client that trusts an authority's own certificates and no others.
fn only(peer: &Peer, pem: &[u8]) -> Option<reqwest::Client> {
    builder().tls_certs_only(roots(peer, pem)?).build().ok()
}

/// A client that trusts these certificates beside those of the system.
fn beside(peer: &Peer, pem: &[u8]) -> Option<reqwest::Client> {
    builder().tls_certs_merge(roots(peer, pem)?).build().ok()
}

/// The certificates of a file that can be trusted, if there is one. How many, and which not, is told.
fn roots(peer: &Peer, file: &[u8]) -> Option<Vec<Certificate>> {
    let Bundle { good, bad } = bundle::read(file);
    if !bad.is_empty() {
        tracing::warn!(%peer, places = ?bad, "certificates that cannot be read are left out");
    }
    tracing::info!(%peer, certificates = good.len(), "certificates were read");
    let roots = good.iter().map(|der| Certificate::from_der(der).ok());
    roots
        .collect::<Option<Vec<_>>>()
        .filter(|roots| !roots.is_empty())
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(uncoded())
        .https_only(true)
        .tls_version_min(tls::Version::TLS_1_2)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE)
}

/// Without the header, any content coding would be welcome (RFC 9110 §12.5.3). Some come all the same.
fn uncoded() -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))])
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, BuildError> {
    builder.build().map_err(|_| BuildError::Tls)
}

/// A request that is ready to go.
pub(super) struct Outgoing {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Body of a POST; `None`: a GET.
    pub(super) payload: Option<Payload>,
    pub(super) deadline: Duration,
}

/// Without the URL: that of a realm names the user.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("payload", &self.payload)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// An answer with its head and whole body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) timing: Timing,
    /// Seconds, if the answer asks to wait.
    pub(super) retry_after: Option<i64>,
    /// `x-ms-request-id`, which equals the trace id.
    pub(super) trace_id: Option<String>,
    /// In UTF-8 and without its content coding; `None` if it was longer than [`BODY_MAX`], or has an unknown coding.
    pub(super) body: Option<Zeroizing<Vec<u8>>>,
}

/// How far the body of a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// Not asked for: no connection, or no body at all.
    Waiting,
    /// Asked for, and held back.
    Withheld,
    /// Handed to the connection: any byte of it may have left.
    Left,
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// No connection.
    Connect,
    /// The peer's certificate is not trusted.
    Certificate,
    /// It is for another name.
    Name,
    /// No version of TLS or no cipher in common.
    Version,
    /// TLS failed otherwise.
    Tls,
    /// The deadline passed.
    Deadline,
    /// The connection broke.
    Broken,
}

/// No complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) departure: Departure,
    pub(super) cause: Cause,
}

/// Sends the request, unless `may_leave` says no when its body is about to be written.
pub(super) async fn exchange(
    client: &reqwest::Client,
    outgoing: Outgoing,
    clock: &dyn Clock,
    may_leave: &(dyn Fn() -> bool + Send + Sync),
) -> Result<Reply, Lost> {
    let mut departure = Departure::Waiting;
    let deadline = outgoing.deadline;
    let (request, door) = assemble(client, outgoing);
    let start = clock.now();
    let talk = converse(request, door, may_leave, &mut departure);
    let answer = tokio::time::timeout(deadline, talk)
        .await
        .unwrap_or(Err(Cause::Deadline));
    match answer {
        Ok((head, body)) => Ok(head.reply(start, clock.now(), body)),
        Err(cause) => Err(Lost { departure, cause }),
    }
}

fn assemble(client: &reqwest::Client, outgoing: Outgoing) -> (reqwest::RequestBuilder, Option<Door>) {
    let Outgoing {
        url,
        headers,
        payload,
        ..
    } = outgoing;
    let Some(payload) = payload else {
        return (client.get(url).headers(headers), None);
    };
    let (body, door) = guarded(payload.bytes);
    let request = client
        .post(url)
        .headers(headers)
        .header(header::CONTENT_TYPE, payload.content_type)
        .body(reqwest::Body::wrap(body));
    (request, Some(door))
}

type Answer = (Head, Option<Zeroizing<Vec<u8>>>);

/// Drives the request, and answers the body's question when it comes.
async fn converse(
    request: reqwest::RequestBuilder,
    door: Option<Door>,
    may_leave: &(dyn Fn() -> bool + Send + Sync),
    departure: &mut Departure,
) -> Result<Answer, Cause> {
    let mut answer = std::pin::pin!(receive(request));
    let Some(mut door) = door else {
        return answer.await;
    };
    tokio::select! {
        biased;
        () = door.knock() => {}
        early = &mut answer => return early,
    }
    let leave = may_leave();
    *departure = if leave {
        Departure::Left
    } else {
        Departure::Withheld
    };
    door.open(leave);
    answer.await
}

async fn receive(request: reqwest::RequestBuilder) -> Result<Answer, Cause> {
    let response = request.send().await.map_err(|error| cause(&error))?;
    let head = Head::of(&response);
    let coding = Coding::of(response.headers());
    let body = read_body(response).await?;
    Ok((head, body.and_then(|body| decode::text(coding, body))))
}

/// Reads the body piece by piece; `None` as soon as it is too long.
async fn read_body(mut response: reqwest::Response) -> Result<Option<Zeroizing<Vec<u8>>>, Cause> {
    let announced = response.content_length().unwrap_or(0);
    if announced > BODY_MAX as u64 {
        return Ok(None);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(BODY_MAX));
    while let Some(piece) = response.chunk().await.map_err(|error| cause(&error))? {
        if body.len().saturating_add(piece.len()) > BODY_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// Tells causes apart. The error itself is dropped: its text names URLs.
fn cause(error: &reqwest::Error) -> Cause {
    if let Some(tls) = tls_error(error) {
        tls_cause(tls)
    } else if error.is_connect() {
        Cause::Connect
    } else if error.is_timeout() {
        Cause::Deadline
    } else {
        Cause::Broken
    }
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let own = error.downcast_ref();
    own.or_else(|| wrapped(error).and_then(tls_error))
}

/// A server that offers nothing of what we know says so by an alert (RFC 8446 §6.2), or rustls notices it by itself.
fn tls_cause(error: &rustls::Error) -> Cause {
    use rustls::{AlertDescription as Alert, CertificateError};
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Cause::Name,
        rustls::Error::InvalidCertificate(_) => Cause::Certificate,
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity,
        ) => Cause::Version,
        rustls::Error::AlertReceived(_) | _ => Cause::Tls,
    }
}

/// The next error inside. An `io::Error` does not name its content as its source, but the source of that.
fn wrapped<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let content = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    content.map(|content| content as _).or_else(|| error.source())
}

/// What is kept of an answer's head.
#[derive(Debug)]
struct Head {
    status: u16,
    date: Option<Time>,
    retry_after: Option<String>,
    trace_id: Option<String>,
}

impl Head {
    fn of(response: &reqwest::Response) -> Self {
        let text = |name: &str| response.headers().get(name)?.to_str().ok();
        Self {
            status: response.status().as_u16(),
            date: text("date")
                .filter(|_| text("age").is_none())
                .and_then(stamp::from_http),
            retry_after: text("retry-after").map(str::to_owned),
            trace_id: text("x-ms-request-id").and_then(guid_like),
        }
    }

    fn reply(self, start: Time, end: Time, body: Option<Zeroizing<Vec<u8>>>) -> Reply {
        Reply {
            status: self.status,
            timing: Timing {
                start,
                end,
                date: self.date,
            },
            retry_after: self
                .retry_after
                .and_then(|value| parse_retry_after(&value, self.date.unwrap_or(end))),
            trace_id: self.trace_id,
            body,
        }
    }
}
