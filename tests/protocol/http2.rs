//! The same guarantees over HTTP/2, which is what the service speaks.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use entra_operator::plan::answer::Effect;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::client::{Setup, granted, refused, tokens};
use crate::server::certificate;

#[derive(Debug)]
struct Seen {
    version: Version,
    length: Option<String>,
    /// `None`: the peer tore the stream before the end of the body.
    body: Option<String>,
}

type Journal = Arc<Mutex<Vec<Seen>>>;

async fn start() -> (String, String, Journal) {
    let (mut config, ca_pem) = certificate();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let journal = Journal::default();
    tokio::spawn(accept(
        listener,
        TlsAcceptor::from(Arc::new(config)),
        Arc::clone(&journal),
    ));
    (host, ca_pem, journal)
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, journal: Journal) {
    while let Ok((tcp, _)) = listener.accept().await {
        let Ok(stream) = tls.accept(tcp).await else {
            continue;
        };
        let journal = Arc::clone(&journal);
        let service = service_fn(move |request| respond(request, Arc::clone(&journal)));
        tokio::spawn(async move {
            drop(
                Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn respond(request: Request<Incoming>, journal: Journal) -> Result<Response<Full<Bytes>>, Infallible> {
    let version = request.version();
    let length = request
        .headers()
        .get("content-length")
        .and_then(|v| v.to_str().ok())
        .map(str::to_owned);
    let body = request.into_body().collect().await.ok();
    let body = body.map(|body| String::from_utf8(body.to_bytes().to_vec()).unwrap());
    journal.lock().unwrap().push(Seen {
        version,
        length,
        body,
    });
    Ok(Response::new(Full::from(tokens())))
}

#[tokio::test]
async fn a_sign_in_has_its_length_and_whole_body() {
    let (host, ca_pem, journal) = start().await;
    granted(Setup::trusting(&host, &ca_pem).login().await);
    let seen = journal.lock().unwrap().pop().unwrap();
    let body = seen.body.unwrap();
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.length, Some(body.len().to_string()));
    assert!(body.starts_with("client_id="));
}

#[tokio::test]
async fn a_withheld_body_does_not_leave() {
    let (host, ca_pem, journal) = start().await;
    let setup = Setup::trusting(&host, &ca_pem);
    let refusal = refused(setup.login_if(&|| false).await);
    assert!(refusal.message.contains("not sent"), "{}", refusal.message);
    granted(setup.login().await);
    let journal = journal.lock().unwrap();
    let bodies: Vec<_> = journal.iter().filter_map(|seen| seen.body.as_ref()).collect();
    assert_eq!(bodies.len(), 1, "{journal:?}");
}

/// Reads every request whole, then says "not processed": a library may repeat such a request by the letter of
/// RFC 9113 §8.7, and must not repeat ours.
async fn refuse_streams(listener: TcpListener, tls: TlsAcceptor, arrived: Arc<AtomicUsize>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let Ok(stream) = tls.accept(tcp).await else {
            continue;
        };
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let arrived = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let mut body = request.into_body();
                let arrived = Arc::clone(&arrived);
                tokio::spawn(async move {
                    while let Some(Ok(_)) = body.data().await {}
                    arrived.fetch_add(1, Ordering::SeqCst);
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                });
            }
        });
    }
}

#[tokio::test]
async fn a_refused_stream_is_not_sent_again() {
    let (mut config, ca_pem) = certificate();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("localhost:{}", listener.local_addr().unwrap().port());
    let arrived = Arc::new(AtomicUsize::new(0));
    tokio::spawn(refuse_streams(
        listener,
        TlsAcceptor::from(Arc::new(config)),
        Arc::clone(&arrived),
    ));
    let refusal = refused(Setup::trusting(&host, &ca_pem).login().await);
    assert_eq!(refusal.effect, Effect::Unanswered);
    assert_eq!(arrived.load(Ordering::SeqCst), 1);
}
