//! What goes wrong: storms that come and go, and the fate that they give to every call.

use super::idp::Weather;
use super::spells::{Spell, Verb};
use super::world::World;

/// Faults in force, as chances per thousand.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A call fails before the API server acted.
    pub refused_connection: u32,
    /// The API server acts, and its answer is lost.
    pub lost_answer: u32,
    /// Calls take seconds.
    pub slow: u32,
    /// Writes are refused by quota or admission.
    pub refused_write: u32,
    /// Deletions are refused.
    pub refused_delete: u32,
    /// A process is killed at an await point.
    pub crash: u32,
    /// Watches break, and list anew later.
    pub broken_watch: u32,
    /// Watch events take up to so many milliseconds.
    pub watch_delay: i64,
    /// A provider's answer is lost (work done).
    pub lost_login: u32,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    pub before: i64,
    pub after: i64,
    pub fails: bool,
    pub lost: bool,
    pub refused: bool,
}

impl Faults {
    /// Whether nothing is wrong.
    pub fn is_calm(&self) -> bool {
        self.refused_connection
            + self.lost_answer
            + self.slow
            + self.refused_write
            + self.refused_delete
            + self.crash
            + self.broken_watch
            + self.lost_login
            == 0
    }
}

impl World {
    /// Draws the fate of a call to the API server.
    pub fn fate_of(&mut self, verb: Verb) -> Fate {
        self.counts.calls += 1;
        self.fate(match verb {
            Verb::Write | Verb::Status => self.faults.refused_write,
            Verb::Delete => self.faults.refused_delete,
            Verb::Read | Verb::Ask => 0,
        })
    }

    fn fate(&mut self, refusable: u32) -> Fate {
        let f = self.faults.clone();
        let slow = self.rng.chance(f.slow);
        let top = if slow { 9000 } else { 30 };
        let fate = Fate {
            before: self.rng.range(1, top),
            after: self.rng.range(1, top / 9),
            fails: self.rng.chance(f.refused_connection),
            lost: self.rng.chance(f.lost_answer),
            refused: self.rng.chance(refusable),
        };
        if slow || fate.fails || fate.lost || fate.refused {
            self.counts.faults += 1;
            self.book.api_trouble_at = self.now();
            self.trouble();
        }
        fate
    }

    /// A storm begins: some things go wrong for a while.
    pub fn storm(&mut self, crashes: bool) {
        self.counts.storms += 1;
        let mut f = Faults::default();
        for _ in 0..self.rng.range(1, 3) {
            let rate = self.rng.pick(&[20, 100, 400]);
            match self.rng.below(10) {
                0 => f.refused_connection = rate,
                1 => f.lost_answer = rate,
                2 => f.slow = rate,
                3 => f.refused_write = self.rng.pick(&[200, 1000]),
                4 => f.refused_delete = 1000,
                5 | 6 if crashes => f.crash = self.rng.pick(&[2, 10, 50]),
                7 => f.broken_watch = rate,
                8 => f.refused_connection = 1000,
                9 => f.lost_login = rate,
                _ => f.watch_delay = self.rng.pick(&[2000, 20_000, 120_000]),
            }
        }
        match self.rng.below(10) {
            0..=3 => self.spell = Some(self.rng.pick(&Spell::ALL)),
            // One entry alone is refused, and nothing else goes wrong: its siblings must be on time.
            4 => self.idp.weather = self.rng.pick(&[Weather::FirstPolicy, Weather::FirstScope]),
            _ => self.faults = f,
        }
        let more = if self.faults.is_calm() { 100 } else { 600 };
        if self.rng.chance(more) {
            self.idp.weather = self.rng.pick(&Weather::BAD);
        }
        if self.idp.weather == Weather::Paused {
            self.idp.paused_until = self.seconds() + 3600;
        }
        let text = format!("storm: {:?} {:?} {:?}", self.faults, self.spell, self.idp.weather);
        self.note(|| text);
        self.trouble();
    }

    /// All is well again.
    pub fn calm(&mut self) {
        self.excuse_what_ends();
        self.faults = Faults::default();
        self.spell = None;
        self.api.let_all_go();
        let paused = self.idp.weather == Weather::Paused;
        self.idp.weather = Weather::Fine;
        self.note(|| "calm".to_owned());
        self.trouble();
        if paused {
            // Who was told to wait waits.
            self.book.trouble_at = self.now().max(self.idp.paused_until * 1000);
        }
    }

    /// Whether something is wrong with the API server, the processes or the provider.
    pub fn stormy(&self) -> bool {
        !self.faults.is_calm()
            || self.faults.watch_delay > 0
            || self.spell.is_some()
            || self.idp.weather != Weather::Fine
            || self.untimed()
    }
}
