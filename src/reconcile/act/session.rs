//! Steps on the refresh-token Secret: read, store, and what to do when it moved meanwhile.

use super::{Acted, Pass};
use crate::api::Reason;
use crate::plan::Time;
use crate::plan::answer::Refusal;
use crate::plan::record::Record;
use crate::plan::snapshot::{AttemptSeen, Opened, Snapshot, StoredToken};
use crate::reconcile::material::StoredSession;
use crate::reconcile::memory::{HeldToken, News, PendingLogin, PendingRefresh, SessionSeen};
use crate::reconcile::ports::{
    Cluster, ClusterError, Kind, Ports, SecretChange, SecretMeta, SecretObject, Vault, View,
};
use crate::reconcile::{annotations, observe};

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn read_session(&mut self) -> Acted {
        let key = self.credential.session_key();
        let Some(object) = self.ports.cluster().read(&key).await? else {
            self.session_gone();
            return Ok(());
        };
        let opened = self.open(&object);
        if let Opened::Read { record, .. } = &opened {
            self.see_attempt(record);
        }
        self.memory.session = Some(SessionSeen {
            version: object.meta.version.clone(),
            opened,
        });
        if object.immutable {
            self.memory.immutable_session = Some(object.meta.version.clone());
        }
        self.ports.view().wrote(Kind::Session, &key, object.meta);
        Ok(())
    }

    fn session_gone(&mut self) {
        self.gone(Kind::Session, &self.credential.session_key());
        self.memory.session = None;
        self.hand.session = None;
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
        self.hand.session = session.and_then(Result::ok);
        Opened::Read {
            record,
            account: self.hand.session.as_ref().map(|s| s.account.clone()),
            unsealable,
        }
    }

    /// The 60 s after which an attempt is taken over count from when this process first saw it.
    fn see_attempt(&mut self, record: &Record) {
        let Some(attempt) = &record.attempt else {
            self.memory.attempt = None;
            return;
        };
        if self
            .memory
            .attempt
            .as_ref()
            .is_none_or(|seen| seen.id != attempt.id)
        {
            self.memory.attempt = Some(AttemptSeen {
                id: attempt.id.clone(),
                first_seen: self.now(),
                unsent_ours: false,
            });
        }
    }

    /// A write to the refresh-token Secret failed: read it again, or remember what refused it.
    pub(super) async fn session_moved(&mut self, error: ClusterError) -> Acted {
        match error {
            ClusterError::Conflict => self.look_again().await,
            ClusterError::NotFound => {
                self.session_gone();
                Ok(())
            }
            ClusterError::Refused(text) => {
                self.write_refused(&text);
                Ok(())
            }
            ClusterError::Immutable => {
                self.memory.immutable_session = self.look.session.as_ref().map(|m| m.version.clone());
                Ok(())
            }
            error @ ClusterError::Unavailable(_) => Err(error),
        }
    }

    /// Reads the Secret if it is ours; a foreign one is not read beyond its metadata.
    async fn look_again(&mut self) -> Acted {
        let key = self.credential.session_key();
        let Some(meta) = self.ports.cluster().peek(&key).await? else {
            self.session_gone();
            return Ok(());
        };
        let ours = observe::ownership(self.ports, self.credential, &key, &meta);
        self.ports.view().wrote(Kind::Session, &key, meta);
        if ours == crate::plan::snapshot::Ownership::Ours {
            self.read_session().await
        } else {
            Ok(())
        }
    }

    pub(super) fn end_write_failure(&mut self) {
        if self
            .memory
            .failure
            .as_ref()
            .is_some_and(|f| f.refusal.reason == Reason::WriteRefused)
        {
            self.memory.failure = None;
        }
    }

    /// Stores what the pocket holds. What no longer fits the stored state is dropped, what could not be written stays.
    pub(super) async fn store(&mut self, s: &Snapshot) -> Acted {
        if let Some(pending) = self.memory.pocket.login.take() {
            return self.store_login(s, pending).await;
        }
        match self.memory.pocket.refresh.take() {
            Some(pending) => self.store_refresh(s, pending).await,
            None => Ok(()),
        }
    }

    async fn store_login(&mut self, s: &Snapshot, pending: PendingLogin) -> Acted {
        if s.session.record().is_none() && s.session.ownership == crate::plan::snapshot::Ownership::Ours {
            self.memory.pocket.login = Some(pending);
            return self.read_session().await;
        }
        let mut record = s.session.record().cloned().unwrap_or_default();
        let superseded = record
            .attempt
            .as_ref()
            .is_some_and(|a| a.content != pending.outcome.content);
        if superseded && pending.outcome.result.is_ok() {
            return Ok(());
        }
        let names: Vec<_> = s.tokens.iter().map(|t| t.name.clone()).collect();
        record.settle(&pending.outcome, &names, self.now());
        match self.write_record(&record, Some(&pending)).await {
            Ok(meta) => {
                self.login_stored(s, record, pending, meta);
                Ok(())
            }
            Err(error) => {
                self.memory.pocket.login = Some(pending);
                self.session_moved(error).await
            }
        }
    }

    /// Writes the record, and the session that a login brought with it.
    pub(super) async fn write_record(
        &mut self,
        record: &Record,
        login: Option<&PendingLogin>,
    ) -> Result<SecretMeta, ClusterError> {
        let key = self.credential.session_key();
        let sealed = self.ports.vault().seal_record(&key, record);
        let mut change = SecretChange {
            annotations: annotations::of_last_login(&self.last_login(record)),
            ..SecretChange::default()
        };
        change.keys.insert("record", sealed.bytes);
        if let Some((login, session)) = login.and_then(|login| Some((login, session_of(login)?))) {
            self.seal_into(&mut change, &login.binding, &session);
        }
        match &self.look.session {
            Some(seen) => self.ports.cluster().change(&key, seen, change).await,
            None => self.create_session(change, sealed.key_id).await,
        }
    }

    fn seal_into(
        &self,
        change: &mut SecretChange,
        binding: &crate::plan::snapshot::Binding,
        session: &StoredSession,
    ) {
        let sealed = self
            .ports
            .vault()
            .seal_session(&self.credential.session_key(), binding, session);
        let token = StoredToken {
            issued_at: session.answered_at,
            dead_since: None,
            binding: binding.clone(),
            tenant_id: session.account.tenant_id.clone(),
            account: observe::account_mac(self.ports, &session.account.home_account_id),
        };
        change
            .annotations
            .extend(annotations::of_session(&token, &sealed.key_id));
        change.keys.insert("token", sealed.bytes);
    }

    fn login_stored(&mut self, s: &Snapshot, record: Record, pending: PendingLogin, meta: SecretMeta) {
        self.memory.attempt = None;
        self.end_write_failure();
        let version = meta.version.clone();
        self.ports
            .view()
            .wrote(Kind::Session, &self.credential.session_key(), meta);
        match pending.outcome.result {
            Ok(_) => self.login_accepted(s, pending),
            Err(refusal) => self.login_refused(s, record, refusal, version),
        }
    }

    /// The sealed token is read back before the login Secret goes, so nothing of it is taken as known here.
    fn login_accepted(&mut self, s: &Snapshot, pending: PendingLogin) {
        self.memory.session = None;
        self.hand.session = None;
        self.memory.login_failure = None;
        self.memory.failure = None;
        self.handled(s);
        let Some(tokens) = pending.tokens else { return };
        self.memory.account.clone_from(&tokens.granted.account);
        self.learn_time(&tokens.granted);
        self.memory.pocket.tokens.clear();
        self.pocket_token(s, &pending.outcome.entry, *tokens);
    }

    /// Puts an access token into the pocket, for the request that it answers.
    pub(super) fn pocket_token(
        &mut self,
        s: &Snapshot,
        entry: &str,
        tokens: crate::reconcile::ports::Tokens,
    ) {
        let account = tokens.granted.account.as_ref().map(|a| a.home_account_id.clone());
        let account = account.or_else(|| self.memory.account.as_ref().map(|a| a.home_account_id.clone()));
        let mac = observe::account_mac(self.ports, &account.unwrap_or_default());
        let request = self
            .credential
            .entry(entry)
            .and_then(|spec| observe::request(self.ports, s, &mac, spec));
        if let Some(request) = request {
            let held = crate::plan::snapshot::Held {
                request,
                granted: tokens.granted,
            };
            let token = HeldToken {
                held,
                access_token: tokens.access_token,
            };
            self.memory.pocket.tokens.insert(entry.to_owned(), token);
        }
    }

    fn login_refused(&mut self, s: &Snapshot, record: Record, refusal: Refusal, version: String) {
        let next = record.entries.last().and_then(|e| e.next_attempt_at);
        let now = self.now();
        self.memory.login_failed(refusal, now, next);
        self.handled(s);
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
        self.memory.session = Some(SessionSeen { version, opened });
    }

    /// The request of a person that led to a call is handled.
    pub(super) fn handled(&mut self, s: &Snapshot) {
        if let Some(request) = &s.object.request {
            self.memory.handled_request = Some(request.clone());
        }
    }

    /// Whether another account logged in since: its session is not replaced by a renewal of the one before.
    fn is_of_another(&self, pending: &PendingRefresh, stored: Option<&StoredToken>) -> bool {
        let News::Newer(session, _) = &pending.news else {
            return false;
        };
        let account = observe::account_mac(self.ports, &session.account.home_account_id);
        stored.is_some_and(|stored| stored.account != account)
    }

    async fn store_refresh(&mut self, s: &Snapshot, pending: PendingRefresh) -> Acted {
        let stored = s.session.token.as_ref();
        if !still_fits(&pending, stored) || self.is_of_another(&pending, stored) {
            return Ok(());
        }
        match self.write_refresh(&pending).await {
            Ok(meta) => {
                self.refresh_stored(s, pending, meta);
                Ok(())
            }
            Err(error) => {
                self.memory.pocket.refresh = Some(pending);
                self.session_moved(error).await
            }
        }
    }

    async fn write_refresh(&self, pending: &PendingRefresh) -> Result<SecretMeta, ClusterError> {
        let seen = self.look.session.as_ref().ok_or(ClusterError::NotFound)?;
        let (key, change) = (self.credential.session_key(), self.refresh_change(pending));
        self.ports.cluster().change(&key, seen, change).await
    }

    fn refresh_change(&self, pending: &PendingRefresh) -> SecretChange {
        let mut change = SecretChange::default();
        match &pending.news {
            News::Newer(session, binding) => self.seal_into(&mut change, binding, session),
            News::Dead(at) => {
                let since = crate::reconcile::stamp::to_text(*at);
                change
                    .annotations
                    .insert(crate::api::annotation::DEAD_SINCE.to_owned(), Some(since));
            }
        }
        change
    }

    fn refresh_stored(&mut self, s: &Snapshot, pending: PendingRefresh, meta: SecretMeta) {
        self.end_write_failure();
        let opened = match (&s.session.opened, &pending.news) {
            (Opened::Read { record, .. }, News::Newer(session, _)) => Opened::Read {
                record: record.clone(),
                account: Some(session.account.clone()),
                unsealable: false,
            },
            (opened, _) => opened.clone(),
        };
        self.memory.session = Some(SessionSeen {
            version: meta.version.clone(),
            opened,
        });
        self.ports
            .view()
            .wrote(Kind::Session, &self.credential.session_key(), meta);
        if let News::Newer(session, _) = pending.news {
            self.hand.session = Some(*session);
        }
    }
}

/// After somebody else's write: a death fits only the token that was redeemed, a newer token only if it is newer.
fn still_fits(pending: &PendingRefresh, stored: Option<&StoredToken>) -> bool {
    let Some(stored) = stored else { return false };
    match &pending.news {
        News::Newer(session, _) => {
            session.answered_at > stored.issued_at || stored.issued_at == pending.redeemed
        }
        News::Dead(_) => stored.issued_at == pending.redeemed,
    }
}

fn session_of(pending: &PendingLogin) -> Option<StoredSession> {
    let tokens = pending.tokens.as_ref()?;
    Some(StoredSession {
        refresh_token: tokens.refresh_token.as_ref()?.duplicate(),
        account: tokens.granted.account.clone().unwrap_or_default(),
        answered_at: tokens.granted.answered_at,
    })
}

/// Time from which a redeemed session counts.
pub(super) fn redeemed_at(s: &Snapshot) -> Time {
    s.session.token.as_ref().map_or(Time(0), |t| t.issued_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::answer::Account;
    use crate::plan::snapshot::Binding;
    use crate::reconcile::material::Secret;

    fn stored(issued_at: i64) -> StoredToken {
        StoredToken {
            issued_at: Time(issued_at),
            dead_since: None,
            binding: Binding::default(),
            tenant_id: String::new(),
            account: String::new(),
        }
    }

    fn newer(redeemed: i64, answered_at: i64) -> PendingRefresh {
        let session = StoredSession {
            refresh_token: Secret::new("r".to_owned()),
            account: Account::default(),
            answered_at: Time(answered_at),
        };
        PendingRefresh {
            redeemed: Time(redeemed),
            news: News::Newer(Box::new(session), Binding::default()),
        }
    }

    fn dead(redeemed: i64) -> PendingRefresh {
        PendingRefresh {
            redeemed: Time(redeemed),
            news: News::Dead(Time(900)),
        }
    }

    #[test]
    fn an_older_refresh_token_never_replaces_a_newer_one() {
        assert!(still_fits(&newer(100, 200), Some(&stored(100))));
        assert!(still_fits(&newer(100, 200), Some(&stored(150))));
        assert!(!still_fits(&newer(100, 200), Some(&stored(200))));
        assert!(!still_fits(&newer(100, 200), Some(&stored(300))));
    }

    #[test]
    fn a_death_is_that_of_the_token_that_was_redeemed() {
        assert!(still_fits(&dead(100), Some(&stored(100))));
        assert!(!still_fits(&dead(100), Some(&stored(200))));
    }

    #[test]
    fn nothing_is_stored_where_the_refresh_token_is_gone() {
        assert!(!still_fits(&newer(100, 200), None));
        assert!(!still_fits(&dead(100), None));
    }
}
