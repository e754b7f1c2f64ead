//! Redeeming the refresh token for the entries that are due, and learning a tenant's GUID.

use super::session::redeemed_at;
use super::{Acted, Pass, is_another, refusal};
use crate::api::Reason;
use crate::plan::answer::{Account, Effect, Refusal};
use crate::plan::schedule::{self, Life};
use crate::plan::snapshot::{Binding, Failure, Snapshot, Token};
use crate::reconcile::material::StoredSession;
use crate::reconcile::memory::{Memory, News, PendingRefresh, next_failure};
use crate::reconcile::ports::{ClusterError, Outcome, Ports, Provider, Tokens};

/// Same doubtful answers in a row, 10 min apart, after which a refresh token counts as dead; two are enough for the
/// codes that say that the token itself cannot be read.
const SUSPICIONS: u32 = 3;
const UNREADABLE_TOKEN: [u32; 2] = [70_000, 9_002_313];

/// What the answer for one entry means for the rest of the entries.
enum Go {
    On,
    Stop,
}

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn redeem(&mut self, s: &Snapshot, names: &[String]) -> Acted {
        if !self.session_at_hand(s).await? {
            return Ok(());
        }
        let (Some(session), Some(binding)) = (self.hand.session.take(), s.binding().cloned()) else {
            return Ok(());
        };
        if let Err(refusal) = self.read_client_credential().await? {
            self.redeem_failed(s, refusal);
            self.handled(s);
            self.hand.session = Some(session);
            return Ok(());
        }
        self.redeem_each(s, names, session, &binding).await;
        // Without a permit some entry was not asked for: what a person wants is still to be done.
        if self.memory.permit_at.is_none() {
            self.handled(s);
        }
        Ok(())
    }

    /// Whether the opened session is the one that the decision looked at. Another one may belong to another binding,
    /// or to somebody else: it is decided on anew.
    async fn session_at_hand(&mut self, s: &Snapshot) -> Result<bool, ClusterError> {
        let read = |memory: &Memory| {
            memory
                .session
                .as_ref()
                .is_some_and(|seen| seen.version == s.session.version)
        };
        if self.hand.session.is_none() || !read(self.memory) {
            self.read_session().await?;
        }
        Ok(read(self.memory))
    }

    async fn redeem_each(&mut self, s: &Snapshot, names: &[String], first: StoredSession, binding: &Binding) {
        let redeemed = redeemed_at(s);
        let (mut session, mut newer) = (first, false);
        for token in s.tokens.iter().filter(|t| names.contains(&t.name)) {
            let outcome = self.redeem_one(token, &session, binding).await;
            let (go, next) = self.take_redeemed(s, token, &session.account, outcome);
            if let Some(next) = next.filter(|n| n.answered_at >= session.answered_at) {
                (session, newer) = (next, true);
            }
            if matches!(go, Go::Stop) {
                break;
            }
        }
        if newer && self.memory.pocket.refresh.is_none() {
            let news = News::Newer(Box::new(session), binding.clone());
            self.memory.pocket.refresh = Some(PendingRefresh { redeemed, news });
        } else {
            self.hand.session = Some(session);
        }
    }

    async fn redeem_one(&self, token: &Token, session: &StoredSession, binding: &Binding) -> Outcome {
        let scopes = self
            .credential
            .entry(&token.name)
            .map(|e| e.scopes.clone())
            .unwrap_or_default();
        let life = token.life().map(Life::seconds);
        self.ports
            .provider()
            .redeem(self.request(binding, &scopes, life), session)
            .await
    }

    fn take_redeemed(
        &mut self,
        s: &Snapshot,
        token: &Token,
        pinned: &Account,
        outcome: Outcome,
    ) -> (Go, Option<StoredSession>) {
        match outcome {
            Outcome::Granted(tokens) => self.take_granted(s, token, pinned, *tokens),
            Outcome::Refused(refusal) => (self.take_refused(s, token, refusal), None),
            Outcome::Later(at) => {
                self.memory.permit_at = Some(at);
                (Go::Stop, None)
            }
        }
    }

    /// An answer for another account is discarded whole: neither its access token nor its refresh token is kept.
    fn take_granted(
        &mut self,
        s: &Snapshot,
        token: &Token,
        pinned: &Account,
        mut tokens: Tokens,
    ) -> (Go, Option<StoredSession>) {
        if is_another(tokens.granted.account.as_ref(), pinned) {
            self.redeem_failed(s, other_identity());
            return (Go::Stop, None);
        }
        self.learn_time(&tokens.granted);
        let now = self.now();
        self.memory.last_redeemed_at = Some(now);
        self.memory.failure = None;
        let session = tokens.refresh_token.take().map(|refresh_token| StoredSession {
            refresh_token,
            account: pinned.clone(),
            answered_at: tokens.granted.answered_at,
        });
        tokens.granted.account = Some(pinned.clone());
        if self
            .memory
            .account
            .as_ref()
            .is_none_or(|a| a.home_account_id != pinned.home_account_id)
        {
            self.memory.account = Some(pinned.clone());
        }
        self.pocket_token(s, &token.name, tokens);
        self.settle_entry(token);
        (Go::On, session)
    }

    /// Clears the entry's failure; an answer that does not outlive what is published is dropped, and the next try is
    /// due at half of what is left.
    fn settle_entry(&mut self, token: &Token) {
        let now = self.now();
        let held = self.memory.pocket.tokens.get(&token.name).map(|h| h.held.clone());
        let worth = held.as_ref().is_some_and(|h| token.worth_publishing(h, now));
        let note = self.memory.note(&token.name);
        note.failure = None;
        note.deferred_until = None;
        if !worth {
            note.deferred_until = token.life().map(|life| schedule::deferred(life, now));
            self.memory.pocket.tokens.remove(&token.name);
        }
    }

    fn take_refused(&mut self, s: &Snapshot, token: &Token, refusal: Refusal) -> Go {
        match refusal.effect {
            Effect::Entry => {
                self.entry_failed(token, refusal);
                Go::On
            }
            Effect::Dead => {
                self.declare_dead(s, refusal);
                Go::Stop
            }
            Effect::Suspect | Effect::Unreadable => {
                self.suspect(s, refusal);
                Go::Stop
            }
            Effect::Person
            | Effect::Transient
            | Effect::Withheld
            | Effect::Unanswered
            | Effect::Doubtful
            | Effect::Condemned => {
                self.redeem_failed(s, refusal);
                Go::Stop
            }
        }
    }

    fn entry_failed(&mut self, token: &Token, refusal: Refusal) {
        self.shared.observer.failed(refusal.reason);
        let (now, spread) = (self.now(), self.credential.spread());
        let note = self.memory.note(&token.name);
        note.failure = Some(next_failure(
            note.failure.as_ref(),
            refusal,
            now,
            spread,
            token.life(),
        ));
    }

    fn declare_dead(&mut self, s: &Snapshot, refusal: Refusal) {
        let now = self.now();
        self.memory.failure = None;
        self.memory.login_failed(refusal, now, None);
        self.memory.pocket.refresh = Some(PendingRefresh {
            redeemed: redeemed_at(s),
            news: News::Dead(now),
        });
    }

    /// One odd answer must not end a credential that lives for 90 days.
    fn suspect(&mut self, s: &Snapshot, refusal: Refusal) {
        let same = |f: &&Failure| f.refusal.reason == refusal.reason && f.refusal.code == refusal.code;
        let before = s.failure.as_ref().filter(same).map_or(0, |f| f.consecutive);
        let enough = if refusal.code.is_some_and(|c| UNREADABLE_TOKEN.contains(&c)) {
            2
        } else {
            SUSPICIONS
        };
        if before + 1 >= enough {
            return self.declare_dead(s, refusal);
        }
        let (now, pause) = (self.now(), if enough == 2 { 60 } else { 600 });
        let next_attempt_at = Some(now.plus(pause));
        self.memory.failure = Some(Failure {
            refusal,
            at: now,
            consecutive: before + 1,
            next_attempt_at,
        });
    }

    fn redeem_failed(&mut self, s: &Snapshot, refusal: Refusal) {
        self.shared.observer.failed(refusal.reason);
        let (now, spread) = (self.now(), self.credential.spread());
        let soonest = s
            .tokens
            .iter()
            .filter_map(Token::life)
            .min_by_key(|life| life.expires_at);
        self.memory.failed(refusal, now, spread, soonest);
        self.memory.failure_inputs.clone_from(&s.object.inputs);
    }

    pub(super) async fn resolve(&mut self, s: &Snapshot) -> Acted {
        let Some(binding) = s.binding().cloned() else {
            return Ok(());
        };
        let answer = self
            .ports
            .provider()
            .resolve(self.request(&binding, &[], None))
            .await;
        match answer {
            Ok(guid) => self.memory.resolved = Some((binding, guid)),
            Err(refusal) => self.redeem_failed(s, refusal),
        }
        Ok(())
    }
}

fn other_identity() -> Refusal {
    refusal(
        Effect::Person,
        Reason::IdentityChanged,
        "a renewal was answered for another account than the pinned one, and was discarded".to_owned(),
        "check which account this application's session belongs to; it is tried again every 30 minutes",
    )
}
