//! When to look where no watch shows anything: for a login Secret of another type, for a token Secret that lost our label, and
//! whether a foreign Secret is still in the way.

use super::hold::Object;
use super::schedule::{LOOK_AGAIN, REQUEST_SPACING, SEARCH_FIRST, SEARCH_LAST, SEARCH_SOON};
use super::snapshot::{Login, Snapshot};
use super::{Step, Time};

/// The search for a login Secret whose type hides it from the watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Search {
    /// Seen how often in a row, though the watch does not show it.
    pub seen: u32,
    /// Looks so far.
    pub looks: u32,
    /// When to look next; `None`: it has not begun.
    pub next: Option<Time>,
    /// When the foreign refresh-token Secret was looked at last.
    pub session_looked_at: Option<Time>,
}

/// Looks that show a wrong type: one alone may be a watch that is late.
const CONVINCING: u32 = 2;

impl Search {
    /// Whether a Secret of that name exists under another type.
    pub const fn found(&self) -> bool {
        self.seen >= CONVINCING
    }

    /// The first look: soon for a credential that is new or was just edited; else later, and spread over ten minutes when
    /// a process starts with many.
    #[must_use]
    pub fn begun(now: Time, young: bool, starting: bool, spread: u32) -> Self {
        let [soon, _] = SEARCH_SOON;
        let pause = match (young, starting) {
            (true, _) => soon,
            (false, false) => SEARCH_FIRST,
            (false, true) => SEARCH_FIRST + i64::from(spread) % (SEARCH_LAST - SEARCH_FIRST),
        };
        Self {
            next: Some(now.plus(pause)),
            ..Self::default()
        }
    }

    /// After a look.
    #[must_use]
    pub fn looked(self, exists: bool, now: Time) -> Self {
        let looks = self.looks.saturating_add(1);
        let [_, second] = SEARCH_SOON;
        let pause = if looks == 1 && self.seen == 0 && exists {
            second
        } else {
            SEARCH_FIRST
                .saturating_mul(1_i64 << looks.min(6))
                .min(SEARCH_LAST)
        };
        Self {
            seen: if exists { self.seen.saturating_add(1) } else { 0 },
            looks,
            next: Some(now.plus(pause)),
            ..self
        }
    }
}

impl Snapshot {
    /// Whether a login Secret is awaited that no watch shows.
    pub fn lacks_login(&self) -> bool {
        !matches!(self.login, Login::Present(_)) && !self.redeemable()
    }
}

/// What must be looked at now, of an object that may be worked on.
pub(super) fn due(s: &Snapshot, now: Time) -> Option<Step> {
    look(login(s, now).into_iter().chain(others(s, now)))
}

/// What must be looked at although nothing may be called or written: without it the status would call a token missing.
pub(super) fn due_while_suspended(s: &Snapshot, now: Time) -> Option<Step> {
    if s.object.deleting || !s.object.suspended {
        return None;
    }
    look(unlooked(s).filter(|o| s.held(o, now).is_none()))
}

fn look(objects: impl Iterator<Item = Object>) -> Option<Step> {
    let objects: Vec<_> = objects.collect();
    (!objects.is_empty()).then_some(Step::Look(objects))
}

fn login(s: &Snapshot, now: Time) -> Option<Object> {
    let due = s.lacks_login() && s.search.next.is_some_and(|at| at <= now);
    (due && s.held(&Object::Login, now).is_none()).then_some(Object::Login)
}

/// A Secret that somebody else must remove may be outside of the watches, if a look has shown it, or lost the label that they
/// select by: its removal is found by looking, and when a person asks.
fn others(s: &Snapshot, now: Time) -> Vec<Object> {
    let again = again(s, now);
    let due = |at: Option<Time>| at.is_some_and(|at| again(at) <= now);
    let tokens = s
        .tokens
        .iter()
        .filter(|t| t.waits_for_others() && due(t.looked_at))
        .map(|t| Object::Token(t.name.clone()));
    let session = (s.session.ownership.waits_for_others() && due(s.search.session_looked_at))
        .then_some(Object::Session);
    tokens
        .chain(session)
        .chain(unlooked(s))
        .filter(|o| s.held(o, now).is_none())
        .collect()
}

/// Token Secrets that were written and that no watch shows.
fn unlooked(s: &Snapshot) -> impl Iterator<Item = Object> {
    let unlooked = s.tokens.iter().filter(|t| t.unlooked);
    unlooked.map(|t| Object::Token(t.name.clone()))
}

/// When what was looked at is looked at again. Who asks for a renewal may have removed what was in the way.
fn again(s: &Snapshot, now: Time) -> impl Fn(Time) -> Time {
    let asked = s.requested_from(now);
    move |looked| {
        let by_itself = looked.plus(LOOK_AGAIN);
        asked.map_or(by_itself, |from| {
            by_itself.min(looked.plus(REQUEST_SPACING).max(from))
        })
    }
}

/// When to look next.
pub(super) fn wake(s: &Snapshot, now: Time) -> Option<Time> {
    if s.object.suspended {
        return None;
    }
    let search = s.search.next.filter(|_| s.lacks_login());
    let again = again(s, now);
    let tokens = s
        .tokens
        .iter()
        .filter(|t| t.waits_for_others())
        .map(|t| again(t.looked_at.unwrap_or(now)));
    let session = s.session.ownership.waits_for_others();
    let session = session.then(|| again(s.search.session_looked_at.unwrap_or(now)));
    tokens.chain(session).chain(search).filter(|at| *at > now).min()
}
