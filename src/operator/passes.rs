//! The passes that run: so many at once, and none any more when the process gives up its Lease.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Running passes.
#[derive(Debug)]
pub(super) struct Passes {
    slots: Arc<Semaphore>,
    running: TaskTracker,
    cut: CancellationToken,
}

/// A place for one pass.
pub(super) type Slot = Option<OwnedSemaphorePermit>;

impl Passes {
    /// At most so many at once.
    pub(super) fn new(in_flight: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(in_flight)),
            running: TaskTracker::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Waits until one more may run.
    pub(super) async fn slot(&self) -> Slot {
        // The semaphore is never closed.
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Runs a pass in its slot.
    pub(super) fn begin(&self, slot: Slot, pass: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        self.running.spawn(async move {
            let _ended = cut.run_until_cancelled(pass).await;
            drop(slot);
        });
    }

    /// Waits for those that run, and ends those that take longer than `patience`: afterwards none runs.
    pub(super) async fn drain(self, patience: Duration) {
        self.running.close();
        if tokio::time::timeout(patience, self.running.wait()).await.is_err() {
            tracing::warn!("passes were cut off: what they did not store is done again");
            self.cut.cancel();
            self.running.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    struct Running(Arc<AtomicBool>);

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_pass_outlives_the_drain() {
        let passes = Passes::new(1);
        let runs = Arc::new(AtomicBool::new(true));
        let running = Running(Arc::clone(&runs));
        passes.begin(passes.slot().await, async move {
            let _running = running;
            std::future::pending::<()>().await;
        });
        passes.drain(Duration::from_secs(40)).await;
        assert!(!runs.load(Ordering::SeqCst), "it was ended, not left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_ends_in_time_is_waited_for() {
        let passes = Passes::new(1);
        let (done, mut ended) = tokio::sync::oneshot::channel();
        passes.begin(passes.slot().await, async move {
            tokio::time::sleep(Duration::from_secs(39)).await;
            done.send(()).unwrap();
        });
        passes.drain(Duration::from_secs(40)).await;
        ended.try_recv().unwrap();
    }
}
