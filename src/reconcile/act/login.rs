//! Steps on the login Secret: read, claim, record, exchange, delete.

use super::{Asked, Pass, PermitOf};
use crate::api::{LOGIN_TYPE, annotation};
use crate::plan::Object;
use crate::plan::answer::{Granted, Refusal};
use crate::plan::known::LoginSeen;
use crate::plan::metadata::EntryName;
use crate::plan::policy::Permission;
use crate::plan::record::{Attempt, ContentMac};
use crate::plan::snapshot::{Binding, Claim, Content, Login, LoginOutcome, LoginSecret, Snapshot};
use crate::plan::{schedule, settle};
use crate::reconcile::audit::Audited;
use crate::reconcile::material::LoginContent;
use crate::reconcile::pocket::PendingLogin;
use crate::reconcile::ports::{
    Clock, Cluster, ClusterError, Kind, Outcome, Ports, Provider, SecretChange, SecretMeta, SecretObject,
    Tokens, Vault, View,
};
use crate::reconcile::{annotations, marks};

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn read_login(&mut self, s: &Snapshot) {
        match self.login_read(s).await {
            Ok(()) => {}
            Err(error) => self.trouble(s, &Object::Login, Asked::Read, error),
        }
    }

    /// With leave to send: it is kept for the attempt.
    pub(super) async fn read_to_sign_in(&mut self, s: &Snapshot) {
        self.permit = self.leave_to_send(s, None);
        if self.permit.is_some() {
            self.read_login(s).await;
        }
    }

    async fn login_read(&mut self, s: &Snapshot) -> Result<(), ClusterError> {
        let key = self.credential.login_key();
        let Some(object) = self.read(&key).await? else {
            self.gone(&Object::Login);
            settle::reads::no_login(&mut self.memory.known);
            return Ok(());
        };
        if object.kind != LOGIN_TYPE {
            self.gone(&Object::Login);
            // What the view took it for, if versions went back.
            self.ports.view().gone(Kind::Login, &key, &object.meta.uid);
            settle::reads::login_of_another_type(&mut self.memory.known);
            return Ok(());
        }
        let claim = self.look_at_claim(&object.meta).await?;
        let seen = LoginSeen {
            uid: object.meta.uid.clone(),
            version: object.meta.version.clone(),
            content: self.read_content(s, &object),
            claim,
            at: self.now(),
            made_for: marks::target(self.ports, s.binding(), self.credential.realm()),
        };
        settle::reads::login(&mut self.memory.known, seen);
        self.ports.view().wrote(Kind::Login, &key, object.meta);
        Ok(())
    }

    /// A claim of a credential that no longer exists, or no longer names this Secret, is void.
    async fn look_at_claim(&self, meta: &SecretMeta) -> Result<Claim, ClusterError> {
        match annotations::claimant(meta) {
            None => Ok(Claim::Free),
            Some(owner) if owner == self.credential.owner() => Ok(Claim::Ours),
            Some(owner) => {
                let key = self.credential.login_key();
                let held = self.ports.cluster().claims(&key.namespace, &owner, &key.name);
                let held = self.ask(Asked::Read, held).await?;
                Ok(if held { Claim::Held } else { Claim::Free })
            }
        }
    }

    fn read_content(&mut self, s: &Snapshot, object: &SecretObject) -> Content {
        let vault = self.ports.vault();
        let login = match vault.read_login(&self.credential.key.name, &object.data) {
            Ok(login) => login,
            Err(problem) => return Content::Invalid(problem),
        };
        let Some(binding) = s.binding() else {
            return Content::Unread;
        };
        let policy = self.ports.policy();
        if let Permission::Denied(problem) = policy.user(&self.credential.key.namespace, &login.user()) {
            return Content::Forbidden(problem);
        }
        let mac = vault.content_mac(&login, binding, self.credential.realm());
        self.hand.login = Some(login);
        Content::Valid { mac }
    }

    /// What goes with a credential that is gone is collected, unused: the watch that tells so may be behind the one that told of
    /// the login.
    pub(super) async fn claim_login(&mut self, s: &Snapshot) {
        if !self.is_as_seen(s, &[Object::Login]).await {
            return;
        }
        let key = self.credential.login_key();
        let Some(seen) = &self.look.login else {
            return;
        };
        let owner = self.credential.owner();
        let claim = format!("{}/{}", owner.name, owner.uid.0);
        let change = SecretChange {
            annotations: [(annotation::CLAIMED_BY.to_owned(), Some(claim))].into(),
            goes_with: Some(owner),
            ..SecretChange::default()
        };
        match self.change(&key, seen, change).await {
            Ok(meta) => {
                settle::reads::claimed(&mut self.memory.known, meta.version.clone());
                self.ports.view().wrote(Kind::Login, &key, meta);
            }
            Err(error) => self.trouble(s, &Object::Login, Asked::Write, error),
        }
    }

    /// Takes leave to send, and a turn for the account and the namespace, and writes down what is about to be sent.
    pub(super) async fn record_attempt(&mut self, s: &Snapshot, content: &ContentMac, entry: &EntryName) {
        let Login::Present(login) = &s.login else {
            return;
        };
        let Some(permit) = self.leave_to_send(s, None) else {
            return;
        };
        if !self.content_at_hand(s, content).await || !self.take_turn(s) {
            return;
        }
        self.permit = Some(permit);
        let attempt = Attempt {
            id: self.ports.clock().nonce(),
            content: content.clone(),
            entry: entry.clone(),
        };
        self.record(s, login, attempt).await;
    }

    async fn record(&mut self, s: &Snapshot, login: &LoginSecret, attempt: Attempt) {
        let mut record = s.record().cloned().unwrap_or_default();
        let now = self.now();
        record.begin(attempt, s, login, now);
        self.memory.recorded_at = self.ports.clock().monotonic();
        let written = match self.namespace_takes_more().await {
            Ok(()) => self.write_record(s, &record, None).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(meta) => {
                settle::login::recorded(&mut self.memory.known, s, record, meta.version.clone(), now);
                let key = self.credential.session_key();
                self.ports.view().wrote(Kind::Session, &key, meta);
            }
            Err(error) => {
                self.give_turn_back();
                self.record_failed(s, error);
            }
        }
    }

    /// What moved is the refresh-token Secret; what is refused keeps the login waiting, and not the renewals.
    fn record_failed(&mut self, s: &Snapshot, error: ClusterError) {
        let object = match error {
            ClusterError::Conflict | ClusterError::NotFound | ClusterError::Immutable => Object::Session,
            ClusterError::Refused(_) | ClusterError::Unavailable { .. } | ClusterError::Rationed { .. } => {
                Object::Login
            }
        };
        self.trouble(s, &object, Asked::Write, error);
    }

    /// Whether there is a turn. An attempt that is taken over may still have one.
    fn take_turn(&mut self, s: &Snapshot) -> bool {
        let (Some(login), Some(binding)) = (&self.hand.login, s.binding()) else {
            return false;
        };
        let user = marks::user(self.ports, binding, login);
        let now = self.now();
        self.give_turn_back();
        match self
            .shared
            .allowance()
            .reserve(&user, &self.credential.key.namespace, now)
        {
            Ok(ticket) => {
                self.memory.ticket = Some(ticket);
                true
            }
            Err(until) => {
                settle::login::waits_for_turn(&mut self.memory.known, until);
                false
            }
        }
    }

    fn give_turn_back(&mut self) {
        if let Some(ticket) = self.memory.ticket.take() {
            self.shared.allowance().give_back(ticket);
        }
    }

    pub(super) async fn exchange(&mut self, s: &Snapshot, attempt: &str, entry: &EntryName) {
        let recorded = s.session.record().and_then(|r| r.attempt.as_ref());
        let (Some(binding), Some(recorded)) = (s.binding().cloned(), recorded) else {
            return;
        };
        let content = recorded.content.clone();
        if !self.content_at_hand(s, &content).await || !self.client_at_hand(s).await {
            return;
        }
        let permit = self.permit.take();
        let Some(login) = &self.hand.login else { return };
        settle::login::leaves(&mut self.memory.known);
        let user = login.user();
        let leaving = || self.audit(Audited::PasswordSent { attempt, user: &user });
        let outcome = self
            .send(s, permit, (&binding, &content), entry, login, &leaving)
            .await;
        let (result, tokens) = self.judge(s, &user, outcome);
        self.audit(Audited::Verdict {
            attempt,
            user: &user,
            said: result.as_ref().map(drop),
        });
        self.turn_used(&result);
        let outcome = LoginOutcome {
            content,
            attempt: attempt.to_owned(),
            entry: entry.clone(),
            client: self.client_sent(),
            user,
            result,
        };
        self.memory.pocket.login = Some(Box::new(PendingLogin {
            outcome,
            tokens,
            binding,
        }));
    }

    fn judge(
        &self,
        s: &Snapshot,
        user: &str,
        outcome: Outcome,
    ) -> (Result<Granted, Refusal>, Option<Box<Tokens>>) {
        match outcome {
            Outcome::Granted(tokens) => match settle::login::judged(s, user, &tokens.granted) {
                Ok(()) => (Ok(tokens.granted.clone()), Some(tokens)),
                Err(refusal) => (Err(refusal), None),
            },
            Outcome::Refused(refusal) => (Err(refusal), None),
            Outcome::Later(later) => {
                let seconds = later.until.since(self.ports.clock().now());
                (
                    Err(settle::login::withheld(seconds, later.reason, later.message)),
                    None,
                )
            }
        }
    }

    /// The turn stays taken where the send counts.
    fn turn_used(&mut self, result: &Result<Granted, Refusal>) {
        if !settle::login::uses_turn(result) {
            self.give_turn_back();
        } else if let Some(ticket) = self.memory.ticket.take() {
            self.shared.allowance().keep(ticket);
        }
    }

    /// Reads the login Secret again if this pass has not read it, and checks that it is the one that was decided on and
    /// still holds `content`. Another one with the same content is looked at anew: its uid and its leave are not those
    /// that would be recorded.
    async fn content_at_hand(&mut self, s: &Snapshot, content: &ContentMac) -> bool {
        if self.hand.login.is_none() {
            self.read_login(s).await;
        }
        if !self.is_as_decided_on(s) {
            return false;
        }
        let (Some(binding), Some(login)) = (s.binding(), &self.hand.login) else {
            return false;
        };
        let mac = self
            .ports
            .vault()
            .content_mac(login, binding, self.credential.realm());
        mac == *content
    }

    fn is_as_decided_on(&self, s: &Snapshot) -> bool {
        let (Login::Present(decided), Some(read)) = (&s.login, &self.memory.known.login) else {
            return false;
        };
        read.uid == decided.uid && read.version == decided.version
    }

    async fn send(
        &self,
        s: &Snapshot,
        permit: Option<PermitOf<P>>,
        (binding, content): (&Binding, &ContentMac),
        entry: &EntryName,
        login: &LoginContent,
        leaving: &(dyn Fn() + Send + Sync),
    ) -> Outcome {
        let scopes = self
            .credential
            .entry(entry)
            .map(|e| e.scopes.clone())
            .unwrap_or_default();
        let recorded = s
            .session
            .record()
            .and_then(|r| r.entry(content))
            .and_then(|e| e.last_sent_at);
        let (clock, start) = (self.ports.clock(), self.memory.recorded_at);
        let leave = self.leave;
        let may_leave = move || {
            let wall = recorded.map_or(i64::MAX, |at| clock.now().since(at).abs());
            let mono = clock.monotonic().saturating_sub(start).as_secs();
            let may = wall <= schedule::SEND_WITHIN
                && mono <= schedule::SEND_WITHIN.unsigned_abs()
                && leave.stands();
            if may {
                leaving();
            }
            may
        };
        if !leave.stands() {
            return Outcome::Refused(settle::login::not_begun());
        }
        let (provider, request) = (self.ports.provider(), self.request(binding, &scopes, None));
        // An attempt that is taken over was recorded by somebody else's leave.
        match permit.map_or_else(|| provider.permit(&request), Ok) {
            Ok(permit) => {
                provider
                    .login(permit, request, self.credential.realm(), login, &may_leave)
                    .await
            }
            Err(later) => Outcome::Later(later),
        }
    }

    /// Whether the refresh-token Secret is still the one that was read. With etcd set back to a time before the login, the
    /// restored password is all that is left of it, and watches may tell of that one by one.
    async fn session_stands(&mut self, s: &Snapshot) -> bool {
        let version = |meta: &SecretMeta| meta.version.clone();
        match self.peek(&self.credential.session_key()).await {
            Ok(live) if live.as_ref().map(version) == self.look.session.as_ref().map(version) => true,
            Ok(_) => {
                self.trouble(s, &Object::Session, Asked::Read, ClusterError::Conflict);
                false
            }
            Err(error) => {
                self.trouble(s, &Object::Login, Asked::Read, error);
                false
            }
        }
    }

    pub(super) async fn delete_login(&mut self, s: &Snapshot) {
        if !self.session_stands(s).await {
            return;
        }
        let key = self.credential.login_key();
        let Some(seen) = &self.look.login else {
            return;
        };
        match self.delete(&key, seen).await {
            Ok(()) => {
                self.gone(&Object::Login);
                let now = self.now();
                settle::login::deleted(&mut self.memory.known, now);
            }
            Err(error) => self.trouble(s, &Object::Login, Asked::Delete, error),
        }
    }
}
