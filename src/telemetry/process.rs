//! What the process itself takes: memory and processor time, under the names that every Prometheus client gives them.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::time::{ClockId, clock_gettime};

const MEMORY_HELP: &str = "Resident memory of the operator. If it comes near to the limit of its container, look at how many credentials there are, and raise the limit.";
const CPU_HELP: &str = "Processor time that the operator took, user and system. If it grows by the limit of its container, look at entra_reconcile_total and raise the limit.";

/// Reads both when they are scraped. Where there is no `/proc`, memory is not told.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let cpu = encoder.encode_descriptor("process_cpu_seconds", CPU_HELP, None, MetricType::Counter)?;
        ConstCounter::new(processor_time()).encode(cpu)?;
        let memory = encoder.encode_descriptor(
            "process_resident_memory_bytes",
            MEMORY_HELP,
            None,
            MetricType::Gauge,
        )?;
        resident().map_or(Ok(()), |bytes| ConstGauge::new(bytes).encode(memory))
    }
}

/// Seconds, of all threads.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let whole = u64::try_from(time.tv_sec).unwrap_or_default();
    let rest = u32::try_from(time.tv_nsec).unwrap_or_default();
    std::time::Duration::new(whole, rest).as_secs_f64()
}

/// Bytes; the kernel counts in KiB (proc(5), `VmRSS`).
fn resident() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace()
        .next()?
        .parse::<i64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_time_and_memory() {
        assert!(processor_time() > 0.0);
        assert!(!cfg!(target_os = "linux") || resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
