//! The rules of the contract as properties of what really happened, independent of what the plan believes.

use std::collections::{BTreeMap, BTreeSet};

use entra_plan::answer::Effect;
use entra_plan::metadata::EntryName;
use entra_plan::record::{ContentMac, Verdict};
use entra_plan::schedule::MARGIN;
use entra_plan::snapshot::{LastLogin, LoginOutcome, Ownership, Published};
use entra_plan::word::{Said, Word};
use entra_plan::{Snapshot, Step, Time};

use super::{Cluster, LoginObject, SealedToken, World};

/// What really happened.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Sends of a content whose complete answer was not recorded.
    unanswered: BTreeMap<ContentMac, u64>,
    /// Contents whose refusal was recorded, with the word that was in force when they were sent last.
    wrong: BTreeMap<ContentMac, Option<Word>>,
    /// When a condemned content was sent.
    lifts: BTreeMap<ContentMac, Vec<Time>>,
    /// A person's word that was in force at the last send.
    in_force: Option<Word>,
    /// Steps of this pass.
    steps: Vec<Step>,
    /// Contents that were recorded as accepted.
    accepted: BTreeSet<ContentMac>,
    /// Renewals that people asked for.
    pub requests: u64,
    /// All calls of the identity provider.
    pub calls: u64,
    /// All writes to the cluster but the status.
    pub writes: u64,
    /// Nothing ever went wrong: tokens must be renewed in time.
    pub calm: bool,
}

impl Ledger {
    /// A record whose key is missing is about to be replaced (rule 1).
    pub fn record_given_up(&mut self, last: Option<&LastLogin>, login: Option<&LoginObject>) {
        let named = last.and_then(|last| last.login_uid.as_ref());
        assert!(
            login.is_some_and(|login| named.is_some_and(|uid| *uid != login.uid)),
            "rule 1: a record that cannot be opened is taken for empty while its login is there"
        );
        self.record_lost();
    }

    /// The record of attempts was lost, by a person's hand or with its key: the counts start anew.
    pub fn record_lost(&mut self) {
        self.unanswered.clear();
        self.wrong.clear();
        self.lifts.clear();
        self.accepted.clear();
    }

    /// A content is about to be sent (rule 1).
    fn sending(&mut self, s: &Snapshot, content: &ContentMac) {
        assert!(
            !(self.accepted.contains(content) && s.redeemable()),
            "rule 1: an accepted content is sent again while its token lives"
        );
        let unanswered = self.unanswered.entry(content.clone()).or_default();
        *unanswered += 1;
        let (unanswered, most) = (*unanswered, 3 + self.requests);
        assert!(
            unanswered <= most,
            "rule 1: {unanswered} sends of one content without an answer, {most} are allowed"
        );
    }

    /// An outcome was recorded.
    pub fn recorded(&mut self, outcome: &LoginOutcome) {
        let unanswered = self.unanswered.entry(outcome.content.clone()).or_default();
        match &outcome.result {
            Ok(_) => *unanswered = 0,
            Err(refusal) if refusal.effect == Effect::Unanswered => {}
            Err(_) => *unanswered = unanswered.saturating_sub(1),
        }
        let content = &outcome.content;
        match outcome.result.as_ref().map_err(|refusal| refusal.effect) {
            Ok(_) => {
                self.wrong.remove(content);
                self.accepted.insert(content.clone());
            }
            Err(Effect::Condemned) => drop(self.wrong.insert(content.clone(), self.in_force)),
            Err(Effect::Transient | Effect::Withheld) => self.not_sent(content),
            Err(Effect::Unanswered) => {}
            // Its token was dead, or a word lifted it: it was sent again, and has another verdict now.
            Err(_) => {
                self.accepted.remove(content);
                self.wrong.remove(content);
            }
        }
    }

    /// A send of a condemned content that did not happen costs no word.
    fn not_sent(&mut self, content: &ContentMac) {
        if let Some(word) = self.wrong.get_mut(content) {
            *word = None;
            self.lifts.entry(content.clone()).or_default().pop();
        }
    }

    /// A condemned content is about to be sent: for a new word only, and three times a day (rule 1).
    fn lifting(&mut self, content: &ContentMac, word: Option<Word>, now: Time) {
        let Some(before) = self.wrong.get_mut(content) else {
            return;
        };
        assert!(
            word > *before,
            "rule 1: a condemned content is sent again without a new word"
        );
        *before = word;
        let lifts = self.lifts.entry(content.clone()).or_default();
        lifts.retain(|at| now.since(*at) < 86_400);
        lifts.push(now);
        assert!(
            lifts.len() <= 3,
            "rule 1: a condemned content is lifted {} times a day",
            lifts.len()
        );
    }

    /// A pass begins.
    pub fn pass_begins(&mut self) {
        self.steps.clear();
    }

    /// The pass takes `step`: twice at most, and once more for each time that something was stored.
    pub fn stepping(&mut self, step: &Step, stored: usize) {
        self.steps.push(step.clone());
        let times = self.steps.iter().filter(|taken| *taken == step).count();
        let led_on = if *step == Step::Store { stored } else { 0 };
        assert!(times <= 2 + led_on, "{step:?} again and again in one pass");
    }

    /// Remembers when what is published ran out; pods must not see that while all is calm (rule 4).
    pub fn seen_published(&self, now: Time, cluster: &Cluster) {
        let expired = |p: &Published| p.expires_at <= now;
        let any = cluster.tokens.values().any(|t| expired(&t.published));
        assert!(
            !(self.calm && any),
            "rule 4: a pod sees an expired token at {now:?}"
        );
    }
}

impl World {
    /// A call or a write (rules 4 and 8): not for a credential that is suspended or being deleted.
    pub fn may_act(&self) {
        assert!(
            !self.spec.suspended,
            "a suspended credential gets no call and no write"
        );
        assert!(
            !self.spec.deleting,
            "a deleted credential gets no call and no write"
        );
    }

    /// A content is about to be sent.
    pub fn sending(&mut self, s: &Snapshot, content: &ContentMac) {
        let word = match self.spec.said {
            Some(Said::At(word)) if word.0 <= self.now.plus(300) => Some(word),
            _ => None,
        };
        self.ledger.in_force = word;
        self.ledger.lifting(content, word, self.now);
        self.ledger.sending(s, content);
    }

    /// A call of the identity provider.
    pub fn calling(&mut self) {
        self.may_act();
        self.ledger.calls += 1;
        let stored = self.pocket.login.is_none() && self.pocket.refresh.is_none();
        assert!(stored, "rule 3: a call while an answer is not stored");
    }

    /// A write to an object of this owner (rule 8).
    pub fn writing(&mut self, owner: Ownership) {
        self.may_act();
        self.ledger.writes += 1;
        let allowed = matches!(owner, Ownership::Ours | Ownership::Absent);
        assert!(allowed, "rule 8: a write to an object that is {owner:?}");
    }

    /// The refresh token is about to be redeemed (rules 6 and 7).
    pub fn redeeming(&self, token: &SealedToken) {
        assert_eq!(
            token.stored.tenant_id,
            self.tenant_id(),
            "rule 6: the token goes to another tenant"
        );
        let asked = matches!(self.spec.said, Some(Said::At(word)) if Some(word) > self.known.handled);
        assert!(
            token.stored.dead_since.is_none() || asked,
            "rule 7: a dead token is redeemed, and nobody asked"
        );
    }

    /// The login Secret is about to be deleted (rule 2).
    pub fn deleting_login(&self) {
        let login = self.cluster.login.as_ref().unwrap();
        let session = self
            .cluster
            .session
            .as_ref()
            .expect("rule 2: a login is deleted that was never recorded");
        let verdict = session
            .record
            .entry(&self.mac(login.password))
            .map(|e| &e.verdict);
        let seen = self.known.session.as_ref();
        let read_back = seen.is_some_and(|seen| seen.version == session.version);
        let opens = session
            .token
            .as_ref()
            .is_some_and(|t| t.stored.dead_since.is_none())
            && !self.ring.missing.contains(&session.token_key);
        match verdict {
            Some(Verdict::Wrong) => {}
            Some(Verdict::Accepted) => assert!(
                read_back && opens,
                "rule 2: a login is deleted before its sealed token was stored and read back"
            ),
            other => panic!("rule 2: a login is deleted with the verdict {other:?}"),
        }
    }

    /// `newer` is about to replace the stored token (rule 3).
    pub fn replacing_token(&self, newer: &SealedToken, by_login: bool) {
        let old = self.cluster.session.as_ref().and_then(|s| s.token.as_ref());
        let later = old.is_none_or(|old| newer.stored.issued_at >= old.stored.issued_at);
        assert!(
            later || by_login,
            "rule 3: an older refresh token replaces a newer one"
        );
    }

    /// `next` is about to be published in place of what is there (rules 3 and 4).
    pub fn publishing(&self, name: &EntryName, next: &Published) {
        let stored = self.pocket.login.is_none() && self.pocket.refresh.is_none();
        assert!(
            stored,
            "rule 3: a token is published before its refresh token is stored"
        );
        assert!(
            next.expires_at > self.now,
            "rule 4: an expired token is published"
        );
        let Some(old) = self
            .cluster
            .tokens
            .get(name)
            .filter(|o| o.genuine && o.ownership == Ownership::Ours)
        else {
            return;
        };
        let old = &old.published;
        if old.request != next.request || old.shape != next.shape {
            return;
        }
        assert!(
            next.expires_at > old.expires_at,
            "rule 4: an earlier expiry replaces a later one"
        );
        let margin = MARGIN.min(old.life().seconds() / 4);
        let left = old.expires_at.since(self.now);
        assert!(
            !self.ledger.calm || left >= margin,
            "rule 4: {left} s are left, {margin} s are needed"
        );
    }
}
