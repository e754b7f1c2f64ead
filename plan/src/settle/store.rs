//! The refresh-token Secret: does what the pocket holds still fit what is stored, and what is known after the write?

use super::trouble;
use crate::Time;
use crate::hold::Object;
use crate::identity::Pin;
use crate::known::{Known, SessionSeen};
use crate::metadata::Version;
use crate::record::Record;
use crate::snapshot::{Newer, Opened, RefreshOutcome, Snapshot, StoredToken};

/// Whether what redemptions brought still fits the stored token, after whatever others wrote.
///
/// A death and a revival are those of the token that was redeemed; a newer token is one of the same account, and, if another one was stored
/// meanwhile, of a later answer. Times are compared between answers to the same token only.
pub fn still_fits(outcome: &RefreshOutcome, s: &Snapshot) -> bool {
    let Some(stored) = &s.session.token else {
        return false;
    };
    match outcome {
        RefreshOutcome::Newer(newer) => s.account_tag() == Some(&newer.account) && newer.replaces(stored),
        RefreshOutcome::Dead { redeemed, .. } | RefreshOutcome::Alive { redeemed } => {
            stored.issued_at == *redeemed
        }
    }
}

impl Newer {
    fn replaces(&self, stored: &StoredToken) -> bool {
        stored.issued_at == self.redeemed || self.answered_at > stored.issued_at
    }
}

/// Whether the outcome of a login still fits: an accepted one only while no other content is being sent.
pub fn login_fits(s: &Snapshot, record: &Record) -> bool {
    let Some(pending) = &s.pocket.login else {
        return false;
    };
    let superseded = record
        .attempt
        .as_ref()
        .is_some_and(|a| a.content != pending.content);
    !(superseded && pending.result.is_ok())
}

/// The refresh-token Secret has this version now; `pin` is that of the token that it holds.
pub fn stored(known: &mut Known, s: &Snapshot, version: Version, pin: Option<Pin>) {
    trouble::over(known, &Object::Session);
    let opened = match (&s.session.opened, pin) {
        (Opened::Read { record, .. }, Some(pin)) => Opened::Read {
            record: record.clone(),
            pin: Some(pin),
            unsealable: false,
        },
        (opened, _) => opened.clone(),
    };
    known.session = Some(SessionSeen { version, opened });
}

/// Answer's time of the token that is stored.
pub fn redeemed(s: &Snapshot) -> Time {
    s.session.token.as_ref().map_or(Time(0), |t| t.issued_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AccountTag;
    use crate::snapshot::{Binding, Session};

    fn facts(issued_at: i64) -> Snapshot {
        let token = StoredToken {
            ends_at: None,
            issued_at: Time(issued_at),
            dead_since: None,
            binding: Binding::default(),
            tenant_id: String::new(),
            account: AccountTag("a".to_owned()),
        };
        Snapshot {
            session: Session {
                token: Some(token),
                ..Session::default()
            },
            ..Snapshot::default()
        }
    }

    fn newer(redeemed: i64, answered_at: i64) -> RefreshOutcome {
        RefreshOutcome::Newer(Newer {
            redeemed: Time(redeemed),
            answered_at: Time(answered_at),
            account: AccountTag("a".to_owned()),
        })
    }

    fn dead(redeemed: i64) -> RefreshOutcome {
        RefreshOutcome::Dead {
            redeemed: Time(redeemed),
            since: Time(900),
        }
    }

    #[test]
    fn what_came_back_for_the_stored_token_is_newer_whatever_clocks_say() {
        assert!(still_fits(&newer(100, 200), &facts(100)));
        assert!(still_fits(&newer(100, 50), &facts(100)));
    }

    #[test]
    fn a_token_that_somebody_else_stored_gives_way_to_a_later_answer_only() {
        assert!(still_fits(&newer(100, 200), &facts(150)));
        assert!(!still_fits(&newer(100, 200), &facts(200)));
        assert!(!still_fits(&newer(100, 200), &facts(300)));
    }

    #[test]
    fn another_account_s_session_is_left_alone() {
        let mut other = facts(100);
        other.session.token.as_mut().unwrap().account = AccountTag("b".to_owned());
        assert!(!still_fits(&newer(100, 200), &other));
    }

    #[test]
    fn a_death_is_that_of_the_token_that_was_redeemed() {
        assert!(still_fits(&dead(100), &facts(100)));
        assert!(!still_fits(&dead(100), &facts(200)));
    }

    #[test]
    fn nothing_is_stored_where_the_refresh_token_is_gone() {
        assert!(!still_fits(&newer(100, 200), &Snapshot::default()));
        assert!(!still_fits(&dead(100), &Snapshot::default()));
    }
}
