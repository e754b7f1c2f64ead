//! Rules about token Secrets, foreign objects and liveness (docs/contract.md, rules 3, 4, 5, 6, 8, 11).

use std::collections::BTreeMap;

use entra_operator::api::{
    CLIENT_SECRET_TYPE, ClientCredential, EntraCredentialStatus, LOGIN_TYPE, TLS_TYPE, annotation,
};
use entra_operator::plan::metadata::{EntryName, Uid};
use entra_operator::reconcile::Credential;
use entra_operator::reconcile::annotations;
use entra_operator::reconcile::ports::{ClusterError, Key, Purpose, SecretMeta, Vault};

use super::api::{Api, Object, is_session};
use super::book::session_key;
use super::idp::{Refresh, STRANGER, tenant_guid};
use super::wide::is_refused;
use super::world::World;

/// How long the operator may take to be as it should be, once nothing is in its way: the slowest probe and some.
pub const PATIENCE: i64 = 45 * 60_000;

/// The same where nothing is probed: a new token is asked for at once, and a foreign Secret that no watch shows is looked at
/// every five minutes.
pub const SOON: i64 = 7 * 60_000;

impl World {
    /// The operator reads a Secret whole: never one that it knows to be somebody else's.
    pub fn judge_read(&mut self, key: &Key, known: Option<&SecretMeta>) {
        self.tally().reads += 1;
        self.note(|| format!("read {}", key.name));
        let Some(object) = self.api.secrets.get(key).cloned() else {
            return;
        };
        let ours = object.kind == LOGIN_TYPE
            || [CLIENT_SECRET_TYPE, TLS_TYPE].contains(&object.kind.as_str())
            || self.is_ours(key, &object.meta());
        let seen = known.is_some_and(|m| m.uid == object.uid && !self.is_ours(key, m));
        if !ours && seen {
            self.broken(8, format!("the foreign Secret {} was read", key.name));
        }
    }

    fn is_ours(&self, key: &Key, meta: &SecretMeta) -> bool {
        let credential = &self.turn.as_ref().unwrap().credential;
        match &meta.controller {
            Some(c) => c.ours && c.uid == credential.uid,
            None => meta.annotations.get(annotation::OWNER) == Some(&self.proof(key, credential)),
        }
    }

    fn proof(&self, key: &Key, credential: &Credential) -> String {
        let parts = [&*key.namespace, &key.name, &credential.key.name];
        self.judge.mac(Purpose::Owner, &parts)
    }

    /// Performs a write of the operator and judges what it changed.
    pub fn judged_write<T>(
        &mut self,
        verb: &str,
        key: &Key,
        act: impl FnOnce(&mut Api) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        let old = self.api.secrets.get(key).cloned();
        let done = act(&mut self.api);
        let outcome = done
            .as_ref()
            .map_or_else(ToString::to_string, |_| "done".to_owned());
        self.note(|| format!("{verb} {}: {outcome}", key.name));
        if done.is_err() {
            self.tally().refused += 1;
            return done;
        }
        self.counts.writes += 1;
        // What is immutable is replaced: its deletion belongs to the write.
        let replaced = verb == "delete" && old.as_ref().is_some_and(|o| o.immutable);
        self.tally().writes += u32::from(!replaced);
        // What something holds is deleted as soon as that lets go.
        let new = self.api.secrets.get(key).filter(|o| !o.deleting).cloned();
        self.judge_write(key, old.as_ref(), new.as_ref());
        done
    }

    fn judge_write(&mut self, key: &Key, old: Option<&Object>, new: Option<&Object>) {
        self.judge_adoption(key, old, new);
        let credential = self.turn.as_ref().unwrap().credential.clone();
        if credential.spec.suspend || credential.deleting {
            self.broken(8, "a write for a suspended or deleted credential");
        }
        let of_login = old.is_some_and(|o| o.kind == LOGIN_TYPE);
        match (old, new) {
            (Some(old), None) if of_login => self.judge_login_deleted(key, old),
            (Some(old), Some(new)) if of_login => self.judge_claim(key, old, new),
            (Some(old), _) if !self.is_ours(key, &old.meta()) => {
                self.broken(8, format!("the foreign Secret {} was written", key.name));
            }
            (Some(old), None) if is_session(old) => self.broken(3, "a refresh-token Secret was deleted"),
            (Some(old), None) => self.judge_token_deleted(key, old),
            (old, Some(new)) if is_session(new) => self.judge_session(key, old, new),
            (old, Some(new)) => self.judge_token(key, old, new),
            (None, None) => {}
        }
    }

    /// Whom a deletion set free on purpose must stay free: its owner is gone in a moment, and takes along what it owns.
    fn judge_adoption(&mut self, key: &Key, old: Option<&Object>, new: Option<&Object>) {
        let (Some(old), Some(new)) = (old, new) else {
            return;
        };
        let owner = new.controller.as_ref().filter(|_| old.controller.is_none());
        if owner.is_some_and(|owner| !self.lives(&owner.uid)) {
            self.broken(
                3,
                format!("{} was adopted for a credential that is being deleted", key.name),
            );
        }
    }

    fn lives(&self, uid: &Uid) -> bool {
        self.api
            .credentials
            .values()
            .any(|r| r.uid == *uid && !r.deleting)
    }

    /// What is claimed for a credential that was gone when it was made is collected with it, and has served nobody.
    fn judge_claim(&mut self, key: &Key, old: &Object, new: &Object) {
        let claimant = new.goes_with.as_ref().filter(|_| new.goes_with != old.goes_with);
        if claimant.is_some_and(|uid| self.api.is_later_than(&old.uid, uid)) {
            self.broken(
                2,
                format!("{} was claimed for a credential that was gone before", key.name),
            );
        }
        let mut claimed = old.clone();
        claimed.version = new.version;
        claimed.goes_with = self.turn.as_ref().map(|turn| turn.credential.uid.clone());
        if let Some(claim) = new.annotations.get(annotation::CLAIMED_BY) {
            let claim = claim.clone();
            claimed
                .annotations
                .insert(annotation::CLAIMED_BY.to_owned(), claim);
        }
        if claimed != *new {
            self.broken(8, format!("more than the claim of {} was changed", key.name));
        }
    }

    fn judge_token_deleted(&mut self, key: &Key, old: &Object) {
        let named = self
            .turn
            .as_ref()
            .unwrap()
            .credential
            .entry(&EntryName(key.name.to_string()))
            .is_some();
        if named && !old.immutable && !old.deleting && old.managed() {
            self.broken(4, format!("the published {} was deleted", key.name));
        }
    }

    fn judge_token(&mut self, key: &Key, old: Option<&Object>, new: &Object) {
        if old.is_some_and(|o| o.data == new.data) {
            return;
        }
        let credential = self.turn.as_ref().unwrap().credential.clone();
        let token = new.text("access_token").unwrap_or_default();
        let Some(access) = self.idp.access.get(&token).cloned() else {
            return self.broken(5, format!("{} holds {token:?}, which nobody issued", key.name));
        };
        self.note(|| format!("PUBLISHED {token} in {}", key.name));
        if access.odd {
            self.broken(5, format!("{} holds a token that cannot be used", key.name));
        }
        let entry = credential.entry(&EntryName(key.name.to_string()));
        let labels = entry.map(|e| e.labels.clone()).unwrap_or_default();
        let scopes = entry.map(|e| e.scopes.clone());
        let now = self.now();
        self.judge_labels(key, old, new, &labels);
        let tag = self.session_of(&credential.key).session.map(|s| s.pin.tag.0);
        self.book.published.insert(key.clone(), (now, labels, tag));
        if scopes.as_ref() != Some(&access.scopes) {
            self.broken(5, format!("{} holds a token for {:?}", key.name, access.scopes));
        }
        if access.expires_at <= self.seconds() && self.is_quiet(60_000) {
            self.broken(4, format!("an expired token was published in {}", key.name));
        }
        self.judge_identity(key, &access.account);
        self.judge_order(&credential.key, access.refresh.as_deref());
        if let Some(old) = old {
            self.judge_margin(key, old, new);
        }
    }

    /// The labels that the spec asks for are there, and those that it no longer asks for are not.
    fn judge_labels(
        &mut self,
        key: &Key,
        old: Option<&Object>,
        new: &Object,
        asked: &BTreeMap<String, String>,
    ) {
        let before = old
            .map(|o| annotations::template(&o.annotations).labels)
            .unwrap_or_default();
        let stays = |key: &String| !asked.contains_key(key) && new.labels.contains_key(key);
        let missing = |(key, value): (&String, &String)| new.labels.get(key) != Some(value);
        if asked.iter().any(missing) || !new.managed() || before.iter().any(stays) {
            self.broken(5, format!("{} has the labels {:?}", key.name, new.labels));
        }
    }

    fn judge_identity(&mut self, key: &Key, account: &str) {
        let whose = self.whose();
        let pinned = self.session_of(&whose).account();
        let other = pinned.is_some_and(|pinned| pinned != account);
        let recently = self.book.leave.len();
        if other && (recently == 0 || account == STRANGER) {
            self.broken(6, format!("{} holds a token of {account}", key.name));
        }
    }

    /// What came with it was stored before, it or something newer; or it need not be stored yet.
    fn judge_order(&mut self, whose: &Key, refresh: Option<&str>) {
        // One that was found dead before it could be stored is not stored.
        let reset = self.book.was_reset(whose, self.now()) || self.session_of(whose).dead;
        if refresh.is_some_and(|token| !self.is_stored(whose, token)) && !reset {
            self.broken(3, format!("a token was published before {refresh:?} was stored"));
        }
    }

    /// Whether it was stored, or, after the one that it was given for, another one of a later answer; or whether that one
    /// was stored and is good enough still.
    fn is_stored(&self, whose: &Key, token: &str) -> bool {
        let (Some(stored), Some(known)) = (self.book.stored.get(whose), self.idp.refresh.get(token)) else {
            return false;
        };
        let before = stored.iter().rposition(|t| Some(t) == known.from.as_ref());
        // Of several that came back for one token the newest counts.
        let newest = |t: &&Refresh| t.from == known.from && t.claimed_at >= known.claimed_at;
        if before.is_some()
            && self
                .idp
                .refresh
                .values()
                .filter(newest)
                .any(|t| self.idp.may_wait(t))
        {
            return true;
        }
        let since = &stored[before.map_or(0, |at| at + 1)..];
        let later = |t: &String| {
            self.idp
                .refresh
                .get(t)
                .is_some_and(|t| t.claimed_at >= known.claimed_at)
        };
        stored.iter().any(|t| t == token) || since.iter().any(later)
    }

    fn judge_margin(&mut self, key: &Key, old: &Object, new: &Object) {
        let (Some(was), Some(is)) = (
            annotations::published(&old.meta()),
            annotations::published(&new.meta()),
        ) else {
            return;
        };
        let same = was.request == is.request && was.shape == is.shape;
        if !same || !self.is_intact(key, old) || old.immutable {
            return;
        }
        if is.expires_at <= was.expires_at {
            self.broken(4, format!("{} got a token that expires no later", key.name));
        }
        let life = was.expires_at.since(was.issued_at);
        let left = was.expires_at.0 - self.seconds();
        if left < (life / 4).min(690) && self.is_quiet(life / 2 * 1000 + PATIENCE) {
            self.broken(4, format!("{} was replaced {left} s before its expiry", key.name));
        }
    }

    /// Whether nothing bad happened and nobody did anything for so many milliseconds.
    pub fn is_quiet(&self, ms: i64) -> bool {
        !self.stormy() && self.now() - self.book.trouble_at >= ms
    }

    /// A status is about to be written: it holds no secret.
    pub fn judge_status(&mut self, key: &Key, uid: &Uid, status: &EntraCredentialStatus) {
        self.tally().statuses += 1;
        self.judge_news(key, status);
        let (now, handled) = (self.now(), status.last_handled_refresh_request.clone());
        let whose = (key.clone(), uid.clone());
        let known = self.book.handled.get(&whose).map(|(value, _)| value);
        if let Some(value) = handled.filter(|v| Some(v) != known) {
            self.book.handled.insert(whose, (value, now));
        }
        let text = serde_json::to_string(status).unwrap();
        for mark in ["\"rt-", "\"at-", "pw-"] {
            if text.contains(mark) {
                self.broken(9, format!("the status holds {mark}"));
            }
        }
        let head = status.conditions.first();
        let head = head.map(|c| format!("{}={} {}", c.type_, c.status, c.reason));
        let trace = self.trace.is_some();
        self.note(|| {
            format!(
                "status of {} ({}): {head:?} {}",
                key.name,
                uid.0,
                if trace { text } else { String::new() }
            )
        });
    }

    /// Checks once a simulated minute that whatever can be obtained is published.
    pub fn judge_liveness(&mut self, operators: bool) {
        let now = self.now();
        if now - self.book.checked_at < 60_000 {
            return;
        }
        self.book.checked_at = now;
        if self.stormy() || !operators {
            self.trouble();
        }
        if self.is_troubled() {
            self.excuse(PATIENCE);
        } else if !operators || self.idp.is_pausing(self.seconds()) {
            self.excuse(SOON);
        }
        let keys: Vec<_> = self.api.credentials.keys().cloned().collect();
        for key in keys {
            let (obtainable, wanting) = (self.is_obtainable(&key), self.wanting(&key));
            self.judge_entries(&key, obtainable, &wanting, now);
            self.judge_one(&key, obtainable, &wanting, now);
        }
    }

    /// A storm ends that may have passed between two checks.
    pub fn excuse_what_ends(&mut self) {
        if self.is_troubled() {
            self.excuse(PATIENCE);
        }
        let until = self.now() + PATIENCE;
        let secrets = self.book.concerned_until.keys();
        let concerned = secrets.filter(|at| self.is_concerned(&at.name));
        let mut excused = concerned.map(|at| (at.clone(), until)).collect();
        self.book.concerned_until.append(&mut excused);
    }

    /// An entry that the provider grants is on time, whatever its siblings, the login and the status meet.
    fn judge_entries(&mut self, key: &Key, obtainable: bool, wanting: &[String], now: i64) {
        let names = self
            .api
            .credential(key)
            .map(|c| c.spec.tokens)
            .unwrap_or_default();
        for name in names.iter().map(|t| &t.secret_name) {
            let at = key.sibling(&**name);
            let patience = match () {
                () if self.is_concerned(name) => Some(PATIENCE),
                () if !obtainable && self.lacks_client_only(key) => Some(SOON),
                () if !obtainable => Some(PATIENCE),
                () if !wanting.contains(name) => Some(SOON),
                () => None,
            };
            let until = self.book.concerned_until.entry(at).or_insert(now + SOON);
            if let Some(patience) = patience {
                *until = (*until).max(now + patience);
            } else if now > self.book.excused_until.max(*until) {
                self.broken(
                    4,
                    format!("{name} is wanting ({:?}, {:?})", self.spell, self.idp.weather),
                );
            }
        }
    }

    fn judge_one(&mut self, key: &Key, obtainable: bool, wanting: &[String], now: i64) {
        if !obtainable || wanting.is_empty() {
            self.book.blocked_at.insert(key.clone(), now);
            return;
        }
        let since = self.book.blocked_at.get(key).copied().unwrap_or(now);
        self.book.blocked_at.entry(key.clone()).or_insert(now);
        if self.is_quiet(PATIENCE) && now - since > PATIENCE {
            let what = wanting.join(", ");
            self.broken(4, format!("nothing is in the way of {}, but: {what}", key.name));
        }
    }

    /// Whether a credential's refresh token works and nothing of its own is in the way.
    pub fn is_obtainable(&self, key: &Key) -> bool {
        self.is_renewable(key) && self.has_client_credential(key)
    }

    /// Whether nothing but its client credential is in the way.
    fn lacks_client_only(&self, key: &Key) -> bool {
        self.is_renewable(key) && !self.has_client_credential(key)
    }

    fn is_renewable(&self, key: &Key) -> bool {
        let Some(resource) = self.api.credentials.get(key) else {
            return false;
        };
        let session = session_key(key);
        let Some(object) = self.api.secrets.get(&session) else {
            return false;
        };
        if self.lacks_key_of(object) {
            return false;
        }
        let opened = self.open(&session, Some(object));
        let alive = opened.session.as_ref().is_some_and(|s| {
            let token = self.idp.refresh.get(s.refresh_token.expose());
            token.is_some_and(|t| !t.revoked)
        });
        let spec = &resource.spec;
        let authority = if spec.authority.is_some() {
            "lab.example"
        } else {
            "login.example"
        };
        // Where no answer named a tenant, another way to write it is another tenant.
        let named = opened.session.as_ref().map(|s| s.pin.account.tenant().to_owned());
        let asked = spec.tenant.as_deref().unwrap_or_default();
        let bound = opened.binding.as_ref().is_some_and(|b| {
            b.authority == authority
                && b.client_id == spec.client_id
                && (b.tenant == asked || named == Some(tenant_guid(asked)))
        });
        let ours = object.controller.as_ref().is_some_and(|c| c.uid == resource.uid);
        let open_to_us = !resource.deleting && !object.deleting && !spec.suspend && !object.immutable && ours;
        open_to_us && alive && !opened.dead && bound && spec.authority.as_deref() != Some("gone")
    }

    fn is_session_writable(&self, credential: &Credential) -> bool {
        let object = self.api.secrets.get(&session_key(&credential.key));
        let ours = |o: &Object| o.controller.as_ref().is_some_and(|c| c.uid == credential.uid);
        object.is_none_or(|o| ours(o) && !o.immutable)
    }

    fn has_client_credential(&self, key: &Key) -> bool {
        let spec = self.api.credentials.get(key).map(|r| &r.spec);
        let (name, kind) = match spec.and_then(|spec| spec.client_credential.as_ref()) {
            None | Some(ClientCredential::WorkloadIdentity(_)) => return true,
            Some(ClientCredential::Secret(secret)) => (&secret.secret_name, CLIENT_SECRET_TYPE),
            Some(ClientCredential::Certificate(certificate)) => (&certificate.secret_name, TLS_TYPE),
        };
        let object = self.api.secrets.get(&key.sibling(&**name));
        object.is_some_and(|o| o.kind == kind && !is_refused(o))
    }

    /// What is not published as it should be, though nobody else's Secret is in its place.
    pub fn wanting(&self, key: &Key) -> Vec<String> {
        let Some(credential) = self.api.credential(key) else {
            return Vec::new();
        };
        // A token outlives the refresh token that it came with.
        let account = self.session_of(key).account();
        let lacks = |t: &&entra_operator::api::TokenSpec| {
            let key = credential.sibling(&t.secret_name);
            let Some(object) = self.api.secrets.get(&key) else {
                return true;
            };
            if object.deleting {
                return false;
            }
            let ours = object
                .controller
                .as_ref()
                .is_some_and(|c| c.uid == credential.uid);
            if !ours {
                return object.annotations.get(annotation::OWNER) == Some(&self.proof(&key, &credential))
                    && object.controller.is_none();
            }
            let access = object.text("access_token").and_then(|a| self.idp.access.get(&a));
            let good = access.is_some_and(|a| {
                a.expires_at > self.seconds()
                    && a.scopes == t.scopes
                    && account.as_ref().is_none_or(|account| *account == a.account)
            });
            let shaped = t.labels.iter().all(|(k, v)| object.labels.get(k) == Some(v));
            // No pod reads a label: it waits for whoever unsets the suspension, or clears the refresh-token Secret's way.
            let waits = credential.spec.suspend || !self.is_session_writable(&credential);
            let labelled = (object.managed() && shaped) || waits;
            !(good && labelled && self.is_intact(&key, object))
        };
        let lacking = credential.spec.tokens.iter().filter(lacks);
        lacking.map(|t| t.secret_name.clone()).collect()
    }
}
