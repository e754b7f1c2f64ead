//! Sees every token that is published, and how late it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entra_operator::api::{LABEL_MANAGED_BY, MANAGED_BY, annotation};
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio_util::task::AbortOnDropHandle;

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
    seen: Arc<Mutex<Seen>>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// In the order of their arrival.
    arrivals: Vec<Arrival>,
    /// When the token that each credential has now is to be renewed.
    due: HashMap<usize, Timestamp>,
}

impl Eyes {
    pub(super) fn open(client: &Client) -> Self {
        // Earlier versions have no label of their own for tokens.
        let ours = watcher::Config::default().labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY}"));
        let events = watcher(Api::<PartialObjectMeta<Secret>>::all(client.clone()), ours);
        let mut objects = events.default_backoff().applied_objects().boxed();
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                while let Some(object) = objects.next().await {
                    let Ok(object) = object else { continue };
                    lock(&seen).see(&object);
                }
            }
        });
        Self {
            seen,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How many have arrived.
    pub(super) fn count(&self) -> usize {
        lock(&self.seen).arrivals.len()
    }

    /// Those after the first so many.
    pub(super) fn since(&self, first: usize) -> Vec<Arrival> {
        lock(&self.seen)
            .arrivals
            .get(first..)
            .unwrap_or_default()
            .to_vec()
    }

    /// Of how many credentials a token was seen.
    pub(super) fn published(&self) -> usize {
        lock(&self.seen).due.len()
    }

    /// Whether a token that was due before then has not been renewed.
    pub(super) fn awaits(&self, before: Timestamp) -> bool {
        lock(&self.seen).due.values().any(|due| *due < before)
    }
}

impl Seen {
    /// No arrival is the first token of a Secret, or a change of anything else.
    fn see(&mut self, object: &PartialObjectMeta<Secret>) -> Option<()> {
        let next: Timestamp = object.annotations().get(annotation::REFRESH_AT)?.parse().ok()?;
        let credential = number_of(&object.name_any())?;
        let due = self.due.insert(credential, next).filter(|due| *due != next)?;
        let at = Timestamp::now();
        self.arrivals.push(Arrival { credential, due, at });
        Some(())
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The half, 99 of 100, and the last.
pub(super) fn quantiles(mut all: Vec<f64>) -> [f64; 3] {
    all.sort_by(f64::total_cmp);
    let at = |hundredths: usize| all.get(all.len().saturating_sub(1) * hundredths / 100);
    [50, 99, 100].map(|hundredths| at(hundredths).copied().unwrap_or_default())
}
