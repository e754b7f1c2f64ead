//! The steps of the shell. Each has one effect outside the process; a death comes right before or right after it.

mod calls;
mod session;

use entra_plan::reason::{Reason, Retry};
use entra_plan::answer::{Effect, Refusal};
use entra_plan::schedule::{self, Life};
use entra_plan::snapshot::{AttemptSeen, Failure, Ownership, Repairs};
use entra_plan::{Snapshot, Step, Time};

use super::{Death, TENANTS, TokenObject, World};
use crate::build::{LIFE, published, refusal};

impl World {
    /// Performs `step`. With a `death`, the memory that is left does not matter: the caller starts anew.
    pub fn act(&mut self, step: &Step, s: &Snapshot, death: Option<Death>) {
        if matches!(death, Some(Death::Before)) {
            return;
        }
        match step {
            Step::ReadLogin => self.read_login(),
            Step::ReadSession => self.read_session(),
            Step::ClaimLogin => self.claim_login(),
            Step::RecordAttempt { content, entry } => self.record_attempt(s, content, entry),
            Step::Exchange { attempt, entry } => self.exchange(s, attempt, entry),
            Step::Store => self.store(s),
            Step::DeleteLogin => self.delete_login(),
            Step::Resolve => self.resolve(),
            Step::Redeem(names) => self.redeem(s, names),
            Step::Verify(names) => names.iter().for_each(|n| self.verify(n)),
            Step::Publish(names) => names.iter().for_each(|n| self.publish(n)),
            Step::Replace(names) => names.iter().for_each(|n| self.remove_token(n)),
            Step::Prune(names) => names.iter().for_each(|n| self.remove_token(n)),
            Step::Adopt(names) => self.adopt(names),
            Step::Idle | Step::Wait | Step::Blocked => unreachable!("a final step is not performed"),
        }
    }

    fn read_login(&mut self) {
        let login = self.cluster.login.as_ref().unwrap();
        self.memory.login_read = Some((login.version, self.spec.tenant));
    }

    fn read_session(&mut self) {
        let session = self.cluster.session.as_ref().expect("only what exists is read");
        assert_eq!(
            session.ownership,
            Ownership::Ours,
            "rule 8: a foreign object is read"
        );
        self.memory.session_read = Some(session.version);
        let record = (!session.record_sealed_off).then_some(&session.record);
        let attempt = record.and_then(|r| r.attempt.as_ref()).map(|a| a.id.clone());
        let known = self.memory.attempt.as_ref().map(|a| a.id.clone());
        if attempt != known {
            let seen = |id| AttemptSeen {
                id,
                first_seen: self.now,
                unsent_ours: false,
            };
            self.memory.attempt = attempt.map(seen);
        }
    }

    fn claim_login(&mut self) {
        if self.login_write_refused(Ownership::Ours) {
            return;
        }
        let version = self.id();
        let login = self.cluster.login.as_mut().unwrap();
        login.claimed = true;
        login.version = version;
        self.memory.login_read = Some((version, self.spec.tenant));
    }

    fn delete_login(&mut self) {
        self.deleting_login();
        self.writing(Ownership::Ours);
        if self.refuses {
            let refused = refusal(Effect::Transient, Reason::LoginSecretNotDeleted);
            let old = self.memory.status.login_failure.take();
            self.memory.status.login_failure = Some(next_failure(old.as_ref(), refused, self.now, None));
            return;
        }
        self.cluster.login = None;
        self.memory.login_read = None;
        self.memory.deleted_login_at = Some(self.now);
    }

    fn resolve(&mut self) {
        self.calling();
        match self.refused_by_script() {
            Some(refused) => self.failed(refused, None),
            None => self.memory.resolved = Some(self.spec.tenant),
        }
    }

    fn verify(&mut self, name: &str) {
        let token = &self.cluster.tokens[name];
        assert_eq!(
            token.ownership,
            Ownership::Ours,
            "rule 8: a foreign object is read"
        );
        let (version, genuine) = (token.published.version.clone(), token.genuine);
        let note = self.memory.status.notes.entry(name.to_owned()).or_default();
        let slot = if genuine {
            &mut note.verified
        } else {
            &mut note.edited
        };
        *slot = Some(version);
    }

    fn publish(&mut self, name: &str) {
        let held = self.memory.held[name].clone();
        let version = self.id().to_string();
        let life = held.granted.expires_at.since(held.granted.issued_at);
        let next = entra_plan::snapshot::Published {
            version: version.clone(),
            request: held.request,
            ..published(held.granted.issued_at, life)
        };
        self.publishing(name, &next);
        let owner = self
            .cluster
            .tokens
            .get(name)
            .map_or(Ownership::Absent, |o| o.ownership);
        self.writing(owner);
        if self.refuses {
            return self.token_failed(name, refusal(Effect::Transient, Reason::WriteRefused));
        }
        let repaired = self.is_repair(name);
        let object = TokenObject {
            ownership: Ownership::Ours,
            published: next,
            genuine: true,
        };
        self.cluster.tokens.insert(name.to_owned(), object);
        self.memory.held.remove(name);
        let now = self.now;
        let note = self.memory.status.notes.entry(name.to_owned()).or_default();
        let row = note
            .repairs
            .filter(|r| now.since(r.at) < 600)
            .map_or(0, |r| r.count);
        note.repairs = repaired
            .then_some(Repairs {
                count: row + 1,
                at: now,
            })
            .or(note.repairs);
        note.verified = Some(version);
        note.failure = None;
        note.deferred_until = None;
    }

    /// What we wrote before is gone or was edited.
    fn is_repair(&self, name: &str) -> bool {
        let known = self
            .memory
            .status
            .notes
            .get(name)
            .is_some_and(|n| n.verified.is_some());
        known && self.cluster.tokens.get(name).is_none_or(|o| !o.genuine)
    }

    fn remove_token(&mut self, name: &str) {
        let owner = self.cluster.tokens[name].ownership;
        self.writing(owner);
        if self.refuses {
            return self.token_failed(name, refusal(Effect::Transient, Reason::WriteRefused));
        }
        self.cluster.tokens.remove(name);
        self.memory.status.notes.remove(name);
    }

    fn adopt(&mut self, names: &[String]) {
        self.may_act();
        let (session, version) = (names.is_empty(), self.id());
        if session {
            let session = self.cluster.session.as_mut().unwrap();
            assert_eq!(
                session.ownership,
                Ownership::Adoptable,
                "rule 8: only what is provably ours is adopted"
            );
            (session.ownership, session.version) = (Ownership::Ours, version);
        }
        for name in names {
            let token = self.cluster.tokens.get_mut(name).unwrap();
            assert_eq!(
                token.ownership,
                Ownership::Adoptable,
                "rule 8: only what is provably ours is adopted"
            );
            token.ownership = Ownership::Ours;
        }
    }

    /// Counts a write to an object of `owner`; if the API server refuses it, remembers that and says so.
    fn write_refused(&mut self, owner: Ownership) -> bool {
        self.writing(owner);
        if self.refuses {
            self.failed(refusal(Effect::Transient, Reason::WriteRefused), None);
        }
        self.refuses
    }

    /// The same for a write on the way to a login: it holds no renewal back.
    fn login_write_refused(&mut self, owner: Ownership) -> bool {
        self.writing(owner);
        if self.refuses {
            let refused = refusal(Effect::Transient, Reason::WriteRefused);
            let old = self.memory.status.login_failure.take();
            self.memory.status.login_failure = Some(next_failure(old.as_ref(), refused, self.now, None));
        }
        self.refuses
    }

    fn write_succeeded(&mut self) {
        let failure = &mut self.memory.status.failure;
        if failure
            .as_ref()
            .is_some_and(|f| f.refusal.reason == Reason::WriteRefused)
        {
            *failure = None;
        }
    }

    fn failed(&mut self, refused: Refusal, life: Option<Life>) {
        let old = self.memory.status.failure.take();
        self.memory.status.failure = Some(next_failure(old.as_ref(), refused, self.now, life));
    }

    fn token_failed(&mut self, name: &str, refused: Refusal) {
        let now = self.now;
        let note = self.memory.status.notes.entry(name.to_owned()).or_default();
        note.failure = Some(next_failure(note.failure.as_ref(), refused, now, None));
    }

    /// A person's request is handled by the call that it led to.
    const fn handled(&mut self) {
        self.memory.status.handled = self.spec.request;
    }

    fn stored(&self, at: Time) -> entra_plan::snapshot::StoredToken {
        entra_plan::snapshot::StoredToken {
            issued_at: at,
            tenant_id: TENANTS[self.spec.tenant].1.to_owned(),
            ..crate::build::stored(self.binding())
        }
    }
}

fn next_failure(old: Option<&Failure>, refused: Refusal, now: Time, life: Option<Life>) -> Failure {
    let kind = |r: &Refusal| r.reason.verdicts().retry;
    let consecutive = old
        .filter(|f| kind(&f.refusal) == kind(&refused))
        .map_or(1, |f| f.consecutive + 1);
    let next = match kind(&refused) {
        Retry::Write => schedule::retry_write(now, consecutive),
        Retry::Probe => now.plus(schedule::PROBE),
        Retry::BackOff | Retry::None | Retry::Person => {
            schedule::retry_refresh(now, consecutive, 321, life, refused.retry_after)
        }
    };
    Failure {
        refusal: refused,
        at: now,
        consecutive,
        next_attempt_at: Some(next),
    }
}

/// The life of a token that the provider grants when nothing else is said.
const GRANTED: i64 = LIFE;
