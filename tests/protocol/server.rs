//! A token service of a few lines: TLS, one scripted answer per request, a journal of what arrived.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What the server does with the next request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads it whole and writes these bytes.
    Answer(Vec<u8>),
    /// Reads it whole and closes the connection.
    Close,
    /// Reads it whole and keeps silent.
    Stall,
    /// Reads only the head and closes the connection.
    CloseAfterHead,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }
}

/// The running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) ca_pem: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    script: Mutex<VecDeque<Act>>,
    journal: Mutex<Vec<Received>>,
    handshakes: AtomicUsize,
}

/// Certificate for `localhost`, and the CA that signed it.
pub(crate) fn certificate() -> (ServerConfig, String) {
    certificate_for("localhost")
}

/// Certificate for this host, and the CA that signed it.
pub(crate) fn certificate_for(host: &str) -> (ServerConfig, String) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (config, issuer.pem())
}

impl Server {
    /// Starts with a script; requests beyond its end are answered with an empty 500.
    pub(crate) async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let (config, ca_pem) = certificate();
        Self::with_config(config, ca_pem, script).await
    }

    pub(crate) async fn with_config(
        config: ServerConfig,
        ca_pem: String,
        script: impl IntoIterator<Item = Act>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            script: Mutex::new(script.into_iter().collect()),
            ..State::default()
        });
        tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            Arc::clone(&state),
        ));
        Self { port, ca_pem, state }
    }

    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Adds to the script.
    pub(crate) fn then(&self, act: Act) {
        self.state.script.lock().unwrap().push_back(act);
    }

    /// Every request whose head arrived.
    pub(crate) fn journal(&self) -> Vec<Received> {
        self.state.journal.lock().unwrap().clone()
    }

    /// Completed TLS handshakes.
    pub(crate) fn handshakes(&self) -> usize {
        self.state.handshakes.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, state: Arc<State>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(tcp).await {
                state.handshakes.fetch_add(1, Ordering::SeqCst);
                serve(stream, &state).await;
            }
        });
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, state: &State) {
    while let Some(head) = read_head(&mut stream).await {
        let at = note(state, head);
        let act = state.script.lock().unwrap().pop_front();
        if matches!(act, Some(Act::CloseAfterHead)) {
            return;
        }
        read_body(&mut stream, state, at).await;
        match act {
            Some(Act::Answer(bytes)) => stream.write_all(&bytes).await.unwrap(),
            None => stream.write_all(&answer(500, &[], "")).await.unwrap(),
            Some(Act::Stall) => tokio::time::sleep(Duration::from_mins(10)).await,
            Some(Act::Close | Act::CloseAfterHead) => return,
        }
        stream.flush().await.unwrap();
    }
}

fn note(state: &State, head: String) -> usize {
    let mut journal = state.journal.lock().unwrap();
    journal.push(Received {
        head,
        body: String::new(),
    });
    journal.len() - 1
}

async fn read_head(stream: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Reads as many bytes as the head announces, noting each: a test wants to see even a torn body.
async fn read_body(stream: &mut TlsStream<TcpStream>, state: &State, at: usize) {
    let length = state.journal.lock().unwrap()[at]
        .header("content-length")
        .and_then(|n| n.parse::<usize>().ok());
    for _ in 0..length.unwrap_or(0) {
        let Ok(byte) = stream.read_u8().await else { return };
        state.journal.lock().unwrap()[at].body.push(char::from(byte));
    }
}

/// An HTTP/1.1 answer.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    answer_bytes(status, headers, body.as_bytes())
}

/// The same with a body of any bytes.
pub(crate) fn answer_bytes(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    [format!("{text}\r\n").as_bytes(), body].concat()
}

/// The same as an act.
pub(crate) fn say(status: u16, headers: &[(&str, &str)], body: &str) -> Act {
    Act::Answer(answer(status, headers, body))
}
