//! Sends a request on to the target and its answer back, with an action in between.
//!
//! Bodies are never collected: a watch event goes through the moment it comes.

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt as _};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::journal::Journal;
use super::rules::{Action, Canned};
use super::trigger::{Next, Trigger};
use super::{Options, StartError};
use crate::simulator::TlsError;
use crate::simulator::listener::{Body, Handled, Hangup};
use crate::simulator::tls::provider;

/// The target is not a usable URL.
#[derive(Debug, thiserror::Error)]
#[error("the target must be a URL such as https://127.0.0.1:6443")]
pub struct TargetError;

/// Headers that belong to one connection only (RFC 9110 section 7.6.1).
const HOP_BY_HOP: &[HeaderName] = &[
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

/// The target and the connections to it.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    scheme: hyper::http::uri::Scheme,
    authority: hyper::http::uri::Authority,
    forward_host: bool,
}

impl Upstream {
    pub(super) fn new(options: &Options) -> Result<Self, StartError> {
        let target: Uri = options.target.parse().map_err(|_| TargetError)?;
        let parts = target.into_parts();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&options.target_ca)?)
            .https_or_http()
            .enable_all_versions()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            scheme: parts.scheme.ok_or(TargetError)?,
            authority: parts.authority.ok_or(TargetError)?,
            forward_host: options.forward_host,
        })
    }

    /// The answer of the target; a target that cannot be reached is a closed connection to the client.
    async fn send(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Hangup> {
        let request = self.redirected(request).map_err(|_| Hangup::Close)?;
        self.client.request(request).await.map_err(|error| {
            tracing::debug!(%error, "the target did not answer");
            Hangup::Close
        })
    }

    fn redirected(&self, request: Request<Incoming>) -> Result<Request<Body>, hyper::http::Error> {
        let (mut parts, body) = request.into_parts();
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", hyper::http::uri::PathAndQuery::as_str);
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone());
        let uri = uri.path_and_query(path).build()?;
        let host = parts.headers.remove(HOST).or_else(|| host_of(&parts.uri));
        strip(&mut parts.headers);
        if let Some(host) = host.filter(|_| self.forward_host) {
            parts.headers.insert(HOST, host);
        }
        (parts.uri, parts.version) = (uri, Version::HTTP_11);
        Ok(Request::from_parts(
            parts,
            body.map_err(io::Error::other).boxed_unsync(),
        ))
    }
}

/// HTTP/2 has no Host header: it stands in the request's target.
fn host_of(uri: &Uri) -> Option<HeaderValue> {
    HeaderValue::try_from(uri.authority()?.as_str()).ok()
}

fn tls(ca: &str) -> Result<rustls::ClientConfig, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate?)?;
    }
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::new(roots));
    Ok(config.with_no_client_auth())
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
}

/// One request on its way.
pub(super) struct Exchange {
    pub(super) upstream: Upstream,
    pub(super) journal: Journal,
    pub(super) sequence: u64,
}

impl Exchange {
    pub(super) async fn run(self, request: Request<Incoming>, action: Option<Action>) -> Handled {
        match action {
            None => self.forward(request).await,
            Some(Action::Close) => Err(Hangup::Close),
            Some(Action::Reset) => Err(Hangup::Reset),
            Some(Action::Stall) => std::future::pending().await,
            Some(Action::Answer(canned)) => Ok(self.made_up(canned)),
            Some(Action::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.forward(request).await
            }
            Some(Action::Before(trigger)) => {
                self.pull(&trigger).await?;
                self.forward(request).await
            }
            Some(action) => {
                let response = self.fetch(request).await?;
                self.spoil(response, action).await
            }
        }
    }

    /// The actions on an answer of the target.
    async fn spoil(&self, response: Response<Incoming>, action: Action) -> Handled {
        match action {
            Action::DelayAnswer(time) => {
                tokio::time::sleep(time).await;
                Ok(self.deliver(response.map(whole)))
            }
            Action::CutBody(length) => Ok(self.deliver(response.map(|body| cut(body, length)))),
            Action::After(trigger) => {
                self.pull(&trigger).await?;
                Ok(self.deliver(response.map(whole)))
            }
            Action::StallAnswer => std::future::pending().await,
            Action::LoseAnswer
            | Action::Close
            | Action::Reset
            | Action::Stall
            | Action::Delay(_)
            | Action::Answer(_)
            | Action::Before(_) => Err(Hangup::Close),
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> Handled {
        let response = self.fetch(request).await?;
        Ok(self.deliver(response.map(whole)))
    }

    async fn fetch(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Hangup> {
        let mut response = self.upstream.send(request).await?;
        self.journal.answered(self.sequence, response.status().as_u16());
        strip(response.headers_mut());
        // The connection to the client has a version of its own.
        *response.version_mut() = Version::default();
        Ok(response)
    }

    async fn pull(&self, trigger: &Trigger) -> Result<(), Hangup> {
        let entry = self.journal.entry(self.sequence).ok_or(Hangup::Close)?;
        match trigger.pull(entry).await {
            Next::Proceed => Ok(()),
            Next::HangUp => Err(Hangup::Close),
        }
    }

    fn deliver(&self, response: Response<Body>) -> Response<Body> {
        self.journal.delivered(self.sequence);
        response
    }

    fn made_up(&self, canned: Canned) -> Response<Body> {
        self.journal.answered(self.sequence, canned.status);
        let mut response = Response::new(Full::from(canned.body).map_err(io::Error::other).boxed_unsync());
        *response.status_mut() = StatusCode::from_u16(canned.status).unwrap_or(StatusCode::OK);
        for (name, value) in canned.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        self.deliver(response)
    }
}

fn whole(body: Incoming) -> Body {
    body.map_err(io::Error::other).boxed_unsync()
}

/// The first `length` bytes, then an error.
fn cut(body: Incoming, length: usize) -> Body {
    StreamBody::new(Box::pin(first(body, length)).map(|bytes| bytes.map(Frame::data))).boxed_unsync()
}

fn first(body: Incoming, length: usize) -> impl Stream<Item = io::Result<Bytes>> {
    futures::stream::unfold((body.into_data_stream(), length), |(mut data, left)| async move {
        if left == 0 {
            // The bytes before must have left, or the server drops them together with the connection.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            return Some((
                Err(io::Error::other("the answer is cut short on purpose")),
                (data, left),
            ));
        }
        let bytes = data.next().await?.map_err(io::Error::other);
        let bytes = bytes.map(|bytes| bytes.slice(..bytes.len().min(left)));
        let left = bytes.as_ref().map_or(0, |bytes| left - bytes.len());
        Some((bytes, (data, left)))
    })
}
