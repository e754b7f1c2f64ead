//! Clients for the API server, and the one place through which every call but a watch goes.
//!
//! # Guarantees
//!
//! - A call ends within [`DEADLINE`]; nothing is sent twice behind the caller's back, because kube's own retries
//!   (which repeat even a POST) are off.
//! - Answers are decoded here and not by kube, which logs a whole body at WARN when it cannot decode it, and every
//!   refusal at DEBUG; the API server quotes whole objects in some.
//! - Answers are wiped when they are dropped.
//!
//! # Caveats
//!
//! Buffers of the HTTP and TLS layers are not wiped. Watches go through kube's own decoding, of metadata only.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE, DATE};
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::{Request, Status};
use kube::{Client, Config};
use serde::Serialize;
use zeroize::Zeroizing;

use super::brake::{Brake, Class};
use super::connections::{Kind, open};
use super::failure::{Verb, classify, named, refusal, unavailable};
use super::observe::{Observer, written};
use super::patch::Op;
use crate::api::FIELD_MANAGER;
use crate::plan::Time;
use crate::reconcile::ports::ClusterError;
use crate::reconcile::stamp;

/// Longest that a call may take (docs/contract.md, Timing).
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A connection is made within this time or not at all, so that one attempt fits into [`DEADLINE`].
const CONNECT: Duration = Duration::from_secs(5);

/// A connection that is silent for longer is dead. It must exceed the 295 s after which a quiet watch ends by itself.
const SILENCE: Duration = Duration::from_mins(5);

/// Asks for metadata only: the answer to a write then repeats no data.
const METADATA: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");

const JSON_PATCH: HeaderValue = HeaderValue::from_static("application/json-patch+json");

/// Why no client could be built.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig file cannot be read or used.
    #[error("the kubeconfig file cannot be used")]
    Kubeconfig(#[source] Box<KubeconfigError>),
    /// There is no ServiceAccount of a pod to act as.
    #[error("this is not a pod with a ServiceAccount, and no kubeconfig file was given")]
    InCluster(#[source] Box<InClusterError>),
    /// The TLS or HTTP stack could not be set up.
    #[error("the client could not be set up")]
    Client(#[source] Box<kube::Error>),
}

/// How to reach the API server: by a kubeconfig file, or as the ServiceAccount of this pod if none is given.
///
/// It never looks at `KUBECONFIG` or the home directory: what is not given is not used.
pub async fn configure(kubeconfig: Option<&Path>) -> Result<Config, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => from_file(path)
            .await
            .map_err(|e| ConnectError::Kubeconfig(Box::new(e)))?,
        None => Config::incluster().map_err(|e| ConnectError::InCluster(Box::new(e)))?,
    };
    tighten(&mut config);
    Ok(config)
}

/// A client for calls. No call is made.
pub fn connect(config: &Config) -> Result<Client, ConnectError> {
    open(config, Kind::Single).map_err(|e| ConnectError::Client(Box::new(e)))
}

async fn from_file(path: &Path) -> Result<Config, KubeconfigError> {
    let file = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await
}

fn tighten(config: &mut Config) {
    // A kubeconfig takes the proxy of the environment, which is meant for the identity providers. The library refuses it,
    // and its refusal prints the proxy's password.
    config.proxy_url = None;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    // Otherwise the time that a pooled connection was idle counts as silence.
    config.reset_reader_on_write = true;
}

/// Body of an answer.
pub(super) type Answer = Zeroizing<Vec<u8>>;

/// The calls that the adapter makes, each with its deadline.
#[derive(Clone)]
pub(super) struct Calls {
    client: Client,
    observer: Arc<dyn Observer>,
    brake: Arc<Brake>,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Calls")
    }
}

impl Calls {
    /// Calls through `client`; `observer` hears of the writes among them.
    pub(super) fn new(client: Client, observer: Arc<dyn Observer>) -> Self {
        Self {
            client,
            observer,
            brake: Arc::default(),
        }
    }

    /// The API server's time, by the header `Date` of an answer: any answer tells it, a refusal too.
    pub(super) async fn date(&self) -> Option<Time> {
        let request = http::Request::get("/version").body(Body::empty()).ok()?;
        let sent = tokio::time::timeout(DEADLINE, self.client.send(request));
        let answer = sent.await.ok()?.ok()?;
        stamp::from_http(answer.headers().get(DATE)?.to_str().ok()?)
    }

    /// Gets `name` of `collection`, whole.
    pub(super) async fn get(&self, collection: &str, name: &str) -> Result<Answer, ClusterError> {
        let request = Request::new(collection).get(name, &GetParams::default());
        self.send(Verb::Read, request.map_err(|_| unbuildable())?).await
    }

    /// Gets the metadata of `name` of `collection`.
    pub(super) async fn get_metadata(&self, collection: &str, name: &str) -> Result<Answer, ClusterError> {
        let request = Request::new(collection).get_metadata(name, &GetParams::default());
        self.send(Verb::Read, request.map_err(|_| unbuildable())?).await
    }

    /// Creates an object; the answer holds its metadata only.
    pub(super) async fn create<T: Serialize>(
        &self,
        collection: &str,
        object: &T,
    ) -> Result<Answer, ClusterError> {
        let body = serde_json::to_vec(object).map_err(|_| unbuildable())?;
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let request = Request::new(collection).create(&params, body);
        let mut request = request.map_err(|_| unbuildable())?;
        request.headers_mut().insert(ACCEPT, METADATA);
        self.send(Verb::Create, request).await
    }

    /// Lists a collection, one page.
    pub(super) async fn list(&self, collection: &str, params: &ListParams) -> Result<Answer, ClusterError> {
        let request = Request::new(collection).list(params);
        self.send(Verb::Read, request.map_err(|_| unbuildable())?).await
    }

    /// Asks a question by an object that nobody stores; the answer holds it whole.
    pub(super) async fn ask<T: Serialize>(
        &self,
        collection: &str,
        question: &T,
    ) -> Result<Answer, ClusterError> {
        let body = serde_json::to_vec(question).map_err(|_| unbuildable())?;
        let request = Request::new(collection).create(&PostParams::default(), body);
        self.send(Verb::Create, request.map_err(|_| unbuildable())?).await
    }

    /// Has a token of `name` of `collection` issued; the answer holds it.
    pub(super) async fn issue_token<T: Serialize>(
        &self,
        collection: &str,
        name: &str,
        wish: &T,
    ) -> Result<Answer, ClusterError> {
        let body = serde_json::to_vec(wish).map_err(|_| unbuildable())?;
        let params = PostParams::default();
        let request = Request::new(collection).create_subresource("token", name, &params, body);
        self.send(Verb::Issue, request.map_err(|_| unbuildable())?).await
    }

    /// Applies a JSON patch; the answer holds metadata only. A subresource is a child: `name` is `status` in the
    /// collection `…/<object>`.
    pub(super) async fn json_patch(
        &self,
        collection: &str,
        name: &str,
        ops: &[Op<'_>],
    ) -> Result<Answer, ClusterError> {
        // kube's own JSON patch wants a tree of values, one more copy of what is secret in memory. A merge patch
        // takes anything that serializes; only its content type has to be corrected.
        let mut request = merge_request(collection, name, &ops)?;
        request.headers_mut().insert(CONTENT_TYPE, JSON_PATCH);
        self.send(Verb::Patch, request).await
    }

    /// Applies a merge patch.
    pub(super) async fn merge_patch<T: Serialize>(
        &self,
        collection: &str,
        name: &str,
        patch: &T,
    ) -> Result<(), ClusterError> {
        let request = merge_request(collection, name, patch)?;
        self.send(Verb::Patch, request).await.map(drop)
    }

    /// Deletes `name` of `collection`. The answer may repeat the whole object and is dropped unread.
    pub(super) async fn delete(
        &self,
        collection: &str,
        name: &str,
        params: &DeleteParams,
    ) -> Result<(), ClusterError> {
        let request = Request::new(collection).delete(name, params);
        let request = request.map_err(|_| unbuildable())?;
        self.send(Verb::Delete, request).await.map(drop)
    }

    /// The one place through which every call goes. Writes are counted here.
    #[expect(
        clippy::disallowed_methods,
        reason = "it spaces calls like the deadline beside it, and no decision goes by it"
    )]
    async fn send(&self, verb: Verb, request: http::Request<Vec<u8>>) -> Result<Answer, ClusterError> {
        let path = request.uri().path();
        let (write, class) = (written(verb, path), Class::of(path));
        match self.brake.turn(class, Instant::now()) {
            None => {
                return Err(unavailable(
                    "it did not answer the last calls, and few go out until it does",
                ));
            }
            Some(Duration::ZERO) => {}
            Some(wait) => tokio::time::sleep(wait).await,
        }
        let outcome = self.call(verb, request).await;
        let answered = !matches!(outcome, Err(ClusterError::Unavailable { .. }));
        self.brake.came(class, answered);
        if let Some((resource, write)) = write {
            self.observer
                .on_write(resource, write, outcome.as_ref().map(drop));
        }
        outcome
    }

    /// Gives a call its deadline, and its failure a meaning.
    async fn call(&self, verb: Verb, request: http::Request<Vec<u8>>) -> Result<Answer, ClusterError> {
        let what = named(request.uri().path());
        let call = exchange(&self.client, request);
        match tokio::time::timeout(DEADLINE, call).await {
            Ok(Ok((code, answer))) if code < 400 => Ok(answer),
            Ok(Ok((code, answer))) => Err(refusal(verb, what.as_deref(), &status(code, &answer))),
            Ok(Err(error)) => Err(classify(verb, &error)),
            Err(_) => Err(unavailable("no answer within 10 s")),
        }
    }
}

/// Sends a request and reads the whole answer, whatever it says.
async fn exchange(client: &Client, request: http::Request<Vec<u8>>) -> kube::Result<(u16, Answer)> {
    let response = client.send(request.map(Body::from)).await?;
    let code = response.status().as_u16();
    let body = response.into_body().collect_bytes().await?;
    Ok((code, Zeroizing::new(body.to_vec())))
}

/// What the API server says about a refusal; a proxy in between says nothing that counts.
fn status(code: u16, answer: &[u8]) -> Status {
    let status = serde_json::from_slice(answer).unwrap_or_else(|_| Status::failure("", ""));
    Status { code, ..status }
}

fn merge_request<T: Serialize>(
    collection: &str,
    name: &str,
    patch: &T,
) -> Result<http::Request<Vec<u8>>, ClusterError> {
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let request = Request::new(collection).patch_metadata(name, &params, &Patch::Merge(patch));
    request.map_err(|_| unbuildable())
}

fn unbuildable() -> ClusterError {
    ClusterError::Refused("the request could not be built: a name in it is not a valid name".to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::super::observe::{Resource, Write};
    use super::*;

    /// An observer that does not listen.
    pub(in super::super) fn unheard() -> Arc<dyn Observer> {
        Arc::new(|_, _, _: Result<(), &ClusterError>| ())
    }

    /// A client for a server that does not exist.
    pub(in super::super) fn unreachable() -> Client {
        let mut config = Config::new("http://127.0.0.1:1".parse().unwrap());
        tighten(&mut config);
        Client::try_from(config).unwrap()
    }

    #[tokio::test]
    async fn a_write_is_told_with_its_outcome_and_a_read_is_not() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        let observer = move |resource, write, result: Result<(), &ClusterError>| {
            told.lock().unwrap().push((resource, write, result.is_ok()));
        };
        let calls = Calls::new(unreachable(), Arc::new(observer));
        let secrets = "/api/v1/namespaces/etl/secrets";
        calls.get(secrets, "a").await.unwrap_err();
        calls.create(secrets, &()).await.unwrap_err();
        assert_eq!(*heard.lock().unwrap(), [(Resource::Secret, Write::Create, false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_ends_at_the_deadline() {
        // It takes connections and never answers.
        let server = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", server.local_addr().unwrap());
        let mut config = Config::new(url.parse().unwrap());
        config.connect_timeout = None;
        let calls = Calls::new(Client::try_from(config).unwrap(), unheard());
        let outcome = calls.get("/api/v1/namespaces/a/secrets", "b").await;
        assert_eq!(outcome.unwrap_err(), unavailable("no answer within 10 s"));
    }

    #[test]
    fn an_answer_that_is_no_status_keeps_its_code_only() {
        let status = status(503, b"<html>hunter2</html>");
        assert_eq!(
            (status.code, status.message.as_str(), status.reason.as_str()),
            (503, "", "")
        );
    }

    #[test]
    fn the_client_neither_retries_nor_waits_for_ever() {
        let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
        config.proxy_url = Some("http://user:marker@proxy.example:3128".parse().unwrap());
        tighten(&mut config);
        assert_eq!(
            config.proxy_url, None,
            "the API server is reached without the proxy"
        );
        assert!(!config.default_retry);
        assert!(config.read_timeout.is_some_and(|t| t > Duration::from_secs(295)));
        assert!(config.connect_timeout.is_some_and(|t| t < DEADLINE));
    }

    #[tokio::test]
    async fn a_missing_kubeconfig_is_an_error_and_not_a_fallback() {
        let missing = configure(Some(Path::new("/nonexistent/kubeconfig"))).await;
        assert!(matches!(missing, Err(ConnectError::Kubeconfig(_))));
    }
}
