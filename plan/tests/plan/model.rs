//! A model of everything around the plan: cluster, identity provider, and a shell that performs its steps.
//!
//! The shell has effects and nothing else: one credential, one process, memory that a crash loses. What an outcome means
//! is settled by the plan itself. Every effect passes the [`rules::Ledger`], which knows what really happened and panics
//! when a rule of the contract breaks.

mod act;
mod observe;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use entra_plan::answer::Effect;
use entra_plan::identity::Pin;
use entra_plan::keys::KeyName;
use entra_plan::known::Note;
use entra_plan::mac::RefreshTokenMac;
use entra_plan::metadata::{EntryName, Uid, Version};
use entra_plan::record::{ContentMac, Record};
use entra_plan::settle::pass::{self, Allowed};
use entra_plan::snapshot::{
    Held, LastLogin, LoginOutcome, Ownership, Published, RefreshOutcome, Sealed, StoredToken,
};
use entra_plan::word::Said;
use entra_plan::{Decision, Known, Snapshot, Time, rest_of_pass};

use super::build::{NOW, name};
use super::check;
use rules::Ledger;

/// Passes in a row that may end at the limit of steps, as after a restore with a new login.
const PASSES: usize = 3;

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
    pub ring: Ring,
    pub entra: Entra,
    /// What a crash loses.
    pub known: Known,
    pub pocket: Pocket,
    pub ledger: Ledger,
    /// What the last pass ended with.
    pub rest: Option<Decision>,
    /// Seconds that a step takes.
    pub pace: i64,
    pub api: Api,
    /// Generation that the last pass saw.
    seen: Option<i64>,
    ids: u64,
}

/// How the API server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Well,
    RefusesWrites,
    /// It is not asked: too much failed lately.
    Rationed,
    Away,
}

/// What the user wrote.
#[derive(Debug)]
pub struct Spec {
    pub generation: i64,
    pub tenant: usize,
    /// Names of the token Secrets, and a number that stands for the scopes.
    pub entries: BTreeMap<EntryName, u8>,
    pub suspended: bool,
    pub deleting: bool,
    pub said: Option<Said>,
}

/// What survives a crash.
#[derive(Debug, Default)]
pub struct Cluster {
    pub login: Option<LoginObject>,
    pub session: Option<SessionObject>,
    pub tokens: BTreeMap<EntryName, TokenObject>,
    pub status: Status,
}

/// What a status keeps.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub known: Known,
    pub was_ready: bool,
}

/// A login Secret. Even passwords are right.
#[derive(Clone, Debug)]
pub struct LoginObject {
    pub uid: Uid,
    pub version: Version,
    pub password: u8,
    pub claimed: bool,
    pub leave: bool,
}

/// The refresh-token Secret.
#[derive(Debug)]
pub struct SessionObject {
    pub version: Version,
    pub ownership: Ownership,
    pub token: Option<SealedToken>,
    pub record: Record,
    pub last_login: Option<LastLogin>,
    /// Keys that sealed the blobs.
    pub token_key: u32,
    pub record_key: u32,
    /// What the annotation says of them.
    pub key_id: u32,
}

/// The operator's sealing keys. A process sees at once what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// The newest, which seals.
    pub sealing: u32,
    /// Those that are missing.
    pub missing: BTreeSet<u32>,
    pub generation: u64,
}

/// Id of a sealing key.
pub fn key_name(key: u32) -> KeyName {
    KeyName(format!("{key:06}"))
}

/// A refresh token and what is known of it.
#[derive(Clone, Debug)]
pub struct SealedToken {
    pub id: u64,
    pub stored: StoredToken,
    pub pin: Pin,
}

impl SealedToken {
    /// What a read gives of it.
    pub fn sealed(&self) -> Sealed {
        Sealed {
            pin: self.pin.clone(),
            token: RefreshTokenMac(self.id.to_string()),
        }
    }
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
    /// It says that a used refresh token stays redeemable.
    pub redeemed_stays_valid: bool,
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
    /// Granted, with an access token that cannot be used.
    Unusable,
    /// Granted, without a refresh token.
    NoRefreshToken,
    /// Granted, for another account.
    OtherAccount,
}

/// Answers that are not stored or published yet.
#[derive(Clone, Debug, Default)]
pub struct Pocket {
    pub login: Option<(LoginOutcome, Option<SealedToken>)>,
    pub refresh: Option<(RefreshOutcome, Option<SealedToken>)>,
    pub tokens: BTreeMap<EntryName, Held>,
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
                entries: [(name("graph"), 1), (name("mail"), 2)].into(),
                suspended: false,
                deleting: false,
                said: None,
            },
            cluster: Cluster::default(),
            ring: Ring::default(),
            entra: Entra::default(),
            known: Known::default(),
            pocket: Pocket::default(),
            ledger: Ledger::default(),
            rest: None,
            pace: 0,
            api: Api::Well,
            seen: None,
            ids: 0,
        }
    }

    /// A new id, version or uid.
    pub const fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Another uid.
    pub fn uid(&mut self) -> Uid {
        Uid(self.id().to_string())
    }

    /// Another resourceVersion.
    pub fn version(&mut self) -> Version {
        Version(self.id().to_string())
    }

    /// A pass, and others at once as long as they end at the limit of steps.
    pub fn pass(&mut self) -> Decision {
        for _ in 0..PASSES {
            if let Some(decision) = self.passed() {
                return decision;
            }
        }
        panic!("no rest after {:#?}", self.known.taken)
    }

    /// A pass that comes to rest within the limit of steps.
    pub fn one_pass(&mut self) -> Decision {
        let taken = |world: &Self| format!("no rest after {:#?}", world.known.taken);
        self.passed().unwrap_or_else(|| panic!("{}", taken(self)))
    }

    /// A pass; `None` if it ended at the limit.
    fn passed(&mut self) -> Option<Decision> {
        self.begin();
        loop {
            let (s, decision) = self.decide();
            if decision.step.is_final() {
                self.end(&s, decision.clone());
                return Some(decision);
            }
            match pass::may_take(&mut self.known, &s, &decision.step, self.now) {
                Allowed::Yes => {
                    self.ledger.stepping(&decision.step, self.known.stored);
                    self.act(&decision.step, &s);
                    self.now = self.now.plus(self.pace);
                }
                Allowed::Held => {}
                Allowed::PassIsOver => {
                    self.end(&s, rest_of_pass(&s, self.now));
                    return None;
                }
            }
        }
    }

    /// A pass that dies in its `nth` step; it may rest before.
    pub fn dying_pass(&mut self, nth: usize, death: Death) {
        self.begin();
        for n in 0.. {
            let (s, decision) = self.decide();
            if decision.step.is_final() {
                return self.end(&s, decision);
            }
            let dies = n == nth;
            if !(dies && matches!(death, Death::Before)) {
                match pass::may_take(&mut self.known, &s, &decision.step, self.now) {
                    Allowed::Yes => self.act(&decision.step, &s),
                    Allowed::Held => {}
                    Allowed::PassIsOver => return self.end(&s, rest_of_pass(&s, self.now)),
                }
            }
            if dies {
                return self.restart();
            }
        }
    }

    fn begin(&mut self) {
        self.ledger.seen_published(self.now, &self.cluster);
        self.ledger.pass_begins();
        let before = self.seen.replace(self.spec.generation);
        let young = before != Some(self.spec.generation);
        let s = self.observe();
        pass::begins(&mut self.known, &s, young, false, self.now);
    }

    fn end(&mut self, s: &Snapshot, decision: Decision) {
        pass::ends(&mut self.known, s, self.now);
        if !self.spec.deleting {
            self.cluster.status = Status {
                known: of_status(&self.known),
                was_ready: self.cluster.status.was_ready || s.tokens.iter().all(|t| t.is_valid(self.now)),
            };
        }
        self.rest = Some(decision);
    }

    /// A new process, which knows what the cluster knows.
    pub fn restart(&mut self) {
        self.known = self.cluster.status.known.clone();
        self.pocket = Pocket::default();
        self.rest = None;
    }

    /// Lets time pass until the wake time of the last pass, or `at_most` seconds.
    pub fn sleep(&mut self, at_most: i64) {
        let limit = self.now.plus(at_most);
        let wake = self.rest.as_ref().and_then(|d| d.wake).unwrap_or(limit);
        self.now = wake.min(limit).max(self.now.plus(1));
    }

    fn decide(&self) -> (Snapshot, Decision) {
        let s = self.observe();
        let decision = check::decide(&s, self.now);
        (s, decision)
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

/// The part of what is known that a status keeps.
fn of_status(known: &Known) -> Known {
    let kept = |note: &Note| Note {
        failure: note.failure.clone(),
        verified: note.verified.clone(),
        ..Note::default()
    };
    Known {
        failure: known.failure.clone(),
        login_failure: known.login_failure.clone(),
        entries: known
            .entries
            .iter()
            .map(|(name, note)| (name.clone(), Box::new(kept(note))))
            .collect(),
        handled: known.handled,
        last_redeemed_at: known.last_redeemed_at,
        account: known.account.clone(),
        checked_by: known.checked_by,
        ..Known::default()
    }
}
