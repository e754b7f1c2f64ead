//! The judge's book: what was sent, stored and promised, and which rules of the contract were broken.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use entra_operator::plan::metadata::Uid;
use entra_operator::plan::record::{Record, Verdict};
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::material::StoredSession;
use entra_operator::reconcile::ports::{Key, Vault};

use super::api::Object;
use super::identity::account_of;
use super::rules_rest::Says;
use super::rules_sends::Sent;
use super::spells::Verb;
use super::world::World;

/// A login content as the provider sees it.
pub type Content = (String, String, Binding);

/// When a token was published, milliseconds, with which labels of the spec, and under which tag.
pub type Published = (i64, BTreeMap<String, String>, Option<String>);

/// What is remembered between events.
#[derive(Debug, Default)]
pub struct Book {
    pub violations: Vec<String>,
    /// When the last fault or user's deed was, milliseconds.
    pub trouble_at: i64,
    /// When a credential last had no way to get its tokens, milliseconds.
    pub blocked_at: BTreeMap<Key, i64>,
    /// When the liveness rules were checked last.
    pub checked_at: i64,
    pub sends: BTreeMap<(Key, Content), u32>,
    /// Attempts in the record: number and time of the last, by content hash.
    pub recorded: BTreeMap<(Key, String), (u32, i64)>,
    /// Refresh tokens that were stored, in this order.
    pub stored: BTreeMap<Key, Vec<String>>,
    /// When a credential's record was lost or restored last.
    pub reset_at: BTreeMap<Key, i64>,
    /// Requests of people.
    pub requests: BTreeMap<Key, u32>,
    /// Login Secrets (by their key) that at some time allowed another identity.
    pub leave: BTreeSet<Key>,
    /// When a node's clock jumped last, milliseconds.
    pub jumped_at: i64,
    /// The request that a credential's status called handled last, and when, milliseconds.
    pub handled: BTreeMap<(Key, Uid), (String, i64)>,
    /// When a refresh token was recorded as dead, milliseconds.
    pub dead_at: BTreeMap<Key, i64>,
    /// When the operator published in a Secret last, milliseconds, with which labels of the spec, and under which tag.
    pub published: BTreeMap<Key, Published>,
    /// What was sent, by credential and content hash.
    pub contents: BTreeMap<(Key, String), Sent>,
    /// What answers said of them, also before etcd was set back: a process may not have stored it yet.
    pub said: HashSet<((Key, String), Verdict)>,
    /// When a person last changed something that decides how a login is answered, milliseconds.
    pub changed_at: BTreeMap<Key, i64>,
    /// When the API server failed last, milliseconds.
    pub api_trouble_at: i64,
    /// When a status could not be written last, milliseconds.
    pub status_kept_at: i64,
    /// Until when the tokens may be late, because of something that concerns more than an entry, a login or a status.
    pub excused_until: i64,
    /// Until when a token Secret may be late because of trouble of its own, milliseconds.
    pub concerned_until: BTreeMap<Key, i64>,
    /// The second of the last look at what is said.
    pub looked_at: i64,
    /// Since when a Ready is untrue, milliseconds.
    pub untrue: BTreeMap<(Says, Key), i64>,
    /// Calls of the last minute that brought nothing new, milliseconds.
    pub fruitless: BTreeMap<(usize, Key), Vec<i64>>,
    /// Versions that processes have read.
    pub seen: BTreeMap<(usize, Verb, Key), Option<u64>>,
    /// When etcd was set back last, milliseconds.
    pub set_back_at: Option<i64>,
    /// Turns of accounts and namespaces that a running process has used, milliseconds.
    pub turns: BTreeMap<(usize, String), Vec<i64>>,
    /// What a pass did so far, by process and credential.
    pub tallies: BTreeMap<(usize, Key), Tally>,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub reads: u32,
    pub writes: u32,
    pub statuses: u32,
    pub sends: u32,
    pub redemptions: u32,
    /// Of tokens that reached half of their life while the pass was under way: they could not go along with those before.
    pub ripened: u32,
    pub refused: u32,
    /// A blob was sealed by another key than before.
    pub resealed: bool,
    pub began: i64,
}

/// A refresh-token Secret, opened by the judge.
#[derive(Debug, Default)]
pub struct OpenedSession {
    pub record: Record,
    pub session: Option<StoredSession>,
    pub has_token: bool,
    pub binding: Option<Binding>,
    pub dead: bool,
}

impl OpenedSession {
    /// The account that it is pinned to.
    pub fn account(&self) -> Option<String> {
        self.session.as_ref().map(|s| account_of(&s.pin))
    }
}

impl Book {
    /// A rule was broken.
    pub fn broken(&mut self, rule: u8, what: impl Into<String>) {
        self.violations.push(format!("rule {rule}: {}", what.into()));
    }

    /// A credential's record was lost or replaced by somebody else than the operator.
    pub fn reset(&mut self, credential: &Key, now: i64) {
        self.sends.retain(|(key, _), _| key != credential);
        self.recorded.retain(|(key, _), _| key != credential);
        self.contents.retain(|(key, _), _| key != credential);
        self.reset_at.insert(credential.clone(), now);
    }

    /// There is something to do for a credential that may cost calls: a login of another content came, or one was judged.
    pub fn something_to_do(&mut self, credential: &Key) {
        self.fruitless.retain(|(_, key), _| key != credential);
    }

    /// A process is gone, and what it knew with it.
    pub fn forget(&mut self, replica: usize) {
        self.turns.retain(|(of, _), _| *of != replica);
        self.fruitless.retain(|(of, _), _| *of != replica);
        self.seen.retain(|(of, ..), _| *of != replica);
        self.untrue.retain(|(says, _), _| *says != Says::Process(replica));
    }

    /// Whether a credential's record was lost lately: what could not be written meanwhile is written up to 12 minutes later.
    pub fn was_reset(&self, credential: &Key, now: i64) -> bool {
        self.reset_at
            .get(credential)
            .is_some_and(|at| now - at < 13 * 60_000)
    }
}

impl World {
    /// A rule was broken by the pass in turn.
    pub fn broken(&mut self, rule: u8, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("BROKEN rule {rule}: {what}"));
        self.book.broken(rule, what);
    }

    /// What the pass in turn did so far.
    pub fn tally(&mut self) -> &mut Tally {
        let turn = self.turn.as_ref().unwrap();
        self.book
            .tallies
            .entry((turn.replica, turn.credential.key.clone()))
            .or_default()
    }

    /// Key of the credential in turn.
    pub fn whose(&self) -> Key {
        self.turn.as_ref().unwrap().credential.key.clone()
    }

    /// Opens a refresh-token Secret.
    pub fn open(&self, key: &Key, object: Option<&Object>) -> OpenedSession {
        let Some(object) = object else {
            return OpenedSession::default();
        };
        let binding = annotations::binding(&object.meta());
        let record = object.data.get("record").map(|b| self.judge.open_record(key, b));
        let sealed = object.data.get("token").zip(binding.as_ref());
        OpenedSession {
            record: record.and_then(Result::ok).unwrap_or_default(),
            session: sealed.and_then(|(blob, b)| self.judge.open_session(key, b, blob).ok()),
            has_token: object.data.contains_key("token"),
            dead: object
                .annotations
                .contains_key(entra_operator::api::annotation::DEAD_SINCE),
            binding,
        }
    }

    /// Opens the refresh-token Secret of a credential.
    pub fn session_of(&self, credential: &Key) -> OpenedSession {
        let key = session_key(credential);
        self.open(&key, self.api.secrets.get(&key))
    }
}

/// Key of a credential's refresh-token Secret.
pub fn session_key(credential: &Key) -> Key {
    let name = entra_operator::api::refresh_token_secret(&credential.name);
    credential.sibling(name)
}

/// Key of the credential that a refresh-token Secret belongs to.
pub fn credential_of(session: &Key) -> Option<Key> {
    let name = session
        .name
        .strip_suffix(entra_operator::api::REFRESH_TOKEN_SUFFIX)?;
    Some(session.sibling(name))
}
