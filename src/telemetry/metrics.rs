//! The metrics registry, in OpenMetrics text: counters and histograms as things happen, state at the scrape.
//!
//! Labels come from closed lists: never a user, tenant or client. Every help text says what to do about a value.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::credentials::{Credentials, Source};
use super::labels::{Answer, Grant, Object, Pass, Refresh, Verb, Why, Written};
use super::process::Process;
use crate::api::Reason;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefreshLabels {
    result: Refresh,
    reason: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    grant: Grant,
    result: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldBackLabels {
    reason: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    outcome: Pass,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    object: Object,
    verb: Verb,
    result: Written,
}

/// Everything that is counted. Shared by reference; recording never waits or fails.
pub struct Metrics {
    registry: Registry,
    /// What a source tells at a scrape.
    of_state: Registry,
    /// Under the names that every Prometheus client gives them, without the operator's own prefix.
    of_process: Registry,
    /// Names of the families that count what happens, because a family without samples is left out of the text.
    names: Vec<&'static str>,
    source: Arc<OnceLock<Source>>,
    refreshes: Family<RefreshLabels, Counter>,
    requests: Family<RequestLabels, Histogram>,
    held_back: Family<HeldBackLabels, Counter>,
    passes: Family<PassLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    lateness: Histogram,
    pass_duration: Histogram,
    leader: Gauge,
    leader_known: Gauge,
    unserved: Gauge,
}

impl Metrics {
    /// An empty registry; `per_object` says whether series with names of credentials as labels are reported.
    pub fn new(per_object: bool) -> Self {
        let [mut registry, mut of_state] = [(); 2].map(|()| Registry::with_prefix(PREFIX));
        let mut of_process = Registry::default();
        of_process.register_collector(Box::new(Process));
        let source = Arc::new(OnceLock::new());
        of_state.register_collector(Box::new(Credentials {
            source: Arc::clone(&source),
            per_object,
        }));
        register_build(&mut registry);
        Self {
            of_state,
            of_process,
            source,
            ..Self::events(registry)
        }
    }

    fn events(mut registry: Registry) -> Self {
        let mut names = Vec::new();
        let r = &mut Registering {
            registry: &mut registry,
            names: &mut names,
        };
        Self {
            source: Arc::default(),
            refreshes: register(r, "refresh", REFRESH_HELP, Family::default()),
            requests: register(r, "token_request_duration_seconds", REQUEST_HELP, requests()),
            held_back: register(r, "requests_held_back", HELD_BACK_HELP, Family::default()),
            passes: register(r, "reconcile", PASS_HELP, Family::default()),
            writes: register(r, "api_writes", WRITE_HELP, Family::default()),
            lateness: register(
                r,
                "refresh_lateness_seconds",
                LATENESS_HELP,
                Histogram::new(LATENESS_BUCKETS),
            ),
            pass_duration: register(
                r,
                "reconcile_duration_seconds",
                PASS_DURATION_HELP,
                Histogram::new(CALL_BUCKETS),
            ),
            leader: register(r, "leader", LEADER_HELP, Gauge::default()),
            leader_known: register(r, "leader_known", LEADER_KNOWN_HELP, Gauge::default()),
            unserved: register(r, "namespaces_unserved", UNSERVED_HELP, Gauge::default()),
            registry,
            of_state: Registry::default(),
            of_process: Registry::default(),
            names,
        }
    }

    /// Sets where state is looked up at a scrape. Only the first call counts.
    pub fn observe(&self, source: Source) {
        self.source.get_or_init(|| source);
    }

    /// Counts a renewal that was due, or its failure with its reason.
    pub fn refresh(&self, result: Refresh, reason: Reason) {
        self.refreshes
            .get_or_create(&RefreshLabels {
                result,
                reason: Why(reason),
            })
            .inc();
    }

    /// Records how much later than due a token was published.
    pub fn late(&self, lateness: Duration) {
        self.lateness.observe(lateness.as_secs_f64());
    }

    /// Records a request to the token endpoint.
    pub fn token_request(&self, grant: Grant, result: Answer, duration: Duration) {
        self.requests
            .get_or_create(&RequestLabels { grant, result })
            .observe(duration.as_secs_f64());
    }

    /// Counts a request to an identity provider that was not made when it was due.
    pub fn held_back(&self, reason: Reason) {
        let labels = HeldBackLabels { reason: Why(reason) };
        self.held_back.get_or_create(&labels).inc();
    }

    /// Records a pass over one credential.
    pub fn pass(&self, outcome: Pass, duration: Duration) {
        self.passes.get_or_create(&PassLabels { outcome }).inc();
        self.pass_duration.observe(duration.as_secs_f64());
    }

    /// Counts a write to the API server.
    pub fn write(&self, object: Object, verb: Verb, result: Written) {
        self.writes
            .get_or_create(&WriteLabels { object, verb, result })
            .inc();
    }

    /// Says whether this replica holds the Lease, or works without election; and whether anybody does, for all it knows.
    pub fn leading(&self, leading: bool, known: bool) {
        self.leader.set(i64::from(leading));
        self.leader_known.set(i64::from(known));
    }

    /// Says how many of the namespaces to serve are missing or may not be read.
    pub fn unserved(&self, namespaces: usize) {
        self.unserved.set(i64::try_from(namespaces).unwrap_or(i64::MAX));
    }

    /// Names of all families, without what samples have behind them (`_total`, `_count`). Those that describe state are
    /// among them once there is a source.
    pub fn families(&self) -> Result<BTreeSet<String>, fmt::Error> {
        let text = self.encode()?;
        let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names = described.filter_map(|rest| rest.split(' ').next());
        let of_events = self.names.iter().map(|name| format!("{PREFIX}_{name}"));
        Ok(names.map(str::to_owned).chain(of_events).collect())
    }

    /// All metrics as OpenMetrics text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        self.encode_to(&mut text)?;
        Ok(text)
    }

    /// Writes the same. While `out` waits, nothing else does: what is counted is taken before, and no lock is held.
    pub fn encode_to(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut counted = String::new();
        encode_registry(&mut counted, &self.of_process)?;
        encode_registry(&mut counted, &self.registry)?;
        out.write_str(&counted)?;
        encode(out, &self.of_state)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Every name begins with it, but for those of the process.
const PREFIX: &str = "entra";

// The registry ends every text with a full stop.
const REFRESH_HELP: &str = "Renewals of tokens that were due, by result and reason. If result=failed grows, look up \
     the reason in the troubleshooting guide; pods keep the old token until it expires";
const REQUEST_HELP: &str = "Duration of requests to the identity provider's token endpoint, by grant and result. If \
     result=unanswered or result=postponed grows, look at the network path and at the provider's service health";
const HELD_BACK_HELP: &str = "Requests to identity providers that had to wait, by reason: Throttled by the operator's own \
     limits or because the provider asked for it, ServiceUnavailable because the provider fails. If it grows while renewals \
     come late, look at limits in the configuration, and at entra_token_request_duration_seconds by result";
const LATENESS_HELP: &str = "How much later than due a renewed token was published. If it exceeds 300, look at \
     entra_token_request_duration_seconds, at entra_api_writes_total and at the operator's CPU limit";
const PASS_HELP: &str = "Passes over credentials that came to rest, by outcome. If outcome=blocked grows, look up the \
     reasons that entra_credentials shows in the troubleshooting guide";
const PASS_DURATION_HELP: &str = "Duration of passes over one credential. If it grows, compare it with \
     entra_token_request_duration_seconds: what is left was spent on the API server";
const WRITE_HELP: &str = "Writes of Secrets, statuses and Events, by object, verb and result. If result=refused grows, \
     look for a quota, an admission policy or missing rights; if result=conflict grows, somebody else edits the \
     operator's Secrets";
const LEADER_HELP: &str = "1 if this replica does the work. If no replica shows 1 for more than a minute, look at the \
     Lease in the operator's namespace";
const LEADER_KNOWN_HELP: &str = "1 if this replica leads or sees another one lead. If 0 for more than a minute, nobody \
     renews tokens: read what /readyz says of the leader, and look at the Lease in the operator's namespace";
const UNSERVED_HELP: &str = "Namespaces to serve that are missing or may not be read. If above 0, no token is renewed \
     there: read what /readyz says of the watches";
const BUILD_HELP: &str = "Version of the operator. Two values at a time mean that an upgrade is not finished";

/// The provider's deadline is 30 s.
const CALL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Wake times are looked at twice a second, back-off grows to 600 s.
const LATENESS_BUCKETS: [f64; 9] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];

fn requests() -> Family<RequestLabels, Histogram> {
    Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS))
}

/// Where a family is registered, and its name noted.
struct Registering<'a> {
    registry: &'a mut Registry,
    names: &'a mut Vec<&'static str>,
}

fn register<M: Metric + Clone>(r: &mut Registering<'_>, name: &'static str, help: &str, metric: M) -> M {
    r.registry.register(name, help, metric.clone());
    r.names.push(name);
    metric
}

fn register_build(registry: &mut Registry) {
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", BUILD_HELP, version);
}

#[cfg(test)]
mod tests {
    use super::super::credentials::Observed;
    use super::*;

    fn text(act: impl FnOnce(&Metrics)) -> String {
        let metrics = Metrics::new(true);
        act(&metrics);
        metrics.encode().unwrap_or_default()
    }

    fn assert_lines(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(text.lines().any(|l| l == *line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn events_are_counted_under_their_labels() {
        let text = text(|m| {
            m.refresh(Refresh::Renewed, Reason::Fresh);
            m.refresh(Refresh::Failed, Reason::Throttled);
            m.refresh(Refresh::Failed, Reason::Throttled);
            m.pass(Pass::Idle, Duration::from_millis(20));
            m.write(Object::Secret, Verb::Update, Written::Done);
            m.leading(false, true);
        });
        assert_lines(
            &text,
            &[
                r#"entra_refresh_total{result="renewed",reason="Fresh"} 1"#,
                r#"entra_refresh_total{result="failed",reason="Throttled"} 2"#,
                r#"entra_reconcile_total{outcome="idle"} 1"#,
                r#"entra_reconcile_duration_seconds_bucket{le="0.025"} 1"#,
                r#"entra_api_writes_total{object="secret",verb="update",result="done"} 1"#,
                "entra_leader 0",
                "entra_leader_known 1",
                &format!(r#"entra_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
                "# EOF",
            ],
        );
    }

    #[test]
    fn families_without_samples_are_named_too() {
        let metrics = Metrics::new(true);
        metrics.observe(Box::new(Observed::default));
        let families = metrics.families().unwrap_or_default();
        for name in [
            "entra_build",
            "entra_refresh",
            "entra_api_writes",
            "entra_credential_ready",
        ] {
            assert!(families.contains(name), "{name} is not in {families:?}");
        }
    }

    #[test]
    fn durations_are_seconds() {
        let text = text(|m| {
            m.token_request(Grant::RefreshToken, Answer::Granted, Duration::from_millis(250));
            m.late(Duration::from_secs(7));
        });
        assert_lines(
            &text,
            &[
                r#"entra_token_request_duration_seconds_sum{grant="refresh_token",result="granted"} 0.25"#,
                r#"entra_token_request_duration_seconds_count{grant="refresh_token",result="granted"} 1"#,
                "entra_refresh_lateness_seconds_sum 7.0",
                r#"entra_refresh_lateness_seconds_bucket{le="5.0"} 0"#,
                r#"entra_refresh_lateness_seconds_bucket{le="15.0"} 1"#,
            ],
        );
    }

    #[test]
    fn every_help_text_says_what_to_do() {
        let helps = [
            REFRESH_HELP,
            REQUEST_HELP,
            HELD_BACK_HELP,
            LATENESS_HELP,
            PASS_HELP,
            PASS_DURATION_HELP,
            WRITE_HELP,
            LEADER_HELP,
            LEADER_KNOWN_HELP,
            UNSERVED_HELP,
        ];
        assert!(
            helps
                .iter()
                .all(|h| h.contains("look") || h.contains("read") || h.contains("compare"))
        );
        assert!(
            helps
                .iter()
                .all(|h| !h.contains(['\n', '"', '\\']) && !h.contains("  ") && !h.ends_with('.'))
        );
    }
}
