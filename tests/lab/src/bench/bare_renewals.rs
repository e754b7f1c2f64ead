//! What the calls of a renewal cost a loop that decides nothing, skips what it is answered, and keeps nothing.

use std::path::Path;
use std::time::Duration;

use entra_operator::api::EntraCredential;
use entra_operator::cluster;
use futures::{AsyncReadExt as _, future};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, Patch, PatchParams, WatchParams};
use kube::core::Request;
use kube::{Client, Resource as _};
use serde_json::json;

use super::bare_logins::{Caller, KIND, NAMESPACE, SEALED, conditions, credential, credential_name, secret};
use super::meter::{on_a_thread, thread_time};
use super::population::create;
use super::report::failed;
use crate::stage::{Error, Stage};

/// Seconds that are measured, in each of which as many renewals begin together as are due in one.
const SECONDS: u16 = 20;

/// Milliseconds of processor time for a renewal, where so many are due in a second.
pub(super) async fn measure(stage: &Stage, caller: &Caller, rate: u16) -> Result<f64, Error> {
    for i in 0..rate.into() {
        create(&caller.credentials, &credential(i)).await?;
        for name in [session_name(i), token_name(i)] {
            create(&caller.secrets, &secret(&name, KIND, SEALED)).await?;
        }
    }
    let (kubeconfig, same) = (stage.plane.admin_kubeconfig().to_owned(), caller.clone());
    let used = on_a_thread(async move || renew(&kubeconfig, &same, rate).await).await?;
    caller.forget().await?;
    Ok(1e3 * used / f64::from(SECONDS) / f64::from(rate))
}

async fn renew(kubeconfig: &Path, caller: &Caller, rate: u16) -> Result<f64, Error> {
    let config = cluster::configure(Some(kubeconfig)).await;
    let client = config.and_then(|config| cluster::connect(&config));
    let client = client.map_err(|error| failed(&format!("cannot connect: {error}")))?;
    for path in [secrets(), credentials()] {
        tokio::spawn(skip_changes(client.clone(), path));
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.tick().await;
    let before = thread_time();
    for second in 0..SECONDS {
        let renewals = (0..rate.into()).map(|i| renewal(&client, caller, i, second));
        future::try_join_all(renewals).await?;
        ticks.tick().await;
    }
    Ok(thread_time() - before)
}

/// Read the sealed refresh token, send one, write the token, and a status.
async fn renewal(client: &Client, caller: &Caller, i: usize, second: u16) -> Result<(), Error> {
    let (params, secrets) = (PatchParams::default(), Request::new(secrets()));
    called(client, secrets.get(&session_name(i), &GetParams::default())).await?;
    caller.send(i).await?;
    let annotations = json!({"bench": second.to_string()});
    let value = "y".repeat(SEALED);
    let token = json!({"metadata": {"annotations": annotations}, "stringData": {"value": value}});
    called(
        client,
        secrets.patch(&token_name(i), &params, &Patch::Merge(&token)),
    )
    .await?;
    let status = json!({"status": {"observedGeneration": second, "conditions": conditions()}});
    let credentials = Request::new(credentials());
    let write = credentials.patch_subresource("status", &credential_name(i), &params, &Patch::Merge(&status));
    called(client, write).await
}

async fn called<E: std::fmt::Display>(
    client: &Client,
    request: Result<hyper::Request<Vec<u8>>, E>,
) -> Result<(), Error> {
    let request = request.map_err(|error| failed(&format!("no request: {error}")))?;
    let answer = client.request_text(request).await;
    answer.map_err(|error| failed(&format!("a bare call failed: {error}")))?;
    Ok(())
}

/// The operator is told what it wrote, too.
async fn skip_changes(client: Client, path: String) {
    let Ok(request) = Request::new(path).watch(&WatchParams::default(), "0") else {
        return;
    };
    let Ok(changes) = client.request_stream(request).await else {
        return;
    };
    let (mut changes, mut piece) = (std::pin::pin!(changes), vec![0_u8; 1 << 13]);
    while matches!(changes.read(&mut piece).await, Ok(1..)) {}
}

fn secrets() -> String {
    Secret::url_path(&(), Some(NAMESPACE))
}

fn credentials() -> String {
    EntraCredential::url_path(&(), Some(NAMESPACE))
}

fn session_name(i: usize) -> String {
    format!("bare-{i:05}.session")
}

fn token_name(i: usize) -> String {
    format!("bare-{i:05}.token")
}
