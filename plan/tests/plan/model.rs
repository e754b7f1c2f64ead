//! A model of everything around the plan: cluster, identity provider, and a shell that performs its steps.
//!
//! The shell is the simplest that keeps to the contract: one credential, one process, memory that a crash loses. Every
//! effect passes the [`rules::Ledger`], which knows what really happened and panics when a rule of the contract breaks.

mod act;
mod observe;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entra_plan::answer::{Account, Effect};
use entra_plan::record::{ContentMac, Record};
use entra_plan::snapshot::{
    AttemptSeen, Failure, Held, LastLogin, LoginOutcome, Ownership, Published, Repairs, StoredToken,
};
use entra_plan::{Decision, Time};

use super::build::NOW;
use super::check;
use rules::Ledger;

/// Steps that a pass may take.
pub const STEPS: usize = 12;

/// Names of tenants that a spec may write, and the GUID of each: the first two are one tenant.
pub const TENANTS: [(&str, &str); 3] = [
    ("contoso.example", "guid-1"),
    ("alias.example", "guid-1"),
    ("other.example", "guid-2"),
];

/// Everything.
#[derive(Debug)]
pub struct World {
    pub now: Time,
    pub spec: Spec,
    pub cluster: Cluster,
    pub entra: Entra,
    pub memory: Memory,
    pub ledger: Ledger,
    /// What the last pass ended with.
    pub rest: Option<Decision>,
    /// Seconds that a step takes.
    pub pace: i64,
    /// The API server refuses writes.
    pub refuses: bool,
    ids: u64,
}

/// What the user wrote.
#[derive(Debug)]
pub struct Spec {
    pub generation: i64,
    pub tenant: usize,
    /// Names of the token Secrets, and a number that stands for the scopes.
    pub entries: BTreeMap<&'static str, u8>,
    pub suspended: bool,
    pub deleting: bool,
    pub request: Option<u64>,
}

/// What survives a crash.
#[derive(Debug, Default)]
pub struct Cluster {
    pub login: Option<LoginObject>,
    pub session: Option<SessionObject>,
    pub tokens: BTreeMap<String, TokenObject>,
    pub status: Status,
}

/// The part of the memory that a status keeps.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub failure: Option<Failure>,
    pub login_failure: Option<Failure>,
    pub notes: BTreeMap<String, Note>,
    pub handled: Option<u64>,
    pub last_redeemed_at: Option<Time>,
    pub was_ready: bool,
}

/// A login Secret. Even passwords are right.
#[derive(Clone, Debug)]
pub struct LoginObject {
    pub uid: u64,
    pub version: u64,
    pub password: u8,
    pub claimed: bool,
    pub leave: bool,
}

/// The refresh-token Secret.
#[derive(Debug)]
pub struct SessionObject {
    pub version: u64,
    pub ownership: Ownership,
    pub token: Option<SealedToken>,
    pub record: Record,
    pub last_login: Option<LastLogin>,
    /// The key of these blobs is lost.
    pub token_sealed_off: bool,
    pub record_sealed_off: bool,
}

/// A refresh token and what is known of it.
#[derive(Clone, Debug)]
pub struct SealedToken {
    pub id: u64,
    pub stored: StoredToken,
    pub account: Account,
}

/// A token Secret.
#[derive(Clone, Debug)]
pub struct TokenObject {
    pub ownership: Ownership,
    pub published: Published,
    /// Its data is what we wrote.
    pub genuine: bool,
}

/// The identity provider.
#[derive(Debug, Default)]
pub struct Entra {
    /// What it answers next; then it is well.
    pub script: VecDeque<Answer>,
    /// Refresh tokens that are revoked.
    pub revoked: BTreeSet<u64>,
    /// Refresh tokens issued so far.
    pub issued: BTreeSet<u64>,
}

/// An answer out of the ordinary.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    Refused(Effect),
    /// Granted, for this many seconds.
    ShortLife(u16),
    /// Granted, without a refresh token.
    NoRefreshToken,
    /// Granted, for another account.
    OtherAccount,
}

/// What a crash loses.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub status: Status,
    pub login_read: Option<(u64, usize)>,
    pub session_read: Option<u64>,
    pub attempt: Option<AttemptSeen>,
    pub login_outcome: Option<(LoginOutcome, Option<SealedToken>)>,
    pub refresh: Option<News>,
    pub held: BTreeMap<String, Held>,
    pub deleted_login_at: Option<Time>,
    pub resolved: Option<usize>,
    pub failure_generation: i64,
}

/// News for the stored refresh token.
#[derive(Clone, Debug)]
pub enum News {
    Newer(Box<SealedToken>),
    Dead(Time),
}

/// Notes on an entry.
#[derive(Clone, Debug, Default)]
pub struct Note {
    pub failure: Option<Failure>,
    pub deferred_until: Option<Time>,
    pub repairs: Option<Repairs>,
    pub verified: Option<String>,
    pub edited: Option<String>,
}

/// How a process dies in a step: before it had an effect, or after, with the answer lost.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    Before,
    After,
}

impl World {
    /// A new credential with two entries.
    pub fn new() -> Self {
        Self {
            now: NOW,
            spec: Spec {
                generation: 1,
                tenant: 0,
                entries: [("graph", 1), ("mail", 2)].into(),
                suspended: false,
                deleting: false,
                request: None,
            },
            cluster: Cluster::default(),
            entra: Entra::default(),
            memory: Memory::default(),
            ledger: Ledger::default(),
            rest: None,
            pace: 0,
            refuses: false,
            ids: 0,
        }
    }

    /// A new id, version or uid.
    pub const fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A pass, and another at once if it did not rest within [`STEPS`] steps, as after a restore with a new login.
    pub fn pass(&mut self) -> Decision {
        self.pass_within(2 * STEPS)
    }

    /// Passes to rest within so many steps.
    pub fn pass_within(&mut self, most: usize) -> Decision {
        let mut steps = Vec::new();
        self.ledger.seen_published(self.now, &self.cluster);
        loop {
            let (s, decision) = self.decide();
            if decision.step.is_final() {
                self.end_pass(&s, decision.clone());
                return decision;
            }
            steps.push(decision.step.clone());
            assert!(steps.len() <= most, "no rest after {steps:#?}");
            self.act(&decision.step, &s, None);
            self.now = self.now.plus(self.pace);
        }
    }

    /// A pass that dies in its `nth` step; it may rest before.
    pub fn dying_pass(&mut self, nth: usize, death: Death) {
        for n in 0.. {
            let (s, decision) = self.decide();
            if decision.step.is_final() {
                return self.end_pass(&s, decision);
            }
            let death = (n == nth).then_some(death);
            self.act(&decision.step, &s, death);
            if death.is_some() {
                return self.restart();
            }
        }
    }

    /// A new process, which knows what the cluster knows.
    pub fn restart(&mut self) {
        self.memory = Memory {
            status: self.cluster.status.clone(),
            failure_generation: self.spec.generation,
            ..Memory::default()
        };
        self.memory.status.notes.values_mut().for_each(Note::forget);
        self.rest = None;
    }

    /// Lets time pass until the wake time of the last pass, or `at_most` seconds.
    pub fn sleep(&mut self, at_most: i64) {
        let limit = self.now.plus(at_most);
        let wake = self.rest.as_ref().and_then(|d| d.wake).unwrap_or(limit);
        self.now = wake.min(limit).max(self.now.plus(1));
    }

    fn decide(&mut self) -> (entra_plan::Snapshot, Decision) {
        self.lift_failures();
        let s = self.observe();
        let decision = check::decide(&s, self.now);
        (s, decision)
    }

    /// A changed spec lifts every back-off.
    fn lift_failures(&mut self) {
        if std::mem::replace(&mut self.memory.failure_generation, self.spec.generation)
            != self.spec.generation
        {
            self.memory.status.failure = None;
            self.memory
                .status
                .notes
                .values_mut()
                .for_each(|n| n.failure = None);
        }
    }

    fn end_pass(&mut self, s: &entra_plan::Snapshot, decision: Decision) {
        if !self.spec.deleting {
            self.memory.status.was_ready |= s.tokens.iter().all(|t| t.is_valid(self.now));
            self.cluster.status = self.memory.status.clone();
        }
        self.rest = Some(decision);
    }

    /// Whether every entry has a token that is valid now.
    pub fn ready(&self) -> bool {
        self.observe().tokens.iter().all(|t| check::valid(t, self.now))
    }

    /// GUID of the tenant that the spec names.
    pub fn tenant_id(&self) -> &'static str {
        TENANTS[self.spec.tenant].1
    }

    /// Keyed hash of a login content: it goes with the tenant.
    pub fn mac(&self, password: u8) -> ContentMac {
        ContentMac(format!("{password}@{}", TENANTS[self.spec.tenant].0))
    }
}

impl Note {
    /// What a status does not keep.
    fn forget(&mut self) {
        self.deferred_until = None;
        self.repairs = None;
        self.edited = None;
    }
}
