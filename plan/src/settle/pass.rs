//! What begins and ends every pass, whatever it does: failures are lifted, the search is kept, the same step is not taken
//! for ever.

use super::{failure, reseal, trouble};
use crate::Time;
use crate::answer::Account;
use crate::known::Known;
use crate::looks::Search;
use crate::reason::Reason;
use crate::schedule::{
    DAY, RETRY_AFTER_CAP, SAME_STEP, SEARCH_LAST, SEND_WINDOW, STEPS, UNSTEADY, hold_ends,
};
use crate::snapshot::{Login, Ownership, Snapshot};
use crate::step::Step;
use crate::word::Word;

/// A credential younger than this, or edited since, is being worked on: its login is searched for soon. Seconds.
pub const YOUNG: i64 = 600;

/// A pass begins. `young`: the credential is new, or was edited since the last pass; `starting`: it is old, and this
/// process has not looked at it before.
pub fn begins(known: &mut Known, s: &Snapshot, young: bool, starting: bool, now: Time) {
    known.taken.clear();
    known.stored = 0;
    known
        .entries
        .retain(|name, _| s.tokens.iter().any(|t| t.name == *name));
    forget_the_future(known, now);
    failure::lift(known, s);
    if s.requested(now) {
        failure::lift_client(known);
    }
    if known.withheld.as_ref().is_some_and(|w| w.until <= now) {
        known.withheld = None;
    }
    if known.turn_at.is_some_and(|at| at <= now) {
        known.turn_at = None;
    }
    let session_looked_at = known.search.session_looked_at;
    if !s.lacks_login() {
        known.search = Search::default();
    } else if known.search.next.is_none() || young {
        known.search = Search::begun(now, young, starting, s.object.spread);
    }
    known.search.session_looked_at = session_looked_at;
    see_others(known, s, now);
    find(known, s);
    reseal::begins(known, s, now);
}

/// What began in the future was noted before the clock was set back, and holds nothing up.
fn forget_the_future(known: &mut Known, now: Time) {
    let began = |at: &Time| *at <= now;
    known.holds.retain(|_, f| began(&f.at));
    let of_entries = known
        .entries
        .values_mut()
        .filter_map(|note| note.failure.as_mut());
    for failure in of_entries.chain(&mut known.failure) {
        let ends = failure.next_attempt_at;
        failure.next_attempt_at = ends.map(|until| hold_ends(until, Some(failure.at), now));
    }
    for at in seen_at(known) {
        *at = now.min(*at);
    }
    known.last_redeemed_at = known.last_redeemed_at.filter(began);
    known.deleted_login_at = known.deleted_login_at.filter(began);
    if known
        .withheld
        .as_ref()
        .is_some_and(|w| w.until > now.plus(RETRY_AFTER_CAP))
    {
        known.withheld = None;
    }
    let longest = RETRY_AFTER_CAP + UNSTEADY;
    known.unsteady = known.unsteady.filter(|u| u.until <= now.plus(longest));
    if known.turn_at.is_some_and(|at| at > now.plus(SEND_WINDOW)) {
        known.turn_at = None;
    }
    known.search.next = known.search.next.filter(|at| *at <= now.plus(SEARCH_LAST));
    known.reseal_at = known.reseal_at.filter(|at| *at <= now.plus(DAY));
}

/// When something was seen or done, from which the next time is reckoned.
fn seen_at(known: &mut Known) -> impl Iterator<Item = &mut Time> {
    let of_entries = known.entries.values_mut().flat_map(|note| {
        let repaired = note.repairs.as_mut().map(|repairs| &mut repairs.at);
        note.looked_at.iter_mut().chain(repaired)
    });
    of_entries
        .chain(&mut known.search.session_looked_at)
        .chain(known.login.as_mut().map(|login| &mut login.at))
        .chain(known.attempt.as_mut().map(|attempt| &mut attempt.first_seen))
}

/// A Secret that others must remove and that this memory has not looked at may come from a look of an earlier resource of this name, and
/// then no watch tells that it is gone: its next look counts from here.
fn see_others(known: &mut Known, s: &Snapshot, now: Time) {
    for token in s.tokens.iter().filter(|t| t.waits_for_others()) {
        known.note(&token.name).looked_at.get_or_insert(now);
    }
    if s.session.ownership.waits_for_others() {
        known.search.session_looked_at.get_or_insert(now);
    }
}

/// What is shown is there.
fn find(known: &mut Known, s: &Snapshot) {
    for token in s.tokens.iter().filter(|t| t.ownership != Ownership::Absent) {
        if let Some(note) = known.entries.get_mut(&token.name) {
            note.gone = false;
        }
    }
}

/// Whether `step` may be taken: not the same one again and again, and not more of them than a pass may take. What may not
/// is held.
pub fn may_take(known: &mut Known, s: &Snapshot, step: &Step, now: Time) -> Allowed {
    if known.taken.len() >= STEPS {
        return Allowed::PassIsOver;
    }
    let before = known.taken.iter().filter(|taken| *taken == step).count();
    let led_on = if *step == Step::Store { known.stored } else { 0 };
    known.taken.push(step.clone());
    if before < led_on.saturating_add(SAME_STEP) {
        return Allowed::Yes;
    }
    for object in step.objects() {
        trouble::without_progress(known, s, &object, now);
    }
    if step.objects().is_empty() {
        Allowed::PassIsOver
    } else {
        Allowed::Held
    }
}

/// Whether a step may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It may.
    Yes,
    /// It was taken twice in this pass without progress, and its objects are held now: decide anew.
    Held,
    /// The pass has had its steps.
    PassIsOver,
}

/// A pass ends: what was held and is not held again is over, and a word that could lead to nothing, because no refresh token is
/// stored, is handled by having been looked at.
pub fn ends(known: &mut Known, s: &Snapshot, now: Time) {
    known
        .holds
        .retain(|_, f| f.next_attempt_at.is_none_or(|at| at > now));
    let nothing_to_renew = s.session.token.is_none() && !matches!(s.login, Login::Present(_));
    if nothing_to_renew && !s.object.suspended && !s.object.deleting && s.requested(now) {
        known.handled = s.word_for_renewal(now).or(known.handled);
    }
}

/// Takes over what a status tells that another process wrote: a word that it handled.
pub fn word_was_handled(known: &mut Known, word: Word) {
    known.handled = known.handled.max(Some(word));
}

/// Whether what holds the renewal up is worth an Event by itself.
pub fn is_trouble(reason: Reason) -> bool {
    reason.verdicts().needs_person
        || matches!(
            reason,
            Reason::Expiring
                | Reason::Expired
                | Reason::WriteRefused
                | Reason::ClusterUnavailable
                | Reason::CertificateExpiring
        )
}

/// Who signed in, for showing: with the user name that was sent, where the answer gave none.
pub fn shown(account: &Account, user: &str) -> Account {
    let mut account = account.clone();
    if account.username.is_empty() {
        user.clone_into(&mut account.username);
    }
    account
}
