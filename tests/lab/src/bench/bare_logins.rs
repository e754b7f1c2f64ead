//! The calls of as many logins as there are credentials, made by a loop that decides nothing.

use std::time::Instant;

use entra_operator::api::EntraCredential;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};

use super::population::create;
use super::report::failed;
use crate::simulator::world::{API, PUBLIC_CLIENT, TENANT, password, user_name};
use crate::stage::{Error, Stage};

/// Logins at once: as many as the operator has reconciles in flight by default.
const AT_ONCE: usize = 64;

/// Logins that are enough to know what they take.
const MOST: usize = 1000;

/// Where its objects are.
pub(super) const NAMESPACE: &str = "bench-bare";

/// Not the operator's, which would take them for its own.
pub(super) const KIND: &str = "Opaque";

/// Bytes of a sealed refresh token, of its record, and of an access token with its metadata, about.
pub(super) const SEALED: usize = 1800;

/// Calls to the API server for one login.
pub(super) const CALLS: usize = 11;

/// Calls the API server and the provider.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    namespaces: Api<Namespace>,
    pub(super) secrets: Api<Secret>,
    pub(super) credentials: Api<EntraCredential>,
    http: reqwest::Client,
    token_endpoint: String,
}

/// What the loop came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct BareLogins {
    /// Logins that it made.
    pub(super) count: usize,
    /// Seconds until all their calls were made.
    pub(super) seconds: f64,
}

/// Makes the calls of as many logins, or of as many as are enough.
pub(super) async fn measure(caller: &Caller, credentials: usize) -> Result<BareLogins, Error> {
    let count = credentials.min(MOST);
    for i in 0..count {
        create(&caller.credentials, &credential(i)).await?;
        create(&caller.secrets, &secret(&login_name(i), KIND, 64)).await?;
    }
    let began = Instant::now();
    stream::iter((0..count).map(|i| caller.login(i)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    caller.forget().await?;
    Ok(BareLogins { count, seconds })
}

impl Caller {
    pub(super) async fn new(stage: &Stage) -> Result<Self, Error> {
        let client = stage.plane.client().await?;
        let place = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        create::<Namespace>(&Api::all(client.clone()), &place).await?;
        let ca = reqwest::Certificate::from_pem(stage.simulator.ca_pem().as_bytes());
        let http = ca.and_then(|ca| reqwest::Client::builder().add_root_certificate(ca).build());
        Ok(Self {
            namespaces: Api::all(client.clone()),
            credentials: Api::namespaced(client.clone(), NAMESPACE),
            secrets: Api::namespaced(client, NAMESPACE),
            http: http.map_err(|error| failed(&format!("no client: {error}")))?,
            token_endpoint: format!("{}/{TENANT}/oauth2/v2.0/token", stage.simulator.url()),
        })
    }

    /// Read the login, look whether the credential is still there, claim the login, look at the namespace, record the attempt, send, store, read back, look whether it is still there,
    /// delete the login, publish, and a status.
    async fn login(&self, i: usize) -> Result<(), Error> {
        let (login, session, token) = (
            login_name(i),
            format!("bare-{i:05}.refresh-token"),
            format!("bare-{i:05}-token"),
        );
        called(self.secrets.get(&login).await)?;
        called(self.credentials.get_metadata(&credential_name(i)).await)?;
        self.annotate(&login).await?;
        called(self.namespaces.get(NAMESPACE).await)?;
        create(&self.secrets, &secret(&session, KIND, SEALED)).await?;
        self.send(i).await?;
        self.annotate(&session).await?;
        for _ in 0..2 {
            called(self.secrets.get(&session).await)?;
        }
        called(self.secrets.delete(&login, &DeleteParams::default()).await)?;
        create(&self.secrets, &secret(&token, KIND, SEALED)).await?;
        let status = Patch::Merge(json!({"status": {"observedGeneration": 1, "conditions": conditions()}}));
        let (name, params) = (credential_name(i), PatchParams::default());
        called(self.credentials.patch_status(&name, &params, &status).await)?;
        Ok(())
    }

    /// The operator that comes must not find them.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let (params, all) = (DeleteParams::default(), ListParams::default());
        called(self.credentials.delete_collection(&params, &all).await)?;
        Ok(())
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

    pub(super) async fn send(&self, i: usize) -> Result<(), Error> {
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

pub(super) fn credential_name(i: usize) -> String {
    format!("bare-{i:05}")
}

fn login_name(i: usize) -> String {
    format!("bare-{i:05}-login")
}

pub(super) fn secret(name: &str, kind: &str, bytes: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name},
        "stringData": {"value": "x".repeat(bytes)},
    })
}

pub(super) fn credential(i: usize) -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential", "metadata": {"name": credential_name(i)},
        "spec": {
            "tenant": TENANT, "clientId": PUBLIC_CLIENT, "login": {"secretName": login_name(i)},
            "tokens": [{"secretName": format!("bare-{i:05}-token"), "scopes": [format!("{API}/.default")]}],
        },
    })
}

/// As many as the operator writes.
pub(super) fn conditions() -> Vec<Value> {
    let one = |kind: &&str| {
        json!({
            "type": kind, "status": "True", "reason": "Fresh", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    ["Ready", "LoggedIn", "Published", "Reconciling", "Stalled"]
        .iter()
        .map(one)
        .collect()
}

fn called<T>(result: Result<T, kube::Error>) -> Result<T, Error> {
    result.map_err(|error| failed(&format!("a bare call failed: {error}")))
}
