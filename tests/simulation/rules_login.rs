//! Rules about passwords and refresh tokens: what may be sent, stored and deleted (docs/contract.md, rules 1, 2, 3, 6, 7, 10, 11).

use entra_operator::api::{
    ANNOTATION_ALLOW_IDENTITY_CHANGE, EntraCredentialSpec, LOGIN_TYPE, TokenSpec, annotation,
};
use entra_operator::cluster::SecretStore;
use entra_operator::entra::SKEW_MIN;
use entra_operator::plan::record::{Record, Verdict};
use entra_operator::plan::snapshot::Binding;
use entra_operator::reconcile::ports::{Key, Vault};
use entra_operator::reconcile::{Credential, annotations};

use super::api::Object;
use super::book::{OpenedSession, session_key};
use super::identity::account_of;
use super::idp::{Asked, tenant_guid};
use super::rules_sends::asked_for;
use super::words::{stamp, word};
use super::world::World;

impl World {
    /// A refresh token is about to leave.
    pub fn judge_redemption(&mut self, asked: &Asked, token: &str, store: &SecretStore) {
        self.counts.redemptions += 1;
        self.tally().redemptions += 1;
        self.count_ripened(asked);
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
        let asking = |t: &&TokenSpec| t.scopes == asked.scopes;
        let entry = credential.spec.tokens.iter().find(asking);
        let placeless =
            entry.is_some_and(|t| !self.api.secrets.contains_key(&credential.sibling(&t.secret_name)));
        if placeless && self.is_on_its_way_out() {
            self.broken(
                8,
                "a token was asked for that no Secret of its namespace can hold",
            );
        }
        let seen = store.get(&session_key(&credential.key));
        let dead = seen.is_some_and(|m| m.annotations.contains_key(annotation::DEAD_SINCE));
        let found = self.book.dead_at.get(&credential.key).copied();
        let before = found.is_some_and(|at| at < self.tally().began);
        if dead && before && credential.request.is_none() {
            self.broken(7, "a dead refresh token was redeemed");
        }
    }

    /// Whether the namespaces were on their way out before this pass began.
    pub fn is_on_its_way_out(&mut self) -> bool {
        let since = self.api.terminating_since;
        since.is_some_and(|at| at < self.tally().began)
    }

    /// Whether a status said, before this pass, that the word has led to a renewal.
    fn was_handled(&mut self, credential: &Credential, word: Option<i64>) -> bool {
        if self.alone {
            let handled = self
                .book
                .handled
                .get(&(credential.key.clone(), credential.uid.clone()))
                .cloned();
            handled.is_some_and(|(value, at)| word <= stamp(&value) && at < self.tally().began)
        } else {
            // Two processes that both write the status may undo what the other one wrote.
            let status = credential.status.as_ref();
            let handled = status.and_then(|s| s.last_handled_refresh_request.as_deref());
            word <= handled.and_then(stamp)
        }
    }

    fn count_ripened(&mut self, asked: &Asked) {
        let credential = &self.turn.as_ref().unwrap().credential;
        let entry = credential.spec.tokens.iter().find(|t| t.scopes == asked.scopes);
        let object = entry.and_then(|t| self.api.secrets.get(&credential.sibling(&t.secret_name)));
        let Some(published) = object.and_then(|o| annotations::published(&o.meta())) else {
            return;
        };
        let began = self.tally().began / 1000;
        let young = |at: i64| (at - published.issued_at.0) * 2 < published.life().seconds();
        self.tally().ripened += u32::from(young(began) && !young(asked.at));
    }

    /// Nothing is renewed that is known to be whole and younger than half of its life, as the call is begun: what becomes known
    /// while it is on its way is late.
    pub fn judge_due(&mut self, asked: &Asked, store: &SecretStore) {
        let credential = self.turn.as_ref().unwrap().credential.clone();
        let word = credential
            .request
            .as_deref()
            .and_then(|text| word(text, asked.wall));
        let before = self.was_handled(&credential, word);
        // What began before the clock was set may go on by it.
        let off = self.untimed() || self.book.jumped_at > self.tally().began;
        if off || (word.is_some() && !before) {
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
            .is_some_and(|(at, ..)| *at >= self.tally().began - grace);
        let known = !meanwhile
            && store
                .get(&key)
                .is_some_and(|m| m.version.0 == object.version.to_string());
        let tag = self.session_of(&credential.key).session.map(|s| s.pin.tag.0);
        let shaped = published.as_ref().map(|(_, labels, _)| labels) == entry.map(|e| &e.labels)
            && published.as_ref().and_then(|(_, _, tag)| tag.as_ref()) == tag.as_ref();
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
        let pinned = self.session_of(&credential.key).account();
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
        // Clocks that are off by no more than this count as right, and tokens are dated by them.
        let tolerance = if self.clocks_are_exact() { 0 } else { SKEW_MIN };
        let age = asked.at - published.issued_at.0;
        if fits && (age + 5 + tolerance) * 2 < published.life().seconds() {
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
            withdrawn: false,
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
        if old.is_none_or(|old| old.data != new.data) {
            self.judge_key_id(old, new);
        }
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
        self.judge_need(old, new, &was, &is);
        self.book.stored.entry(whose).or_default().push(token);
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
        let other = account_of(&before.pin) != issued.account;
        let tag = is.session.as_ref().map(|s| &s.pin.tag);
        let login = self.turn.as_ref().unwrap().credential.login_key();
        let may_change = issued.by_login && self.book.leave.contains(&login);
        // With leave, and an answer that names nobody, it counts as another.
        if !other && was.binding == is.binding && tag != Some(&before.pin.tag) && !may_change {
            self.broken(6, "the tag of an account changed, though the account is the same");
        }
        if other && was.binding == is.binding && !may_change {
            self.broken(6, format!("{whose:?} became {}", issued.account));
        }
        // Times are compared between answers to the same token only.
        let from = issued.from.as_ref().and_then(|from| self.idp.refresh.get(from));
        let follows = from.is_some_and(|from| from.claimed_at == before.answered_at.0);
        let older = is
            .session
            .as_ref()
            .is_some_and(|s| s.answered_at < before.answered_at);
        if !issued.by_login && !follows && older {
            self.broken(3, "an older refresh token replaced a newer one");
        }
    }

    /// A renewal's refresh token is stored where it cannot wait, or where something else is written with it.
    fn judge_need(&mut self, old: Option<&Object>, new: &Object, was: &OpenedSession, is: &OpenedSession) {
        let (Some(before), Some(after)) = (&was.session, &is.session) else {
            return;
        };
        let resealed = self.tally().resealed;
        let Some(issued) = self.idp.refresh.get(after.refresh_token.expose()) else {
            return;
        };
        let follows = issued.from.as_deref() == Some(before.refresh_token.expose());
        let asked = was.dead
            || was.binding != is.binding
            || before.pin != after.pin
            || old.is_some_and(|old| old.labels != new.labels)
            || resealed;
        // Another replica may have written what this one was asked to.
        if self.alone && follows && self.idp.may_wait(issued) && !asked {
            self.broken(11, "a refresh token was stored that could have waited");
        }
    }

    fn judge_record(&mut self, whose: &Key, was: &OpenedSession, is: &OpenedSession) {
        let (old, new) = (&was.record, &is.record);
        let full = new.entries.len() >= Record::LIMIT;
        for entry in old.entries.iter().filter(|e| e.verdict == Verdict::Wrong) {
            let kept = new
                .entry(&entry.content)
                .is_some_and(|e| e.verdict == Verdict::Wrong);
            if !kept && !full && !self.is_right(whose, &entry.content) {
                self.broken(1, "a condemned content was forgotten");
            }
        }
        // Accepted content that was sent again, because its token was dead, is settled anew.
        let over = old.attempt.as_ref().filter(|_| new.attempt.is_none());
        for entry in &new.entries {
            let other = old.entry(&entry.content).map(|e| &e.verdict) != Some(&entry.verdict);
            let fresh = other || over.is_some_and(|attempt| attempt.content == entry.content);
            if fresh && matches!(entry.verdict, Verdict::Accepted | Verdict::Wrong) {
                self.settle(whose, &entry.content.0);
                // What was condemned, in a backup too, may stay so by an answer that says nothing of it.
                if other || entry.verdict != Verdict::Wrong {
                    self.judge_verdict(whose, entry);
                }
            }
        }
        let attempt = new.attempt.as_ref();
        let fresh = attempt.filter(|a| old.attempt.as_ref().is_none_or(|o| o.id != a.id));
        if let Some(attempt) = fresh {
            if let Some(entry) = new.entry(&attempt.content) {
                self.judge_attempt(whose, was, entry);
            }
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
            if self.mac_of(&asked_for(&content), &content.0, &content.1) == mac {
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

    /// Whether a token Secret is what the operator rendered.
    pub fn is_intact(&self, key: &Key, object: &Object) -> bool {
        let mac = self.judge.data_mac(
            key,
            &object.secret_data(),
            &annotations::said(&object.annotations, &object.labels),
        );
        object.annotations.get(annotation::RENDERED) == Some(&mac)
            && annotations::published(&object.meta()).is_some()
    }
}

/// Whether an attempt that was recorded so many milliseconds ago may not be sent any more.
pub const fn is_late(age: i64) -> bool {
    age > 11_000
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
