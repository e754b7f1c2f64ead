//! Rules about passwords and refresh tokens: what may be sent, stored and deleted (product §4: 1, 2, 3, 6, 7, 10).

use entra_operator::api::{
    ANNOTATION_ALLOW_IDENTITY_CHANGE, EntraCredentialSpec, LOGIN_TYPE, Realm, annotation,
};
use entra_operator::cluster::SecretStore;
use entra_operator::plan::answer::Effect;
use entra_operator::plan::record::{Record, Verdict};
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::material::{LoginContent, Secret};
use entra_operator::reconcile::ports::{Key, Outcome, Vault};

use super::api::Object;
use super::book::{Content, OpenedSession, session_key};
use super::idp::{Asked, tenant_guid};
use super::ports::told;
use super::world::World;

/// Sends without a complete answer that a content gets.
const SENDS: u32 = 3;

impl World {
    /// A password is about to leave.
    pub fn judge_send(&mut self, asked: &Asked, user: &str, password: &str) -> (Key, Content) {
        self.counts.sends += 1;
        self.tally().sends += 1;
        let key = self.whose();
        let mac = self.mac_of(asked, user, password);
        self.note(|| format!("SEND {user}/{password} to {:?} ({:.8})", asked.binding, mac));
        let now = self.now();
        let content = (user.to_owned(), password.to_owned(), asked.binding.clone());
        let open = self.book.sends.entry((key.clone(), content.clone())).or_default();
        *open += 1;
        let open = *open;
        if !self.book.was_reset(&key, now) {
            self.judge_recorded(&key, &mac, open, now);
        }
        (key, content)
    }

    fn mac_of(&self, asked: &Asked, user: &str, password: &str) -> String {
        let login = LoginContent {
            username: Secret::new(user.to_owned()),
            password: Secret::new(password.to_owned()),
        };
        self.judge.content_mac(&login, &asked.binding, Realm::Auto).0
    }

    fn judge_recorded(&mut self, key: &Key, mac: &str, open: u32, now: i64) {
        let asked_for = self.book.requests.get(key).copied().unwrap_or(0);
        if open > SENDS + asked_for {
            self.broken(
                1,
                format!("send {open} without a complete answer ({asked_for} requests)"),
            );
        }
        let session = self.session_of(key);
        let past = session.record.entries.iter().find(|e| e.content.0 == mac);
        if past.is_some_and(|e| e.verdict == Verdict::Wrong) {
            self.broken(1, "a condemned password was sent");
        }
        match self.book.recorded.get(&(key.clone(), mac.to_owned())).copied() {
            Some((0, _)) | None => self.broken(1, "a password was sent that was not recorded"),
            Some((_, at)) if now - at > 11_000 => {
                self.broken(1, format!("sent {} ms after its record", now - at));
            }
            Some((n, at)) => {
                self.book
                    .recorded
                    .insert((key.clone(), mac.to_owned()), (n - 1, at));
            }
        }
    }

    /// An answer reached a living process. Final verdicts count once they are stored.
    pub fn judge_answer(&mut self, send: (Key, Content), outcome: &Outcome) {
        self.note(|| format!("login answered: {}", told(outcome)));
        let over = match outcome {
            Outcome::Refused(r) => !matches!(r.effect, Effect::Unanswered | Effect::Condemned),
            Outcome::Later(_) => true,
            Outcome::Granted(t) => t.refresh_token.is_none() || self.wrong_identity(&send.0, t),
        };
        if let (true, Some(open)) = (over, self.book.sends.get_mut(&send)) {
            *open = open.saturating_sub(1);
        }
    }

    /// Such an answer is discarded, which is a complete answer too.
    fn wrong_identity(&self, key: &Key, tokens: &entra_operator::reconcile::ports::Tokens) -> bool {
        let pinned = self.session_of(key).session.map(|s| s.account.home_account_id);
        let new = tokens.granted.account.as_ref().map(|a| a.home_account_id.clone());
        pinned.is_some() && pinned != new
    }

    /// A refresh token is about to leave.
    pub fn judge_redemption(&mut self, asked: &Asked, token: &str, store: &SecretStore) {
        self.counts.redemptions += 1;
        self.tally().redemptions += 1;
        self.note(|| format!("REDEEM {token} for {:?}", asked.scopes));
        let Some(known) = self.idp.refresh.get(token).cloned() else {
            return self.broken(6, format!("an unknown refresh token {token}"));
        };
        let (to, of) = (&asked.binding, &known.binding);
        let same_tenant = tenant_guid(&to.tenant) == tenant_guid(&of.tenant);
        if to.authority != of.authority || to.client_id != of.client_id || !same_tenant {
            self.broken(6, format!("{token} of {of:?} went to {to:?}"));
        }
        let credential = self.turn.as_ref().unwrap().credential.clone();
        if credential.spec.suspend || credential.deleting {
            self.broken(8, "a call for a suspended or deleted credential");
        }
        let seen = store.get(&session_key(&credential.key));
        let dead = seen.is_some_and(|m| m.annotations.contains_key(annotation::DEAD_SINCE));
        let found = self.book.dead_at.get(&credential.key).copied();
        let before = found.is_some_and(|at| at < self.tally().began);
        if dead && before && credential.request.is_none() {
            self.broken(7, "a dead refresh token was redeemed");
        }
        self.judge_due(asked, store);
    }

    /// Nothing is renewed that is known to be whole and younger than half of its life.
    fn judge_due(&mut self, asked: &Asked, store: &SecretStore) {
        let credential = self.turn.as_ref().unwrap().credential.clone();
        let before = if self.alone {
            let handled = self.book.handled.get(&credential.key).cloned();
            handled.is_some_and(|(value, at)| Some(value) == credential.request && at < self.tally().began)
        } else {
            // Two processes that both write the status may undo what the other one wrote.
            let status = credential.status.as_ref();
            status.is_some_and(|s| s.last_handled_refresh_request == credential.request)
        };
        // A process measures its clock by the answers: it errs until the first one after a jump.
        let jumped = self.now() - self.book.jumped_at < 2 * 3_600_000;
        let off = jumped || (asked.at - asked.wall).abs() > 60;
        if off || (credential.request.is_some() && !before) {
            return;
        }
        let entry = credential.spec.tokens.iter().find(|t| t.scopes == asked.scopes);
        let Some(key) = entry.map(|e| credential.sibling(&e.secret_name)) else {
            return;
        };
        let Some(object) = self.api.secrets.get(&key).cloned() else {
            return;
        };
        // Two processes that renew at the same moment waste a call; that is all.
        let grace = if self.alone { 0 } else { 5000 };
        let published = self.book.published.get(&key).cloned();
        let meanwhile = published
            .as_ref()
            .is_some_and(|(at, _)| *at >= self.tally().began - grace);
        let known = !meanwhile
            && store
                .get(&key)
                .is_some_and(|m| m.version == object.version.to_string());
        let shaped = published.map(|(_, labels)| labels) == entry.map(|e| e.labels.clone());
        if !known || !shaped || !self.is_intact(&key, &object) || object.immutable {
            return;
        }
        let Some(access) = object
            .text("access_token")
            .and_then(|t| self.idp.access.get(&t))
            .cloned()
        else {
            return;
        };
        let pinned = self
            .session_of(&credential.key)
            .session
            .map(|s| s.account.home_account_id);
        let fits = access.scopes == asked.scopes
            && pinned == Some(access.account)
            && access.binding == asked.binding
            && object
                .controller
                .as_ref()
                .is_some_and(|c| c.uid == credential.uid);
        let Some(published) = annotations::published(&object.meta()) else {
            return;
        };
        let age = asked.wall - published.issued_at.0;
        if fits && (age + 5) * 2 < published.life().seconds() {
            self.broken(10, format!("{} was renewed at an age of {age} s", key.name));
        }
    }

    /// A login Secret was deleted by the operator.
    pub fn judge_login_deleted(&mut self, key: &Key, old: &Object) {
        let credential = self.turn.as_ref().unwrap().credential.clone();
        if old.kind != LOGIN_TYPE || credential.login_key() != *key {
            return self.broken(8, format!("{} was deleted", key.name));
        }
        let session = self.session_of(&credential.key);
        let (Some(user), Some(password)) = (old.text("username"), old.text("password")) else {
            return self.broken(2, "an incomplete login was deleted");
        };
        let asked = Asked {
            binding: binding_of(&credential.spec),
            scopes: vec![],
            at: 0,
            wall: 0,
        };
        let mac = self.mac_of(&asked, &user, &password);
        let entry = session.record.entries.iter().find(|e| e.content.0 == mac);
        match entry.map(|e| e.verdict.clone()) {
            Some(Verdict::Wrong) => {}
            Some(Verdict::Accepted) if session.session.is_some() => {}
            _ if self.book.was_reset(&credential.key, self.now()) => {}
            other => self.broken(2, format!("a login with verdict {other:?} was deleted")),
        }
    }

    /// A refresh-token Secret was written by the operator.
    pub fn judge_session(&mut self, key: &Key, old: Option<&Object>, new: &Object) {
        let (was, is) = (self.open(key, old), self.open(key, Some(new)));
        let whose = self.whose();
        self.judge_record(&whose, &was, &is);
        if is.dead && !was.dead {
            let now = self.now();
            self.book.dead_at.insert(whose.clone(), now);
        }
        if was.has_token && !is.has_token {
            return self.broken(3, "a stored refresh token was lost");
        }
        let Some(session) = &is.session else {
            if was.session.is_some() {
                self.broken(3, "a stored refresh token can no longer be opened");
            }
            return;
        };
        let token = session.refresh_token.expose().to_owned();
        let before = was.session.as_ref().map(|s| s.refresh_token.expose().to_owned());
        if before.as_ref() == Some(&token) {
            return;
        }
        self.note(|| format!("STORED {token} over {before:?}"));
        self.judge_newer(&whose, &was, &is, &token);
        let newest = self.book.stored.entry(whose).or_insert(i64::MIN);
        *newest = session.answered_at.0.max(*newest);
    }

    fn judge_newer(&mut self, whose: &Key, was: &OpenedSession, is: &OpenedSession, token: &str) {
        let Some(issued) = self.idp.refresh.get(token).cloned() else {
            return self.broken(3, "an unknown refresh token was stored");
        };
        if is.binding.as_ref().is_some_and(|b| {
            b.authority != issued.binding.authority || b.client_id != issued.binding.client_id
        }) {
            self.broken(6, format!("{token} was stored for another binding"));
        }
        let Some(before) = &was.session else {
            if !issued.by_login {
                self.broken(3, "a renewal was stored where nothing was stored");
            }
            return;
        };
        let other = before.account.home_account_id != issued.account;
        let login = self.turn.as_ref().unwrap().credential.login_key();
        let leave = self.book.leave.contains(&login);
        if other && was.binding == is.binding && !(issued.by_login && leave) {
            self.broken(6, format!("{whose:?} became {}", issued.account));
        }
        let older = is
            .session
            .as_ref()
            .is_some_and(|s| s.answered_at < before.answered_at);
        if !issued.by_login && older {
            self.broken(3, "an older refresh token replaced a newer one");
        }
    }

    fn judge_record(&mut self, whose: &Key, was: &OpenedSession, is: &OpenedSession) {
        let (old, new) = (&was.record, &is.record);
        let full = new.entries.len() >= Record::LIMIT;
        for entry in old.entries.iter().filter(|e| e.verdict == Verdict::Wrong) {
            let kept = new
                .entry(&entry.content)
                .is_some_and(|e| e.verdict == Verdict::Wrong);
            if !kept && !full {
                self.broken(1, "a condemned content was forgotten");
            }
        }
        for entry in &new.entries {
            let fresh = old.entry(&entry.content).map(|e| &e.verdict) != Some(&entry.verdict);
            if fresh && matches!(entry.verdict, Verdict::Accepted | Verdict::Wrong) {
                self.settle(whose, &entry.content.0);
            }
        }
        let attempt = new.attempt.as_ref();
        let fresh = attempt.filter(|a| old.attempt.as_ref().is_none_or(|o| o.id != a.id));
        if let Some(attempt) = fresh {
            self.judge_attempt(whose, was, &attempt.content.0);
        }
    }

    fn judge_attempt(&mut self, whose: &Key, was: &OpenedSession, mac: &str) {
        let (now, at) = (self.now(), (whose.clone(), mac.to_owned()));
        let n = self.book.recorded.get(&at).map_or(0, |(n, _)| *n);
        self.book.recorded.insert(at, (n + 1, now));
        let past = was.record.entries.iter().find(|e| e.content.0 == mac);
        match past.map(|e| &e.verdict) {
            Some(Verdict::Wrong) => self.broken(1, "an attempt was recorded for a condemned content"),
            Some(Verdict::Accepted) if was.session.is_some() && !was.dead => {
                let target = binding_of(&self.turn.as_ref().unwrap().credential.spec);
                if was.binding.as_ref() == Some(&target) {
                    self.broken(1, "an accepted content is sent again while its token lives");
                }
            }
            _ => {}
        }
    }

    /// A final verdict was stored: sends of that content are settled.
    fn settle(&mut self, whose: &Key, mac: &str) {
        let sent: Vec<_> = self
            .book
            .sends
            .keys()
            .filter(|(k, _)| k == whose)
            .cloned()
            .collect();
        for (key, content) in sent {
            let asked = Asked {
                binding: content.2.clone(),
                scopes: vec![],
                at: 0,
                wall: 0,
            };
            if self.mac_of(&asked, &content.0, &content.1) == mac {
                self.book.sends.insert((key, content), 0);
            }
        }
    }

    /// Remembers that a login Secret allows another identity.
    pub fn note_leave(&mut self, key: &Key) {
        let allows = |o: &Object| o.annotations.contains_key(ANNOTATION_ALLOW_IDENTITY_CHANGE);
        if self.api.secrets.get(key).is_some_and(allows) {
            self.book.leave.insert(key.clone());
        }
    }

    /// Whether a token Secret's data is what the operator rendered.
    pub fn is_intact(&self, key: &Key, object: &Object) -> bool {
        let mac = self.judge.data_mac(key, &object.secret_data());
        object.annotations.get(annotation::RENDERED) == Some(&mac)
            && annotations::published(&object.meta()).is_some()
    }
}

/// Where a spec's requests go.
pub fn binding_of(spec: &EntraCredentialSpec) -> Binding {
    let authority = match spec.authority {
        Some(_) => "lab.example",
        None => "login.example",
    };
    Binding {
        authority: authority.to_owned(),
        tenant: spec.tenant.clone().unwrap_or_default(),
        client_id: spec.client_id.clone(),
    }
}
