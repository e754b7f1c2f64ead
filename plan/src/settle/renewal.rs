//! A redemption, or the GUID of a tenant.

use std::ops::ControlFlow;

use super::failure;
use crate::Time;
use crate::answer::{Deed, Effect, Granted, Refusal};
use crate::identity::{Names, Pin};
use crate::known::Known;
use crate::metadata::EntryName;
use crate::reason::Reason;
use crate::schedule::{self, Life, STORE_AFTER, WITHHELD_TOLD};
use crate::snapshot::{
    Binding, Failure, Held, Newer, RefreshOutcome, Snapshot, StoredToken, Token, Withheld,
};

/// What a granted redemption brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The token is to be published: into the pocket with it.
    pub token: bool,
    /// The pin, completed by what the answer named; `None`: the whole answer is for another account and discarded.
    pub pin: Option<Pin>,
}

/// A redemption for `token` was granted, for the session of `pin`. `held` is what would be published.
pub fn granted(
    known: &mut Known,
    s: &Snapshot,
    token: &Token,
    pin: &Pin,
    held: &Held,
    now: Time,
) -> (ControlFlow<()>, Kept) {
    let answered = held.granted.account.as_ref();
    if pin.names(answered) == Names::Another {
        failed(known, s, other_identity(), now);
        let nothing = Kept {
            token: false,
            pin: None,
        };
        return (ControlFlow::Break(()), nothing);
    }
    probe_stands_for_all(known, s);
    known.last_redeemed_at = Some(now);
    super::reseal::renewed(known, now);
    known.failure = None;
    let pin = pin.completed(answered);
    known.account = Some(super::pass::shown(&pin.account, &pin.user));
    let token = settle_entry(known, s, token, held, now);
    (
        ControlFlow::Continue(()),
        Kept {
            token,
            pin: Some(pin),
        },
    )
}

/// What all entries had in common was about none of them: the others are tried at once.
fn probe_stands_for_all(known: &mut Known, s: &Snapshot) {
    let Some(common) = s.common_failure() else { return };
    for note in known.entries.values_mut() {
        if note
            .failure
            .as_ref()
            .is_some_and(|f| f.refusal.is_like(&common.refusal))
        {
            note.failure = None;
        }
    }
}

/// Whether the token is worth publishing. One that does not outlive what is published is dropped, and the next try is due
/// at half of what is left; one that cannot be published is the entry's failure.
fn settle_entry(known: &mut Known, s: &Snapshot, token: &Token, held: &Held, now: Time) -> bool {
    if let Some(refusal) = &held.granted.unusable {
        entry_failed(known, s, &token.name, (**refusal).clone(), now);
        return false;
    }
    let worth = token.worth_publishing(held, now);
    let answers = token.wanted.is_answered_by(&held.request) && held.granted.expires_at > now;
    let note = known.note(&token.name);
    note.failure = None;
    note.deferred_until = None;
    if worth {
        return true;
    }
    match token.life().filter(|_| answers) {
        Some(life) => note.deferred_until = Some(schedule::deferred(life, now)),
        None => entry_failed(known, s, &token.name, not_usable(), now),
    }
    false
}

/// A redemption for `token` was refused.
pub fn refused(known: &mut Known, s: &Snapshot, token: &Token, refusal: Refusal, now: Time) -> Refused {
    if refusal.concerns_entry() {
        entry_failed(known, s, &token.name, refusal, now);
        return Refused::GoOn;
    }
    match refusal.effect {
        Effect::Dead => dead(known, s, refusal, now),
        Effect::Suspect => suspect(known, s, refusal, schedule::SUSPECT, now),
        Effect::Unreadable => suspect(known, s, refusal, schedule::UNREADABLE, now),
        Effect::Person
        | Effect::Entry
        | Effect::Transient
        | Effect::Withheld
        | Effect::Unanswered
        | Effect::Doubtful
        | Effect::Condemned => {
            failed(known, s, refusal, now);
            Refused::Stop
        }
    }
}

/// What a refused redemption means for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The other entries are not concerned.
    GoOn,
    /// Nothing more can be got now.
    Stop,
    /// The refresh token is dead: into the pocket with that.
    Dead(RefreshOutcome),
}

/// The entry alone failed. What all hold alike is tried again for all together.
pub fn entry_failed(known: &mut Known, s: &Snapshot, name: &EntryName, refusal: Refusal, now: Time) {
    let life = s.tokens.iter().find(|t| t.name == *name).and_then(Token::life);
    let note = known.note(name);
    let mut next = failure::next(note.failure.as_ref(), refusal, now, s.object.spread, life);
    next.under = Some(s.circumstances());
    note.failure = Some(next.clone());
    let common = s
        .common_failure()
        .is_some_and(|f| f.refusal.is_like(&next.refusal));
    for note in known.entries.values_mut().filter(|_| common) {
        if let Some(f) = note.failure.as_mut().filter(|f| f.refusal.is_like(&next.refusal)) {
            f.next_attempt_at = next.next_attempt_at;
        }
    }
}

fn dead(known: &mut Known, s: &Snapshot, refusal: Refusal, now: Time) -> Refused {
    let Some(sealed) = s.session.sealed() else {
        return Refused::Stop;
    };
    let refusal = Refusal {
        deed: Deed::NewLogin,
        ..refusal
    };
    known.failure = None;
    known.login_failure = Some(Failure {
        refusal,
        at: now,
        consecutive: 1,
        next_attempt_at: None,
        under: None,
    });
    Refused::Dead(RefreshOutcome::Dead {
        redeemed: sealed.token.clone(),
        since: now,
    })
}

/// One odd answer must not end a credential that lives for months.
fn suspect(
    known: &mut Known,
    s: &Snapshot,
    refusal: Refusal,
    (enough, pause): (u32, i64),
    now: Time,
) -> Refused {
    let same = |f: &&Failure| f.refusal.is_like(&refusal);
    let before = known.failure.as_ref().filter(same).map_or(0, |f| f.consecutive);
    if before + 1 >= enough {
        return dead(known, s, refusal, now);
    }
    known.failure = Some(Failure {
        refusal,
        at: now,
        consecutive: before + 1,
        next_attempt_at: Some(now.plus(pause)),
        under: Some(s.circumstances()),
    });
    Refused::Stop
}

/// The refresh token, client or tenant failed: all entries wait.
pub fn failed(known: &mut Known, s: &Snapshot, refusal: Refusal, now: Time) {
    let soonest: Option<Life> = s
        .tokens
        .iter()
        .filter_map(Token::life)
        .min_by_key(|life| life.expires_at);
    let mut next = failure::next(known.failure.as_ref(), refusal, now, s.object.spread, soonest);
    next.under = Some(s.circumstances());
    known.failure = Some(next);
}

/// No permit is free before then.
pub fn withheld(
    known: &mut Known,
    s: &Snapshot,
    until: Time,
    (reason, message): (Reason, String),
    now: Time,
) {
    known.withheld = Some(Withheld {
        until,
        long: until.since(now) >= WITHHELD_TOLD,
        reason,
        message,
        binding: s.binding().cloned(),
    });
}

/// A permit may be free now, earlier than was said; or a provider that put it off answers again.
pub fn turn_came(known: &mut Known) {
    known.withheld = None;
    failure::ease(known);
}

/// All that were due were asked for: a person's word has led to a renewal.
pub fn word_led(known: &mut Known, s: &Snapshot, now: Time) {
    known.handled = s.word_for_renewal(now).or(known.handled);
}

/// A refresh token that came back, without itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its answer's time.
    pub answered_at: Time,
    /// Until when it is good, if its answer said so.
    pub ends_at: Option<Time>,
    /// The one that was redeemed for it stays redeemable.
    pub redeemed_stays_valid: bool,
}

impl From<&Granted> for Returned {
    fn from(granted: &Granted) -> Self {
        Self {
            answered_at: granted.answered_at,
            ends_at: granted.refresh_token_ends_at(),
            redeemed_stays_valid: granted.redeemed_stays_valid,
        }
    }
}

impl Returned {
    /// Whether the token that was redeemed for it can stay in its place for now. Both times are the provider's: no clock
    /// of ours has a say. A stored time of the future counts as old.
    fn can_wait(self, stored: &StoredToken) -> bool {
        let age = self.answered_at.since(stored.issued_at);
        let lives = [
            stored.ends_at.map(|end| end.since(stored.issued_at)),
            self.ends_at.map(|end| end.since(self.answered_at)),
        ];
        let told = lives.into_iter().flatten().min();
        let enough = told.map_or(STORE_AFTER, |life| STORE_AFTER.min(life / 4));
        self.redeemed_stays_valid && stored.dead_since.is_none() && (0..enough).contains(&age)
    }
}

/// What the redemptions of a step brought for the stored session.
///
/// `newest` is the newest refresh token that came back: stored at once, or not yet where the one that was redeemed stays
/// valid and nothing else asks for a write. Without one, a token that counted as dead is alive, and a pin that was
/// completed is stored with the token that is there.
pub fn brought(s: &Snapshot, newest: Option<Returned>, pin: &Pin) -> Option<RefreshOutcome> {
    let (stored, sealed) = (s.session.token.as_ref()?, s.session.sealed()?);
    let newer = |answered_at| {
        RefreshOutcome::Newer(Newer {
            redeemed: sealed.token.clone(),
            answered_at,
            account: pin.tag.clone(),
        })
    };
    let completed = sealed.pin != *pin;
    let asked =
        completed || s.session.unlabelled || s.is_sealed_by_older() || s.binding() != Some(&stored.binding);
    match newest {
        Some(returned) if !asked && returned.can_wait(stored) => None,
        Some(returned) => Some(newer(returned.answered_at)),
        None if completed => Some(newer(stored.issued_at)),
        None => stored.dead_since.map(|_| RefreshOutcome::Alive {
            redeemed: sealed.token.clone(),
        }),
    }
}

/// The GUID of the tenant that the binding names.
pub fn resolved(known: &mut Known, binding: Binding, guid: String) {
    known.resolved = Some((binding, guid));
}

fn other_identity() -> Refusal {
    Refusal {
        effect: Effect::Person,
        deed: Deed::Word,
        ..super::trouble::refusal(
            Reason::IdentityChanged,
            "a renewal was answered for another account than the pinned one, and was discarded".to_owned(),
            "Check which account this application's session belongs to.",
        )
    }
}

fn not_usable() -> Refusal {
    Refusal {
        effect: Effect::Transient,
        deed: Deed::Wait,
        ..super::trouble::refusal(
            Reason::UnexpectedResponse,
            "the answer brought no token that can be published".to_owned(),
            "",
        )
    }
}
