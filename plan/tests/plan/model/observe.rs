//! From the model to the facts.

use entra_plan::identity::AccountTag;
use entra_plan::keys::Keys;
use entra_plan::mac::{RequestMac, ScopesMac, ShapeMac};
use entra_plan::metadata::{EntryName, Version};
use entra_plan::snapshot::{
    Binding, Claim, Content, Leftover, Login, LoginSecret, Object, Opened, Ownership, Pocket, Session,
    Snapshot, Target, Token, Unopened, Wanted,
};

use super::{Ring, SealedToken, SessionObject, TENANTS, World, key_name};

impl World {
    /// The facts as the shell sees them.
    pub fn observe(&self) -> Snapshot {
        let mut s = Snapshot {
            object: self.object(),
            target: Target::Known {
                binding: self.binding(),
                resolved_tenant: self.resolved(),
            },
            login: self.login(),
            session: self.session(),
            pocket: self.pocket(),
            failure: self.known.failure.clone(),
            login_failure: self.known.login_failure.clone(),
            deleted_login_at: self.known.deleted_login_at,
            last_redeemed_at: self.known.last_redeemed_at,
            account: self.known.account.clone(),
            holds: self.known.holds.clone(),
            withheld: self.known.withheld.clone(),
            turn_at: self.known.turn_at,
            handled: self.known.handled,
            moved: self.known.moved.clone(),
            search: self.known.search,
            keys: Keys {
                generation: self.ring.generation,
                sealing: key_name(self.ring.sealing),
            },
            reseal_at: self.known.reseal_at,
            ..Snapshot::default()
        };
        let account = account(&s);
        s.tokens = self
            .spec
            .entries
            .keys()
            .map(|name| self.token(name, &account))
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

    fn resolved(&self) -> Option<String> {
        let resolved = self.known.resolved.as_ref();
        let of_this = resolved.filter(|(binding, _)| *binding == self.binding());
        of_this.map(|(_, guid)| guid.clone())
    }

    fn object(&self) -> Object {
        Object {
            generation: self.spec.generation,
            observed_generation: self.spec.generation,
            deleting: self.spec.deleting,
            suspended: self.spec.suspended,
            spread: 321,
            at_percent: 60,
            said: self.spec.said,
            inputs: entra_plan::record::Inputs {
                scopes: ScopesMac(format!("{:?}", self.spec.entries)),
                ..crate::build::inputs()
            },
            first_form: entra_plan::record::FirstForm::default(),
            ahead: 0,
            was_ready: self.cluster.status.was_ready,
        }
    }

    fn login(&self) -> Login {
        let Some(login) = &self.cluster.login else {
            return Login::Absent;
        };
        let seen = self.known.login.as_ref().filter(|seen| {
            (&seen.uid, &seen.version) == (&login.uid, &login.version) && seen.made_for == self.made_for()
        });
        Login::Present(LoginSecret {
            uid: login.uid.clone(),
            version: login.version.clone(),
            deleting: false,
            allows_identity_change: login.leave,
            claim: if login.claimed { Claim::Ours } else { Claim::Free },
            content: seen.map_or(Content::Unread, |seen| seen.content.clone()),
            made_for: self.made_for(),
        })
    }

    fn session(&self) -> Session {
        let attempt = self.known.attempt.clone();
        let Some(object) = &self.cluster.session else {
            return Session {
                attempt,
                ..Session::default()
            };
        };
        let seen = self
            .known
            .session
            .as_ref()
            .filter(|seen| seen.version == object.version && seen.keys == self.ring.generation);
        Session {
            unlabelled: false,
            ownership: object.ownership,
            version: Some(object.version.clone()),
            immutable: false,
            token: object.token.as_ref().map(|t| t.stored.clone()),
            last_login: object.last_login.clone(),
            sealed_by: Some(key_name(object.key_id)),
            opened: seen.map_or(Opened::Unread, |seen| seen.opened.clone()),
            attempt,
        }
    }

    fn pocket(&self) -> Pocket {
        Pocket {
            login: self.pocket.login.as_ref().map(|(outcome, _)| outcome.clone()),
            refresh: self.pocket.refresh.as_ref().map(|(outcome, _)| outcome.clone()),
        }
    }

    /// Keyed hash of the request that `name` answers for `account`.
    pub fn request(&self, name: &EntryName, account: &AccountTag) -> Option<RequestMac> {
        let scope = self.spec.entries.get(name)?;
        Some(RequestMac(format!(
            "{}/{scope}/{}",
            TENANTS[self.spec.tenant].0, account.0
        )))
    }

    fn wanted(&self, name: &EntryName, account: &Whose) -> Wanted {
        match account {
            Whose::Unknown => Wanted::Anything,
            Whose::Nobodys => Wanted::Another,
            Whose::Theirs(tag) => Wanted::Request(self.request(name, tag).unwrap()),
        }
    }

    fn token(&self, name: &EntryName, account: &Whose) -> Token {
        let object = self.cluster.tokens.get(name);
        let note = self.known.entries.get(name).cloned().unwrap_or_default();
        let ownership = object.map_or(Ownership::Absent, |o| o.ownership);
        let published = object.filter(|o| o.ownership == Ownership::Ours).map(|o| {
            let is = |version: &Option<Version>| version.as_ref() == Some(&o.published.version);
            let (verified, edited) = (is(&note.verified), is(&note.edited));
            entra_plan::snapshot::Published {
                verified,
                edited,
                ..o.published.clone()
            }
        });
        Token {
            unlooked: note.is_missed(ownership),
            name: name.to_owned(),
            ownership,
            wanted: self.wanted(name, account),
            shape: ShapeMac("shape".to_owned()),
            published,
            held: self.pocket.tokens.get(name).cloned(),
            failure: note.failure,
            deferred_until: note.deferred_until,
            reduced: false,
            repairs: note.repairs,
            deleting: false,
            looked_at: note.looked_at,
        }
    }

    fn leftovers(&self) -> Vec<Leftover> {
        let dropped = |name: &EntryName| !self.spec.entries.contains_key(name);
        let ours = self
            .cluster
            .tokens
            .iter()
            .filter(|(name, o)| dropped(name) && o.ownership == Ownership::Ours);
        ours.map(|(name, _)| Leftover { name: name.clone() }).collect()
    }
}

impl SessionObject {
    /// What a read gives.
    pub fn open(&self, ring: &Ring) -> Opened {
        let token = self.token.as_ref().map(SealedToken::sealed);
        Opened::of(
            Some(ring.open(self.record_key, self.record.clone())),
            token.map(|token| ring.open(self.token_key, token)),
        )
    }
}

impl Ring {
    fn open<T>(&self, key: u32, content: T) -> Result<T, Unopened> {
        if self.missing.contains(&key) {
            Err(Unopened::Locked)
        } else {
            Ok(content)
        }
    }
}

/// Whose tokens the spec asks for.
enum Whose {
    /// Nobody is known.
    Unknown,
    /// The stored session belongs elsewhere.
    Nobodys,
    Theirs(AccountTag),
}

fn account(s: &Snapshot) -> Whose {
    match (s.account_tag(), &s.account) {
        (Some(tag), _) if s.session_matches() => Whose::Theirs(tag.clone()),
        (Some(_), _) => Whose::Nobodys,
        (None, Some(last)) => Whose::Theirs(AccountTag(last.home_account_id.clone())),
        (None, None) => Whose::Unknown,
    }
}
