//! Processor time and memory of processes, from `/proc`.

use std::time::Instant;

use serde::Serialize;

use crate::controlplane::Component;
use crate::stage::{Operator, Stage};

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

/// What the operator takes now.
pub(super) fn footprint(stage: &Stage, operator: &Operator) -> Footprint {
    Footprint {
        resident: operator.resident().unwrap_or_default(),
        peak: operator.peak().unwrap_or_default(),
        connections: operator.connections(stage.plane.server_port()),
    }
}
