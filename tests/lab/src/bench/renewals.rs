//! A while of renewals: what each costs, and how late it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra_operator::api::{IS_TOKEN, LABEL_TOKEN, annotation};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde::Serialize;
use tokio::task::JoinHandle;

use super::meter::{Meter, Used};
use super::population::SignedIn;
use crate::audit::{Entry, service_account};
use crate::controlplane;
use crate::stage::{Error, OPERATOR, Operator, Stage};

/// The first renewal is due after so much of a life, by `spec.refresh`, and some are earlier.
const FIRST: f64 = 0.62;

/// What a while of renewals came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Renewals {
    /// Tokens that were published.
    pub(super) count: usize,
    /// Processor time.
    pub(super) used: Used,
    /// Calls to the provider.
    pub(super) provider: usize,
    /// Writes, Events among them.
    pub(super) writes: usize,
    /// Events.
    pub(super) events: usize,
    /// Reads of one object.
    pub(super) reads: usize,
    /// Seconds by which the half, 99 of 100, and the last were late.
    pub(super) lateness: [f64; 3],
}

/// Waits until renewals are due, and measures `window` seconds of them.
pub(super) async fn measure(
    stage: &Stage,
    operator: &Operator,
    signed_in: &SignedIn,
    life: u64,
    window: u64,
) -> Result<Renewals, Error> {
    let client = stage.plane.client().await?;
    let eyes = Eyes::open(&client);
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let due = Duration::from_secs_f64(life as f64 * FIRST);
    tokio::time::sleep(due.saturating_sub(signed_in.began.elapsed())).await;
    tokio::time::sleep(super::SETTLE / 4).await;
    stage.plane.audit_barrier().await?;
    let audit = stage.plane.audit();
    let mark = audit.mark().map_err(controlplane::Error::from)?;
    let (calls, seen) = (stage.simulator.journal().mark(), eyes.count());
    let meter = Meter::begin(stage, Some(operator));
    tokio::time::sleep(Duration::from_secs(window)).await;
    let used = meter.end(stage, Some(operator));
    let lateness = eyes.since(seen);
    let provider = stage.simulator.journal().since(calls).len();
    stage.plane.audit_barrier().await?;
    let account = service_account(OPERATOR, OPERATOR);
    let entries = audit
        .by_user_since(&account, mark)
        .map_err(controlplane::Error::from)?;
    let count = |of: &dyn Fn(&Entry) -> bool| entries.iter().filter(|entry| of(entry)).count();
    Ok(Renewals {
        count: lateness.len(),
        used,
        provider,
        writes: count(&Entry::is_write),
        events: count(&|entry| entry.is_write() && entry.resource == "events"),
        reads: count(&|entry| entry.is_read() && !entry.is_list_or_watch()),
        lateness: quantiles(lateness),
    })
}

fn quantiles(mut all: Vec<f64>) -> [f64; 3] {
    all.sort_by(f64::total_cmp);
    let at = |hundredths: usize| all.get(all.len().saturating_sub(1) * hundredths / 100);
    [50, 99, 100].map(|hundredths| at(hundredths).copied().unwrap_or_default())
}

/// Sees every token that is published; it ends when this is dropped.
#[derive(Debug)]
struct Eyes {
    /// Seconds by which renewals were late, in the order of their arrival.
    late: Arc<Mutex<Vec<f64>>>,
    task: JoinHandle<()>,
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Eyes {
    fn open(client: &Client) -> Self {
        let ours = watcher::Config::default().labels(&format!("{LABEL_TOKEN}={IS_TOKEN}"));
        let events = watcher(Api::<PartialObjectMeta<Secret>>::all(client.clone()), ours);
        let mut objects = events.default_backoff().applied_objects().boxed();
        let late = Arc::<Mutex<Vec<f64>>>::default();
        let seen = Arc::clone(&late);
        let task = tokio::spawn(async move {
            let mut due = HashMap::new();
            while let Some(object) = objects.next().await {
                let Ok(object) = object else { continue };
                if let Some(late) = arrival(&mut due, &object) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push(late);
                }
            }
        });
        Self { late, task }
    }

    fn count(&self) -> usize {
        self.late.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn since(&self, first: usize) -> Vec<f64> {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.get(first..).unwrap_or_default().to_vec()
    }
}

/// By how many seconds this token is later than the one before it had named; none for the first of a Secret, and for a
/// change of anything else.
fn arrival(due: &mut HashMap<String, Timestamp>, object: &PartialObjectMeta<Secret>) -> Option<f64> {
    let next: Timestamp = object.annotations().get(annotation::REFRESH_AT)?.parse().ok()?;
    let key = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    let before = due.insert(key, next).filter(|before| *before != next)?;
    Some(Timestamp::now().duration_since(before).as_secs_f64())
}
