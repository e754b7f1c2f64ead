//! Sees every token that is published, and how late it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use entra_operator::api::{IS_TOKEN, LABEL_TOKEN, annotation};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::task::JoinHandle;

use super::population::number_of;

/// A renewed token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// Number of its credential.
    pub(super) credential: usize,
    /// The moment that the token before it had named.
    pub(super) due: Timestamp,
    /// When a watch showed it.
    pub(super) at: Timestamp,
}

impl Arrival {
    /// Seconds.
    pub(super) fn late(&self) -> f64 {
        self.at.duration_since(self.due).as_secs_f64()
    }
}

/// It sees until it is dropped.
#[derive(Debug)]
pub(super) struct Eyes {
    /// In the order of their arrival.
    seen: Arc<Mutex<Vec<Arrival>>>,
    task: JoinHandle<()>,
}

impl Drop for Eyes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Eyes {
    pub(super) fn open(client: &Client) -> Self {
        let ours = watcher::Config::default().labels(&format!("{LABEL_TOKEN}={IS_TOKEN}"));
        let events = watcher(Api::<PartialObjectMeta<Secret>>::all(client.clone()), ours);
        let mut objects = events.default_backoff().applied_objects().boxed();
        let seen = Arc::<Mutex<Vec<Arrival>>>::default();
        let arrivals = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut due = HashMap::new();
            while let Some(object) = objects.next().await {
                let Ok(object) = object else { continue };
                if let Some(arrival) = arrival(&mut due, &object) {
                    arrivals
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(arrival);
                }
            }
        });
        Self { seen, task }
    }

    /// How many have arrived.
    pub(super) fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Those after the first so many.
    pub(super) fn since(&self, first: usize) -> Vec<Arrival> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(first..).unwrap_or_default().to_vec()
    }
}

/// None for the first token of a Secret, and for a change of anything else.
fn arrival(due: &mut HashMap<usize, Timestamp>, object: &PartialObjectMeta<Secret>) -> Option<Arrival> {
    let next: Timestamp = object.annotations().get(annotation::REFRESH_AT)?.parse().ok()?;
    let credential = number_of(&object.name_any())?;
    let before = due.insert(credential, next).filter(|before| *before != next)?;
    Some(Arrival {
        credential,
        due: before,
        at: Timestamp::now(),
    })
}

/// The half, 99 of 100, and the last.
pub(super) fn quantiles(mut all: Vec<f64>) -> [f64; 3] {
    all.sort_by(f64::total_cmp);
    let at = |hundredths: usize| all.get(all.len().saturating_sub(1) * hundredths / 100);
    [50, 99, 100].map(|hundredths| at(hundredths).copied().unwrap_or_default())
}
