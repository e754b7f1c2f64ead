//! Rules about what cannot go on (docs/contract.md, "When something cannot go on"): Ready is true of the published tokens and the clock, and nothing spins.

use entra_operator::api::EntraCredentialStatus;
use entra_operator::cluster::SecretStore;
use entra_operator::reconcile::ports::Key;
use entra_operator::reconcile::{Credential, Passed, annotations};

use super::rules_passes::headline;
use super::spells::{Call, Target, Verb};
use super::world::World;

/// What §3.3 is called among the rules.
const SECTION: u8 = 33;

/// How long `Ready` may be untrue, milliseconds.
const UNTRUE: i64 = 30_000;

/// How long watches that could not be resumed take to begin anew, milliseconds.
pub const LISTS: i64 = 30_000;

/// How long a read of what was edited may be held, milliseconds.
const HELD: i64 = 150_000;

/// Calls in a minute that bring nothing new.
const FRUITLESS: usize = 20;

/// Whose word it is that a credential is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// What a process decided last.
    Process(usize),
    /// What the status says.
    Status,
}

/// What one process watches.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub credential: &'a Credential,
    pub store: &'a SecretStore,
}

impl Seen<'_> {
    /// Whether the process was told of the Secret as it is.
    fn was_told(&self, world: &World, key: &Key) -> bool {
        let version = world.api.secrets.get(key).map(|o| o.version.to_string());
        self.store.get(key).map(|m| m.version.0) == version
    }
}

impl World {
    /// Whether the last look at what is said was not in this second.
    pub fn is_a_new_second(&mut self) -> bool {
        let second = self.seconds();
        std::mem::replace(&mut self.book.looked_at, second) != second
    }

    /// Ready never stands for long over a token that has expired or was edited.
    pub fn judge_ready(&mut self, says: Says, seen: Seen<'_>, status: Option<&EntraCredentialStatus>) {
        let at = (says, seen.credential.key.clone());
        let (ready, reason) = headline(status);
        let untrue = if ready { self.untrue(seen) } else { None };
        let Some(what) = untrue else {
            self.book.untrue.remove(&at);
            return;
        };
        let now = self.now();
        let since = *self.book.untrue.entry(at).or_insert(now);
        if now - since > UNTRUE {
            let name = &seen.credential.key.name;
            self.broken(
                SECTION,
                format!("{says:?} says that {name} is Ready ({reason}) over {what}"),
            );
        }
    }

    fn untrue(&self, seen: Seen<'_>) -> Option<String> {
        let credential = seen.credential;
        if credential.deleting {
            return None;
        }
        let can_read = self.now() - self.book.api_trouble_at > HELD;
        credential.spec.tokens.iter().find_map(|t| {
            let key = credential.sibling(&t.secret_name);
            let told = seen.was_told(self, &key);
            let Some(object) = self.api.secrets.get(&key) else {
                return told.then(|| format!("{}, which is not there", key.name));
            };
            let expired = annotations::published(&object.meta())
                .is_some_and(|p| p.expires_at.0 <= self.seconds() && self.clocks_are_exact())
                // What etcd is set back to is known as soon as a list or an answer tells it.
                && (told || self.book.set_back_at.is_none());
            let edited = told && can_read && !self.is_intact(&key, object);
            match (expired, edited) {
                (true, _) => Some(format!("{}, which has expired", key.name)),
                (_, true) => Some(format!("{}, which was edited", key.name)),
                _ => None,
            }
        })
    }

    /// The wake time is never behind the next expiry.
    pub fn judge_wake(&mut self, seen: Seen<'_>, passed: &Passed) {
        let credential = seen.credential;
        let lives = self.api.lives(&credential.key, &credential.uid).is_some();
        // After etcd was set back, the Secrets may be listed before the credential that is being deleted no longer.
        if !lives || credential.deleting || !self.clocks_are_exact() {
            return;
        }
        let now = self.seconds();
        let of_ours = |t: &entra_operator::api::TokenSpec| {
            let key = credential.sibling(&t.secret_name);
            let object = self.api.secrets.get(&key).filter(|_| seen.was_told(self, &key))?;
            let ours = object
                .controller
                .as_ref()
                .is_some_and(|c| c.uid == credential.uid);
            annotations::published(&object.meta())
                .filter(|_| ours)
                .map(|p| p.expires_at.0)
        };
        let expiries = credential.spec.tokens.iter().filter_map(of_ours);
        let Some(next) = expiries.filter(|at| *at > now + 1).min() else {
            return;
        };
        if passed.wake.is_none_or(|wake| wake.0 > next + 1) {
            self.broken(
                SECTION,
                format!("the wake time {:?} is behind the expiry at {next}", passed.wake),
            );
        }
    }

    /// Notes whether a status may be refused now.
    pub fn watch_status(&mut self) {
        let f = &self.faults;
        let failing = f.refused_connection + f.lost_answer + f.slow + f.refused_write;
        let by_spell = self
            .spell
            .is_some_and(|s| matches!(s.on, Target::Status | Target::All));
        if failing > 0 || by_spell {
            self.book.status_kept_at = self.now();
        }
    }

    /// Whether the API server is away, or watches have not begun anew since.
    pub fn lists_are_awaited(&self) -> bool {
        self.now() < self.away_until + LISTS
    }

    /// Whether the status has been writable for as long as its back-off may take.
    pub fn status_gets_through(&self) -> bool {
        self.now() - self.book.status_kept_at > UNTRUE
    }

    /// Whether a call to the API server brought something new: a change, or a version that was not read before.
    pub fn brought_news(&mut self, call: Call<'_>, before: u64) -> bool {
        if !matches!(call.verb, Verb::Read | Verb::Ask) {
            return self.api.version() != before;
        }
        let version = self.api.secrets.get(call.key).map(|o| o.version);
        let replica = self.turn.as_ref().unwrap().replica;
        let known = (replica, call.verb, call.key.clone());
        self.book.seen.insert(known, version) != Some(version)
    }

    /// Counts a call that failed, or brought nothing new.
    pub fn count_fruitless(&mut self, what: impl FnOnce() -> String) {
        let turn = self.turn.as_ref().unwrap();
        let at = (turn.replica, turn.credential.key.clone());
        let now = self.now();
        let times = self.book.fruitless.entry(at).or_default();
        times.retain(|at| now - at < 60_000);
        times.push(now);
        let (n, spell) = (times.len(), self.spell);
        self.counts.fruitless = self.counts.fruitless.max(u64::try_from(n).unwrap());
        if n > FRUITLESS {
            self.broken(
                SECTION,
                format!(
                    "{n} calls in a minute brought nothing new ({spell:?}), now {}",
                    what()
                ),
            );
        }
    }
}
