//! One Prometheus on a free loopback port. It dies with the harness, even by SIGKILL, and what it wrote goes with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Error;
use crate::controlplane::flags::free_port;
use crate::controlplane::guard::{DIRECTORY_PREFIX, Guard};
use crate::stage::OPERATOR;

/// Longest for a start.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running Prometheus.
pub(super) struct Prometheus {
    child: Child,
    url: String,
    directory: PathBuf,
    _guard: Guard,
}

/// What one series says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Series {
    /// Its labels.
    pub(super) metric: BTreeMap<String, String>,
    /// Seconds and value, of an instant.
    #[serde(default)]
    value: Option<(f64, String)>,
    /// The same over time.
    #[serde(default)]
    values: Vec<(f64, String)>,
}

/// An alert as it is told.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Alert {
    /// Its texts.
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Found {
    result: Vec<Series>,
}

impl Series {
    /// Its points that are numbers.
    pub(super) fn points(&self) -> Vec<(f64, f64)> {
        let all = self.value.iter().chain(&self.values);
        let number = |(at, text): &(f64, String)| Some((*at, text.parse().ok()?));
        all.filter_map(number)
            .filter(|(_, value): &(f64, f64)| value.is_finite())
            .collect()
    }

    /// The value of a label.
    pub(super) fn label(&self, name: &str) -> &str {
        self.metric.get(name).map(String::as_str).unwrap_or_default()
    }
}

impl Prometheus {
    /// Starts one that reads the metrics at `target` each second, as the chart's `ServiceMonitor` has it.
    pub(super) async fn start(program: &Path, target: &str, rules: &Value) -> Result<Self, Error> {
        let directory = tempfile::Builder::new().prefix(DIRECTORY_PREFIX).tempdir();
        let directory = directory.map_err(Error::io("make a directory"))?.keep();
        let mut guard = Guard::over(&directory)?;
        furnish(&directory, target, rules)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let child = spawn(program, &directory, &address)?;
        guard.watch(child.id())?;
        let mut server = Self {
            child,
            url: format!("http://{address}"),
            directory,
            _guard: guard,
        };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Err(Error::Server("ended", self.log_end()));
            }
            let answer = reqwest::get(format!("{}/-/ready", self.url)).await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(Error::Server("does not answer", self.log_end()))
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let skip = log.lines().count().saturating_sub(15);
        log.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }

    /// What a query gives now.
    pub(super) async fn query(&self, query: &str) -> Result<Vec<Series>, Error> {
        let found: Found = self.get("query", &[("query", query)]).await?;
        Ok(found.result)
    }

    /// What a query gives over the last `seconds`, each `step` seconds.
    pub(super) async fn over(&self, query: &str, seconds: f64, step: u32) -> Result<Vec<Series>, Error> {
        let now = jiff::Timestamp::now().as_duration().as_secs_f64();
        let (start, end, step) = ((now - seconds).to_string(), now.to_string(), step.to_string());
        let asked = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        let found: Found = self.get("query_range", &asked).await?;
        Ok(found.result)
    }

    /// Names of all series.
    pub(super) async fn names(&self) -> Result<Vec<String>, Error> {
        self.get("label/__name__/values", &[]).await
    }

    /// Alerts that are pending or fire now, as Prometheus tells them.
    pub(super) async fn alerts(&self) -> Result<Vec<Alert>, Error> {
        let found: Alerts = self.get("alerts", &[]).await?;
        Ok(found.alerts)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, asked: &[(&str, &str)]) -> Result<T, Error> {
        let mut url = url::Url::parse(&format!("{}/api/v1/{path}", self.url))
            .map_err(|error| Error::Program("the address of Prometheus".to_owned(), error.to_string()))?;
        url.query_pairs_mut().extend_pairs(asked);
        let answer = reqwest::get(url).await?.error_for_status()?;
        Ok(answer.json::<Answer<T>>().await?.data)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn furnish(directory: &Path, target: &str, rules: &Value) -> Result<(), Error> {
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{
            "job_name": format!("{OPERATOR}-metrics"),
            "honor_labels": true,
            "static_configs": [{"targets": [target], "labels": {"namespace": OPERATOR}}],
        }],
    });
    for (name, value) in [("prometheus.yaml", &config), ("rules.yaml", rules)] {
        // JSON is YAML.
        fs::write(directory.join(name), value.to_string()).map_err(Error::io(format!("write {name}")))?;
    }
    Ok(())
}

fn spawn(program: &Path, directory: &Path, address: &str) -> Result<Child, Error> {
    let log = File::create(directory.join("log")).map_err(Error::io("create the log"))?;
    let at = |name: &str| directory.join(name).display().to_string();
    Command::new(program)
        .arg(format!("--config.file={}", at("prometheus.yaml")))
        .arg(format!("--storage.tsdb.path={}", at("data")))
        .arg(format!("--web.listen-address={address}"))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(Error::io("share the log"))?)
        .stderr(log)
        .spawn()
        .map_err(Error::io("start prometheus"))
}
