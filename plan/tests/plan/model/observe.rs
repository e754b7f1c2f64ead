//! From the model to the facts.

use entra_plan::record::Record;
use entra_plan::snapshot::{
    Binding, Claim, Content, Leftover, Login, LoginSecret, Object, Opened, Ownership, Pocket, RefreshOutcome,
    Session, Snapshot, Target, Token,
};

use super::{News, SessionObject, TENANTS, World};
use crate::build::NOW;

impl World {
    /// The facts as the shell sees them.
    pub fn observe(&self) -> Snapshot {
        let mut s = Snapshot {
            object: self.object(),
            target: Target::Known {
                binding: self.binding(),
                resolved_tenant: self
                    .memory
                    .resolved
                    .filter(|t| *t == self.spec.tenant)
                    .map(|t| TENANTS[t].1.to_owned()),
            },
            login: self.login(),
            session: self.session(),
            pocket: self.pocket(),
            failure: self.memory.status.failure.clone(),
            login_failure: self.memory.status.login_failure.clone(),
            deleted_login_at: self.memory.deleted_login_at,
            last_redeemed_at: self.memory.status.last_redeemed_at,
            ..Snapshot::default()
        };
        let account = account(&s);
        s.tokens = self
            .spec
            .entries
            .keys()
            .map(|name| self.token(name, account.as_deref()))
            .collect();
        s.leftovers = self.leftovers();
        s
    }

    /// What the spec names.
    pub fn binding(&self) -> Binding {
        Binding {
            tenant: TENANTS[self.spec.tenant].0.to_owned(),
            ..crate::build::binding()
        }
    }

    fn object(&self) -> Object {
        let request = self.spec.request.map(|r| r.to_string());
        let pending = self.spec.request != self.memory.status.handled;
        Object {
            generation: self.spec.generation,
            observed_generation: self.spec.generation,
            deleting: self.spec.deleting,
            suspended: self.spec.suspended,
            spread: 321,
            at_percent: 60,
            inputs: format!(
                "{};request={}",
                self.spec.generation,
                request.as_deref().unwrap_or_default()
            ),
            request: request.filter(|_| pending),
            clock_skewed: false,
            was_ready: self.memory.status.was_ready,
        }
    }

    fn login(&self) -> Login {
        let Some(login) = &self.cluster.login else {
            return Login::Absent;
        };
        let read = self.memory.login_read == Some((login.version, self.spec.tenant));
        let valid = Content::Valid {
            mac: self.mac(login.password),
            not_before: NOW,
        };
        Login::Present(LoginSecret {
            uid: login.uid.to_string(),
            version: login.version.to_string(),
            deleting: false,
            allows_identity_change: login.leave,
            claim: if login.claimed { Claim::Ours } else { Claim::Free },
            content: if read { valid } else { Content::Unread },
        })
    }

    fn session(&self) -> Session {
        let attempt = self.memory.attempt.clone();
        let Some(object) = &self.cluster.session else {
            return Session {
                attempt,
                ..Session::default()
            };
        };
        let read = self.memory.session_read == Some(object.version);
        Session {
            ownership: object.ownership,
            version: object.version.to_string(),
            immutable: false,
            token: object.token.as_ref().map(|t| t.stored.clone()),
            last_login: object.last_login.clone(),
            opened: if read { object.open() } else { Opened::Unread },
            attempt,
        }
    }

    fn pocket(&self) -> Pocket {
        Pocket {
            login: self
                .memory
                .login_outcome
                .as_ref()
                .map(|(outcome, _)| outcome.clone()),
            refresh: self.memory.refresh.as_ref().map(|news| match news {
                News::Newer(token) => RefreshOutcome::Newer(token.stored.issued_at),
                News::Dead(at) => RefreshOutcome::Dead(*at),
            }),
        }
    }

    /// Keyed hash of the request that `name` answers for `account`.
    pub fn request(&self, name: &str, account: &str) -> Option<String> {
        let scope = self.spec.entries.get(name)?;
        Some(format!("{}/{scope}/{account}", TENANTS[self.spec.tenant].0))
    }

    fn token(&self, name: &str, account: Option<&str>) -> Token {
        let object = self.cluster.tokens.get(name);
        let note = self.memory.status.notes.get(name).cloned().unwrap_or_default();
        let ownership = object.map_or(Ownership::Absent, |o| o.ownership);
        let published = object.filter(|o| o.ownership == Ownership::Ours).map(|o| {
            let is = |version: &Option<String>| version.as_ref() == Some(&o.published.version);
            let (verified, edited) = (is(&note.verified), is(&note.edited));
            entra_plan::snapshot::Published {
                verified,
                edited,
                ..o.published.clone()
            }
        });
        Token {
            name: name.to_owned(),
            ownership,
            wanted: account.and_then(|account| self.request(name, account)),
            shape: "shape".to_owned(),
            published,
            held: self.memory.held.get(name).cloned(),
            failure: note.failure,
            deferred_until: note.deferred_until,
            reduced: false,
            repairs: note.repairs,
        }
    }

    fn leftovers(&self) -> Vec<Leftover> {
        let dropped = |name: &String| !self.spec.entries.contains_key(name.as_str());
        let ours = self
            .cluster
            .tokens
            .iter()
            .filter(|(name, o)| dropped(name) && o.ownership == Ownership::Ours);
        let retry = |name: &String| {
            self.memory
                .status
                .notes
                .get(name)?
                .failure
                .as_ref()?
                .next_attempt_at
        };
        ours.map(|(name, _)| Leftover {
            name: name.clone(),
            retry_at: retry(name),
        })
        .collect()
    }
}

impl SessionObject {
    /// What a read gives: a record that does not open counts as empty, a token that does not stays where it is.
    pub fn open(&self) -> Opened {
        let opens = self.token.as_ref().filter(|_| !self.token_sealed_off);
        Opened::Read {
            record: if self.record_sealed_off {
                Record::default()
            } else {
                self.record.clone()
            },
            account: opens.map(|t| t.account.clone()),
            unsealable: self.token.is_some() && self.token_sealed_off,
        }
    }
}

/// Keyed hash of the account whose tokens the spec asks for.
fn account(s: &Snapshot) -> Option<String> {
    let token = s.session.token.as_ref()?;
    Some(if s.session_matches() {
        token.account.clone()
    } else {
        "another binding".to_owned()
    })
}
