//! Steps on the refresh-token Secret: read and store.

use super::{Asked, Pass};
use crate::api::{REFRESH_TOKEN_TYPE, annotation};
use crate::plan::Object;
use crate::plan::answer::Account;
use crate::plan::identity::Pin;
use crate::plan::known::SessionSeen;
use crate::plan::metadata::EntryName;
use crate::plan::record::Record;
use crate::plan::settle;
use crate::plan::snapshot::{Binding, Opened, RefreshOutcome, Sealed, Snapshot, StoredToken};
use crate::reconcile::material::StoredSession;
use crate::reconcile::pocket::{HeldToken, PendingLogin, PendingRefresh};
use crate::reconcile::ports::{
    Cluster, ClusterError, Kind, NewSecret, Ports, SecretChange, SecretMeta, SecretObject, Tokens, Vault,
    View,
};
use crate::reconcile::{annotations, marks, stamp};

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn read_session(&mut self, s: &Snapshot) {
        match self.ports.cluster().read(&self.credential.session_key()).await {
            Ok(Some(object)) => self.session_read(object),
            Ok(None) => {
                self.gone(&Object::Session);
                self.hand.session = None;
                settle::reads::no_session(&mut self.memory.known);
            }
            Err(error) => self.trouble(s, &Object::Session, Asked::Read, error),
        }
    }

    fn session_read(&mut self, object: SecretObject) {
        let seen = SessionSeen {
            version: object.meta.version.clone(),
            opened: self.open(&object),
        };
        let now = self.now();
        settle::reads::session(&mut self.memory.known, seen, object.immutable, now);
        let key = self.credential.session_key();
        self.ports.view().wrote(Kind::Session, &key, object.meta);
    }

    /// Opens both blobs. A record that cannot be opened counts as empty; a token that cannot stays where it is.
    fn open(&mut self, object: &SecretObject) -> Opened {
        let key = self.credential.session_key();
        let vault = self.ports.vault();
        let record = object
            .data
            .get("record")
            .and_then(|blob| vault.open_record(&key, blob).ok())
            .unwrap_or_default();
        let sealed = object.data.get("token").zip(annotations::binding(&object.meta));
        let session = sealed.map(|(blob, binding)| vault.open_session(&key, &binding, blob));
        let unsealable = matches!(session, Some(Err(_)));
        self.hand.session = session.and_then(Result::ok).map(|session| self.tagged(session));
        Opened::Read {
            record,
            session: self.hand.session.as_ref().map(|session| self.sealed(session)),
            unsealable,
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

    async fn store_login(&mut self, s: &Snapshot, pending: PendingLogin) {
        let mut record = s.session.record().cloned().unwrap_or_default();
        if !settle::store::login_fits(s, &record) {
            return;
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
        let key = self.credential.session_key();
        let sealed = self.ports.vault().seal_record(&key, record);
        let described = settle::login::described(&self.memory.known, record);
        let mut change = SecretChange {
            annotations: annotations::of_last_login(&described),
            ..SecretChange::default()
        };
        change.keys.insert("record", sealed.bytes);
        if let Some((login, session)) = login.and_then(|login| Some((login, self.session_of(s, login)?))) {
            self.seal_into(&mut change, &login.binding, &session);
        }
        match &self.look.session {
            Some(seen) => self.ports.cluster().change(&key, seen, change).await,
            None => self.create_session(change, sealed.key_id).await,
        }
    }

    async fn create_session(
        &mut self,
        change: SecretChange,
        key_id: String,
    ) -> Result<SecretMeta, ClusterError> {
        let key = self.credential.session_key();
        let set = change.annotations.into_iter();
        let mut annotations: std::collections::BTreeMap<_, _> =
            set.filter_map(|(k, v)| v.map(|v| (k, v))).collect();
        let proof = marks::proof(self.ports, self.credential, &key);
        annotations.insert(annotation::OWNER.to_owned(), proof);
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

    fn seal_into(&self, change: &mut SecretChange, binding: &Binding, session: &StoredSession) {
        let key = self.credential.session_key();
        let sealed = self.ports.vault().seal_session(&key, binding, session);
        let token = StoredToken {
            issued_at: session.answered_at,
            ends_at: session.ends_at,
            dead_since: None,
            binding: binding.clone(),
            tenant_id: session.pin.account.tenant().to_owned(),
            account: session.pin.tag.clone(),
        };
        let annotations = annotations::of_session(&token, &sealed.key_id);
        change.annotations.extend(annotations);
        change.keys.insert("token", sealed.bytes);
    }

    fn login_stored(&mut self, s: &Snapshot, record: Record, pending: PendingLogin, meta: SecretMeta) {
        let (version, now) = (meta.version.clone(), self.now());
        let key = self.credential.session_key();
        self.ports.view().wrote(Kind::Session, &key, meta);
        settle::login::stored(&mut self.memory.known, s, &pending.outcome, record, version, now);
        self.hand.session = None;
        if let Some(tokens) = &pending.tokens {
            let pin = self.pin_of(s, &pending.outcome.user, tokens.granted.account.as_ref());
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
    ) -> Option<HeldToken> {
        let (binding, spec) = (s.binding()?, self.credential.entry(entry)?);
        Some(HeldToken {
            held: crate::plan::snapshot::Held {
                request: marks::request(self.ports, binding, &pin.tag, spec),
                granted: tokens.granted,
            },
            access_token: tokens.access_token,
        })
    }

    async fn store_refresh(&mut self, s: &Snapshot, pending: PendingRefresh) {
        if !settle::store::still_fits(&pending.outcome, s) {
            return;
        }
        let Some(seen) = &self.look.session else { return };
        let (key, change) = (self.credential.session_key(), self.refresh_change(&pending));
        match self.ports.cluster().change(&key, seen, change).await {
            Ok(meta) => self.refresh_stored(s, pending, meta),
            Err(error) => {
                self.memory.pocket.refresh = Some(pending);
                self.trouble(s, &Object::Session, Asked::Write, error);
            }
        }
    }

    fn refresh_change(&self, pending: &PendingRefresh) -> SecretChange {
        let mut change = SecretChange::default();
        let dead_since = |since| (annotation::DEAD_SINCE.to_owned(), since);
        match (&pending.session, &pending.outcome) {
            (Some(stored), _) => self.seal_into(&mut change, &stored.1, &stored.0),
            (None, RefreshOutcome::Dead { since, .. }) => {
                let since = Some(stamp::to_text(*since));
                change.annotations.extend([dead_since(since)]);
            }
            (None, RefreshOutcome::Alive { .. } | RefreshOutcome::Newer(_)) => {
                change.annotations.extend([dead_since(None)]);
            }
        }
        change
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
