//! The refresh-token Secret: does what the pocket holds still fit what is stored, and what is known after the write?

use super::trouble;
use crate::hold::Object;
use crate::known::{Known, SessionSeen};
use crate::mac::RefreshTokenMac;
use crate::metadata::Version;
use crate::record::{Record, Verdict};
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

/// Whether the outcome of a login still fits: an accepted one only while no other content is being sent, or was accepted since.
pub fn login_fits(s: &Snapshot, record: &Record) -> bool {
    let Some(pending) = &s.pocket.login else {
        return false;
    };
    let in_flight = record.attempt.as_ref().map(|a| &a.content);
    let accepted = record.entries.last().filter(|e| e.verdict == Verdict::Accepted);
    let newest = in_flight.or_else(|| accepted.map(|e| &e.content));
    let superseded = newest.is_some_and(|content| *content != pending.content);
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
    use crate::answer::Granted;
    use crate::identity::{AccountTag, Pin};
    use crate::metadata::EntryName;
    use crate::record::{Attempt, ContentMac};
    use crate::snapshot::{Binding, LoginOutcome, Newer, Pocket, Session, StoredToken};

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

    /// Two processes, two contents: the answer to the first one comes after the second was settled.
    #[test]
    fn an_answer_that_comes_after_another_content_was_accepted_is_dropped() {
        let content = |text: &str| ContentMac(text.to_owned());
        let granted = Granted {
            issued_at: Time(0),
            expires_at: Time(1),
            refresh_at: None,
            answered_at: Time(0),
            scopes: Vec::new(),
            account: None,
            has_refresh_token: true,
            unusable: None,
            refresh_token_life: None,
            redeemed_stays_valid: true,
            checked_by: None,
        };
        let pending = LoginOutcome {
            content: content("first"),
            attempt: "1".to_owned(),
            entry: EntryName("graph".to_owned()),
            client: None,
            user: "user".to_owned(),
            result: Ok(granted),
        };
        let s = Snapshot {
            pocket: Pocket {
                login: Some(pending),
                refresh: None,
            },
            ..Snapshot::default()
        };
        let mut record = Record::default();
        record.entry_mut(&content("first"));
        assert!(
            login_fits(&s, &record),
            "its attempt was given up by somebody else"
        );
        for (verdict, fits) in [
            (Verdict::Accepted, false),
            (Verdict::Wrong, true),
            (Verdict::Open, true),
        ] {
            record.entry_mut(&content("second")).verdict = verdict.clone();
            assert_eq!(login_fits(&s, &record), fits, "{verdict:?}");
        }
        record.attempt = Some(Attempt {
            id: "2".to_owned(),
            content: content("second"),
            entry: EntryName("graph".to_owned()),
        });
        assert!(!login_fits(&s, &record), "another content is in flight");
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
