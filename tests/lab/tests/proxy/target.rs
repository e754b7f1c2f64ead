//! A target that counts its requests, repeats what it got, and streams what the test feeds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::{any, get};
use entra_lab::proxy::{Options, Proxy};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

#[derive(Clone)]
struct Shared {
    seen: Arc<AtomicUsize>,
    events: Arc<Mutex<mpsc::UnboundedReceiver<&'static str>>>,
}

pub(crate) struct Lab {
    pub(crate) proxy: Proxy,
    pub(crate) http: reqwest::Client,
    /// Feeds `/watch`.
    pub(crate) events: mpsc::UnboundedSender<&'static str>,
    seen: Arc<AtomicUsize>,
}

impl Lab {
    /// How many requests reached the target.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.proxy.url()))
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.request("GET", path).send().await
    }

    /// The status of a GET, 0 if there was no answer.
    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path)
            .await
            .map_or(0, |response| response.status().as_u16())
    }
}

pub(crate) fn client(ca: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).unwrap()])
        .no_proxy()
        .timeout(Duration::from_secs(5))
}

pub(crate) async fn lab() -> Lab {
    let (events, receiver) = mpsc::unbounded_channel();
    let seen = Arc::<AtomicUsize>::default();
    let target = serve(Shared {
        seen: Arc::clone(&seen),
        events: Arc::new(Mutex::new(receiver)),
    })
    .await;
    let proxy = Proxy::start(Options::new(&target, "")).await.unwrap();
    let http = client(&proxy.ca_pem()).build().unwrap();
    Lab {
        proxy,
        http,
        events,
        seen,
    }
}

async fn serve(shared: Shared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/watch", get(watch))
        .fallback(any(echo))
        .with_state(shared);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn echo(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> axum::Json<Value> {
    shared.seen.fetch_add(1, Ordering::SeqCst);
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap_or_default())))
        .collect();
    axum::Json(json!({"method": method.as_str(), "uri": uri.to_string(), "headers": headers, "body": body}))
}

async fn watch(State(shared): State<Shared>) -> Body {
    shared.seen.fetch_add(1, Ordering::SeqCst);
    let events = futures::stream::unfold(shared.events, |events| async move {
        let event = events.lock().await.recv().await?;
        Some((event, events))
    });
    Body::from_stream(events.map(Ok::<_, std::io::Error>))
}
