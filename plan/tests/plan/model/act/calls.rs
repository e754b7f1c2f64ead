//! Calls of the identity provider: what it answers, and what the shell makes of it.

use entra_plan::reason::Reason;
use entra_plan::answer::{Account, Effect, Granted, Refusal};
use entra_plan::record::ContentMac;
use entra_plan::snapshot::{Held, LoginOutcome};
use entra_plan::{Snapshot, schedule};

use super::super::{Answer, News, SealedToken, World};
use super::GRANTED;
use crate::build::{granted, refusal};

/// Facts of a grant, and the refresh token that came with it.
type Grant = (Granted, Option<SealedToken>);

impl World {
    pub(super) fn exchange(&mut self, s: &Snapshot, attempt: &str, entry: &str) {
        let login = self.cluster.login.clone().unwrap();
        let content = self.mac(login.password);
        self.calling();
        self.ledger.sending(s, &content);
        assert!(
            self.spec.entries.contains_key(entry),
            "only scopes of the spec are asked for"
        );
        if let Some(seen) = &mut self.memory.attempt {
            seen.unsent_ours = false;
        }
        let answer = self.answer_login(login.password);
        let answer = answer.and_then(|grant| accept_login(s, login.leave, grant));
        self.take_login_answer(content, attempt, entry, answer);
    }

    fn take_login_answer(
        &mut self,
        content: ContentMac,
        attempt: &str,
        entry: &str,
        answer: Result<Grant, Refusal>,
    ) {
        let (result, token) = match answer {
            Ok((granted, token)) => (Ok(granted), token),
            Err(refused) => (Err(refused), None),
        };
        let outcome = LoginOutcome {
            content,
            attempt: attempt.to_owned(),
            entry: entry.to_owned(),
            result,
        };
        self.memory.login_outcome = Some((outcome, token));
    }

    fn answer_login(&mut self, password: u8) -> Result<Grant, Refusal> {
        match self.entra.script.pop_front() {
            Some(Answer::Refused(effect)) => Err(refused(effect)),
            _ if password % 2 == 1 => Err(refused(Effect::Condemned)),
            special => Ok(self.grant(special)),
        }
    }

    fn answer_redemption(&mut self, token: &SealedToken) -> Result<Grant, Refusal> {
        match self.entra.script.pop_front() {
            Some(Answer::Refused(Effect::Condemned)) => Err(refused(Effect::Person)),
            Some(Answer::Refused(effect)) => Err(refused(effect)),
            _ if self.entra.revoked.contains(&token.id) => Err(refused(Effect::Dead)),
            special => Ok(self.grant(special)),
        }
    }

    fn grant(&mut self, special: Option<Answer>) -> Grant {
        let life = match special {
            Some(Answer::ShortLife(seconds)) => i64::from(seconds),
            _ => GRANTED,
        };
        let account = self.account_of(matches!(special, Some(Answer::OtherAccount)));
        let granted = Granted {
            account: Some(account.clone()),
            ..granted(self.now, life)
        };
        if matches!(special, Some(Answer::NoRefreshToken)) {
            return (granted, None);
        }
        let id = self.id();
        self.entra.issued.insert(id);
        let stored = entra_plan::snapshot::StoredToken {
            account: account.home_account_id.clone(),
            ..self.stored(self.now)
        };
        (granted, Some(SealedToken { id, stored, account }))
    }

    fn account_of(&self, other: bool) -> Account {
        Account {
            home_account_id: format!("{}@{}", if other { "other" } else { "user" }, self.tenant_id()),
            ..crate::build::account()
        }
    }

    /// A refusal of a call that is no grant, if the script has one.
    pub(super) fn refused_by_script(&mut self) -> Option<Refusal> {
        match self.entra.script.pop_front() {
            Some(Answer::Refused(Effect::Person | Effect::Condemned)) => Some(refused(Effect::Person)),
            Some(Answer::Refused(_)) => Some(refused(Effect::Transient)),
            _ => None,
        }
    }

    pub(super) fn redeem(&mut self, s: &Snapshot, names: &[String]) {
        let object = self.cluster.session.as_ref().unwrap();
        let token = object.token.clone().unwrap();
        if object.token_sealed_off {
            return self.read_session();
        }
        self.redeeming(&token);
        for name in names {
            if !self.redeem_for(s, &token, name) {
                break;
            }
        }
        self.memory.status.last_redeemed_at = Some(self.now);
        self.handled();
    }

    /// One redemption; says whether the next one makes sense.
    fn redeem_for(&mut self, s: &Snapshot, token: &SealedToken, name: &str) -> bool {
        let unstored = self.memory.refresh.take();
        self.calling();
        self.memory.refresh = unstored;
        match self.answer_redemption(token) {
            Ok((granted, newer)) if granted.account.as_ref() == Some(&token.account) => {
                self.renewed(s, name, granted, newer, &token.stored.account);
                true
            }
            Ok(_) => {
                self.failed(refusal(Effect::Person, Reason::IdentityChanged), None);
                false
            }
            Err(refused) => self.not_renewed(s, name, refused),
        }
    }

    fn renewed(
        &mut self,
        s: &Snapshot,
        name: &str,
        granted: Granted,
        newer: Option<SealedToken>,
        account: &str,
    ) {
        self.memory.status.failure = None;
        if let Some(newer) = newer {
            self.memory.refresh = Some(News::Newer(Box::new(newer)));
        }
        let held = Held {
            request: self.request(name, account).unwrap(),
            granted,
        };
        let token = s.tokens.iter().find(|t| t.name == name).unwrap();
        let wanted = entra_plan::snapshot::Token {
            wanted: Some(held.request.clone()),
            ..token.clone()
        };
        let note = self.memory.status.notes.entry(name.to_owned()).or_default();
        note.failure = None;
        if wanted.worth_publishing(&held, self.now) {
            self.memory.held.insert(name.to_owned(), held);
        } else {
            let life = token.life().unwrap_or(schedule::Life {
                issued_at: self.now,
                expires_at: self.now,
            });
            note.deferred_until = Some(schedule::deferred(life, self.now));
        }
    }

    fn not_renewed(&mut self, s: &Snapshot, name: &str, refused: Refusal) -> bool {
        let life = s
            .tokens
            .iter()
            .find(|t| t.name == name)
            .and_then(entra_plan::snapshot::Token::life);
        let suspected = |f: &entra_plan::snapshot::Failure| f.refusal.effect == Effect::Suspect;
        match refused.effect {
            Effect::Entry => {
                self.token_failed(name, refused);
                return true;
            }
            Effect::Dead => self.memory.refresh = Some(News::Dead(self.now)),
            Effect::Suspect if self.memory.status.failure.as_ref().is_some_and(suspected) => {
                self.memory.refresh = Some(News::Dead(self.now));
            }
            _ => self.failed(refused, life),
        }
        false
    }
}

/// An accepted login without a refresh token, or for another account without leave, is discarded.
fn accept_login(s: &Snapshot, leave: bool, grant: Grant) -> Result<Grant, Refusal> {
    let pinned = s.session.pinned().filter(|_| s.session_matches());
    let same = pinned.is_none_or(|pinned| grant.0.account.as_ref() == Some(pinned));
    match &grant.1 {
        None => Err(refusal(Effect::Person, Reason::AppMisconfigured)),
        Some(_) if !same && !leave => Err(refusal(Effect::Person, Reason::IdentityChanged)),
        Some(_) => Ok(grant),
    }
}

fn refused(effect: Effect) -> Refusal {
    let reason = match effect {
        Effect::Condemned => Reason::WrongPassword,
        Effect::Entry => Reason::ConsentMissing,
        Effect::Person => Reason::InteractionRequired,
        Effect::Dead | Effect::Suspect => Reason::LoginRequired,
        Effect::Transient => Reason::ServiceUnavailable,
        Effect::Withheld => Reason::Throttled,
        Effect::Unanswered => Reason::UnexpectedResponse,
    };
    refusal(effect, reason)
}
