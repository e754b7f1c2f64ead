//! Redeeming the refresh token for the entries that are due, and learning a tenant's GUID.

use std::ops::ControlFlow;

use super::{Asked, Pass, PermitOf};
use crate::plan::Object;
use crate::plan::answer::Refusal;
use crate::plan::metadata::EntryName;
use crate::plan::settle;
use crate::plan::settle::renewal::{Refused, Returned};
use crate::plan::snapshot::{Binding, Ownership, RefreshOutcome, Snapshot, Token};
use crate::reconcile::audit::Audited;
use crate::reconcile::material::{Secret, StoredSession};
use crate::reconcile::pocket::PendingRefresh;
use crate::reconcile::ports::{Outcome, Ports, Provider, Tokens};

/// What the redemptions of one step brought for the stored session.
struct Brought {
    /// The newest refresh token that came back.
    newest: Option<Newest>,
    /// The stored token was found dead.
    dead: Option<RefreshOutcome>,
}

/// A refresh token that came back.
struct Newest {
    refresh_token: Secret,
    returned: Returned,
}

impl<P: Ports> Pass<'_, P> {
    /// With leave to send for the entry: it is kept for the call.
    pub(super) async fn read_to_renew(&mut self, s: &Snapshot, name: &EntryName) {
        self.permit = self.leave_to_redeem(s, name);
        if self.permit.is_some() {
            self.read_session(s).await;
        }
    }

    /// The permit that was kept, or one for the entry.
    fn leave_to_redeem(&mut self, s: &Snapshot, name: &EntryName) -> Option<PermitOf<P>> {
        let life = s.tokens.iter().find(|t| t.name == *name).and_then(Token::life);
        self.leave_to_send(s, life)
    }

    pub(super) async fn redeem(&mut self, s: &Snapshot, names: &[EntryName]) {
        let (Some(binding), Some(first)) = (s.binding().cloned(), names.first()) else {
            return;
        };
        let Some(permit) = self.leave_to_redeem(s, first) else {
            return;
        };
        let names = self.with_a_place(s, names).await;
        if names.is_empty() || !self.session_at_hand(s).await || !self.client_at_hand(s).await {
            return;
        }
        if let Some(session) = self.hand.session.take() {
            self.redeem_each(s, &names, (session, permit), &binding).await;
        }
    }

    /// The entries whose answer can be published. What has no Secret yet has no place in a namespace that is being deleted.
    async fn with_a_place(&mut self, s: &Snapshot, names: &[EntryName]) -> Vec<EntryName> {
        let is_absent = |name: &EntryName| {
            s.tokens
                .iter()
                .any(|t| t.name == *name && t.ownership == Ownership::Absent)
        };
        let (absent, there): (Vec<_>, Vec<_>) = names.iter().cloned().partition(is_absent);
        if absent.is_empty() {
            return there;
        }
        let Err(error) = self.namespace_takes_more().await else {
            return names.to_vec();
        };
        for name in absent {
            self.trouble(s, &Object::Token(name), Asked::Write, error.clone());
        }
        there
    }

    /// What is redeemed is always the stored token; the newest that came back is stored once. The permit is for the first.
    async fn redeem_each(
        &mut self,
        s: &Snapshot,
        names: &[EntryName],
        (mut session, permit): (StoredSession, PermitOf<P>),
        binding: &Binding,
    ) {
        let mut permit = Some(permit);
        let mut brought = Brought {
            newest: None,
            dead: None,
        };
        let mut all_asked = true;
        for token in names
            .iter()
            .filter_map(|n| s.tokens.iter().find(|t| t.name == *n))
        {
            if !self.leave.stands() {
                all_asked = false;
                break;
            }
            let Some(permit) = permit.take().or_else(|| self.permit(s, binding, token.life())) else {
                all_asked = false;
                break;
            };
            let outcome = self.redeem_one(permit, token, &session, binding).await;
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

    async fn redeem_one(
        &self,
        permit: PermitOf<P>,
        token: &Token,
        session: &StoredSession,
        binding: &Binding,
    ) -> Outcome {
        let scopes = self
            .credential
            .entry(&token.name)
            .map(|e| e.scopes.clone())
            .unwrap_or_default();
        let request = self.request(binding, &scopes, token.life());
        self.ports.provider().redeem(permit, request, session).await
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
                self.withheld(s, later);
                (false, ControlFlow::Break(()))
            }
        }
    }

    /// An answer for another account is discarded whole: neither its access token nor its refresh token is kept. It may have
    /// taught by how much its authority's clock is ahead: what is published is compared with it by the same clock.
    fn take_granted(
        &mut self,
        s: &Snapshot,
        token: &Token,
        session: &mut StoredSession,
        brought: &mut Brought,
        mut tokens: Tokens,
    ) -> ControlFlow<()> {
        let now = self.now();
        let returned = Returned::from(&tokens.granted);
        let refresh_token = tokens.refresh_token.take();
        let Some(mut held) = self.held(s, &token.name, &session.pin, tokens) else {
            return ControlFlow::Break(());
        };
        let ahead = s.binding().map_or(0, |b| self.ports.provider().ahead(b));
        let token = &token.clone().earlier(ahead.saturating_sub(s.object.ahead));
        let answer = held.held.clone().earlier(ahead);
        let (go_on, kept) =
            settle::renewal::granted(&mut self.memory.known, s, token, &session.pin, &answer, now);
        if kept.token {
            held.held.granted.account = kept.pin.as_ref().map(|pin| pin.account.clone());
            self.memory.pocket.tokens.insert(token.name.clone(), held);
        } else {
            self.memory.pocket.tokens.remove(&token.name);
        }
        if kept.pin.is_none() {
            self.audit(Audited::AccountRefused);
        }
        if let Some(pin) = kept.pin {
            session.pin = pin;
            let newer = |newest: &Newest| newest.returned.answered_at > returned.answered_at;
            if !brought.newest.as_ref().is_some_and(newer)
                && let Some(refresh_token) = refresh_token
            {
                brought.newest = Some(Newest {
                    refresh_token,
                    returned,
                });
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
        let newest = brought.newest.as_ref().map(|newest| newest.returned);
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

fn with_newest(session: StoredSession, newest: Option<Newest>) -> StoredSession {
    match newest {
        Some(newest) => StoredSession {
            refresh_token: newest.refresh_token,
            answered_at: newest.returned.answered_at,
            ends_at: newest.returned.ends_at,
            ..session
        },
        None => session,
    }
}
