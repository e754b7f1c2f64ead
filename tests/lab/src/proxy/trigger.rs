//! What a test does at the moment when a request stands before or behind its target.
//!
//! The request waits until the trigger's future is done, and the trigger says whether it goes on.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::journal::Entry;
use crate::simulator::Gate;

/// What becomes of the request after the trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Proceed,
    /// The connection is closed. Before the target: nothing was done; behind it: the answer is lost.
    HangUp,
}

type Call = dyn Fn(Entry) -> Pin<Box<dyn Future<Output = Next> + Send>> + Send + Sync;

/// A closure to call at an exact point of a request; behind the target its entry holds the status.
#[derive(Clone)]
pub struct Trigger {
    call: Arc<Call>,
}

impl fmt::Debug for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trigger").finish_non_exhaustive()
    }
}

impl Trigger {
    /// Calls this closure.
    pub fn new<F>(call: impl Fn(Entry) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Next> + Send + 'static,
    {
        Self {
            call: Arc::new(move |entry| Box::pin(call(entry))),
        }
    }

    /// Calls this closure and hangs up: for closures that kill the client.
    pub fn last(call: impl Fn(Entry) + Send + Sync + 'static) -> Self {
        Self::new(move |entry| {
            call(entry);
            std::future::ready(Next::HangUp)
        })
    }

    /// Sends the entry into a channel; the request goes on at once.
    pub fn notify(channel: UnboundedSender<Entry>) -> Self {
        Self::new(move |entry| {
            // A test that has dropped its receiver no longer wants to know.
            drop(channel.send(entry));
            std::future::ready(Next::Proceed)
        })
    }

    /// Holds the request at a gate.
    pub fn gate(gate: Gate) -> Self {
        Self::new(move |_| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                Next::Proceed
            }
        })
    }

    pub(super) async fn pull(&self, entry: Entry) -> Next {
        (self.call)(entry).await
    }
}
