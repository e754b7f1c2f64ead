//! Writes to the refresh-token Secret: the record of an attempt, its outcome, a newer token, a death.

use entra_plan::reason::Reason;
use entra_plan::Snapshot;
use entra_plan::answer::Effect;
use entra_plan::record::{ContentMac, Record, Verdict};
use entra_plan::snapshot::{AttemptSeen, Failure, Held, LastLogin, Login, LoginOutcome, Ownership};

use super::super::{News, SealedToken, SessionObject, World};

impl World {
    pub(super) fn record_attempt(&mut self, s: &Snapshot, content: &ContentMac, entry: &str) {
        if self.login_write_refused(self.owner()) {
            return;
        }
        let Login::Present(login) = &s.login else {
            unreachable!("only what is there is recorded")
        };
        let id = format!("attempt-{}", self.id());
        let mut record = s.session.record().cloned().unwrap_or_default();
        let attempt = entra_plan::record::Attempt {
            id: id.clone(),
            content: content.clone(),
            entry: entry.to_owned(),
        };
        record.begin(attempt, s, login, self.now);
        self.write_record(record);
        self.memory.session_read = self.cluster.session.as_ref().map(|s| s.version);
        self.memory.attempt = Some(AttemptSeen {
            id,
            first_seen: self.now,
            unsent_ours: true,
        });
        self.write_succeeded();
    }

    pub(super) fn store(&mut self, s: &Snapshot) {
        if self.write_refused(self.owner()) {
            return;
        }
        self.write_succeeded();
        match self.memory.login_outcome.take() {
            Some((outcome, token)) => self.store_login(s, &outcome, token),
            None => self.store_refresh(),
        }
    }

    fn owner(&self) -> Ownership {
        self.cluster
            .session
            .as_ref()
            .map_or(Ownership::Absent, |s| s.ownership)
    }

    fn store_login(&mut self, s: &Snapshot, outcome: &LoginOutcome, token: Option<SealedToken>) {
        let names: Vec<_> = s.tokens.iter().map(|t| t.name.clone()).collect();
        let mut record = s.session.record().cloned().unwrap_or_default();
        record.settle(outcome, &names, self.now);
        self.ledger.recorded(outcome);
        self.write_record(record);
        self.memory.attempt = None;
        self.handled();
        match (&outcome.result, token) {
            (Ok(granted), Some(token)) => {
                self.replace_token(token.clone(), true);
                let request = self.request(&outcome.entry, &token.stored.account);
                self.memory.held.clear();
                if let Some(request) = request {
                    let held = Held {
                        request,
                        granted: granted.clone(),
                    };
                    self.memory.held.insert(outcome.entry.clone(), held);
                }
                self.memory.session_read = None;
                self.memory.status.failure = None;
                self.memory.status.login_failure = None;
            }
            (Err(refused), _) => {
                let next = self
                    .cluster
                    .session
                    .as_ref()
                    .and_then(|s| s.last_login.as_ref()?.next_attempt_at);
                self.memory.session_read = self.cluster.session.as_ref().map(|s| s.version);
                self.memory.status.login_failure = Some(Failure {
                    refusal: refused.clone(),
                    at: self.now,
                    consecutive: 1,
                    next_attempt_at: next,
                });
            }
            (Ok(_), None) => unreachable!("a login without a refresh token is not accepted"),
        }
    }

    /// News of a token that somebody deleted meanwhile fit nowhere.
    fn store_refresh(&mut self) {
        let there = self.cluster.session.as_ref().is_some_and(|s| s.token.is_some());
        match self.memory.refresh.take().filter(|_| there) {
            Some(News::Newer(token)) => self.replace_token(*token, false),
            Some(News::Dead(at)) => {
                let version = self.id();
                let session = self.cluster.session.as_mut().unwrap();
                session.token.as_mut().unwrap().stored.dead_since = Some(at);
                self.rewritten(version);
            }
            None => {}
        }
    }

    fn replace_token(&mut self, token: SealedToken, by_login: bool) {
        self.replacing_token(&token, by_login);
        let version = self.id();
        let session = self.cluster.session.as_mut().unwrap();
        session.token = Some(token);
        session.token_sealed_off = false;
        self.rewritten(version);
    }

    /// The Secret has a new version, which is known if the former one was.
    fn rewritten(&mut self, version: u64) {
        let session = self.cluster.session.as_mut().unwrap();
        if self.memory.session_read == Some(session.version) {
            self.memory.session_read = Some(version);
        }
        session.version = version;
    }

    fn write_record(&mut self, record: Record) {
        let version = self.id();
        let last_login = self.last_login(&record);
        let session = self.cluster.session.get_or_insert_with(|| SessionObject {
            version,
            ownership: Ownership::Ours,
            token: None,
            record: Record::default(),
            last_login: None,
            token_sealed_off: false,
            record_sealed_off: false,
        });
        if std::mem::take(&mut session.record_sealed_off) {
            self.ledger.record_lost();
        }
        session.record = record;
        session.last_login = last_login;
        session.version = version;
    }

    fn last_login(&self, record: &Record) -> Option<LastLogin> {
        let entry = record.entries.last()?;
        let verdict = match entry.verdict {
            Verdict::Open => "Open",
            Verdict::Accepted => "Accepted",
            Verdict::Wrong => "Wrong",
            Verdict::Kept(_) => "Kept",
        };
        let login = self.cluster.login.as_ref();
        Some(LastLogin {
            verdict: verdict.to_owned(),
            login_uid: login.map(|l| l.uid.to_string()).unwrap_or_default(),
            login_version: login.map(|l| l.version.to_string()).unwrap_or_default(),
            sends: entry.sends,
            last_sent_at: entry.last_sent_at,
            next_attempt_at: entry.next_attempt_at,
            inputs: entry.inputs.clone(),
        })
    }

    /// A refusal that only tells of a login that was deleted since is forgotten.
    pub fn forget_login_failure(&mut self) {
        let of_deletion = |f: &Failure| {
            f.refusal.effect == Effect::Transient && f.refusal.reason == Reason::LoginSecretNotDeleted
        };
        if self.memory.status.login_failure.as_ref().is_some_and(of_deletion) {
            self.memory.status.login_failure = None;
        }
    }
}
