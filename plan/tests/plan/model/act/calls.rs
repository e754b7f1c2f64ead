//! Calls of the identity provider: what it answers.

use std::ops::ControlFlow;

use entra_plan::Snapshot;
use entra_plan::answer::{Account, Effect, Granted, Refusal};
use entra_plan::identity::{AccountTag, Pin};
use entra_plan::metadata::EntryName;
use entra_plan::reason::Reason;
use entra_plan::settle::renewal::{self, Refused, Returned};
use entra_plan::settle::{login, pass};
use entra_plan::snapshot::{Held, LoginOutcome, RefreshOutcome, StoredToken, Token};

use super::super::{Answer, SealedToken, World};
use super::GRANTED;
use crate::build::{granted, refusal};

/// A grant, and the id of the refresh token that came with it.
type Grant = (Granted, Option<u64>);

/// Seconds for which the operator's own limits hold a call back.
const LATER: i64 = 5;

/// What the redemptions of one step brought for the stored session.
struct Brought {
    pin: Pin,
    newest: Option<(Returned, u64)>,
    dead: Option<RefreshOutcome>,
}

impl World {
    pub(super) fn exchange(&mut self, s: &Snapshot, attempt: &str, entry: &EntryName) {
        let password = self.cluster.login.as_ref().unwrap().password;
        let content = self.mac(password);
        self.calling();
        self.sending(s, &content);
        login::leaves(&mut self.known);
        let user = self.user();
        let (result, token) = match self.answer_login(password) {
            Ok((granted, id)) => match login::judged(s, &user, &granted) {
                Ok(()) => (Ok(granted.clone()), id.map(|id| self.sealed(id, &granted, &user))),
                Err(refused) => (Err(refused), None),
            },
            Err(refused) => (Err(refused), None),
        };
        let outcome = LoginOutcome {
            content,
            attempt: attempt.to_owned(),
            entry: entry.clone(),
            client: None,
            user,
            result,
        };
        self.pocket.login = Some((outcome, token));
    }

    fn user(&self) -> String {
        format!("user@{}", self.tenant_id())
    }

    /// What a login brings for the session.
    fn sealed(&self, id: u64, granted: &Granted, user: &str) -> SealedToken {
        let account = pass::shown(&granted.account.clone().unwrap_or_default(), user);
        let tag = AccountTag(account.home_account_id.clone());
        SealedToken {
            id,
            stored: StoredToken {
                ends_at: None,
                issued_at: granted.answered_at,
                tenant_id: self.tenant_id().to_owned(),
                account: tag.clone(),
                ..crate::build::stored(self.binding())
            },
            pin: Pin {
                user: user.to_owned(),
                account,
                tag,
            },
        }
    }

    fn answer_login(&mut self, password: u8) -> Result<Grant, Refusal> {
        match self.entra.script.pop_front() {
            Some(Answer::Refused(Effect::Withheld)) => Err(login::withheld(
                LATER,
                Reason::Throttled,
                "others come first".to_owned(),
            )),
            Some(Answer::Refused(effect)) => Err(refused(effect)),
            _ if password % 2 == 1 => Err(refused(Effect::Condemned)),
            special => Ok(self.grant(special)),
        }
    }

    fn answer_redemption(&mut self, token: &SealedToken) -> Result<Grant, Refusal> {
        match self.entra.script.pop_front() {
            Some(Answer::Refused(Effect::Condemned | Effect::Doubtful)) => Err(refused(Effect::Person)),
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
        let bare = matches!(special, Some(Answer::NoRefreshToken));
        let unusable = matches!(special, Some(Answer::Unusable));
        let granted = Granted {
            account: Some(self.account_of(matches!(special, Some(Answer::OtherAccount)))),
            has_refresh_token: !bare,
            redeemed_stays_valid: self.entra.redeemed_stays_valid,
            unusable: unusable.then(|| Box::new(refused(Effect::Unanswered))),
            ..granted(self.now, life)
        };
        let id = (!bare).then(|| self.id());
        self.entra.issued.extend(id.iter());
        (granted, id)
    }

    fn account_of(&self, other: bool) -> Account {
        Account {
            home_account_id: format!("{}.{}", if other { "other" } else { "user" }, self.tenant_id()),
            ..Account::default()
        }
    }

    pub(super) fn resolve(&mut self, s: &Snapshot) {
        self.calling();
        match self.entra.script.pop_front() {
            Some(Answer::Refused(Effect::Person)) => {
                renewal::failed(&mut self.known, s, refused(Effect::Person), self.now);
            }
            Some(Answer::Refused(_)) => {
                renewal::failed(&mut self.known, s, refused(Effect::Transient), self.now);
            }
            _ => self.learn_tenant(),
        }
    }

    fn learn_tenant(&mut self) {
        let (binding, guid) = (self.binding(), self.tenant_id().to_owned());
        renewal::resolved(&mut self.known, binding, guid);
    }

    pub(super) fn redeem(&mut self, s: &Snapshot, names: &[EntryName]) {
        let object = self.cluster.session.as_ref().unwrap();
        assert!(
            !self.ring.missing.contains(&object.token_key),
            "only what was opened is redeemed"
        );
        let token = object.token.clone().unwrap();
        self.redeeming(&token);
        let mut brought = Brought {
            pin: token.pin.clone(),
            newest: None,
            dead: None,
        };
        let mut all_asked = true;
        for name in names {
            let entry = s.tokens.iter().find(|t| t.name == *name).unwrap();
            self.calling();
            let (asked, go_on) = self.redeem_for(s, &token, entry, &mut brought);
            all_asked &= asked;
            if go_on.is_break() {
                break;
            }
        }
        if all_asked {
            renewal::word_led(&mut self.known, s, self.now);
        }
        self.keep(s, &token, brought);
    }

    /// One redemption: whether the provider was asked, and whether the next one makes sense.
    fn redeem_for(
        &mut self,
        s: &Snapshot,
        token: &SealedToken,
        entry: &Token,
        brought: &mut Brought,
    ) -> (bool, ControlFlow<()>) {
        match self.answer_redemption(token) {
            Ok(grant) => (true, self.renewed(s, entry, grant, brought)),
            Err(refused) if refused.effect == Effect::Withheld => {
                let until = self.now.plus(LATER);
                let why = (refused.reason, refused.message);
                renewal::withheld(&mut self.known, s, until, why, self.now);
                (false, ControlFlow::Break(()))
            }
            Err(refused) => match renewal::refused(&mut self.known, s, entry, refused, self.now) {
                Refused::GoOn => (true, ControlFlow::Continue(())),
                Refused::Stop => (true, ControlFlow::Break(())),
                Refused::Dead(outcome) => {
                    brought.dead = Some(outcome);
                    (true, ControlFlow::Break(()))
                }
            },
        }
    }

    fn renewed(
        &mut self,
        s: &Snapshot,
        entry: &Token,
        grant: Grant,
        brought: &mut Brought,
    ) -> ControlFlow<()> {
        let (granted, id) = grant;
        let returned = Returned::from(&granted);
        let held = Held {
            request: self.request(&entry.name, &brought.pin.tag).unwrap(),
            granted,
        };
        let (go_on, kept) = renewal::granted(&mut self.known, s, entry, &brought.pin, &held, self.now);
        if kept.token {
            self.pocket.tokens.insert(entry.name.clone(), held);
        }
        if let Some(pin) = kept.pin {
            brought.pin = pin;
            brought.newest = id.map(|id| (returned, id)).or(brought.newest);
        }
        go_on
    }

    /// What came back is to be stored before anything is published.
    fn keep(&mut self, s: &Snapshot, token: &SealedToken, brought: Brought) {
        let newest = brought.newest.map(|(returned, _)| returned);
        let outcome = match brought.dead.filter(|_| newest.is_none()) {
            Some(dead) => Some(dead),
            None => renewal::brought(s, newest, &brought.pin),
        };
        let (issued_at, id) = brought
            .newest
            .map_or((token.stored.issued_at, token.id), |(returned, id)| {
                (returned.answered_at, id)
            });
        let session = SealedToken {
            id,
            stored: StoredToken {
                ends_at: None,
                issued_at,
                dead_since: None,
                binding: self.binding(),
                ..token.stored.clone()
            },
            pin: brought.pin,
        };
        self.pocket.refresh = outcome.map(|outcome| {
            let newer = matches!(outcome, RefreshOutcome::Newer(_));
            (outcome, newer.then_some(session))
        });
    }
}

fn refused(effect: Effect) -> Refusal {
    let reason = match effect {
        Effect::Condemned | Effect::Doubtful => Reason::WrongPassword,
        Effect::Entry => Reason::ConsentMissing,
        Effect::Person => Reason::InteractionRequired,
        Effect::Dead | Effect::Suspect | Effect::Unreadable => Reason::LoginRequired,
        Effect::Transient => Reason::ServiceUnavailable,
        Effect::Withheld => Reason::Throttled,
        Effect::Unanswered => Reason::UnexpectedResponse,
    };
    refusal(effect, reason)
}
