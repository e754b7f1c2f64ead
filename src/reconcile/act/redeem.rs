//! Redeeming the refresh token for the entries that are due, and learning a tenant's GUID.

use std::ops::ControlFlow;

use super::Pass;
use crate::plan::Time;
use crate::plan::answer::Refusal;
use crate::plan::settle;
use crate::plan::settle::renewal::Refused;
use crate::plan::snapshot::{Binding, RefreshOutcome, Snapshot, Token};
use crate::reconcile::material::{Secret, StoredSession};
use crate::reconcile::pocket::PendingRefresh;
use crate::reconcile::ports::{Outcome, Ports, Provider, Tokens};

/// What the redemptions of one step brought for the stored session.
struct Brought {
    /// The newest refresh token that came back, with its answer's time.
    newest: Option<(Time, Secret)>,
    /// The stored token was found dead.
    dead: Option<RefreshOutcome>,
}

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn redeem(&mut self, s: &Snapshot, names: &[String]) {
        if !self.session_at_hand(s).await || !self.client_at_hand(s).await {
            return;
        }
        let (Some(session), Some(binding)) = (self.hand.session.take(), s.binding().cloned()) else {
            return;
        };
        self.redeem_each(s, names, session, &binding).await;
    }

    /// What is redeemed is always the stored token; the newest that came back is stored once.
    async fn redeem_each(
        &mut self,
        s: &Snapshot,
        names: &[String],
        mut session: StoredSession,
        binding: &Binding,
    ) {
        let mut brought = Brought {
            newest: None,
            dead: None,
        };
        let mut all_asked = true;
        for token in names
            .iter()
            .filter_map(|n| s.tokens.iter().find(|t| t.name == *n))
        {
            let outcome = self.redeem_one(token, &session, binding).await;
            let (asked, go_on) = self.take(s, token, &mut session, &mut brought, outcome);
            all_asked &= asked;
            if go_on.is_break() {
                break;
            }
        }
        let now = self.now();
        if all_asked {
            settle::renewal::word_led(&mut self.memory.known, s, now);
        }
        self.keep(s, session, brought, binding);
    }

    async fn redeem_one(&self, token: &Token, session: &StoredSession, binding: &Binding) -> Outcome {
        let scopes = self
            .credential
            .entry(&token.name)
            .map(|e| e.scopes.clone())
            .unwrap_or_default();
        let life = token.life().map(crate::plan::schedule::Life::seconds);
        self.ports
            .provider()
            .redeem(self.request(binding, &scopes, life), session)
            .await
    }

    /// Whether the provider was asked, and whether the next entry is worth asking for.
    fn take(
        &mut self,
        s: &Snapshot,
        token: &Token,
        session: &mut StoredSession,
        brought: &mut Brought,
        outcome: Outcome,
    ) -> (bool, ControlFlow<()>) {
        match outcome {
            Outcome::Granted(tokens) => (true, self.take_granted(s, token, session, brought, *tokens)),
            Outcome::Refused(refusal) => (true, self.take_refused(s, token, brought, refusal)),
            Outcome::Later(later) => {
                // The limits count by the machine's own clock.
                let until = later
                    .until
                    .plus(self.memory.correction.seconds(self.ports.clock()));
                settle::renewal::withheld(&mut self.memory.known, s, until, later.reason, later.message);
                (false, ControlFlow::Break(()))
            }
        }
    }

    /// An answer for another account is discarded whole: neither its access token nor its refresh token is kept.
    fn take_granted(
        &mut self,
        s: &Snapshot,
        token: &Token,
        session: &mut StoredSession,
        brought: &mut Brought,
        mut tokens: Tokens,
    ) -> ControlFlow<()> {
        self.learn_time(&tokens.granted);
        let now = self.now();
        let (answered_at, refresh_token) = (tokens.granted.answered_at, tokens.refresh_token.take());
        let Some(mut held) = self.held(s, &token.name, &session.pin, tokens) else {
            return ControlFlow::Break(());
        };
        let (go_on, kept) =
            settle::renewal::granted(&mut self.memory.known, s, token, &session.pin, &held.held, now);
        if kept.token {
            held.held.granted.account = kept.pin.as_ref().map(|pin| pin.account.clone());
            self.memory.pocket.tokens.insert(token.name.clone(), held);
        } else {
            self.memory.pocket.tokens.remove(&token.name);
        }
        if let Some(pin) = kept.pin {
            session.pin = pin;
            let newer = |(at, _): &(Time, Secret)| *at > answered_at;
            if !brought.newest.as_ref().is_some_and(newer)
                && let Some(refresh_token) = refresh_token
            {
                brought.newest = Some((answered_at, refresh_token));
            }
        }
        go_on
    }

    fn take_refused(
        &mut self,
        s: &Snapshot,
        token: &Token,
        brought: &mut Brought,
        refusal: Refusal,
    ) -> ControlFlow<()> {
        self.shared.observer.failed(refusal.reason);
        let now = self.now();
        match settle::renewal::refused(&mut self.memory.known, s, token, refusal, now) {
            Refused::GoOn => ControlFlow::Continue(()),
            Refused::Stop => ControlFlow::Break(()),
            Refused::Dead(outcome) => {
                brought.dead = Some(outcome);
                ControlFlow::Break(())
            }
        }
    }

    /// What came back goes into the pocket, to be stored before anything is published.
    fn keep(&mut self, s: &Snapshot, session: StoredSession, brought: Brought, binding: &Binding) {
        let newest = brought.newest.as_ref().map(|(at, _)| *at);
        let outcome = match brought.dead.filter(|_| newest.is_none()) {
            Some(dead) => Some(dead),
            None => settle::renewal::brought(s, newest, &session.pin),
        };
        let pending = match outcome {
            Some(outcome @ RefreshOutcome::Newer(_)) => {
                let session = Box::new((with_newest(session, brought.newest), binding.clone()));
                Some(PendingRefresh {
                    outcome,
                    session: Some(session),
                })
            }
            other => {
                self.hand.session = Some(session);
                other.map(|outcome| PendingRefresh {
                    outcome,
                    session: None,
                })
            }
        };
        if pending.is_some() {
            self.memory.pocket.refresh = pending;
        }
    }

    pub(super) async fn resolve(&mut self, s: &Snapshot) {
        let Some(binding) = s.binding().cloned() else {
            return;
        };
        let answer = self
            .ports
            .provider()
            .resolve(self.request(&binding, &[], None))
            .await;
        let now = self.now();
        match answer {
            Ok(guid) => settle::renewal::resolved(&mut self.memory.known, binding, guid),
            Err(refusal) => {
                self.shared.observer.failed(refusal.reason);
                settle::renewal::failed(&mut self.memory.known, s, refusal, now);
            }
        }
    }
}

fn with_newest(session: StoredSession, newest: Option<(Time, Secret)>) -> StoredSession {
    match newest {
        Some((answered_at, refresh_token)) => StoredSession {
            refresh_token,
            answered_at,
            ..session
        },
        None => session,
    }
}
