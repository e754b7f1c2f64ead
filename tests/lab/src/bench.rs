//! What many credentials cost an operator binary, against a real API server and a provider behind TLS.
//!
//! A program, not a timed test; its figures compare within one run on one machine only.
//!
//! # What is counted
//! - Processor time of the operator, the API server and etcd, from `/proc/PID/stat`; of the last two what they use with
//!   nobody connected is subtracted, and told. The provider and the eyes of the benchmark have a process of their own.
//! - Calls of the operator's ServiceAccount, from the audit log; calls to the provider, from its journal.
//! - Lateness of a renewal: from the moment that the token before it named to the one in which a watch showed the new one.

mod bare_logins;
mod bare_renewals;
mod elsewhere;
mod eyes;
mod hostile;
mod meter;
mod population;
mod renewals;
mod report;
mod start;
mod troubles;
mod window;

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use self::bare_logins::Caller;
use self::elsewhere::Elsewhere;
use self::eyes::Eyes;
use self::meter::{Meter, Used, footprint};
use self::population::{Population, SignedIn};
use self::report::{Figures, More, table};
use self::window::{Cost, Window};
use crate::controlplane;
use crate::simulator::{self, world::World, world::user_name};
use crate::stage::{Error, Operator, OperatorOptions, Stage, repository};

/// Of a token's life, in the middle: renewals are due by then.
const RENEWED_AFTER: f64 = 0.58;

/// Nobody is renewed later than after so much of a life, by `spec.refresh`.
const LATEST: f64 = 0.62;

/// Shortest life of tokens, seconds.
const SHORTEST: u64 = 24;

/// Life of tokens that are not due soon, seconds.
const LONG: u64 = 3600;

/// How long the control plane is left alone to know what it uses by itself, and the operator before its memory is read.
const SETTLE: Duration = Duration::from_secs(20);

/// Measure what an operator binary costs with many credentials
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Binary to measure: build it with `cargo build --release --bin entra-operator`
    #[arg(long, default_value_os_t = repository().join("target/release/entra-operator"))]
    program: PathBuf,
    /// Tree of the version of that binary, with its manifests
    #[arg(long, value_name = "DIRECTORY", default_value_os_t = repository())]
    tree: PathBuf,
    /// Credentials with one token each; one run for every number
    #[arg(long, value_delimiter = ',', default_values_t = [20])]
    credentials: Vec<usize>,
    /// Namespaces that they are spread over
    #[arg(long, default_value_t = 1)]
    namespaces: usize,
    /// Serve a list of these namespaces, and not the whole cluster
    #[arg(long)]
    listed: bool,
    /// Renewals that are due in a second, where tokens then live for 24 s or longer
    #[arg(long, default_value_t = 16)]
    rate: u16,
    /// Seconds of renewals that are measured
    #[arg(long, default_value_t = 60)]
    window: u64,
    /// Measure sign-ins and renewals only, as to compare with an earlier version
    #[arg(long)]
    renewals_only: bool,
    /// Measure renewals as soon as the first are due, and not only once all were renewed
    #[arg(long)]
    first_renewals: bool,
    /// Write the figures as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures, and gives what is to be printed.
///
/// # Errors
/// See [`Error`].
pub async fn run(args: &Args) -> Result<String, Error> {
    let mut all = Vec::new();
    for credentials in &args.credentials {
        all.push(measure(args, *credentials).await?);
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&all).unwrap_or_default();
        std::fs::write(path, text).map_err(|source| Error::Io {
            action: format!("write {}", path.display()),
            source,
        })?;
    }
    Ok(table(&all))
}

/// Where it is measured: the control plane, both providers, and who watches.
struct Scene {
    stage: Stage,
    elsewhere: Elsewhere,
    eyes: Eyes,
    population: Population,
    /// Seconds that tokens live.
    life: u64,
}

impl Scene {
    async fn set(args: &Args, credentials: usize) -> Result<Self, Error> {
        let population = Population {
            credentials,
            namespaces: args.namespaces,
        };
        let life = life(population, args.rate);
        tell(credentials, &format!("tokens live for {life} s"));
        let world = simulator::Options {
            keep_secrets: false,
            ..simulator::Options::new(World::with_users(credentials)).token_lifetime(life)
        };
        let stage = Stage::start_with(&args.tree, world.clone(), controlplane::Options::default()).await?;
        let elsewhere = Elsewhere::start(&stage, world).await?;
        let eyes = Eyes::open(&stage.plane.client().await?);
        population.prepare(&stage).await?;
        Ok(Self {
            stage,
            elsewhere,
            eyes,
            population,
            life,
        })
    }

    fn tell(&self, what: &str) {
        tell(self.population.credentials, what);
    }

    fn options(&self, args: &Args) -> OperatorOptions {
        options(&self.elsewhere, args.listed.then_some(self.population))
    }

    /// How long tokens of each user live, where not as long as all others.
    fn set_lives(&self, seconds: impl Fn(usize) -> Option<u64>) {
        for simulator in [&self.stage.simulator, &self.elsewhere.simulator] {
            for i in 0..self.population.credentials {
                simulator.change_user(&user_name(i), |user| user.token_lifetime = seconds(i));
            }
        }
    }

    /// Signs all in, and what that costs.
    async fn sign_in(&self, operator: &Operator) -> Result<(SignedIn, Cost), Error> {
        let (stage, elsewhere) = (&self.stage, &self.elsewhere);
        self.tell("creates credentials and logins");
        self.set_lives(|i| Some(self.population.first_life(i, self.life)));
        let open = Window::open(stage, elsewhere, Some(operator)).await?;
        let signed_in = self.population.sign_in(stage, &self.eyes).await?;
        self.set_lives(|_| None);
        self.tell(&format!("all are Ready after {:.1} s", signed_in.seconds));
        Ok((signed_in, open.close(stage, elsewhere, operator).await?))
    }

    /// Lets all be renewed once more, for so long that nothing is due soon.
    async fn renew_for_long(&self) {
        self.tell("renews all for an hour, so that nothing is due, and starts again");
        self.stage.simulator.set_token_lifetime(LONG);
        self.elsewhere.simulator.set_token_lifetime(LONG);
        tokio::time::sleep(renewed_within(self.life) + SETTLE / 2).await;
    }

    /// What is measured after the renewals.
    async fn more(&self, args: &Args, operator: Operator) -> Result<More, Error> {
        let (stage, eyes) = (&self.stage, &self.eyes);
        self.tell("meets a host that hangs and sessions that are ended");
        let troubles = troubles::meet(stage, &operator, eyes, self.population).await?;
        self.tell("meets a hostile namespace");
        let hostile = hostile::meet(stage, &operator, eyes).await?;
        self.renew_for_long().await;
        let options = self.options(args);
        let (start, operator) =
            start::again(stage, &self.elsewhere, &args.program, operator, options).await?;
        let peak = start::relisted(stage, &operator).await?;
        Ok(More {
            troubles,
            hostile,
            start,
            peak,
        })
    }
}

async fn measure(args: &Args, credentials: usize) -> Result<Figures, Error> {
    let scene = Scene::set(args, credentials).await?;
    let stage = &scene.stage;
    let alone = alone(stage).await;
    scene.tell("makes the calls of renewals in a loop");
    let caller = Caller::new(stage).await?;
    let bare_renewal = bare_renewals::measure(stage, &caller, args.rate).await?;
    let bare_logins = if args.renewals_only {
        None
    } else {
        scene.tell("makes the calls of all logins in a loop");
        Some(bare_logins::measure(&caller, credentials).await?)
    };
    let operator = stage.operator(&args.program, scene.options(args)).await?;
    tokio::time::sleep(SETTLE / 4).await;
    let idle = footprint(stage, &operator);
    let (sign_in, logins) = scene.sign_in(&operator).await?;
    let renewals = renewals::measure(&scene, &operator, &sign_in, args).await?;
    let loaded = footprint(stage, &operator);
    let more = if args.renewals_only {
        None
    } else {
        Some(scene.more(args, operator).await?)
    };
    Ok(Figures {
        credentials,
        namespaces: args.namespaces,
        life: scene.life,
        binary_bytes: std::fs::metadata(&args.program).map_or(0, |file| file.len()),
        alone,
        idle,
        all_ready_seconds: sign_in.seconds,
        bare_renewal,
        bare_logins,
        logins,
        renewals,
        loaded,
        more,
    })
}

/// What the control plane costs with nobody connected.
async fn alone(stage: &Stage) -> Used {
    tokio::time::sleep(SETTLE / 2).await;
    let alone = Meter::begin(stage, None);
    tokio::time::sleep(SETTLE).await;
    alone.end(stage, None)
}

/// Until tokens that live for so many seconds are renewed.
#[expect(clippy::cast_precision_loss, reason = "seconds")]
fn renewed_within(life: u64) -> Duration {
    Duration::from_secs_f64(life as f64 * LATEST)
}

/// Seconds that tokens live, so that so many renewals are due in a second, and that the first renewal of each brings a token
/// that outlives the one before: else it is put off.
fn life(population: Population, rate: u16) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "thousands"
    )]
    let life = (population.credentials as f64 / f64::from(rate.max(1)) / RENEWED_AFTER) as u64;
    life.max(population.shortest_life() + 1)
}

fn options(elsewhere: &Elsewhere, listed: Option<Population>) -> OperatorOptions {
    let namespaces: Vec<_> = listed
        .iter()
        .flat_map(|population| population.all_namespaces())
        .collect();
    let watch = if namespaces.is_empty() {
        String::new()
    } else {
        format!("watch: {{namespaces: [{}]}}\n", namespaces.join(", "))
    };
    OperatorOptions {
        authorities: vec![elsewhere.authority()],
        log: "warn,entra_operator::operator=info".to_owned(),
        election: false,
        config: format!("{watch}limits: {{requestsPerSecondPerTenant: 1000}}\n"),
        ..OperatorOptions::default()
    }
}

fn tell(credentials: usize, what: &str) {
    drop(writeln!(std::io::stderr(), "{credentials} credentials: {what}"));
}
