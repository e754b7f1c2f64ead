//! Honest figures: a program, not a timed test. It prints a table and, with `--json`, the same as JSON.
//!
//! Everything is measured on a real control plane with the binary that is given; ratios come from one run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::simulator::world::{API, PUBLIC_CLIENT, TENANT, password, user_name};
use crate::stage::{AUTHORITY, Error, Operator, OperatorOptions, Stage, repository};

/// Seconds that tokens live.
const LIFE: u64 = 24;

/// How long the idle operator is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// Measure size, start, memory and cost per renewal of an operator binary
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Binary to measure: build it with `cargo build --release --bin entra-operator`
    #[arg(long, default_value_os_t = repository().join("target/release/entra-operator"))]
    program: PathBuf,
    /// Credentials with one token each
    #[arg(long, default_value_t = 20)]
    credentials: usize,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Measures, and gives what is to be printed.
pub async fn run(args: &Args) -> Result<String, Error> {
    let stage = Stage::with_users(args.credentials, LIFE).await?;
    let operator = stage.operator(&args.program, options()).await?;
    let ready = restarted(&stage, &args.program, operator).await?;
    let operator = stage.operator(&args.program, options()).await?;
    tokio::time::sleep(SETTLE).await;
    let idle = operator.resident().unwrap_or_default();
    let latency = sign_in(&stage, args.credentials).await?;
    let cost = renewals(&stage, &operator).await?;
    let figures = json!({
        "binary_bytes": std::fs::metadata(&args.program).map(|m| m.len()).unwrap_or_default(),
        "ready_milliseconds": ready.as_millis().to_string(),
        "idle_rss_kib": idle,
        "busy_rss_kib": operator.resident().unwrap_or_default(),
        "credentials": args.credentials,
        "all_ready_milliseconds": latency.as_millis().to_string(),
        "renewals": cost.renewals,
        "writes_per_renewal": cost.writes,
        "reads_per_renewal": cost.reads,
        "cpu_milliseconds_per_renewal": cost.cpu,
    });
    Ok(if args.json {
        figures.to_string()
    } else {
        table(&figures)
    })
}

fn options() -> OperatorOptions {
    OperatorOptions {
        log: "info".to_owned(),
        election: false,
        ..OperatorOptions::default()
    }
}

/// Time from start to `/readyz` 200 against a warm API server.
async fn restarted(stage: &Stage, program: &Path, first: Operator) -> Result<Duration, Error> {
    first.terminate().await?;
    let operator = stage
        .operator(
            program,
            OperatorOptions {
                wait: false,
                ..options()
            },
        )
        .await?;
    let ready = operator.ready().await?;
    operator.terminate().await?;
    Ok(ready)
}

/// CPU time of the process so far, milliseconds (clock ticks of 10 ms).
fn cpu(operator: &Operator) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", operator.pid())).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|f| f.parse::<u64>().ok());
    ticks.sum::<u64>() * 10
}

/// Applies the credentials and their logins, and waits until all are Ready.
async fn sign_in(stage: &Stage, credentials: usize) -> Result<Duration, Error> {
    let items: Vec<_> = (0..credentials).flat_map(|i| [credential(i), login(i)]).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    stage.kubectl(&["apply", "--server-side", "-f", "-"], Some(&list))?;
    let start = Instant::now();
    while ready(stage)? < credentials {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(start.elapsed())
}

fn credential(i: usize) -> Value {
    json!({
        "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
        "metadata": {"name": format!("bench-{i}"), "namespace": "default"},
        "spec": {
            "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
            "login": {"secretName": format!("bench-{i}-login")},
            "tokens": [{"secretName": format!("bench-{i}-token"), "scopes": [format!("{API}/.default")]}],
        },
    })
}

fn login(i: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
        "metadata": {"name": format!("bench-{i}-login"), "namespace": "default"},
        "stringData": {"username": user_name(i), "password": password(i)},
    })
}

fn ready(stage: &Stage) -> Result<usize, Error> {
    let path = "jsonpath={range .items[*]}{.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
    let out = stage.kubectl(&["get", "entracredentials", "-n", "default", "-o", path], None)?;
    Ok(out.lines().filter(|l| *l == "True").count())
}

struct Cost {
    renewals: u64,
    writes: String,
    reads: String,
    cpu: String,
}

/// What two lives of renewals cost, from the audit log and the process's CPU time.
async fn renewals(stage: &Stage, operator: &Operator) -> Result<Cost, Error> {
    stage.plane.audit_barrier().await?;
    let mark = stage
        .plane
        .audit()
        .mark()
        .map_err(crate::controlplane::Error::from)?;
    let (seen, before) = (stage.simulator.journal().mark(), cpu(operator));
    tokio::time::sleep(Duration::from_secs(2 * LIFE)).await;
    stage.plane.audit_barrier().await?;
    let user = crate::audit::service_account(crate::stage::OPERATOR, crate::stage::OPERATOR);
    let entries = stage
        .plane
        .audit()
        .by_user_since(&user, mark)
        .map_err(crate::controlplane::Error::from)?;
    let count = |of: fn(&crate::audit::Entry) -> bool| entries.iter().filter(|e| of(e)).count();
    let renewals = stage.simulator.journal().since(seen).len() as u64;
    let each = |n: u64| hundredths(n * 100 / renewals.max(1));
    Ok(Cost {
        renewals,
        writes: each(count(crate::audit::Entry::is_write) as u64),
        reads: each(count(|e| e.is_read() && !e.is_list_or_watch()) as u64),
        cpu: each(cpu(operator).saturating_sub(before)),
    })
}

fn hundredths(n: u64) -> String {
    format!("{}.{:02}", n / 100, n % 100)
}

fn table(figures: &Value) -> String {
    let rows = figures.as_object().into_iter().flatten();
    rows.map(|(name, value)| {
        format!(
            "{:<32} {}",
            name.replace('_', " "),
            value.to_string().trim_matches('"')
        )
    })
    .collect::<Vec<_>>()
    .join("\n")
}
