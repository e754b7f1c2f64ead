//! Nothing secret in logs, errors and `Debug`, at any level.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::fmt::MakeWriter;

use crate::client::{Setup, tokens};
use crate::federation::{Scene, Version, fault, issued};
use crate::server::{Act, Server, say};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything that the libraries say too: hyper, h2, rustls and reqwest at TRACE.
#[test]
fn no_marker_at_trace_level() {
    let sink = Sink::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(sink.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // With a single subscriber, tracing asks the thread that meets a line first, and that of another test has none.
    let _second = Dispatch::new(NoSubscriber::new());
    let shown = tracing::subscriber::with_default(subscriber, || runtime.block_on(scenario()));
    let logged = String::from_utf8_lossy(&sink.0.lock().unwrap()).into_owned();
    assert!(
        logged.contains("request to the identity provider ended"),
        "our own line is there"
    );
    for text in [&logged, &shown] {
        for marker in ["marker", "alice", "contoso.example@", "bWFya2Vy"] {
            assert!(!text.contains(marker), "{marker} in {text}");
        }
    }
}

async fn scenario() -> String {
    let server = Server::start([
        say(200, &[], &tokens()),
        say(200, &[], &tokens()),
        say(
            400,
            &[],
            r#"{"error":"invalid_grant","error_description":"marker alice@contoso.example"}"#,
        ),
        say(
            200,
            &[],
            r#"{"token_type":"Bearer","access_token":"marker access","expires_in":1}"#,
        ),
        say(302, &[("Location", "https://localhost/?marker")], ""),
        Act::Close,
    ])
    .await;
    let setup = Setup::new(&server);
    let mut shown = String::new();
    for round in 0..6 {
        let outcome = if round % 2 == 0 {
            setup.login().await
        } else {
            setup.redeem().await
        };
        shown.push_str(&format!("{outcome:?}").replace("alice@contoso.example", ""));
    }
    write!(shown, "{:?} {:?}", setup.client, setup.request()).unwrap();
    shown.push_str(&federated_scenario().await);
    shown
}

/// The same for an account with a federation server: a success, a fault, and answers that are none.
async fn federated_scenario() -> String {
    let mut shown = String::new();
    for answer in [
        say(200, &[], &issued(Version::V13)),
        say(500, &[], &fault("s:Sender", "a:FailedAuthentication")),
        say(500, &[], "<html>marker</html>"),
        say(302, &[("Location", "https://localhost/?marker")], ""),
        Act::Close,
    ] {
        let scene = Scene::new([answer]).await;
        scene.cloud.then(say(200, &[], &tokens()));
        shown.push_str(&format!("{:?}", scene.setup.login().await).replace("alice@contoso.example", ""));
    }
    shown
}
