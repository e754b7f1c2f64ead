//! The refresh-token Secret: does what the pocket holds still fit what is stored, and what is known after the write?

use super::trouble;
use crate::hold::Object;
use crate::known::{Known, SessionSeen};
use crate::mac::RefreshTokenMac;
use crate::metadata::Version;
use crate::record::Record;
use crate::snapshot::{Opened, RefreshOutcome, Sealed, Snapshot};

/// Whether what redemptions brought still fits the stored token, after whatever others wrote.
///
/// A death and a revival are those of the token that was redeemed; a newer token is one of the same account, and, if
/// another one was stored meanwhile, of a later answer. Which token is stored is told by its hash, and by no clock.
pub fn still_fits(outcome: &RefreshOutcome, s: &Snapshot) -> bool {
    let Some(stored) = &s.session.token else {
        return false;
    };
    match outcome {
        RefreshOutcome::Newer(newer) => {
            let later = newer.answered_at > stored.issued_at;
            s.account_tag() == Some(&newer.account) && (is_stored(s, &newer.redeemed) || later)
        }
        RefreshOutcome::Dead { redeemed, .. } | RefreshOutcome::Alive { redeemed } => is_stored(s, redeemed),
    }
}

fn is_stored(s: &Snapshot, token: &RefreshTokenMac) -> bool {
    s.session.sealed().is_some_and(|sealed| sealed.token == *token)
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

/// The refresh-token Secret has this version now; `sealed` is what was sealed into it.
pub fn stored(known: &mut Known, s: &Snapshot, version: Version, sealed: Option<Sealed>) {
    known.stored = known.stored.saturating_add(1);
    let opened = match (&s.session.opened, sealed) {
        (Opened::Read { record, .. }, Some(sealed)) => Opened::Read {
            record: record.clone(),
            session: Some(sealed),
            unsealable: false,
        },
        (opened, _) => opened.clone(),
    };
    written(known, s, version, opened);
}

/// What is in it was sealed anew: it has this version now.
pub fn resealed(known: &mut Known, s: &Snapshot, version: Version) {
    written(known, s, version, s.session.opened.clone());
}

/// The labels that the spec asks for are on it. What is in it is what it was.
pub fn labelled(known: &mut Known, version: Version) {
    trouble::over(known, &Object::Session);
    if let Some(seen) = &mut known.session {
        seen.version = version;
    }
}

/// The refresh-token Secret was written with this in it. Its annotation names the key.
pub(super) fn written(known: &mut Known, s: &Snapshot, version: Version, opened: Opened) {
    trouble::over(known, &Object::Session);
    known.session = Some(SessionSeen {
        version,
        keys: s.keys.generation,
        sealed_by: None,
        opened,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use crate::identity::{AccountTag, Pin};
    use crate::snapshot::{Binding, Newer, Session, StoredToken};

    /// This refresh token is stored, of an answer at that time.
    fn facts(token: &str, issued_at: i64) -> Snapshot {
        let stored = StoredToken {
            ends_at: None,
            issued_at: Time(issued_at),
            dead_since: None,
            binding: Binding::default(),
            tenant_id: String::new(),
            account: AccountTag("a".to_owned()),
        };
        let sealed = Sealed {
            pin: Pin {
                tag: AccountTag("a".to_owned()),
                ..Pin::default()
            },
            token: mac(token),
        };
        Snapshot {
            session: Session {
                token: Some(stored),
                opened: Opened::Read {
                    record: Some(Record::default()),
                    session: Some(sealed),
                    unsealable: false,
                },
                ..Session::default()
            },
            ..Snapshot::default()
        }
    }

    fn mac(token: &str) -> RefreshTokenMac {
        RefreshTokenMac(token.to_owned())
    }

    fn newer(redeemed: &str, answered_at: i64) -> RefreshOutcome {
        RefreshOutcome::Newer(Newer {
            redeemed: mac(redeemed),
            answered_at: Time(answered_at),
            account: AccountTag("a".to_owned()),
        })
    }

    fn dead(redeemed: &str) -> RefreshOutcome {
        RefreshOutcome::Dead {
            redeemed: mac(redeemed),
            since: Time(900),
        }
    }

    #[test]
    fn what_came_back_for_the_stored_token_is_newer_whatever_clocks_say() {
        assert!(still_fits(&newer("one", 200), &facts("one", 100)));
        assert!(still_fits(&newer("one", 50), &facts("one", 100)));
    }

    #[test]
    fn a_token_that_somebody_else_stored_gives_way_to_a_later_answer_only() {
        assert!(still_fits(&newer("one", 200), &facts("another", 150)));
        assert!(!still_fits(&newer("one", 200), &facts("another", 200)));
        assert!(!still_fits(&newer("one", 200), &facts("another", 300)));
    }

    #[test]
    fn two_tokens_of_one_second_are_two_tokens() {
        let before = facts("one", 100);
        let after = facts("another", 100);
        assert!(still_fits(&dead("one"), &before) && !still_fits(&dead("one"), &after));
        let revived = RefreshOutcome::Alive { redeemed: mac("one") };
        assert!(still_fits(&revived, &before) && !still_fits(&revived, &after));
        assert!(
            !still_fits(&newer("one", 100), &after),
            "nothing says that it is later"
        );
    }

    #[test]
    fn another_account_s_session_is_left_alone() {
        let mut other = facts("one", 100);
        let Opened::Read {
            session: Some(sealed),
            ..
        } = &mut other.session.opened
        else {
            unreachable!("it was opened")
        };
        sealed.pin.tag = AccountTag("b".to_owned());
        assert!(!still_fits(&newer("one", 200), &other));
    }

    #[test]
    fn a_death_is_that_of_the_token_that_was_redeemed() {
        assert!(still_fits(&dead("one"), &facts("one", 100)));
        assert!(!still_fits(&dead("one"), &facts("another", 200)));
    }

    #[test]
    fn nothing_is_stored_where_the_refresh_token_is_gone() {
        assert!(!still_fits(&newer("one", 200), &Snapshot::default()));
        assert!(!still_fits(&dead("one"), &Snapshot::default()));
    }
}
