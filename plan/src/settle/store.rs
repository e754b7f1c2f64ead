//! The refresh-token Secret: does what the pocket holds still fit what is stored, and what is known after the write?

use super::trouble;
use crate::Time;
use crate::hold::Object;
use crate::identity::Pin;
use crate::known::{Known, SessionSeen};
use crate::record::Record;
use crate::snapshot::{Newer, Opened, RefreshOutcome, Snapshot, StoredToken};

/// Whether what redemptions brought still fits the stored token, after whatever others wrote: a death and a revival are
/// those of the token that was redeemed; a newer token is one of the same account, and, if another one was stored
/// meanwhile, of a later answer. Times are compared between answers to the same token only.
pub fn still_fits(outcome: &RefreshOutcome, s: &Snapshot) -> bool {
    let Some(stored) = &s.session.token else { return false };
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
    let Some(pending) = &s.pocket.login else { return false };
    let superseded = record
        .attempt
        .as_ref()
        .is_some_and(|a| a.content != pending.content);
    !(superseded && pending.result.is_ok())
}

/// The refresh-token Secret has this version now; `pin` is that of the token that it holds.
pub fn stored(known: &mut Known, s: &Snapshot, version: String, pin: Option<Pin>) {
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
