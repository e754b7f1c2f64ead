//! Steps on the login Secret: read, claim, record, exchange, delete.

use super::{Acted, Pass, is_another, refusal, write_refusal};
use crate::api::{ANNOTATION_ALLOW_IDENTITY_CHANGE, LOGIN_TYPE, REFRESH_TOKEN_TYPE, Reason, annotation};
use crate::plan::answer::{Effect, Refusal};
use crate::plan::record::{Attempt, ContentMac, Record};
use crate::plan::schedule;
use crate::plan::snapshot::{
    AttemptSeen, Claim, Content, Failure, LastLogin, Login, LoginOutcome, Opened, Snapshot,
};
use crate::reconcile::annotations;
use crate::reconcile::memory::{LoginSeen, PendingLogin, SessionSeen};
use crate::reconcile::observe;
use crate::reconcile::ports::{
    Clock, Cluster, ClusterError, Kind, NewSecret, Outcome, Ports, Provider, SecretChange, SecretMeta,
    SecretObject, Tokens, Vault, View,
};

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn read_login(&mut self, s: &Snapshot) -> Acted {
        let key = self.credential.login_key();
        let Some(object) = self.ports.cluster().read(&key).await? else {
            self.login_gone();
            return Ok(());
        };
        if object.kind != LOGIN_TYPE {
            self.memory.wrong_type.seen = 2;
            self.login_gone();
            return Ok(());
        }
        let claim = self.look_at_claim(&object.meta).await?;
        let content = self.read_content(s, &object);
        self.memory.login = Some(LoginSeen {
            uid: object.meta.uid.clone(),
            version: object.meta.version.clone(),
            content,
            claim,
            at: self.now(),
            binding: s.binding().cloned(),
        });
        self.ports.view().wrote(Kind::Login, &key, object.meta);
        Ok(())
    }

    fn login_gone(&mut self) {
        self.gone(Kind::Login, &self.credential.login_key());
        self.memory.login = None;
    }

    /// A claim of a credential that no longer exists, or no longer names this Secret, is void.
    async fn look_at_claim(&self, meta: &SecretMeta) -> Result<Claim, ClusterError> {
        match annotations::claimant(meta) {
            None => Ok(Claim::Free),
            Some(owner) if owner == self.credential.owner() => Ok(Claim::Ours),
            Some(owner) => {
                let key = self.credential.login_key();
                let held = self
                    .ports
                    .cluster()
                    .claims(&key.namespace, &owner, &key.name)
                    .await?;
                Ok(if held { Claim::Held } else { Claim::Free })
            }
        }
    }

    fn read_content(&mut self, s: &Snapshot, object: &SecretObject) -> Content {
        let login = match self
            .ports
            .vault()
            .read_login(&self.credential.key.name, &object.data)
        {
            Ok(login) => login,
            Err(problem) => return Content::Invalid(problem),
        };
        let Some(binding) = s.binding() else {
            return Content::Unread;
        };
        let mac = self
            .ports
            .vault()
            .content_mac(&login, binding, self.credential.realm());
        let user = self.ports.vault().mac("user", &[login.username.expose()]);
        let not_before = self.shared.allowance.not_before(&user, self.now());
        self.hand.login = Some(login);
        Content::Valid { mac, not_before }
    }

    pub(super) async fn claim_login(&mut self) -> Acted {
        let key = self.credential.login_key();
        let Some(seen) = &self.look.login else {
            return Ok(());
        };
        let owner = self.credential.owner();
        let claim = format!("{}/{}", owner.name, owner.uid);
        let change = SecretChange {
            annotations: [(annotation::CLAIMED_BY.to_owned(), Some(claim))].into(),
            ..SecretChange::default()
        };
        match self.ports.cluster().change(&key, seen, change).await {
            Ok(meta) => {
                if let Some(login) = &mut self.memory.login {
                    login.version.clone_from(&meta.version);
                    login.claim = Claim::Ours;
                }
                self.ports.view().wrote(Kind::Login, &key, meta);
                Ok(())
            }
            Err(error) => self.login_moved(error),
        }
    }

    /// A write to the login Secret failed: look again, or say what refused it.
    fn login_moved(&mut self, error: ClusterError) -> Acted {
        match error {
            ClusterError::NotFound => {
                self.login_gone();
                Ok(())
            }
            ClusterError::Conflict => {
                self.memory.login = None;
                Ok(())
            }
            ClusterError::Refused(text) => {
                self.login_write_refused(&text);
                Ok(())
            }
            ClusterError::Immutable => {
                self.login_write_refused("the login Secret is immutable");
                Ok(())
            }
            error @ ClusterError::Unavailable(_) => Err(error),
        }
    }

    /// A login that cannot be claimed or recorded waits by itself: it must not keep the renewals waiting.
    fn login_write_refused(&mut self, text: &str) {
        let now = self.now();
        let refused = |f: &&Failure| f.refusal.reason == Reason::WriteRefused;
        let before = self.memory.login_failure.as_ref().filter(refused);
        let next = schedule::retry_write(now, before.map_or(1, |f| f.consecutive.saturating_add(1)));
        self.memory.login_failed(write_refusal(text), now, Some(next));
    }

    pub(super) async fn record_attempt(&mut self, s: &Snapshot, content: &ContentMac, entry: &str) -> Acted {
        let Login::Present(login) = &s.login else {
            return Ok(());
        };
        let id = self.ports.clock().nonce();
        let mut record = s.session.record().cloned().unwrap_or_default();
        let attempt = Attempt {
            id: id.clone(),
            content: content.clone(),
            entry: entry.to_owned(),
        };
        record.begin(attempt, s, login, self.now());
        let recorded_at = self.ports.clock().monotonic();
        match self.write_record(&record, None).await {
            Ok(meta) => {
                self.memory.attempt = Some(AttemptSeen {
                    id,
                    first_seen: self.now(),
                    unsent_ours: true,
                });
                self.memory.recorded_at = recorded_at;
                self.record_written(s, record, meta);
                self.end_write_failure();
                self.end_login_failure(Reason::WriteRefused);
                Ok(())
            }
            Err(ClusterError::Refused(text)) => {
                self.login_write_refused(&text);
                Ok(())
            }
            Err(error) => self.session_moved(error).await,
        }
    }

    fn record_written(&mut self, s: &Snapshot, record: Record, meta: SecretMeta) {
        let (account, unsealable) = match &s.session.opened {
            Opened::Read {
                account, unsealable, ..
            } => (account.clone(), *unsealable),
            Opened::Unread => (None, false),
        };
        let opened = Opened::Read {
            record,
            account,
            unsealable,
        };
        self.memory.session = Some(SessionSeen {
            version: meta.version.clone(),
            opened,
        });
        self.ports
            .view()
            .wrote(Kind::Session, &self.credential.session_key(), meta);
    }

    pub(super) async fn create_session(
        &mut self,
        change: SecretChange,
        key_id: String,
    ) -> Result<SecretMeta, ClusterError> {
        let key = self.credential.session_key();
        let mut annotations: std::collections::BTreeMap<_, _> = change
            .annotations
            .into_iter()
            .filter_map(|(k, v)| v.map(|v| (k, v)))
            .collect();
        annotations.insert(
            annotation::OWNER.to_owned(),
            observe::proof(self.ports, self.credential, &key),
        );
        annotations.insert(annotation::KEY_ID.to_owned(), key_id);
        let secret = NewSecret {
            owner: self.credential.owner(),
            kind: REFRESH_TOKEN_TYPE,
            labels: std::collections::BTreeMap::new(),
            annotations,
            data: change.keys,
            key,
        };
        self.create(secret).await
    }

    /// The clear description of the last attempt in `record`.
    pub(super) fn last_login(&self, record: &Record) -> LastLogin {
        let (login_uid, login_version) = self.memory.login_version();
        let last = record.entries.last();
        LastLogin {
            verdict: last.map(|e| e.verdict.name().to_owned()).unwrap_or_default(),
            login_uid,
            login_version,
            sends: last.map_or(0, |e| e.sends),
            last_sent_at: last.and_then(|e| e.last_sent_at),
            next_attempt_at: last.and_then(|e| e.next_attempt_at),
            inputs: last.map(|e| e.inputs.clone()).unwrap_or_default(),
        }
    }

    pub(super) async fn exchange(&mut self, s: &Snapshot, attempt: &str, entry: &str) -> Acted {
        let Some(binding) = s.binding().cloned() else {
            return Ok(());
        };
        let Some(content) = s
            .session
            .record()
            .and_then(|r| r.attempt.as_ref())
            .map(|a| a.content.clone())
        else {
            return Ok(());
        };
        if !self.content_at_hand(s, &content).await? {
            return Ok(());
        }
        let client = self.read_client_credential().await?;
        if let Some(seen) = &mut self.memory.attempt {
            seen.unsent_ours = false;
        }
        let outcome = match client {
            Ok(()) => self.send(s, &binding, &content, entry).await,
            Err(refusal) => Outcome::Refused(refusal),
        };
        self.take_login_outcome(
            s,
            binding,
            LoginKey {
                content,
                attempt,
                entry,
            },
            outcome,
        );
        Ok(())
    }

    /// Reads the login Secret again if this pass has not read it, and checks that it still holds `content`.
    async fn content_at_hand(&mut self, s: &Snapshot, content: &ContentMac) -> Result<bool, ClusterError> {
        if self.hand.login.is_none() {
            self.read_login(s).await?;
        }
        let Some(binding) = s.binding() else {
            return Ok(false);
        };
        let mac = self.hand.login.as_ref().map(|login| {
            self.ports
                .vault()
                .content_mac(login, binding, self.credential.realm())
        });
        Ok(mac.as_ref() == Some(content))
    }

    async fn send(
        &self,
        s: &Snapshot,
        binding: &crate::plan::snapshot::Binding,
        content: &ContentMac,
        entry: &str,
    ) -> Outcome {
        let Some(login) = &self.hand.login else {
            return Outcome::Later(self.now());
        };
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
        let (clock, start, correction) = (
            self.ports.clock(),
            self.memory.recorded_at,
            self.memory.correction,
        );
        let in_time = move || {
            let wall = recorded.map_or(i64::MAX, |at| correction.now(clock).since(at).abs());
            let mono = clock.monotonic().saturating_sub(start).as_secs();
            wall <= schedule::SEND_WITHIN && mono <= schedule::SEND_WITHIN.unsigned_abs()
        };
        self.ports
            .provider()
            .login(
                self.request(binding, &scopes, None),
                self.credential.realm(),
                login,
                &in_time,
            )
            .await
    }

    fn take_login_outcome(
        &mut self,
        s: &Snapshot,
        binding: crate::plan::snapshot::Binding,
        key: LoginKey<'_>,
        outcome: Outcome,
    ) {
        let (result, tokens) = match outcome {
            Outcome::Granted(tokens) => match Self::objection(s, &tokens) {
                None => (Ok(tokens.granted.clone()), Some(tokens)),
                Some(refusal) => (Err(refusal), None),
            },
            Outcome::Refused(refusal) => (Err(refusal), None),
            Outcome::Later(at) => (Err(no_permit(at.since(self.now()))), None),
        };
        self.count_send(&result);
        let outcome = LoginOutcome {
            content: key.content,
            attempt: key.attempt.to_owned(),
            entry: key.entry.to_owned(),
            result,
        };
        self.memory.pocket.login = Some(PendingLogin {
            outcome,
            tokens,
            binding,
        });
    }

    /// An accepted login must bring a refresh token, and may not change the pinned account without leave.
    fn objection(s: &Snapshot, tokens: &Tokens) -> Option<Refusal> {
        if tokens.refresh_token.is_none() {
            return Some(no_refresh_token());
        }
        let Login::Present(login) = &s.login else {
            return None;
        };
        let answered = tokens.granted.account.as_ref();
        let bound = s.session_matches() || answered.is_some_and(|a| s.stored_for_tenant(&a.tenant_id));
        let pinned = s
            .session
            .pinned()
            .filter(|_| bound && !login.allows_identity_change);
        pinned
            .is_some_and(|pinned| is_another(answered, pinned))
            .then(other_identity)
    }

    fn count_send(&self, result: &Result<crate::plan::answer::Granted, Refusal>) {
        let counts = matches!(result, Err(r) if !matches!(r.effect, Effect::Entry | Effect::Transient | Effect::Withheld));
        if let (true, Some(login)) = (counts, &self.hand.login) {
            let user = self.ports.vault().mac("user", &[login.username.expose()]);
            self.shared.allowance.sent(user, self.now());
        }
    }

    pub(super) async fn delete_login(&mut self) -> Acted {
        let key = self.credential.login_key();
        let Some(seen) = &self.look.login else {
            return Ok(());
        };
        match self.ports.cluster().delete(&key, seen).await {
            Ok(()) => {
                self.memory.deleted_login_at = Some(self.now());
                self.end_login_failure(Reason::LoginSecretNotDeleted);
                self.login_gone();
                Ok(())
            }
            Err(ClusterError::Refused(text)) => {
                let now = self.now();
                let next = schedule::retry_write(
                    now,
                    self.memory
                        .login_failure
                        .as_ref()
                        .map_or(1, |f| f.consecutive + 1),
                );
                self.memory.login_failed(not_deleted(&text), now, Some(next));
                Ok(())
            }
            Err(error) => self.login_moved(error),
        }
    }

    fn end_login_failure(&mut self, reason: Reason) {
        if self
            .memory
            .login_failure
            .as_ref()
            .is_some_and(|f| f.refusal.reason == reason)
        {
            self.memory.login_failure = None;
        }
    }
}

struct LoginKey<'k> {
    content: ContentMac,
    attempt: &'k str,
    entry: &'k str,
}

fn no_permit(seconds: i64) -> Refusal {
    let mut refusal = refusal(
        Effect::Withheld,
        Reason::Throttled,
        "the operator's own limits put the sign-in off".to_owned(),
        "nothing to do; it is tried again by itself",
    );
    refusal.retry_after = Some(seconds.max(1));
    refusal
}

fn no_refresh_token() -> Refusal {
    refusal(
        Effect::Person,
        Reason::AppMisconfigured,
        "the sign-in was accepted, but no refresh token came with it".to_owned(),
        "allow offline_access for this application",
    )
}

fn other_identity() -> Refusal {
    refusal(
        Effect::Person,
        Reason::IdentityChanged,
        "the sign-in was accepted for another account than the pinned one, and was discarded".to_owned(),
        &format!(
            "if the account is meant to change, put the annotation {ANNOTATION_ALLOW_IDENTITY_CHANGE}: \"true\" on the login Secret"
        ),
    )
}

fn not_deleted(text: &str) -> Refusal {
    refusal(
        Effect::Transient,
        Reason::LoginSecretNotDeleted,
        format!("the login Secret was used, but could not be deleted: {text}"),
        "delete it yourself, or allow the operator to delete it",
    )
}
