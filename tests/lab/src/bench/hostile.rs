//! A namespace whose owner makes large Secrets that the operator must watch, and touches many credentials again and again.

use std::fmt::Debug;
use std::time::Duration;

use entra_operator::api::{EntraCredential, IS_TOKEN, LABEL_TOKEN, LOGIN_TYPE};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::eyes::{Arrival, Eyes, quantiles};
use super::meter::{Footprint, footprint};
use super::population::create;
use super::report::failed;
use crate::simulator::world::{API, PUBLIC_CLIENT, TENANT};
use crate::stage::{AUTHORITY, Error, Operator, Stage};

/// Where its objects are.
const NAMESPACE: &str = "bench-hostile";

/// Secrets, and bytes of annotations of each.
const SECRETS: usize = 300;
const ANNOTATIONS: usize = 200_000;

/// Credentials that nobody signs in, and how often one of them is touched.
const CREDENTIALS: usize = 2000;
const TOUCHED_EVERY: Duration = Duration::from_millis(20);

/// How long they are touched.
const LONG: Duration = Duration::from_mins(1);

/// How long the operator is left alone before it is measured.
const CALM: Duration = Duration::from_secs(10);

/// Requests by which all of a kind are deleted.
const REQUESTS: usize = 5;

/// Objects that are created at a time.
const AT_ONCE: usize = 16;

/// What it came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Hostile {
    /// What the operator took before.
    pub(super) before: Footprint,
    /// What it took at the end.
    pub(super) after: Footprint,
    /// Touches in a second.
    pub(super) touches: f64,
    /// Seconds by which renewals elsewhere were late in the meantime: the half, 99 of 100, and the last.
    pub(super) others_late: [f64; 3],
}

impl Hostile {
    /// KiB that it took more, beyond so many bytes for each credential.
    pub(super) fn beyond(&self, bytes: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "some mebibytes")]
        let (before, after, count) = (
            self.before.resident as f64,
            self.after.resident as f64,
            CREDENTIALS as f64,
        );
        after - before - count * bytes / 1024.0
    }
}

/// Meets an operator that has renewals to do elsewhere.
pub(super) async fn meet(stage: &Stage, operator: &Operator, eyes: &Eyes) -> Result<Hostile, Error> {
    let client = stage.plane.client().await?;
    let place = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    create::<Namespace>(&Api::all(client.clone()), &place).await?;
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let credentials = Api::<EntraCredential>::namespaced(client, NAMESPACE);
    let before = footprint(stage, operator);
    let seen = eyes.count();
    all(SECRETS, async |i| create(&secrets, &secret(i)).await).await?;
    all(CREDENTIALS, async |i| create(&credentials, &credential(i)).await).await?;
    let touches = touch(&credentials).await?;
    tokio::time::sleep(CALM).await;
    let hostile = Hostile {
        before,
        after: footprint(stage, operator),
        touches,
        others_late: quantiles(eyes.since(seen).iter().map(Arrival::late).collect()),
    };
    forget(&credentials, &secrets).await?;
    Ok(hostile)
}

async fn all(count: usize, make: impl AsyncFn(usize) -> Result<(), Error>) -> Result<(), Error> {
    stream::iter((0..count).map(|i| make(i)))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// Touches one after the other for a while; touches in a second.
async fn touch(credentials: &Api<EntraCredential>) -> Result<f64, Error> {
    let mut interval = tokio::time::interval(TOUCHED_EVERY);
    let began = tokio::time::Instant::now();
    let mut touches = 0_u32;
    while began.elapsed() < LONG {
        interval.tick().await;
        let patch = json!({"metadata": {"annotations": {"touched": touches.to_string()}}});
        let name = name(touches as usize % CREDENTIALS);
        let answer = credentials
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        answer.map_err(|error| failed(&format!("cannot touch a credential: {error}")))?;
        touches += 1;
    }
    Ok(f64::from(touches) / began.elapsed().as_secs_f64())
}

async fn forget(credentials: &Api<EntraCredential>, secrets: &Api<Secret>) -> Result<(), Error> {
    delete_all(credentials).await?;
    delete_all(secrets).await
}

/// What the API server does not delete in the time that one request has, the next one deletes.
async fn delete_all<K>(api: &Api<K>) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned,
{
    let (how, which) = (DeleteParams::default(), ListParams::default());
    let mut gone = api.delete_collection(&how, &which).await;
    for _ in 1..REQUESTS {
        if gone.is_ok() {
            break;
        }
        gone = api.delete_collection(&how, &which).await;
    }
    let gone = gone.map(drop);
    gone.map_err(|error| failed(&format!("cannot delete what was made there: {error}")))
}

fn name(i: usize) -> String {
    format!("hostile-{i:05}")
}

/// By turns one that looks like a token and one that looks like a login.
fn secret(i: usize) -> Value {
    let (labels, kind) = if i.is_multiple_of(2) {
        (json!({LABEL_TOKEN: IS_TOKEN}), "Opaque")
    } else {
        (json!({}), LOGIN_TYPE)
    };
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": kind,
        "metadata": {"name": name(i), "labels": labels, "annotations": {"note": "x".repeat(ANNOTATIONS)}},
        "stringData": {"username": "nobody", "password": "of-a-test"},
    })
}

fn credential(i: usize) -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
        "metadata": {"name": name(i)},
        "spec": {
            "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
            "login": {"secretName": format!("{}-login", name(i))},
            "tokens": [{"secretName": format!("{}-token", name(i)), "scopes": [format!("{API}/.default")]}],
        },
    })
}
