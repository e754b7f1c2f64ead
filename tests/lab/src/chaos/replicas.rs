//! The replicas: real processes, each behind a proxy of its own before the API server, that are killed, stopped and started
//! again. The proxy before the provider is one for both, because a refresh token is bound to the host that it came from.
//!
//! A replica that ends by itself is started again after a second, as a kubelet does it. What a process has logged is searched
//! for secrets when it has ended.

use std::path::PathBuf;
use std::sync::{Arc, Mutex as Record, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::Error;
use super::evidence::Span;
use super::leaks::Searches;
use crate::proxy::{Action, Options, Proxy, Rule};
use crate::stage::{OPERATOR, Operator, OperatorOptions, Stage, Trap};

/// Seconds that the ServiceAccount's token lives: no run is longer.
const TOKEN_SECONDS: u32 = 86_400;

/// Longest until a replica writes a Secret in which it is to be killed.
const NEXT_WRITE: Duration = Duration::from_secs(3);

/// How often it is looked whether a replica has ended by itself.
const LOOK: Duration = Duration::from_secs(1);

/// Name of the Secret with the sealing keys.
pub(super) const KEYS: &str = "entra-operator-keys";

/// One replica and all its processes.
#[derive(Debug)]
pub(super) struct Replica {
    number: usize,
    kubeconfig: String,
    pub(super) api: Proxy,
    entra: (String, String),
    programs: [PathBuf; 2],
    searches: Arc<Searches>,
    process: Mutex<Process>,
    runs: Record<Vec<Span>>,
    ended: Record<usize>,
}

#[derive(Debug)]
struct Process {
    operator: Option<Operator>,
    /// It is the second of the programs.
    swapped: bool,
    /// From when it runs, stops left out.
    since: Timestamp,
}

impl Replica {
    /// Starts it, with the first of the programs, and does not wait for it.
    pub(super) async fn start(
        stage: &Stage,
        number: usize,
        entra: &Proxy,
        programs: [PathBuf; 2],
        searches: Arc<Searches>,
    ) -> Result<Self, Error> {
        let api = Options::new(&stage.plane.server_url(), stage.plane.ca_pem());
        let api = Proxy::start(api).await.map_err(Error::proxy)?;
        let token = stage
            .plane
            .service_account_token(OPERATOR, OPERATOR, TOKEN_SECONDS)
            .await?;
        let name = format!("operator-{number}");
        let (url, ca) = (api.url(), api.ca_pem());
        let kubeconfig = stage
            .plane
            .kubeconfig_for_token(&name, &token, Some(&url), Some(&ca))?;
        let kubeconfig = std::fs::read_to_string(&kubeconfig).map_err(Error::io("read the kubeconfig"))?;
        let process = Process {
            operator: None,
            swapped: false,
            since: Timestamp::now(),
        };
        let replica = Self {
            number,
            kubeconfig,
            api,
            entra: (entra.url(), entra.ca_pem()),
            programs,
            searches,
            process: Mutex::new(process),
            runs: Record::default(),
            ended: Record::default(),
        };
        let mut process = replica.process.lock().await;
        replica.begin(&mut process).await?;
        drop(process);
        Ok(replica)
    }

    /// SIGKILL, and a new start.
    pub(super) async fn kill(&self) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        self.end(&mut process);
        self.begin(&mut process).await
    }

    /// The same at the moment when its next write of a Secret was done, and with the answer lost.
    pub(super) async fn kill_in_write(&self) -> Result<(), Error> {
        let trap = Trap::default();
        let mut process = self.process.lock().await;
        let rule = Rule::new(Action::After(trap.trigger()));
        self.api.add(rule.method("PATCH").path("/secrets/"));
        if let Some(operator) = &mut process.operator {
            trap.kill(operator, NEXT_WRITE).await;
        }
        self.end(&mut process);
        self.begin(&mut process).await
    }

    /// SIGKILL, and a start with the other program.
    pub(super) async fn swap(&self) -> Result<(), Error> {
        let mut process = self.process.lock().await;
        self.end(&mut process);
        process.swapped = !process.swapped;
        self.begin(&mut process).await
    }

    /// SIGSTOP, and SIGCONT after this time.
    pub(super) async fn stop(&self, time: Duration) {
        let mut process = self.process.lock().await;
        if let Some(operator) = &process.operator {
            operator.pause();
        }
        self.ran(&process);
        tokio::time::sleep(time).await;
        if let Some(operator) = &process.operator {
            operator.resume();
        }
        process.since = Timestamp::now();
    }

    /// Looks after it for ever.
    pub(super) async fn supervise(&self) -> Error {
        loop {
            tokio::time::sleep(LOOK).await;
            let mut process = self.process.lock().await;
            if process.operator.as_mut().is_some_and(Operator::has_ended) {
                *lock(&self.ended) += 1;
                self.end(&mut process);
                if let Err(error) = self.begin(&mut process).await {
                    return error;
                }
            }
        }
    }

    /// When its processes ran so far.
    pub(super) async fn runs(&self) -> Vec<Span> {
        let process = self.process.lock().await;
        let mut runs = lock(&self.runs).clone();
        runs.push(Span::new(process.since, Timestamp::now()));
        runs
    }

    /// How often a process of it ended by itself.
    pub(super) fn ended(&self) -> usize {
        *lock(&self.ended)
    }

    /// Process id and metrics endpoint of the process that runs now.
    pub(super) async fn process(&self) -> Option<(u32, Option<String>)> {
        let process = self.process.lock().await;
        let operator = process.operator.as_ref()?;
        Some((operator.pid(), operator.metrics()))
    }

    /// Ends it.
    pub(super) async fn finish(&self) {
        self.end(&mut *self.process.lock().await);
    }

    async fn begin(&self, process: &mut Process) -> Result<(), Error> {
        let options = OperatorOptions {
            identity: format!("operator-{}", self.number),
            log: "trace".to_owned(),
            election: false,
            config: format!("sealing: {{keySecret: {KEYS}}}\nlimits: {{requestsPerSecondPerTenant: 1000}}"),
            wait: false,
            ..OperatorOptions::default()
        };
        let [first, second] = &self.programs;
        let program = if process.swapped { second } else { first };
        let started = Operator::outside(program, &self.kubeconfig, self.entra.clone(), options).await?;
        process.operator = Some(started);
        process.since = Timestamp::now();
        Ok(())
    }

    fn end(&self, process: &mut Process) {
        self.ran(process);
        if let Some(mut operator) = process.operator.take() {
            operator.kill();
            self.searches
                .log(&format!("the log of operator-{}", self.number), operator.log());
        }
    }

    fn ran(&self, process: &Process) {
        lock(&self.runs).push(Span::new(process.since, Timestamp::now()));
    }
}

fn lock<T>(record: &Record<T>) -> std::sync::MutexGuard<'_, T> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
