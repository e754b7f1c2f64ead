//! Reads and writes of the refresh-token Secret: the record of an attempt, its outcome, a newer token, a death.

use entra_plan::known::SessionSeen;
use entra_plan::metadata::{EntryName, Version};
use entra_plan::record::{Attempt, ContentMac, Record};
use entra_plan::settle::{login, reads, store};
use entra_plan::snapshot::{Held, Login, LoginOutcome, Ownership, RefreshOutcome};
use entra_plan::{Object, Snapshot};

use super::super::{Ring, SealedToken, SessionObject, World, key_name};
use super::Asked;

impl World {
    pub(super) fn read_session(&mut self, s: &Snapshot) {
        if self.refused(s, &Object::Session, Asked::Read) {
            return;
        }
        let session = self.cluster.session.as_ref().expect("only what exists is read");
        assert_eq!(
            session.ownership,
            Ownership::Ours,
            "rule 8: a foreign object is read"
        );
        let seen = SessionSeen {
            version: session.version.clone(),
            keys: self.ring.generation,
            sealed_by: Some(key_name(session.record_key.min(session.token_key))),
            opened: session.open(&self.ring),
        };
        reads::session(&mut self.known, seen, false, self.now);
    }

    pub(super) fn record_attempt(&mut self, s: &Snapshot, content: &ContentMac, entry: &EntryName) {
        self.writing(self.owner());
        if self.refused(s, &Object::Login, Asked::Write) {
            return;
        }
        let Login::Present(login) = &s.login else {
            unreachable!("only what is there is recorded")
        };
        let attempt = Attempt {
            id: format!("attempt-{}", self.id()),
            content: content.clone(),
            entry: entry.clone(),
        };
        let mut record = s.record().cloned().unwrap_or_default();
        record.begin(attempt, s, login, self.now);
        let version = self.write_record(record.clone());
        login::recorded(&mut self.known, s, record, version, self.now);
    }

    fn owner(&self) -> Ownership {
        self.cluster
            .session
            .as_ref()
            .map_or(Ownership::Absent, |s| s.ownership)
    }

    pub(super) fn store(&mut self, s: &Snapshot) {
        self.writing(self.owner());
        if self.refused(s, &Object::Session, Asked::Write) {
            return;
        }
        match (self.pocket.login.take(), self.pocket.refresh.take()) {
            (Some((outcome, token)), refresh) => {
                self.pocket.refresh = refresh;
                self.store_login(s, outcome, token);
            }
            (None, Some((outcome, token))) if store::still_fits(&outcome, s) => {
                self.store_refresh(s, &outcome, token);
            }
            (None, _) => {}
        }
    }

    fn store_login(&mut self, s: &Snapshot, mut outcome: LoginOutcome, token: Option<SealedToken>) {
        let mut record = s.record().cloned().unwrap_or_default();
        if !store::login_fits(s, &record) {
            return;
        }
        login::judge_again(s, &mut outcome);
        let (token, outcome) = (token.filter(|_| outcome.result.is_ok()), &outcome);
        let names: Vec<_> = s.tokens.iter().map(|t| t.name.clone()).collect();
        record.settle(outcome, &names, self.now);
        self.ledger.recorded(outcome);
        let version = self.write_record(record.clone());
        if let Some(token) = token {
            self.pocket_token(outcome, &token);
            self.replace_token(token, true);
        }
        login::stored(&mut self.known, s, outcome, record, version, self.now);
    }

    fn pocket_token(&mut self, outcome: &LoginOutcome, token: &SealedToken) {
        self.pocket.tokens.clear();
        let request = self.request(&outcome.entry, &token.pin.tag);
        if let (Some(request), Ok(granted)) = (request, outcome.result.clone())
            && granted.unusable.is_none()
        {
            self.pocket
                .tokens
                .insert(outcome.entry.clone(), Held { request, granted });
        }
    }

    fn store_refresh(&mut self, s: &Snapshot, outcome: &RefreshOutcome, token: Option<SealedToken>) {
        let sealed = token.as_ref().map(SealedToken::sealed);
        if let Some(token) = token {
            self.replace_token(token, false);
        } else {
            let session = self.cluster.session.as_mut().unwrap();
            session.token.as_mut().unwrap().stored.dead_since = match outcome {
                RefreshOutcome::Dead { since, .. } => Some(*since),
                _ => None,
            };
        }
        let version = self.written();
        store::stored(&mut self.known, s, version, sealed);
    }

    fn replace_token(&mut self, token: SealedToken, by_login: bool) {
        self.replacing_token(&token, by_login);
        let session = self.cluster.session.as_mut().unwrap();
        session.token = Some(token);
        session.token_key = self.ring.sealing;
    }

    pub(super) fn reseal(&mut self, s: &Snapshot) {
        self.writing(self.owner());
        if self.refused(s, &Object::Session, Asked::Write) {
            return;
        }
        let version = self.written();
        store::resealed(&mut self.known, s, version);
    }

    /// Every write seals anew what opens.
    fn written(&mut self) -> Version {
        let version = self.version();
        let Ring { sealing, missing, .. } = &self.ring;
        let session = self.cluster.session.as_mut().unwrap();
        for key in [&mut session.record_key, &mut session.token_key] {
            if !missing.contains(key) {
                *key = *sealing;
            }
        }
        if session.token.is_none() {
            session.token_key = session.record_key;
        }
        session.key_id = session.record_key.min(session.token_key);
        session.version = version.clone();
        version
    }

    fn write_record(&mut self, record: Record) -> Version {
        let last_login = Some(login::described(&self.known, &record));
        let sealing = self.ring.sealing;
        let session = self
            .cluster
            .session
            .get_or_insert_with(|| SessionObject::new(sealing));
        if self.ring.missing.contains(&session.record_key) {
            self.ledger
                .record_given_up(session.last_login.as_ref(), self.cluster.login.as_ref());
        }
        (session.record, session.last_login) = (record, last_login);
        session.record_key = sealing;
        self.written()
    }
}

impl SessionObject {
    fn new(key: u32) -> Self {
        Self {
            version: Version::default(),
            ownership: Ownership::Ours,
            token: None,
            record: Record::default(),
            last_login: None,
            token_key: key,
            record_key: key,
            key_id: key,
        }
    }
}
