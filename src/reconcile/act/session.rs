//! Steps on the refresh-token Secret: read and store.

use super::seal::{RECORD, Sealing, TOKEN};
use super::{Asked, Pass};
use crate::api::{REFRESH_TOKEN_TYPE, annotation};
use crate::plan::Object;
use crate::plan::answer::Account;
use crate::plan::identity::Pin;
use crate::plan::keys::KeyName;
use crate::plan::known::SessionSeen;
use crate::plan::metadata::EntryName;
use crate::plan::record::Record;
use crate::plan::settle;
use crate::plan::snapshot::{Binding, Opened, RefreshOutcome, Sealed, Snapshot, StoredToken, Unopened};
use crate::reconcile::audit::Audited;
use crate::reconcile::material::StoredSession;
use crate::reconcile::pocket::{HeldToken, PendingLogin, PendingRefresh};
use crate::reconcile::ports::{
    ClusterError, KeyStore, Kind, NewSecret, OpenError, Ports, SecretMeta, SecretObject, Tokens, Vault, View,
};
use crate::reconcile::{annotations, marks, stamp};

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn read_session(&mut self, s: &Snapshot) {
        match self.read(&self.credential.session_key()).await {
            Ok(Some(object)) => self.session_read(s, object).await,
            Ok(None) => {
                self.gone(&Object::Session);
                self.hand.session = None;
                settle::reads::no_session(&mut self.memory.known);
            }
            Err(error) => self.trouble(s, &Object::Session, Asked::Read, error),
        }
    }

    /// Nothing is said of a blob whose key is not known before the keys were looked for again.
    async fn session_read(&mut self, s: &Snapshot, object: SecretObject) {
        let mut read = self.open(&object);
        if read.lacks_key {
            if let Err(error) = self.ports.keys().look().await {
                return self.trouble(s, &Object::Session, Asked::Read, error);
            }
            read = self.open(&object);
        }
        let sealed_by = self.oldest_key(&object);
        if let Some(key) = &sealed_by {
            self.audit(Audited::Opened { key: &key.0 });
        }
        let seen = SessionSeen {
            version: object.meta.version.clone(),
            keys: read.keys,
            sealed_by,
            opened: read.opened,
        };
        let now = self.now();
        settle::reads::session(&mut self.memory.known, seen, object.immutable, now);
        let key = self.credential.session_key();
        self.ports.view().wrote(Kind::Session, &key, object.meta);
    }

    fn oldest_key(&self, object: &SecretObject) -> Option<KeyName> {
        let blobs = [RECORD, TOKEN]
            .into_iter()
            .filter_map(|name| object.data.get(name));
        blobs.filter_map(|blob| self.ports.vault().key_of(blob)).min()
    }

    fn open(&mut self, object: &SecretObject) -> Read {
        let key = self.credential.session_key();
        let vault = self.ports.vault();
        // Before they are used: what is replaced meanwhile is read again.
        let keys = vault.keys_in_use().generation;
        let record = object.data.get(RECORD).map(|blob| vault.open_record(&key, blob));
        let session = object.data.get(TOKEN).map(|blob| {
            let binding = annotations::binding(&object.meta).ok_or(OpenError::Broken)?;
            Ok(self.tagged(vault.open_session(&key, &binding, blob)?))
        });
        let lacks_key = [
            record.as_ref().and_then(error_of),
            session.as_ref().and_then(error_of),
        ]
        .iter()
        .any(|error| matches!(error, Some(OpenError::UnknownKey(_))));
        let sealed = session.as_ref().map(|opened| match opened {
            Ok(session) => Ok(self.sealed(session)),
            Err(error) => Err(Unopened::from(error)),
        });
        let record = record.map(|opened| opened.map_err(|error| Unopened::from(&error)));
        self.hand.session = session.and_then(Result::ok);
        Read {
            keys,
            opened: Opened::of(record, sealed),
            lacks_key,
        }
    }

    /// What the plan sees of a session.
    fn sealed(&self, session: &StoredSession) -> Sealed {
        Sealed {
            pin: session.pin.clone(),
            token: marks::refresh_token(self.ports, session),
        }
    }

    /// A session that was sealed before pins had tags.
    fn tagged(&self, mut session: StoredSession) -> StoredSession {
        if session.pin.tag.0.is_empty() {
            session.pin.tag = marks::tag(self.ports, &session.pin.account, &session.pin.user);
        }
        session
    }

    /// Whether the opened session is the one that the decision looked at. Another one may belong to another binding,
    /// or to somebody else: it is decided on anew.
    pub(super) async fn session_at_hand(&mut self, s: &Snapshot) -> bool {
        if self.hand.session.is_none() || !self.session_is_of(s) {
            self.read_session(s).await;
        }
        self.hand.session.is_some() && self.session_is_of(s)
    }

    fn session_is_of(&self, s: &Snapshot) -> bool {
        let seen = self.memory.known.session.as_ref();
        seen.is_some_and(|seen| Some(&seen.version) == s.session.version.as_ref())
    }

    /// Stores what the pocket holds. What no longer fits the stored state is dropped, what could not be written stays.
    pub(super) async fn store(&mut self, s: &Snapshot) {
        if let Some(pending) = self.memory.pocket.login.take() {
            return self.store_login(s, pending).await;
        }
        if let Some(pending) = self.memory.pocket.refresh.take() {
            self.store_refresh(s, pending).await;
        }
    }

    async fn store_login(&mut self, s: &Snapshot, mut pending: Box<PendingLogin>) {
        let mut record = s.record().cloned().unwrap_or_default();
        if !settle::store::login_fits(s, &record) {
            return;
        }
        settle::login::judge_again(s, &mut pending.outcome);
        if pending.outcome.result.is_err() {
            pending.tokens = None;
        }
        let names: Vec<_> = s.tokens.iter().map(|t| t.name.clone()).collect();
        let now = self.now();
        record.settle(&pending.outcome, &names, now);
        match self.write_record(s, &record, Some(&pending)).await {
            Ok(meta) => self.login_stored(s, record, pending, meta),
            Err(error) => {
                self.memory.pocket.login = Some(pending);
                self.trouble(s, &Object::Session, Asked::Write, error);
            }
        }
    }

    /// Writes the record, and the session that a login brought with it.
    pub(super) async fn write_record(
        &mut self,
        s: &Snapshot,
        record: &Record,
        login: Option<&PendingLogin>,
    ) -> Result<SecretMeta, ClusterError> {
        let described = settle::login::described(&self.memory.known, record);
        let mut sealing = Sealing::default();
        sealing.annotations = annotations::of_last_login(&described);
        self.seal_record(&mut sealing, record);
        if let Some((login, session)) = login.and_then(|login| Some((login, self.session_of(s, login)?))) {
            self.seal_session(&mut sealing, &login.binding, &session);
        }
        if self.look.session.is_some() {
            self.write_session(s, sealing).await
        } else {
            self.create_session(sealing).await
        }
    }

    async fn create_session(&mut self, sealing: Sealing) -> Result<SecretMeta, ClusterError> {
        let key = self.credential.session_key();
        let (set, data) = sealing.into_parts(None);
        let set = set.into_iter();
        let mut annotations: std::collections::BTreeMap<_, _> =
            set.filter_map(|(k, v)| v.map(|v| (k, v))).collect();
        let proof = marks::proof(self.ports, self.credential, &key);
        annotations.insert(annotation::OWNER.to_owned(), proof);
        let asked = self.asked_of_session();
        annotations.extend(asked.annotations);
        let secret = NewSecret {
            owner: self.credential.owner(),
            kind: REFRESH_TOKEN_TYPE,
            labels: asked.labels,
            annotations,
            data,
            key,
        };
        self.create(secret).await
    }

    fn session_of(&self, s: &Snapshot, pending: &PendingLogin) -> Option<StoredSession> {
        let tokens = pending.tokens.as_ref()?;
        Some(StoredSession {
            refresh_token: tokens.refresh_token.as_ref()?.duplicate(),
            pin: self.pin_of(s, &pending.outcome.user, tokens.granted.account.as_ref()),
            answered_at: tokens.granted.answered_at,
            ends_at: tokens.granted.refresh_token_ends_at(),
        })
    }

    fn pin_of(&self, s: &Snapshot, user: &str, answered: Option<&Account>) -> Pin {
        let tag = |account: &Account| marks::tag(self.ports, account, user);
        settle::login::pin(s, user, answered, tag)
    }

    /// Seals a session that is new, and says in clear what it is.
    fn seal_session(&self, sealing: &mut Sealing, binding: &Binding, session: &StoredSession) {
        self.seal_token(sealing, binding, session);
        let token = StoredToken {
            issued_at: session.answered_at,
            ends_at: session.ends_at,
            dead_since: None,
            binding: binding.clone(),
            tenant_id: session.pin.account.tenant().to_owned(),
            account: session.pin.tag.clone(),
        };
        sealing.annotations.extend(annotations::of_session(&token));
    }

    fn login_stored(&mut self, s: &Snapshot, record: Record, pending: Box<PendingLogin>, meta: SecretMeta) {
        let (version, now) = (meta.version.clone(), self.now());
        let key = self.credential.session_key();
        self.ports.view().wrote(Kind::Session, &key, meta);
        settle::login::stored(&mut self.memory.known, s, &pending.outcome, record, version, now);
        self.hand.session = None;
        if let Some(tokens) = &pending.tokens {
            let pin = self.pin_of(s, &pending.outcome.user, tokens.granted.account.as_ref());
            if s.account_tag().is_some_and(|tag| *tag != pin.tag) {
                let user = &pending.outcome.user;
                self.audit(Audited::AccountChanged { user });
            }
            self.memory.pocket.tokens.clear();
            if let Some(tokens) = pending.tokens {
                self.pocket_token(s, &pending.outcome.entry, &pin, *tokens);
            }
        }
    }

    /// Puts an access token into the pocket, for the request that it answers. One that cannot be used stays out.
    fn pocket_token(&mut self, s: &Snapshot, entry: &EntryName, pin: &Pin, tokens: Tokens) {
        if tokens.granted.unusable.is_some() {
            return;
        }
        if let Some(token) = self.held(s, entry, pin, tokens) {
            self.memory.pocket.tokens.insert(entry.clone(), token);
        }
    }

    /// An access token with the request that it answers.
    pub(super) fn held(
        &self,
        s: &Snapshot,
        entry: &EntryName,
        pin: &Pin,
        tokens: Tokens,
    ) -> Option<Box<HeldToken>> {
        let (binding, spec) = (s.binding()?, self.credential.entry(entry)?);
        Some(Box::new(HeldToken {
            held: crate::plan::snapshot::Held {
                request: marks::request(self.ports, binding, &pin.tag, spec),
                granted: tokens.granted,
            },
            access_token: tokens.access_token,
        }))
    }

    async fn store_refresh(&mut self, s: &Snapshot, pending: PendingRefresh) {
        if !settle::store::still_fits(&pending.outcome, s) {
            return;
        }
        let sealing = self.refresh_change(&pending);
        match self.write_session(s, sealing).await {
            Ok(meta) => self.refresh_stored(s, pending, meta),
            Err(error) => {
                self.memory.pocket.refresh = Some(pending);
                self.trouble(s, &Object::Session, Asked::Write, error);
            }
        }
    }

    fn refresh_change(&self, pending: &PendingRefresh) -> Sealing {
        let mut sealing = Sealing::default();
        let dead_since = |since| (annotation::DEAD_SINCE.to_owned(), since);
        match (&pending.session, &pending.outcome) {
            (Some(stored), _) => self.seal_session(&mut sealing, &stored.1, &stored.0),
            (None, RefreshOutcome::Dead { since, .. }) => {
                let since = Some(stamp::to_text(*since));
                sealing.annotations.extend([dead_since(since)]);
            }
            (None, RefreshOutcome::Alive { .. } | RefreshOutcome::Newer(_)) => {
                sealing.annotations.extend([dead_since(None)]);
            }
        }
        sealing
    }

    fn refresh_stored(&mut self, s: &Snapshot, pending: PendingRefresh, meta: SecretMeta) {
        let sealed = pending.session.as_ref().map(|stored| self.sealed(&stored.0));
        settle::store::stored(&mut self.memory.known, s, meta.version.clone(), sealed);
        let key = self.credential.session_key();
        self.ports.view().wrote(Kind::Session, &key, meta);
        if let Some(stored) = pending.session {
            self.hand.session = Some(stored.0);
        }
    }
}

impl From<&OpenError> for Unopened {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::UnknownKey(_) | OpenError::UnknownForm => Self::Locked,
            OpenError::Broken => Self::Damaged,
        }
    }
}

/// What a read gave.
struct Read {
    /// Generation of the keys that it was opened with.
    keys: u64,
    opened: Opened,
    lacks_key: bool,
}

fn error_of<T>(opened: &Result<T, OpenError>) -> Option<&OpenError> {
    opened.as_ref().err()
}
