//! A start with everything healthy: what it costs beside reading the same pages and throwing them away.

use std::path::Path;
use std::time::{Duration, Instant};

use entra_operator::api::{EntraCredential, IS_TOKEN, LABEL_TOKEN};
use entra_operator::cluster::{self, PAGE, WatchClients};
use futures::{AsyncReadExt as _, future};
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, Resource as _};
use serde::Serialize;
use serde_json::Value;

use super::elsewhere::Elsewhere;
use super::meter::{Footprint, footprint, on_a_thread, thread_time};
use super::report::failed;
use super::window::{Cost, Window, calls_since, mark};
use crate::controlplane::Component;
use crate::stage::{Error, Operator, OperatorOptions, Stage};

/// How long it is looked at.
const WINDOW: Duration = Duration::from_secs(20);

/// How long the API server is away until watches begin anew.
const AWAY: Duration = Duration::from_secs(15);

/// Scrapes at once.
const SCRAPES: usize = 3;

/// What a start came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Start {
    /// Seconds to `/readyz` 200.
    pub(super) ready: f64,
    /// What the first while cost.
    pub(super) cost: Cost,
    /// Seconds of processor time of a loop that reads the same pages and throws them away.
    pub(super) bare: f64,
    /// Footprint after it.
    pub(super) memory: Footprint,
}

/// Stops the operator and starts it anew.
pub(super) async fn again(
    stage: &Stage,
    elsewhere: &Elsewhere,
    program: &Path,
    operator: Operator,
    options: OperatorOptions,
) -> Result<(Start, Operator), Error> {
    operator.terminate().await?;
    let kubeconfig = stage.plane.admin_kubeconfig().to_owned();
    let bare = on_a_thread(async move || bare(&kubeconfig).await).await?;
    let open = Window::open(stage, elsewhere, None).await?;
    let operator = stage
        .operator(
            program,
            OperatorOptions {
                wait: false,
                ..options
            },
        )
        .await?;
    let ready = operator.ready().await?;
    tokio::time::sleep(WINDOW.saturating_sub(ready)).await;
    let start = Start {
        ready: ready.as_secs_f64(),
        cost: open.close(stage, elsewhere, &operator).await?,
        bare,
        memory: footprint(stage, &operator),
    };
    Ok((start, operator))
}

/// Footprint after the API server was away, so that everything is listed anew, with several scrapes at once meanwhile;
/// its peak is that of the whole process.
pub(super) async fn relisted(stage: &Stage, operator: &Operator) -> Result<Footprint, Error> {
    let metrics = operator.metrics().ok_or_else(|| failed("no metrics"))?;
    let url = format!("{metrics}/metrics");
    let mark = mark(stage).await?;
    stage.plane.stop(Component::ApiServer).await?;
    tokio::time::sleep(AWAY).await;
    stage.plane.launch(Component::ApiServer).await?;
    let back = Instant::now();
    while back.elapsed() < WINDOW {
        future::join_all((0..SCRAPES).map(|_| operator.get(&url))).await;
    }
    let calls = calls_since(stage, mark).await?;
    if !calls.iter().any(|call| call.verb == "list") {
        return Err(failed("nothing was listed anew"));
    }
    Ok(footprint(stage, operator))
}

/// Processor time of a thread that reads all pages that a start reads, with the same client, and skips the bytes.
async fn bare(kubeconfig: &Path) -> Result<f64, Error> {
    let client = connect(kubeconfig).await?;
    let before = thread_time();
    skip_all(&client).await?;
    Ok(thread_time() - before)
}

async fn connect(kubeconfig: &Path) -> Result<Client, Error> {
    let config = cluster::configure(Some(kubeconfig)).await;
    let clients = config.and_then(|config| WatchClients::new(&config, &[]));
    let connected = clients.map(|clients| clients.of(&None));
    connected.map_err(|error| failed(&format!("cannot connect: {error}")))
}

async fn skip_all(client: &Client) -> Result<(), Error> {
    let secrets = Secret::url_path(&(), None);
    let by_type = |kind: &str| format!("fieldSelector=type%3D{}", kind.replace('/', "%2F"));
    let tokens = format!("labelSelector={}%3D{IS_TOKEN}", LABEL_TOKEN.replace('/', "%2F"));
    let session = by_type("entra-operator.dev/refresh-token");
    for (path, selector, kind) in [
        (secrets.clone(), tokens, METADATA),
        (secrets, session, METADATA),
        (
            EntraCredential::url_path(&(), None),
            String::new(),
            "application/json",
        ),
    ] {
        skip(client, &path, &selector, kind).await?;
    }
    Ok(())
}

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

async fn skip(client: &Client, path: &str, selector: &str, accept: &str) -> Result<(), Error> {
    let mut next = String::new();
    loop {
        let uri = format!("{path}?limit={PAGE}&{selector}&continue={next}");
        let request = hyper::Request::get(uri).header("accept", accept).body(Vec::new());
        let request = request.map_err(|error| failed(&format!("no request: {error}")))?;
        let body = client.request_stream(request).await;
        let body = body.map_err(|error| failed(&format!("cannot read a page: {error}")))?;
        let mut body = std::pin::pin!(body);
        let (mut head, mut piece) = (Vec::new(), vec![0_u8; 1 << 16]);
        loop {
            let read = body.read(&mut piece).await;
            let read = read.map_err(|error| failed(&format!("a page ends early: {error}")))?;
            if read == 0 {
                break;
            }
            if head.len() < HEAD {
                head.extend_from_slice(piece.get(..read.min(HEAD)).unwrap_or_default());
            }
        }
        match continuation(&head) {
            Some(token) => next = token,
            None => return Ok(()),
        }
    }
}

/// Where the token of the next page stands at the latest.
const HEAD: usize = 4096;

/// The token of the next page, without reading the whole: it stands before the items.
fn continuation(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let from = text.split("\"continue\":\"").nth(1)?;
    let token = from.split('"').next()?.to_owned();
    serde_json::from_str::<Value>(&format!("\"{token}\"")).ok()?;
    Some(token).filter(|token| !token.is_empty())
}
