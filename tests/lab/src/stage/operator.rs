//! One operator process: the real binary under its own ServiceAccount. It dies with the harness, even by SIGKILL.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{ADFS, AUTHORITY, B2C, Error, OIDC, OPERATOR, Stage};
use crate::controlplane::guard::{DIRECTORY_PREFIX, Guard};

/// Life of the ServiceAccount token: the API server's shortest is 600 s.
const TOKEN_SECONDS: u32 = 3600;

/// Longest for anything that an operator does at start or end.
const PATIENCE: Duration = Duration::from_secs(50);

/// Files in an operator's directory.
const KUBECONFIG: &str = "kubeconfig";
const CONFIG: &str = "config.yaml";
const CA_FILE: &str = "entra-ca.pem";

/// How to run an operator.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// Name of its pod, and its identity in the election.
    pub identity: String,
    /// The ServiceAccount that it acts as, in its own namespace.
    pub account: String,
    /// URL and CA of a proxy before the API server.
    pub api: Option<(String, String)>,
    /// URL and CA of a proxy before the simulator.
    pub entra: Option<(String, String)>,
    /// Log filter.
    pub log: String,
    /// Take part in the leader election.
    pub election: bool,
    /// Whether the simulator may check passwords as a federation server.
    pub federation: bool,
    /// Authorities beside the simulator, as the configuration file has them.
    pub authorities: Vec<Value>,
    /// More YAML for the configuration file.
    pub config: String,
    /// More environment variables.
    pub variables: Vec<(String, String)>,
    /// Wait until it is ready.
    pub wait: bool,
}

impl Default for OperatorOptions {
    fn default() -> Self {
        Self {
            identity: "operator-0".to_owned(),
            account: OPERATOR.to_owned(),
            api: None,
            entra: None,
            log: "info,entra_operator=debug".to_owned(),
            election: true,
            federation: true,
            authorities: Vec::new(),
            config: String::new(),
            variables: Vec::new(),
            wait: true,
        }
    }
}

/// What the simulator is to the operator: names, kinds and paths.
const KINDS: [(&str, &str, &str); 4] = [
    (AUTHORITY, "Entra", ""),
    (B2C, "B2c", "/B2C_1_ropc"),
    (ADFS, "Adfs", "/adfs"),
    (OIDC, "Oidc", "/oidc/a"),
];

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: PathBuf,
    started: Instant,
    directory: PathBuf,
    _guard: Guard,
}

impl Operator {
    pub(super) async fn start(
        stage: &Stage,
        program: &Path,
        options: OperatorOptions,
    ) -> Result<Self, Error> {
        let token = stage
            .plane
            .service_account_token(OPERATOR, &options.account, TOKEN_SECONDS)
            .await?;
        let (url, ca) = options.api.clone().unzip();
        let name = format!("{}-{}", options.identity, uuid::Uuid::new_v4());
        let kubeconfig = stage
            .plane
            .kubeconfig_for_token(&name, &token, url.as_deref(), ca.as_deref())?;
        let simulator = (stage.simulator.url(), stage.simulator.ca_pem());
        let entra = options.entra.clone().unwrap_or(simulator);
        let kubeconfig = std::fs::read_to_string(&kubeconfig).map_err(io("read the kubeconfig"))?;
        Self::outside(program, &kubeconfig, entra, options).await
    }

    /// Starts an operator for any cluster: with this kubeconfig, and URL and CA of an identity provider.
    pub async fn outside(
        program: &Path,
        kubeconfig: &str,
        entra: (String, String),
        options: OperatorOptions,
    ) -> Result<Self, Error> {
        let directory = directory()?;
        let mut guard = Guard::over(&directory)?;
        let log = directory.join("operator.log");
        write_files(&directory, kubeconfig, &entra, &options)?;
        let child = spawn(program, &directory, &log, &options)?;
        guard.watch(child.id())?;
        let operator = Self {
            child,
            log,
            started: Instant::now(),
            directory,
            _guard: guard,
        };
        if options.wait {
            operator.ready().await?;
        }
        Ok(operator)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, KiB; `None` once it has ended.
    pub fn resident(&self) -> Option<u64> {
        self.memory("VmRSS:")
    }

    /// The most resident memory that it had, KiB.
    pub fn peak(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    /// A line of `/proc/PID/status` (`proc(5)`).
    fn memory(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Connections that it has to this port now, from `/proc`.
    pub fn connections(&self, port: u16) -> usize {
        let of = |table: &str| {
            let text =
                std::fs::read_to_string(format!("/proc/{}/net/{table}", self.pid())).unwrap_or_default();
            let sockets: Vec<_> = text.lines().filter_map(|line| established(line, port)).collect();
            sockets
        };
        let mine = sockets(self.pid());
        let to_it = [of("tcp"), of("tcp6")].concat();
        to_it.iter().filter(|socket| mine.contains(*socket)).count()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it logs.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Its own directory: configuration, kubeconfig and log.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The `caFile` of all its authorities and federation servers.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.join(CA_FILE)
    }

    /// `http://address` of the health endpoints, once it listens.
    pub fn health(&self) -> Option<String> {
        self.bound("health=")
    }

    /// `http://address` of the metrics endpoint, once it listens.
    pub fn metrics(&self) -> Option<String> {
        self.bound("metrics=")
    }

    fn bound(&self, name: &str) -> Option<String> {
        let log = self.log();
        let line = log.lines().find(|l| l.contains("listening"))?;
        let address = line.split(name).nth(1)?.split_whitespace().next()?.to_owned();
        Some(format!("http://{address}"))
    }

    /// Waits until `/readyz` answers 200; says how long after its start that was.
    pub async fn ready(&self) -> Result<Duration, Error> {
        while self.started.elapsed() < PATIENCE {
            if self.is_ready().await {
                return Ok(self.started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(self.failed("did not become ready"))
    }

    /// Whether `/readyz` answers 200 now.
    pub async fn is_ready(&self) -> bool {
        let Some(health) = self.health() else { return false };
        matches!(reqwest::get(format!("{health}/readyz")).await, Ok(answer) if answer.status().is_success())
    }

    /// Body of a GET on one of its endpoints.
    pub async fn get(&self, url: &str) -> Option<String> {
        reqwest::get(url).await.ok()?.text().await.ok()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGTERM; waits for a graceful end and gives its exit code.
    pub async fn terminate(mut self) -> Result<Option<i32>, Error> {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ok(status.code());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(self.failed("did not end after SIGTERM"))
    }

    /// Sends a signal to this process.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(pid, signal);
        }
    }

    /// Stops it where it is, as a node does that is suspended.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn failed(&self, what: &str) -> Error {
        let log = self.log();
        let lines: Vec<_> = log.lines().rev().take(25).collect();
        let log = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
        Error::Operator {
            what: what.to_owned(),
            log,
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
    }
}

fn directory() -> Result<PathBuf, Error> {
    let made = tempfile::Builder::new().prefix(DIRECTORY_PREFIX).tempdir();
    made.map(tempfile::TempDir::keep).map_err(io("make a directory"))
}

fn write_files(
    directory: &Path,
    kubeconfig: &str,
    (url, ca): &(String, String),
    options: &OperatorOptions,
) -> Result<(), Error> {
    let write = |name: &str, text: &str| {
        std::fs::write(directory.join(name), text).map_err(io(&format!("write {name}")))
    };
    let ca_file = directory.join(CA_FILE).display().to_string();
    let host = url.trim_start_matches("https://");
    let allowed = if options.federation {
        host
    } else {
        "sts.elsewhere.example"
    };
    let authorities: Vec<_> = KINDS
        .iter()
        .map(|(name, kind, path)| json!({"name": name, "kind": kind, "url": format!("{url}{path}"), "caFile": ca_file}))
        .chain(options.authorities.iter().cloned())
        .collect();
    let config = format!(
        "authorities: {}\n\
         federation: {{allowedHosts: [\"{allowed}\"], caFile: {ca_file}}}\n\
         http: {{health: \"127.0.0.1:0\", metrics: \"127.0.0.1:0\"}}\n\
         leaderElection: {{enabled: {}, leaseSeconds: 3}}\n{}",
        json!(authorities),
        options.election,
        options.config,
    );
    write(KUBECONFIG, kubeconfig)?;
    write(CA_FILE, ca)?;
    write(CONFIG, &config)
}

fn spawn(program: &Path, directory: &Path, log: &Path, options: &OperatorOptions) -> Result<Child, Error> {
    let log = File::create(log).map_err(io("create the log"))?;
    Command::new(program)
        .args(["run", "--kubeconfig"])
        .arg(directory.join(KUBECONFIG))
        .arg("--config")
        .arg(directory.join(CONFIG))
        .args(["--log", &options.log])
        .env_clear()
        .env("POD_NAME", &options.identity)
        .env("POD_NAMESPACE", OPERATOR)
        .env("RUST_BACKTRACE", "1")
        .envs(options.variables.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(io("share the log"))?)
        .stderr(log)
        .spawn()
        .map_err(io(&format!("start {}", program.display())))
}

fn io(action: &str) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let action = action.to_owned();
    move |source| Error::Io { action, source }
}

/// The socket of a line of `/proc/net/tcp` (`proc(5)`), if it is connected to this port.
fn established(line: &str, port: u16) -> Option<String> {
    const ESTABLISHED: &str = "01";
    let fields: Vec<_> = line.split_whitespace().collect();
    let (remote, state, inode) = (fields.get(2)?, *fields.get(3)?, fields.get(9)?);
    let to = u16::from_str_radix(remote.rsplit(':').next()?, 16).ok()?;
    (to == port && state == ESTABLISHED).then(|| format!("socket:[{inode}]"))
}

/// Sockets that a process holds.
fn sockets(pid: u32) -> HashSet<String> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let targets = files
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|file| std::fs::read_link(file.path()).ok());
    targets
        .map(|target| target.to_string_lossy().into_owned())
        .collect()
}
