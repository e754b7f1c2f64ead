//! Everything outside of the operator's processes: time, the API server, the identity provider, faults, and the judge.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_operator::plan::Time;
use entra_operator::reconcile::Credential;
use entra_operator::secrets::Keyring;

use super::api::Api;
use super::book::Book;
use super::faults::Faults;
use super::idp::Idp;
use super::keys::Stored;
use super::rng::Rng;
use super::spells::Spell;

/// When every history begins: 2026-01-01, in milliseconds.
pub const START: i64 = 1_767_225_600_000;

/// The namespace that everything happens in.
pub const NAMESPACE: &str = "etl";

/// Another one, in wide histories.
pub const OTHER: &str = "ops";

/// The world, shared by the scheduler and the ports.
pub type Shared = Arc<Mutex<World>>;

/// True time in milliseconds, readable without the world.
pub type Ticks = Arc<AtomicI64>;

/// How the clocks of the processes' nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    Right,
    /// One is wrong, and the process was told the time.
    Wrong,
    /// One was set while nobody could tell the time.
    Untold,
}

/// Everything outside of the operator's processes.
#[derive(Debug)]
pub struct World {
    pub ticks: Ticks,
    /// For how long the machines have slept: monotonic clocks do not count it.
    pub slept: Ticks,
    pub rng: Rng,
    pub api: Api,
    pub idp: Idp,
    pub faults: Faults,
    pub spell: Option<Spell>,
    pub turn: Option<Turn>,
    pub sleep_until: Option<i64>,
    pub book: Book,
    /// The sealing keys as they are stored.
    pub keys: Stored,
    /// Opens what the operator sealed, to judge it.
    pub judge: Keyring,
    pub trace: Option<Vec<String>>,
    pub counts: Counts,
    pub clocks: Clocks,
    /// There is one process only.
    pub alone: bool,
    /// What [`super::wide`] adds happens.
    pub wide: bool,
    /// Of a thousand watches so many go on when etcd is set back.
    pub silent: u32,
    /// A login is replaced by a Secret of another type as soon as the operator claims it, once.
    pub replaced_as_claimed: bool,
    /// Until when no watch tells what becomes of credentials, milliseconds.
    pub credentials_late_until: i64,
    /// Until when the API server is away, milliseconds.
    pub away_until: i64,
    nonces: u64,
}

/// Whose pass is being polled.
#[derive(Clone, Debug)]
pub struct Turn {
    pub replica: usize,
    pub credential: Arc<Credential>,
}

/// What a history did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub passes: u64,
    pub calls: u64,
    pub sends: u64,
    pub redemptions: u64,
    pub writes: u64,
    pub crashes: u64,
    pub faults: u64,
    /// Deeds of people.
    pub deeds: u64,
    pub storms: u64,
    /// Most calls of one credential in a minute that brought nothing new.
    pub fruitless: u64,
    pub seconds: i64,
}

impl Counts {
    /// Adds those of another history.
    pub fn add(&mut self, other: &Self) {
        self.passes += other.passes;
        self.calls += other.calls;
        self.sends += other.sends;
        self.redemptions += other.redemptions;
        self.writes += other.writes;
        self.crashes += other.crashes;
        self.faults += other.faults;
        self.deeds += other.deeds;
        self.storms += other.storms;
        self.fruitless = self.fruitless.max(other.fruitless);
        self.seconds += other.seconds;
    }
}

impl World {
    /// An empty world.
    pub fn new(seed: u64, traced: bool) -> Self {
        let ticks: Ticks = Arc::new(AtomicI64::new(START));
        let mut rng = Rng::new(seed);
        let keys = Stored::default();
        let life = rng.pick(&[
            (3600, 5400),
            (3600, 5400),
            (3600, 3600),
            (86_400, 86_400),
            (600, 900),
        ]);
        let redeemed_stays_valid = rng.chance(700);
        Self {
            judge: keys.keyring(&ticks),
            keys,
            ticks,
            slept: Ticks::default(),
            rng,
            api: Api::default(),
            idp: Idp::new(life, redeemed_stays_valid),
            faults: Faults::default(),
            spell: None,
            turn: None,
            sleep_until: None,
            book: Book::default(),
            trace: traced.then(Vec::new),
            counts: Counts::default(),
            clocks: Clocks::Right,
            alone: true,
            wide: false,
            silent: 50,
            replaced_as_claimed: false,
            credentials_late_until: 0,
            away_until: 0,
            nonces: 0,
        }
    }

    /// True time, milliseconds.
    pub fn now(&self) -> i64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Whether the API server answers whoever asks for no object.
    pub fn api_answers(&self) -> bool {
        self.now() >= self.away_until && self.faults.refused_connection == 0
    }

    /// Whether a process may go by a wrong time.
    pub fn untimed(&self) -> bool {
        self.clocks == Clocks::Untold
    }

    /// True time, seconds.
    pub fn seconds(&self) -> i64 {
        self.now() / 1000
    }

    /// A text that is new.
    pub fn nonce(&mut self) -> String {
        self.nonces += 1;
        format!("nonce-{}", self.nonces)
    }

    /// Notes what happened, if anybody listens.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now();
        let who = self.turn.as_ref();
        if let Some(trace) = &mut self.trace {
            let at = entra_operator::reconcile::stamp::to_text(Time(now / 1000));
            let who = who.map(|t| (t.replica, &t.credential.key));
            let who = who.map(|(r, k)| format!("[{r}/{}/{}] ", k.namespace, k.name));
            let line = format!("{at}.{:03} {}{}", now % 1000, who.unwrap_or_default(), what());
            if trace.len() > 60_000 {
                trace.drain(..30_000);
            }
            trace.push(line);
        }
    }

    /// A fault happened, or a person did something: the operator may need a while from here.
    pub fn trouble(&mut self) {
        self.book.trouble_at = self.book.trouble_at.max(self.now());
    }

    /// Something is wrong that concerns more than an entry, a login or a status: from here it may take so many milliseconds.
    pub fn excuse(&mut self, for_ms: i64) {
        let until = self.now() + for_ms;
        self.book.excused_until = self.book.excused_until.max(until);
    }
}

/// A span of milliseconds.
pub fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms.max(0)).unwrap())
}
