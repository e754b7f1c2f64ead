//! `cargo lab-chaos`: two replicas without an election under kills, stops, outages and people, for minutes to hours.
//!
//! # Guarantees
//! - What is done follows from the seed and the flags alone (`plan`). How the operator comes through it depends on the
//!   machine as well: a failing run can be repeated, not replayed.
//! - What is judged was seen by others than the operator: a watch through no proxy, the simulator's journal, etcd, `/proc`.
//! - Signals go to processes that were started here, by pid. Nothing stays behind.

mod acts;
mod cast;
mod evidence;
mod eyes;
mod judges;
mod leaks;
mod memory;
mod outages;
mod plan;
mod replicas;
mod report;
mod scene;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use self::evidence::Evidence;
use self::judges::{Violation, judge};
use self::leaks::Searches;
use self::plan::{Act, Deed, Planned, Settings, plan};
use self::report::{Figures, Memory, Report};
use self::scene::Scene;
use crate::demo::program;
use crate::demo::screen::Screen;
use crate::search::Place;
use crate::{audit, controlplane, demo, proxy, stage};

/// How often etcd and what the processes show is searched for secrets.
const LOOK_AROUND: Duration = Duration::from_secs(30);

/// Longest until all is well again after the last deed: an interrupted sign-in is taken over after a minute.
const RECOVERY: Duration = Duration::from_mins(5);

/// After so long without a token a person asks for a renewal, as the troubleshooting guide says.
const A_PERSON_S_PATIENCE: Duration = Duration::from_secs(90);

/// Kill, stop and cut off two replicas without election under a seed, and judge what they promise
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Seed of the plan; by chance and printed if absent
    #[arg(long)]
    pub seed: Option<u64>,
    /// Length of the plan; after twice as long the run fails
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    pub minutes: u64,
    /// Credentials with one or two tokens each
    #[arg(long, default_value_t = 100)]
    pub credentials: usize,
    /// Seconds that tokens live
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(8..))]
    pub life: u64,
    /// SIGKILLs of replicas
    #[arg(long, default_value_t = 200)]
    pub kills: usize,
    /// Outages of API server, etcd and provider, all kinds in turn
    #[arg(long, default_value_t = 20)]
    pub outages: usize,
    /// Use this operator binary instead of building one
    #[arg(long, value_name = "FILE")]
    pub operator: Option<PathBuf>,
    /// Change replicas to this binary of another commit and back
    #[arg(long, value_name = "FILE")]
    pub other_binary: Option<PathBuf>,
    /// Write the report as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keep the log of every process in this directory
    #[arg(long, value_name = "DIRECTORY")]
    pub logs: Option<PathBuf>,
    /// Print the plan, and do nothing
    #[arg(long)]
    pub plan: bool,
}

/// Why it did not come to a good end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Screen and build of the operator.
    #[error(transparent)]
    Demo(#[from] demo::Error),
    /// Control plane, simulator or operator.
    #[error(transparent)]
    Stage(#[from] stage::Error),
    /// The control plane.
    #[error(transparent)]
    ControlPlane(#[from] controlplane::Error),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// A proxy.
    #[error("cannot start a proxy")]
    Proxy(#[source] Box<proxy::StartError>),
    /// The Kubernetes API.
    #[error("a request to the Kubernetes API failed")]
    Kube(#[source] Box<kube::Error>),
    /// An object of the cast.
    #[error("an object of the cast is none of the Kubernetes API")]
    Object(#[source] serde_json::Error),
    /// A file or a stream.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A deed names a replica that there is not.
    #[error("there is no replica {0}")]
    NoReplica(usize),
    /// A deed names a credential that there is not.
    #[error("there is no credential {0}")]
    NoCredential(usize),
    /// The first sign-ins took too long.
    #[error("{ready} of {expected} credentials were ready in time")]
    NotReady {
        /// How many were.
        ready: usize,
        /// How many should.
        expected: usize,
    },
    /// Not all that was planned could be done.
    #[error("the plan was not done in twice its time")]
    Late,
    /// Promises do not hold.
    #[error("{0} violations; the seed is {1}")]
    Broken(usize, u64),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Kube(Box::new(error))
    }
}

impl Error {
    fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    fn proxy(error: proxy::StartError) -> Self {
        Self::Proxy(Box::new(error))
    }

    fn object(error: serde_json::Error) -> Self {
        Self::Object(error)
    }
}

/// Plays the plan and gives the report to print; a violation is an error after it was printed.
///
/// # Errors
/// What could not be started or done, and promises that do not hold.
pub async fn run(args: Args) -> Result<(), Error> {
    let settings = args.settings();
    say(&format!("seed {}", settings.seed))?;
    let plan = plan(&settings);
    if args.plan {
        return plan.iter().try_for_each(tell);
    }
    let programs = programs(&args).await?;
    if let Some(logs) = &args.logs {
        std::fs::create_dir_all(logs).map_err(Error::io("make the directory for logs"))?;
    }
    let searches = Arc::new(Searches::keeping(args.logs.clone()));
    let scene = Arc::new(Box::pin(Scene::set(settings.clone(), programs, searches)).await?);
    say("all are signed in, it begins")?;
    let start = Timestamp::now();
    let mut background = background(&scene);
    let memory = tokio::select! {
        memory = Box::pin(until_well(&scene, plan)) => memory?,
        Some(Ok(error)) = background.join_next() => return Err(error),
    };
    background.abort_all();
    let report = Box::pin(report(&scene, start, memory)).await?;
    if let Some(file) = &args.json {
        let json = serde_json::to_string_pretty(&report).map_err(Error::object)?;
        std::fs::write(file, json).map_err(Error::io(format!("write {}", file.display())))?;
    }
    writeln!(std::io::stdout(), "{}", report.text()).map_err(Error::io("write to standard output"))?;
    match report.violations() {
        0 => Ok(()),
        violations => Err(Error::Broken(violations, settings.seed)),
    }
}

impl Args {
    fn settings(&self) -> Settings {
        Settings {
            seed: self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            seconds: self.minutes * 60,
            credentials: self.credentials,
            life: self.life,
            kills: self.kills,
            outages: self.outages,
            other_binary: self.other_binary.is_some(),
        }
    }
}

/// The operator, and what replicas change to.
async fn programs(args: &Args) -> Result<[PathBuf; 2], Error> {
    let own = program::chosen(args.operator.as_deref(), &Screen::new()).await?;
    let other = args.other_binary.as_deref().map(program::found).transpose()?;
    Ok([own.clone(), other.unwrap_or(own)])
}

/// One line on standard error.
fn say(line: &str) -> Result<(), Error> {
    writeln!(std::io::stderr(), "{line}").map_err(Error::io("write to standard error"))
}

fn tell(planned: &Planned) -> Result<(), Error> {
    say(&format!("{:8.1} s  {}", planned.at.as_secs_f64(), planned.deed))
}

/// What goes on beside the plan: it ends only with an error.
fn background(scene: &Arc<Scene>) -> JoinSet<Error> {
    let mut tasks = JoinSet::new();
    for number in 0..scene.replicas.len() {
        let scene = Arc::clone(scene);
        tasks.spawn(async move {
            match scene.replicas.get(number) {
                Some(replica) => replica.supervise().await,
                None => Error::NoReplica(number),
            }
        });
    }
    let scene = Arc::clone(scene);
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(LOOK_AROUND).await;
            scene.searches.look_around(&scene.stage, &scene.replicas).await;
        }
    });
    tasks
}

/// Plays the plan and waits until all is well.
async fn until_well(scene: &Scene, plan: Vec<Planned>) -> Result<Vec<Memory>, Error> {
    play(scene, plan).await?;
    recover(scene).await
}

/// Does everything in its time; what lasts does not hold up what comes next.
async fn play(scene: &Scene, plan: Vec<Planned>) -> Result<(), Error> {
    let end = scene.start + 2 * Duration::from_secs(scene.settings.seconds);
    let deeds = plan.into_iter().map(|planned| async move {
        tokio::time::sleep_until((scene.start + planned.at).into()).await;
        tell(&planned)?;
        scene.act(planned.deed).await
    });
    tokio::time::timeout_at(end.into(), try_join_all(deeds))
        .await
        .map_or(Err(Error::Late), |done| done.map(drop))
}

/// All faults stop; waits until all is well, and for two lives at least, and looks into the memory of one replica meanwhile.
async fn recover(scene: &Scene) -> Result<Vec<Memory>, Error> {
    say("the plan is done, now all must become well")?;
    scene.stage.simulator.clear_faults();
    for replica in &scene.replicas {
        replica.api.clear();
    }
    let life = Duration::from_secs(scene.settings.life);
    let (begun, mut memory, mut asked) = (Instant::now(), Vec::new(), false);
    loop {
        let look = u32::try_from(memory.len()).unwrap_or_default();
        if memory.len() < 3 && begun.elapsed() >= life * (look + 1) {
            memory.push(look_into(scene).await);
        }
        let endings = scene.endings().await?;
        let all = endings.len() == scene.settings.credentials && endings.values().all(|ending| ending.ready);
        if (all && memory.len() == 3) || begun.elapsed() > RECOVERY {
            return Ok(memory);
        }
        if begun.elapsed() > A_PERSON_S_PATIENCE && !asked {
            asked = true;
            for (i, _) in endings
                .into_iter()
                .filter(|(_, e)| e.conditions.contains("LoginOutcomeUnknown"))
            {
                say(&format!("c{i} waits for a person's word"))?;
                scene.act(Deed::Of(i, Act::Word)).await?;
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn look_into(scene: &Scene) -> Memory {
    let journal = scene.stage.simulator.journal();
    let redeemed = journal.matching(|e| e.grant() == Some("refresh_token") && e.status() == Some(200));
    let marks = scene.searches.marks();
    let [first, _] = &scene.replicas;
    let process = first.process().await;
    let copies = process.and_then(|(pid, _)| memory::copies(pid, &marks).ok());
    Memory {
        renewals: redeemed.len(),
        copies: copies.map(|copies| copies.into_iter().collect()),
    }
}

async fn report(scene: &Scene, start: Timestamp, memory: Vec<Memory>) -> Result<Report, Error> {
    scene.searches.look_around(&scene.stage, &scene.replicas).await;
    let plane = &scene.stage.plane;
    plane.audit_barrier().await?;
    let audit = std::fs::read(plane.audit_log_path()).map_err(Error::io("read the audit log"))?;
    let audit = String::from_utf8_lossy(&audit).into_owned();
    scene.searches.search(vec![Place::new("the audit log", audit)]);
    let mut evidence = Evidence {
        life: SignedDuration::from_secs(i64::try_from(scene.settings.life).unwrap_or_default()),
        endings: scene.endings().await?,
        end: Some(Timestamp::now()),
        versions: scene.eyes.versions(),
        journal: scene.stage.simulator.journal().requests(),
        deeds: scene.done(),
        outages: scene.outages(),
        runs: Vec::new(),
    };
    let mut ended = 0;
    for replica in &scene.replicas {
        evidence.runs.extend(replica.runs().await);
        ended += replica.ended();
        replica.finish().await;
    }
    let found = scene.searches.found().await;
    let mut judgement = judge(&evidence);
    let now = evidence.end.unwrap_or_default();
    let violation = |rule, what| Violation { rule, at: now, what };
    let changed = scene.changed_bystanders().await?;
    judgement
        .violations
        .extend(changed.into_iter().map(|what| violation("foreign-object", what)));
    judgement
        .violations
        .extend(found.leaks.iter().cloned().map(|what| violation("leak", what)));
    judgement
        .violations
        .extend(memory_grows(&memory).map(|what| violation("memory", what)));
    let lost = report::lost_at_provider(&evidence.journal) + scene.lost_at_api();
    let figures = Figures {
        start,
        lost_answers: lost,
        ended,
        bystanders: scene.bystanders(),
        found,
        memory,
    };
    Ok(Report::new(
        scene.settings.clone(),
        &evidence,
        &judgement,
        figures,
    ))
}

/// Whether there are more copies after more renewals: more than for a tenth of them.
fn memory_grows(memory: &[Memory]) -> Option<String> {
    let (first, last) = (memory.first()?, memory.last()?);
    let (before, after) = (first.copies.as_ref()?, last.copies.as_ref()?);
    let renewals = last.renewals.saturating_sub(first.renewals);
    let grown = after.iter().find(|(kind, count)| {
        **count > before.get(*kind).copied().unwrap_or_default() + renewals / 10 + 10
    })?;
    Some(format!(
        "{} more than before: {before:?}, then {after:?} after {renewals} renewals",
        grown.0
    ))
}
