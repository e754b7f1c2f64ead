//! The calls of as many logins as there are credentials, made by a loop that decides nothing.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::population::create;
use super::report::failed;
use crate::simulator::world::{API, PUBLIC_CLIENT, TENANT, password, user_name};
use crate::stage::{Error, Stage};

/// Logins at once: as many as the operator has reconciles in flight by default.
const AT_ONCE: usize = 64;

/// Where its objects are.
const NAMESPACE: &str = "bench-bare";

/// Not the operator's, which would take them for its own.
const KIND: &str = "Opaque";

/// Bytes of a sealed refresh token, of its record, and of an access token with its metadata, about.
const SEALED: usize = 1800;

/// Calls the API server and the provider.
#[derive(Clone, Debug)]
struct Caller {
    secrets: Api<Secret>,
    http: reqwest::Client,
    token_endpoint: String,
}

/// Seconds until the calls of all logins were made.
pub(super) async fn seconds(stage: &Stage, credentials: usize) -> Result<f64, Error> {
    let caller = Caller::new(stage).await?;
    for i in 0..credentials {
        create(&caller.secrets, &secret(&login_name(i), KIND, 64)).await?;
    }
    let began = Instant::now();
    stream::iter((0..credentials).map(|i| caller.login(i)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(began.elapsed().as_secs_f64())
}

impl Caller {
    async fn new(stage: &Stage) -> Result<Self, Error> {
        let client = stage.plane.client().await?;
        let place = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        create::<Namespace>(&Api::all(client.clone()), &place).await?;
        let ca = reqwest::Certificate::from_pem(stage.simulator.ca_pem().as_bytes());
        let http = ca.and_then(|ca| reqwest::Client::builder().add_root_certificate(ca).build());
        Ok(Self {
            secrets: Api::namespaced(client, NAMESPACE),

            http: http.map_err(|error| failed(&format!("no client: {error}")))?,
            token_endpoint: format!("{}/{TENANT}/oauth2/v2.0/token", stage.simulator.url()),
        })
    }

    /// Read and claim the login, record the attempt, send, store, read back, delete the login, publish, and a status.
    async fn login(&self, i: usize) -> Result<(), Error> {
        let (login, session, token) = (
            login_name(i),
            format!("bare-{i:05}.refresh-token"),
            format!("bare-{i:05}-token"),
        );
        called(self.secrets.get(&login).await)?;
        self.annotate(&login).await?;
        create(&self.secrets, &secret(&session, KIND, SEALED)).await?;
        self.send(i).await?;
        self.annotate(&session).await?;
        called(self.secrets.get(&session).await)?;
        called(self.secrets.delete(&login, &DeleteParams::default()).await)?;
        create(&self.secrets, &secret(&token, KIND, SEALED)).await?;
        // Its status is one more write of an object of some kilobytes.
        self.annotate(&token).await
    }

    async fn annotate(&self, name: &str) -> Result<(), Error> {
        let patch = json!({"metadata": {"annotations": {"bench": "seen"}}});
        called(
            self.secrets
                .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await,
        )?;
        Ok(())
    }

    async fn send(&self, i: usize) -> Result<(), Error> {
        let (user, password, scope) = (
            user_name(i),
            password(i),
            format!("{API}/.default offline_access openid profile"),
        );
        let form = [
            ("grant_type", "password"),
            ("client_id", PUBLIC_CLIENT),
            ("username", user.as_str()),
            ("password", password.as_str()),
            ("scope", scope.as_str()),
        ];
        let answer = self.http.post(&self.token_endpoint).form(&form).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let body = match answer {
            Ok(answer) => answer.bytes().await,
            Err(error) => Err(error),
        };
        body.map_err(|error| failed(&format!("a bare login was not answered: {}", error.without_url())))?;
        Ok(())
    }
}

fn login_name(i: usize) -> String {
    format!("bare-{i:05}-login")
}

fn secret(name: &str, kind: &str, bytes: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name},
        "stringData": {"value": "x".repeat(bytes)},
    })
}

fn called<T>(result: Result<T, kube::Error>) -> Result<T, Error> {
    result.map_err(|error| failed(&format!("a bare call failed: {error}")))
}
