//! The figures of a run, as JSON and as a table.

use serde::Serialize;

use super::bare_logins::{self, BareLogins};
use super::hostile::Hostile;
use super::meter::{Footprint, Used};
use super::renewals::Renewals;
use super::start::Start;
use super::troubles::Troubles;
use super::window::Cost;
use crate::stage::Error;

/// Bytes of memory that a credential may take, beyond the idle process.
const BUDGET: f64 = 2500.0;

/// What was measured with one number of credentials.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figures {
    /// Credentials with one token each.
    pub(super) credentials: usize,
    /// Namespaces that they are spread over.
    pub(super) namespaces: usize,
    /// Seconds that tokens live.
    pub(super) life: u64,
    /// Size of the binary.
    pub(super) binary_bytes: u64,
    /// The control plane with nobody connected.
    pub(super) alone: Used,
    /// Footprint without credentials.
    pub(super) idle: Footprint,
    /// From the last create until all were Ready.
    pub(super) all_ready_seconds: f64,
    /// Milliseconds of processor time for the calls of a renewal, made by a loop.
    pub(super) bare_renewal: f64,
    /// The calls of as many logins, made by a loop, if more than renewals was to be measured.
    pub(super) bare_logins: Option<BareLogins>,
    /// What the sign-ins cost, from the first create.
    pub(super) logins: Cost,
    /// A while of renewals.
    pub(super) renewals: Renewals,
    /// Footprint after it.
    pub(super) loaded: Footprint,
    /// What came after it, if more than renewals was to be measured.
    #[serde(flatten)]
    pub(super) more: Option<More>,
}

/// What is measured after the renewals.
#[derive(Clone, Debug, Serialize)]
pub(super) struct More {
    /// Troubles.
    pub(super) troubles: Troubles,
    /// A hostile namespace after them.
    pub(super) hostile: Hostile,
    /// A start with everything there.
    pub(super) start: Start,
    /// Footprint after a relist under several scrapes at once.
    pub(super) peak: Footprint,
}

impl Figures {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let more = self.more.iter().flat_map(|more| more.rows(self));
        self.renewal_rows()
            .into_iter()
            .chain(self.size_rows())
            .chain(more)
            .collect()
    }

    fn renewal_rows(&self) -> Vec<(&'static str, String)> {
        let r = &self.renewals;
        let cost = &r.cost;
        let per_second = |used: f64| used / self.alone.seconds.max(1.0);
        let net = |used: f64, alone: f64| per(used - per_second(alone) * cost.used.seconds, r.count);
        let calls = |n: usize| format!("{:.2}", ratio(n, r.count));
        let [half, most, all] = r.lateness;
        vec![
            ("credentials", self.credentials.to_string()),
            ("namespaces", self.namespaces.to_string()),
            ("token life (s)", self.life.to_string()),
            ("binary (MB)", format!("{:.1}", real(self.binary_bytes) / 1e6)),
            (
                "all Ready after the last create · the same calls in a loop (s)",
                self.sign_in_seconds(),
            ),
            (
                "calls to the API server per sign-in · in the loop",
                format!("{:.2} · {}", self.calls_per_login(), bare_logins::CALLS),
            ),
            (
                "renewals in a second",
                format!("{:.1}", real(r.count as u64) / cost.used.seconds),
            ),
            (
                "operator CPU per renewal · the same calls in a loop (ms)",
                format!(
                    "{:.2} · {:.2}",
                    per(cost.used.operator, r.count),
                    self.bare_renewal
                ),
            ),
            (
                "API server CPU per renewal, net (ms)",
                format!("{:.1}", net(cost.used.api_server, self.alone.api_server)),
            ),
            (
                "etcd CPU per renewal, net (ms)",
                format!("{:.1}", net(cost.used.etcd, self.alone.etcd)),
            ),
            (
                "API server + etcd CPU alone (ms/s)",
                format!("{:.0}", 1e3 * per_second(self.alone.api_server + self.alone.etcd)),
            ),
            ("calls to the provider per renewal", calls(cost.provider)),
            (
                "writes · Events · reads per renewal",
                format!(
                    "{} · {} · {}",
                    calls(cost.writes),
                    calls(cost.events),
                    calls(cost.reads)
                ),
            ),
            (
                "late by (s): p50 · p99 · max",
                format!("{half:.2} · {most:.2} · {all:.2}"),
            ),
        ]
    }

    fn size_rows(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "RSS idle · loaded (MiB)",
                format!("{} · {}", mib(self.idle.resident), mib(self.loaded.resident)),
            ),
            ("RSS peak until loaded (MiB)", mib(self.loaded.peak)),
            (
                "connections to the API server: idle · loaded",
                format!("{} · {}", self.idle.connections, self.loaded.connections),
            ),
        ]
    }

    fn sign_in_seconds(&self) -> String {
        let bare = self.bare_logins.as_ref().map_or_else(
            || "not measured".to_owned(),
            |bare| format!("{:.1} for {}", bare.seconds, bare.count),
        );
        format!("{:.1} · {bare}", self.all_ready_seconds)
    }

    fn calls_per_login(&self) -> f64 {
        ratio(self.logins.writes + self.logins.reads, self.credentials)
    }
}

impl More {
    fn rows(&self, figures: &Figures) -> Vec<(&'static str, String)> {
        let parts = [self.trouble_rows(), self.hostile_rows(), self.start_rows(figures)];
        parts.into_iter().flatten().collect()
    }

    fn hostile_rows(&self) -> Vec<(&'static str, String)> {
        let h = &self.hostile;
        let [half, most, all] = h.others_late;
        vec![
            (
                "a hostile namespace: touches in a second · RSS before · after · beyond 2.5 kB for each credential (MiB)",
                format!(
                    "{:.0} · {} · {} · {:.1}",
                    h.touches,
                    mib(h.before.resident),
                    mib(h.after.resident),
                    h.beyond(BUDGET) / 1024.0
                ),
            ),
            (
                "others meanwhile late by (s): p50 · p99 · max",
                format!("{half:.2} · {most:.2} · {all:.2}"),
            ),
        ]
    }

    fn trouble_rows(&self) -> Vec<(&'static str, String)> {
        let t = &self.troubles;
        let [half, most, all] = t.others_late;
        let (ended, calls) = t.ended;
        vec![
            (
                "a deleted token Secret is back after (s)",
                format!("{:.2}", t.back),
            ),
            (
                "a host hangs for 60 s: late at another by (s): p50 · p99 · max",
                format!("{half:.2} · {most:.2} · {all:.2}"),
            ),
            (
                "afterwards: all fresh after (s) · in order of expiry (%) · RSS (MiB)",
                format!(
                    "{:.1} · {:.0} · {}",
                    t.fresh_again,
                    t.in_order,
                    mib(t.memory.resident)
                ),
            ),
            (
                "sessions that end: so many · most calls for one",
                format!("{ended} · {calls}"),
            ),
        ]
    }

    fn start_rows(&self, figures: &Figures) -> Vec<(&'static str, String)> {
        let start = &self.start;
        // Of the process that was started again: what it holds beyond an idle one.
        let held = real(start.memory.resident.saturating_sub(figures.idle.resident)) * 1.024;
        vec![
            (
                "RSS started again · peak until then, relisted under 3 scrapes at once (MiB)",
                format!("{} · {}", mib(start.memory.resident), mib(self.peak.peak)),
            ),
            (
                "memory per credential (kB)",
                format!("{:.1}", held / real(figures.credentials.max(1) as u64)),
            ),
            (
                "start: ready (s) · CPU in 20 s (s) · reading alone (s)",
                format!(
                    "{:.2} · {:.2} · {:.2}",
                    start.ready, start.cost.used.operator, start.bare
                ),
            ),
            (
                "start: calls to the provider · reads",
                format!("{} · {}", start.cost.provider, start.cost.reads),
            ),
        ]
    }
}

/// A row for each figure, a column for each number of credentials.
pub(super) fn table(all: &[Figures]) -> String {
    let columns: Vec<_> = all.iter().map(Figures::rows).collect();
    let Some(first) = columns.first() else {
        return String::new();
    };
    let line = |row: usize| {
        let name = first.get(row).map_or("", |(name, _)| name);
        let cells: Vec<_> = columns
            .iter()
            .filter_map(|c| Some(c.get(row)?.1.as_str()))
            .collect();
        format!("| {name} | {} |", cells.join(" | "))
    };
    let mut lines: Vec<_> = (0..first.len()).map(line).collect();
    lines.insert(1, format!("|---|{}", "---|".repeat(columns.len())));
    lines.join("\n")
}

/// Milliseconds for each.
fn per(seconds: f64, count: usize) -> f64 {
    seconds * 1e3 / real(count.max(1) as u64)
}

fn ratio(n: usize, count: usize) -> f64 {
    real(n as u64) / real(count.max(1) as u64)
}

fn mib(kib: u64) -> String {
    format!("{:.1}", real(kib) / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn real(n: u64) -> f64 {
    n as f64
}

/// Something of the benchmark's own that did not work.
pub(super) fn failed(what: &str) -> Error {
    Error::Io {
        action: what.to_owned(),
        source: std::io::ErrorKind::Other.into(),
    }
}
