//! What will happen, when, and to whom: a pure function of the seed and the flags, so that a failing run can be repeated.
//!
//! The time is divided into rounds, one for each outage. A round begins with a storm, in which replicas are killed and stopped,
//! answers are lost and something is out, and ends in calm, so that there is a time in which everything must be well. In every
//! third round the storm meets both replicas, in the others only one.

mod users;

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

use super::cast::{self, Content};

/// Replicas without an election.
pub(super) const REPLICAS: usize = 2;

/// What the plan follows from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Settings {
    /// Seed of all chance.
    pub(super) seed: u64,
    /// Length of the plan.
    pub(super) seconds: u64,
    /// Credentials.
    pub(super) credentials: usize,
    /// Seconds that tokens live.
    pub(super) life: u64,
    /// SIGKILLs.
    pub(super) kills: usize,
    /// Outages.
    pub(super) outages: usize,
    /// Whether there is another binary to change to and fro.
    pub(super) other_binary: bool,
}

/// What is out, and how.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Outage {
    /// Connections to the API server are refused.
    ApiRefused,
    /// The API server answers 503.
    ApiErrors,
    /// The API server takes requests and never answers; its watches break.
    ApiHung,
    /// The API server is stopped and started.
    ApiStopped,
    /// etcd is stopped and started.
    EtcdStopped,
    /// etcd stands still.
    EtcdFrozen,
    /// Connections to the provider are refused.
    ProviderRefused,
    /// The provider answers 503.
    ProviderErrors,
    /// The provider answers 429.
    ProviderThrottles,
    /// The provider takes requests and never answers.
    ProviderHung,
}

/// Whose answers are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(super) enum Side {
    /// Those of the API server to writes of Secrets.
    Api,
    /// Those of the provider to requests for tokens.
    Provider,
}

/// Something that is done to the operator or its surroundings. Credentials and replicas are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// SIGKILL, and a new start at once.
    Kill(usize),
    /// SIGKILL when the replica's next write of a Secret was done and before it hears of it, and a new start.
    KillInWrite(usize),
    /// SIGSTOP, and SIGCONT so much later.
    Stop(usize, Duration),
    /// SIGKILL, and a start with the other of two binaries.
    Swap(usize),
    /// Something is out for so long.
    Outage(Outage, Duration),
    /// The work is done and so many answers are lost.
    Lose(Side, usize),
    /// One more sealing key.
    Rotate,
    /// Somebody does something about a credential.
    Of(usize, Act),
}

/// What people do about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// A login Secret with this content.
    Login(Content),
    /// The user's password is another one, and all refresh tokens are dead.
    Revoke(Content),
    /// Somebody edits the token in a token Secret.
    Edit,
    /// Somebody deletes a token Secret.
    Remove,
    /// Somebody asks for a renewal.
    Word,
    /// The credential asks for one more token, in a Secret that is foreign.
    Collide,
    /// It asks for it no more.
    Part,
    /// The credential is deleted.
    Delete,
    /// It is created again.
    Create,
}

/// A deed with its time since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) at: Duration,
    pub(super) deed: Deed,
}

/// All deeds in the order of their time.
pub(super) fn plan(settings: &Settings) -> Vec<Planned> {
    let mut rng = Rng::with_seed(settings.seed);
    let mut deeds = Vec::new();
    let rounds = u64::try_from(settings.outages.max(1)).unwrap_or(1);
    let length = Duration::from_secs(settings.seconds) / u32::try_from(rounds).unwrap_or(1);
    for number in 0..settings.outages.max(1) {
        let round = Round {
            number,
            begin: length * u32::try_from(number).unwrap_or_default(),
            length,
        };
        round.plan(settings, &mut rng, &mut deeds);
    }
    users::plan(settings, &mut rng, &mut deeds);
    deeds.sort_by_key(|planned| planned.at);
    deeds
}

/// One outage with what surrounds it.
struct Round {
    number: usize,
    begin: Duration,
    length: Duration,
}

impl Round {
    fn plan(&self, settings: &Settings, rng: &mut Rng, deeds: &mut Vec<Planned>) {
        let rounds = settings.outages.max(1);
        // The kills are dealt out to the rounds, none left over.
        let kills = settings.kills * (self.number + 1) / rounds - settings.kills * self.number / rounds;
        for _ in 0..kills {
            let victim = self.victim(rng);
            let in_write = rng.u8(..4) == 0;
            let kill = if in_write {
                Deed::KillInWrite(victim)
            } else {
                Deed::Kill(victim)
            };
            deeds.push(self.in_storm(rng, kill));
        }
        if settings.outages > 0 {
            let longest = (settings.life * 1000 / 3).max(2000);
            let lasting = Duration::from_millis(rng.u64(longest / 3..=longest));
            let outage = Deed::Outage(self.kind(settings), lasting);
            deeds.push(self.in_storm(rng, outage));
        }
        let stopped = Duration::from_millis(rng.u64(1000..=settings.life * 1000 / 4));
        let stop = Deed::Stop(self.victim(rng), stopped);
        deeds.push(self.in_storm(rng, stop));
        for side in [Side::Api, Side::Provider] {
            let lose = Deed::Lose(side, rng.usize(1..=3));
            deeds.push(self.in_storm(rng, lose));
        }
        if self.number % 4 == 1 {
            deeds.push(self.in_storm(rng, Deed::Rotate));
        }
        if settings.other_binary {
            let swap = Deed::Swap(self.victim(rng));
            deeds.push(self.in_storm(rng, swap));
        }
    }

    /// All kinds come in turn; the seed decides with which one it begins.
    fn kind(&self, settings: &Settings) -> Outage {
        let kinds = <Outage as strum::VariantArray>::VARIANTS;
        let first = usize::try_from(settings.seed % 10).unwrap_or_default();
        let kind = kinds.get((first + self.number) % kinds.len());
        kind.copied().unwrap_or(Outage::ApiRefused)
    }

    fn victim(&self, rng: &mut Rng) -> usize {
        match self.number % (REPLICAS + 1) {
            0 => rng.usize(..REPLICAS),
            one => one - 1,
        }
    }

    /// In the first half of the round.
    fn in_storm(&self, rng: &mut Rng, deed: Deed) -> Planned {
        Planned {
            at: self.begin + self.length.mul_f64(rng.f64() / 2.0),
            deed,
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(replica) => write!(f, "kill -9 operator-{replica}"),
            Self::KillInWrite(replica) => {
                write!(f, "kill -9 operator-{replica} in its next write of a Secret")
            }
            Self::Stop(replica, time) => write!(f, "stop operator-{replica} for {:.1} s", time.as_secs_f64()),
            Self::Swap(replica) => write!(f, "kill -9 operator-{replica}, start the other binary"),
            Self::Outage(kind, time) => write!(f, "outage {kind} for {:.1} s", time.as_secs_f64()),
            Self::Lose(side, times) => write!(f, "lose {times} answers of the {side}"),
            Self::Rotate => f.write_str("add a sealing key"),
            Self::Of(i, act) => write!(f, "{}: {act}", cast::name(*i)),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(content) => write!(f, "login Secret with {content}"),
            Self::Revoke(content) => write!(f, "refresh tokens revoked, from now on {content}"),
            Self::Edit => f.write_str("token Secret edited"),
            Self::Remove => f.write_str("token Secret deleted"),
            Self::Word => f.write_str("renewal requested"),
            Self::Collide => f.write_str("asks for a token in a foreign Secret"),
            Self::Part => f.write_str("does no more"),
            Self::Delete => f.write_str("deleted"),
            Self::Create => f.write_str("created again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(seed: u64) -> Settings {
        Settings {
            seed,
            seconds: 900,
            credentials: 100,
            life: 24,
            kills: 203,
            outages: 21,
            other_binary: false,
        }
    }

    #[test]
    fn a_seed_is_a_plan_and_the_targets_are_met() {
        assert_eq!(plan(&settings(7)), plan(&settings(7)));
        assert_ne!(plan(&settings(7)), plan(&settings(8)));
        let planned = plan(&settings(7));
        let count = |of: fn(&Deed) -> bool| planned.iter().filter(|p| of(&p.deed)).count();
        assert_eq!(count(|d| matches!(d, Deed::Kill(_) | Deed::KillInWrite(_))), 203);
        assert_eq!(count(|d| matches!(d, Deed::Outage(..))), 21);
        assert!(planned.iter().all(|p| p.at < Duration::from_mins(15)));
    }

    #[test]
    fn every_kind_of_deed_comes() {
        let planned = plan(&settings(7));
        let kind = |deed: &Deed| {
            let text = format!("{deed:?}");
            // Of people, what they do.
            let act = text.split_once(", ").filter(|_| text.starts_with("Of"));
            act.map_or(&*text, |(_, act)| act).to_owned()
        };
        let kinds = planned.iter().map(|p| kind(&p.deed));
        let kinds: std::collections::BTreeSet<_> = kinds
            .filter_map(|kind| kind.split(['(', ')']).next().map(str::to_owned))
            .collect();
        assert_eq!(kinds.len(), 15, "all but the change of binaries: {kinds:?}");
    }
}
