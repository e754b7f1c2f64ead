//! The steps of the shell: each has one effect outside the process, and the plan settles what comes of it.

mod calls;
mod session;

use entra_plan::known::LoginSeen;
use entra_plan::mac::TargetMac;
use entra_plan::metadata::EntryName;
use entra_plan::settle::trouble::Trouble;
use entra_plan::settle::{login, reads, tokens, trouble};
use entra_plan::snapshot::{Claim, Content, Ownership, Token};
use entra_plan::{Object, Snapshot, Step};

use super::{Api, TokenObject, World};
use crate::build::{LIFE, published};

/// What the API server is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Read,
    Write,
    Delete,
}

impl World {
    /// Performs `step`.
    pub fn act(&mut self, step: &Step, s: &Snapshot) {
        match step {
            Step::ReadLogin | Step::ReadToSignIn => self.read_login(s),
            Step::ReadSession | Step::ReadToRenew(_) => self.read_session(s),
            Step::ReadClient => unreachable!("a public client has nothing to read"),
            Step::Look(objects) => objects.iter().for_each(|o| self.look(s, o)),
            Step::ClaimLogin => self.claim_login(s),
            Step::RecordAttempt { content, entry } => self.record_attempt(s, content, entry),
            Step::Exchange { attempt, entry } => self.exchange(s, attempt, entry),
            Step::Store => self.store(s),
            Step::Reseal => self.reseal(s),
            Step::DeleteLogin => self.delete_login(s),
            Step::Resolve => self.resolve(s),
            Step::Redeem(names) => self.redeem(s, names),
            Step::Verify(names) => names.iter().for_each(|n| self.verify(s, n)),
            Step::Publish(names) => each(s, names, |token| self.publish(s, token)),
            Step::Replace(names) => names.iter().for_each(|n| self.replace(s, n)),
            Step::Prune(names) => names.iter().for_each(|n| self.prune(s, n)),
            Step::Label(_) => unreachable!("nobody asks for labels"),
            Step::Adopt(objects) => objects.iter().for_each(|o| self.adopt(s, o)),
            Step::Idle | Step::Wait | Step::Blocked => unreachable!("a final step is not performed"),
        }
    }

    /// Whether the API server refuses what it is asked for; the plan is told.
    fn refused(&mut self, s: &Snapshot, object: &Object, asked: Asked) -> bool {
        let text = String::new();
        let what = match (self.api, asked) {
            (Api::Well, _) | (Api::RefusesWrites, Asked::Read) => return false,
            (Api::Rationed, _) => Trouble::Rationed(7),
            (_, Asked::Delete) if *object == Object::Login => Trouble::DeleteRefused(text),
            (Api::RefusesWrites, _) => Trouble::WriteRefused(text),
            (Api::Away, _) => Trouble::Away(text, None),
        };
        trouble::with(&mut self.known, s, object, &what, self.now);
        true
    }

    fn read_login(&mut self, s: &Snapshot) {
        if self.refused(s, &Object::Login, Asked::Read) {
            return;
        }
        let login = self.cluster.login.as_ref().unwrap();
        let seen = LoginSeen {
            uid: login.uid.clone(),
            version: login.version.clone(),
            content: Content::Valid {
                mac: self.mac(login.password),
            },
            claim: Claim::Free,
            at: self.now,
            made_for: self.made_for(),
        };
        reads::login(&mut self.known, seen);
    }

    pub(super) fn made_for(&self) -> TargetMac {
        TargetMac(format!("{:?}", self.binding()))
    }

    fn look(&mut self, s: &Snapshot, object: &Object) {
        if self.refused(s, object, Asked::Read) {
            return;
        }
        let exists = match object {
            Object::Login => self.cluster.login.is_some(),
            Object::Session => self.cluster.session.is_some(),
            Object::Token(name) | Object::Contents(name) => self.cluster.tokens.contains_key(name),
            Object::Client => false,
        };
        reads::looked(&mut self.known, s, object, exists, self.now);
    }

    fn claim_login(&mut self, s: &Snapshot) {
        self.writing(Ownership::Ours);
        if self.refused(s, &Object::Login, Asked::Write) {
            return;
        }
        let version = self.version();
        let login = self.cluster.login.as_mut().unwrap();
        (login.claimed, login.version) = (true, version.clone());
        reads::claimed(&mut self.known, version);
    }

    fn delete_login(&mut self, s: &Snapshot) {
        self.deleting_login();
        self.writing(Ownership::Ours);
        if self.refused(s, &Object::Login, Asked::Delete) {
            return;
        }
        self.cluster.login = None;
        login::deleted(&mut self.known, self.now);
    }

    fn verify(&mut self, s: &Snapshot, name: &EntryName) {
        if self.refused(s, &Object::Contents(name.clone()), Asked::Read) {
            return;
        }
        let token = &self.cluster.tokens[name];
        assert_eq!(
            token.ownership,
            Ownership::Ours,
            "rule 8: a foreign object is read"
        );
        tokens::verified(
            &mut self.known,
            name,
            token.published.version.clone(),
            token.genuine,
            false,
        );
    }

    fn publish(&mut self, s: &Snapshot, token: &Token) {
        let held = self.pocket.tokens[&token.name].clone();
        let version = self.version();
        let life = held.granted.expires_at.since(held.granted.issued_at);
        let next = entra_plan::snapshot::Published {
            version: version.clone(),
            request: held.request,
            ..published(held.granted.issued_at, life)
        };
        self.publishing(&token.name, &next);
        self.writing(self.owner_of(&token.name));
        if self.refused(s, &Object::Token(token.name.clone()), Asked::Write) {
            return;
        }
        let object = TokenObject {
            ownership: Ownership::Ours,
            published: next,
            genuine: true,
        };
        self.cluster.tokens.insert(token.name.clone(), object);
        self.pocket.tokens.remove(&token.name);
        tokens::published(&mut self.known, token, version, self.now);
    }

    fn owner_of(&self, name: &EntryName) -> Ownership {
        self.cluster
            .tokens
            .get(name)
            .map_or(Ownership::Absent, |o| o.ownership)
    }

    /// Whether it is gone.
    fn remove_token(&mut self, s: &Snapshot, name: &EntryName) -> bool {
        self.writing(self.owner_of(name));
        if self.refused(s, &Object::Token(name.clone()), Asked::Delete) {
            return false;
        }
        self.cluster.tokens.remove(name);
        true
    }

    fn replace(&mut self, s: &Snapshot, name: &EntryName) {
        if self.remove_token(s, name) {
            tokens::deleted(&mut self.known, name);
        }
    }

    fn prune(&mut self, s: &Snapshot, name: &EntryName) {
        if self.remove_token(s, name) {
            tokens::pruned(&mut self.known, name);
        }
    }

    fn adopt(&mut self, s: &Snapshot, object: &Object) {
        self.may_act();
        if self.refused(s, object, Asked::Write) {
            return;
        }
        let version = self.version();
        let owner = match object {
            Object::Session => {
                let session = self.cluster.session.as_mut().unwrap();
                session.version = version;
                &mut session.ownership
            }
            Object::Token(name) => &mut self.cluster.tokens.get_mut(name).unwrap().ownership,
            Object::Login | Object::Client | Object::Contents(_) => {
                unreachable!("only what was made by us is adopted")
            }
        };
        let before = std::mem::replace(owner, Ownership::Ours);
        assert_eq!(
            before,
            Ownership::Adoptable,
            "rule 8: only what is provably ours is adopted"
        );
        tokens::adopted(&mut self.known, object);
    }
}

fn each(s: &Snapshot, names: &[EntryName], act: impl FnMut(&Token)) {
    s.tokens.iter().filter(|t| names.contains(&t.name)).for_each(act);
}

/// The life of a token that the provider grants when nothing else is said.
const GRANTED: i64 = LIFE;
