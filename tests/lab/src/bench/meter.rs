//! Processor time and memory of processes, from `/proc`, and of a thread.

use std::time::Instant;

use serde::Serialize;

use super::report::failed;
use crate::controlplane::Component;
use crate::stage::{Error, Operator, Stage};

/// Processor time over a while, seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Used {
    /// How long it was.
    pub(super) seconds: f64,
    /// By the operator.
    pub(super) operator: f64,
    /// By the API server.
    pub(super) api_server: f64,
    /// By etcd.
    pub(super) etcd: f64,
}

/// What the operator takes: resident memory, KiB, and connections to the API server.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Footprint {
    /// Memory now.
    pub(super) resident: u64,
    /// The most since its start.
    pub(super) peak: u64,
    /// Connections now.
    pub(super) connections: usize,
}

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    at: Instant,
    operator: f64,
    api_server: f64,
    etcd: f64,
}

impl Meter {
    /// Reads them now.
    pub(super) fn begin(stage: &Stage, operator: Option<&Operator>) -> Self {
        let of = |component| stage.plane.pid(component).map_or(0.0, processor);
        Self {
            at: Instant::now(),
            operator: operator.map_or(0.0, |operator| processor(operator.pid())),
            api_server: of(Component::ApiServer),
            etcd: of(Component::Etcd),
        }
    }

    /// What was used since.
    pub(super) fn end(self, stage: &Stage, operator: Option<&Operator>) -> Used {
        let now = Self::begin(stage, operator);
        Used {
            seconds: now.at.duration_since(self.at).as_secs_f64(),
            operator: now.operator - self.operator,
            api_server: now.api_server - self.api_server,
            etcd: now.etcd - self.etcd,
        }
    }
}

/// Processor time of all its threads so far, seconds.
fn processor(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|field| field.parse::<u32>().ok()).sum();
    f64::from(ticks) / TICKS
}

/// Clock ticks in a second; Linux tells user space this number whatever the kernel's own is.
const TICKS: f64 = 100.0;

/// Does this on a thread of its own, as the operator does.
pub(super) async fn on_a_thread<T, F>(work: F) -> Result<T, Error>
where
    F: AsyncFnOnce() -> Result<T, Error> + Send + 'static,
    T: Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(&format!("no runtime: {error}")))?;
        runtime.block_on(work())
    });
    done.await
        .unwrap_or_else(|_| Err(failed("the bare loop panicked")))
}

/// Processor time of this thread, seconds.
pub(super) fn thread_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of one run")]
    let (seconds, nanoseconds) = (time.tv_sec as f64, time.tv_nsec as f64);
    seconds + nanoseconds / 1e9
}

/// What the operator takes now.
pub(super) fn footprint(stage: &Stage, operator: &Operator) -> Footprint {
    Footprint {
        resident: operator.resident().unwrap_or_default(),
        peak: operator.peak().unwrap_or_default(),
        connections: operator.connections(stage.plane.server_port()),
    }
}
