//! What a while costs: processor time, calls to the provider, and the operator's calls to the API server.

use serde::Serialize;

use super::elsewhere::{Elsewhere, Mark as Calls};
use super::meter::{Meter, Used};
use crate::audit::{Entry, Mark, service_account};
use crate::controlplane;
use crate::stage::{Error, OPERATOR, Operator, Stage};

/// A while that has begun.
#[derive(Debug)]
pub(super) struct Window {
    mark: Mark,
    calls: Calls,
    meter: Meter,
}

/// What it came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
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
}

impl Window {
    /// Begins now. Without an operator one is to be started in it.
    pub(super) async fn open(
        stage: &Stage,
        elsewhere: &Elsewhere,
        operator: Option<&Operator>,
    ) -> Result<Self, Error> {
        Ok(Self {
            mark: mark(stage).await?,
            calls: elsewhere.mark(stage),
            meter: Meter::begin(stage, operator),
        })
    }

    /// Ends now.
    pub(super) async fn close(
        self,
        stage: &Stage,
        elsewhere: &Elsewhere,
        operator: &Operator,
    ) -> Result<Cost, Error> {
        let used = self.meter.end(stage, Some(operator));
        let provider = elsewhere.requests_since(stage, self.calls);
        let entries = calls_since(stage, self.mark).await?;
        let count = |of: &dyn Fn(&Entry) -> bool| entries.iter().filter(|entry| of(entry)).count();
        Ok(Cost {
            used,
            provider,
            writes: count(&Entry::is_write),
            events: count(&|entry| entry.is_write() && entry.resource == "events"),
            reads: count(&|entry| entry.is_read() && !entry.is_list_or_watch()),
        })
    }
}

/// Where the audit log is now.
pub(super) async fn mark(stage: &Stage) -> Result<Mark, Error> {
    stage.plane.audit_barrier().await?;
    let mark = stage.plane.audit().mark();
    Ok(mark.map_err(controlplane::Error::from)?)
}

/// The operator's calls to the API server since then.
pub(super) async fn calls_since(stage: &Stage, mark: Mark) -> Result<Vec<Entry>, Error> {
    stage.plane.audit_barrier().await?;
    let account = service_account(OPERATOR, OPERATOR);
    let calls = stage.plane.audit().by_user_since(&account, mark);
    Ok(calls.map_err(controlplane::Error::from)?)
}
