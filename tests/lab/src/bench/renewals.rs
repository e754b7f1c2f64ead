//! A while of renewals: what each costs, and how late it is.

use std::time::Duration;

use serde::Serialize;

use super::elsewhere::Elsewhere;
use super::eyes::{Arrival, Eyes, quantiles};
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
    elsewhere: &Elsewhere,
    operator: &Operator,
    eyes: &Eyes,
    signed_in: &SignedIn,
    life: u64,
    window: u64,
) -> Result<Renewals, Error> {
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let due = Duration::from_secs_f64(life as f64 * FIRST);
    tokio::time::sleep(due.saturating_sub(signed_in.began.elapsed())).await;
    tokio::time::sleep(super::SETTLE / 4).await;
    stage.plane.audit_barrier().await?;
    let audit = stage.plane.audit();
    let mark = audit.mark().map_err(controlplane::Error::from)?;
    let (calls, seen) = (elsewhere.mark(stage), eyes.count());
    let meter = Meter::begin(stage, Some(operator));
    tokio::time::sleep(Duration::from_secs(window)).await;
    let used = meter.end(stage, Some(operator));
    let lateness: Vec<_> = eyes.since(seen).iter().map(Arrival::late).collect();
    let provider = elsewhere.requests_since(stage, calls);
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
