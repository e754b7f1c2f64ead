//! A gate that holds requests until a test lets them go.
//!
//! With it a test can stop or kill the operator while a request is on its way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How long a test waits for what is to come to a gate: one that waits for ever tells nothing.
const PATIENCE: Duration = Duration::from_mins(2);

/// Holds requests; clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until a first request has come to the gate.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until `n` requests have come to the gate.
    ///
    /// # Panics
    ///
    /// If they do not come within two minutes.
    pub async fn reached_by(&self, n: usize) {
        let mut arrived = self.inner.arrived.subscribe();
        let enough = arrived.wait_for(|&arrived| arrived >= n);
        // The wait itself fails only without a sender, and this gate owns one.
        let came = tokio::time::timeout(PATIENCE, enough).await;
        assert!(came.is_ok(), "{n} requests were to come to the gate");
    }

    /// How many requests have come so far.
    pub fn arrivals(&self) -> usize {
        *self.inner.arrived.borrow()
    }

    /// Lets all requests go, those that wait and those still to come.
    pub fn release(&self) {
        self.inner.open.send_replace(true);
    }

    /// Announces a request and waits until the gate is open.
    pub(crate) async fn pass(&self) {
        self.inner.arrived.send_modify(|arrived| *arrived += 1);
        drop(self.inner.open.subscribe().wait_for(|&open| open).await);
    }
}
