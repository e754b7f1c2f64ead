//! How a failure follows another one, when it is tried again, and what lifts it.

use crate::Time;
use crate::answer::{Effect, Refusal};
use crate::hold::Object;
use crate::known::Known;
use crate::reason::Retry;
use crate::schedule::{self, Life};
use crate::snapshot::{Circumstances, Failure, Snapshot};

/// The failure that follows `previous` when `refusal` came at `now`. `life` is that of the published token.
pub fn next(
    previous: Option<&Failure>,
    refusal: Refusal,
    now: Time,
    spread: u32,
    life: Option<Life>,
) -> Failure {
    nth(consecutive(previous, &refusal), refusal, now, spread, life)
}

/// The failure that is the `consecutive`th in a row, counted from 1; the rest as for [`next`].
pub fn nth(consecutive: u32, refusal: Refusal, now: Time, spread: u32, life: Option<Life>) -> Failure {
    let after = refusal.retry_after;
    let at = match refusal.reason.verdicts().retry {
        _ if refusal.effect == Effect::Withheld => now.plus(after.unwrap_or(1)),
        Retry::Write => schedule::retry_write(now, consecutive, spread, after),
        Retry::Cluster => schedule::retry_cluster(now, consecutive, spread, after),
        Retry::BackOff | Retry::None => schedule::retry_refresh(now, consecutive, spread, life, after),
        Retry::Probe | Retry::Person => now.plus(schedule::PROBE),
    };
    Failure {
        refusal,
        at: now,
        consecutive,
        next_attempt_at: Some(at),
        under: None,
    }
}

/// How many in a row it is after `previous`, counted from 1.
pub fn consecutive(previous: Option<&Failure>, refusal: &Refusal) -> u32 {
    previous
        .filter(|f| f.retries_as(refusal))
        .map_or(1, |f| f.consecutive.saturating_add(1))
}

/// A failure that only a person can end is tried again at once when the spec or the client credential changes.
///
/// Where it is not known what was in force as it happened, that is taken for what is in force at the first look.
pub fn lift(known: &mut Known, s: &Snapshot) {
    let now = s.circumstances();
    lift_one(&mut known.failure, &now);
    for note in known.entries.values_mut() {
        lift_one(&mut note.failure, &now);
    }
    let mut client = known.holds.remove(&Object::Client);
    lift_one(&mut client, &now);
    known.holds.extend(client.map(|f| (Object::Client, f)));
}

/// A person asks: what the client credential lacked may be there now.
pub fn lift_client(known: &mut Known) {
    if known
        .holds
        .get(&Object::Client)
        .is_some_and(|f| f.under.is_some())
    {
        known.holds.remove(&Object::Client);
    }
}

/// What put it off was the provider's, and is over: its own back-off need not be waited for.
pub fn ease(known: &mut Known) {
    let of_entries = known.entries.values_mut().map(|note| &mut note.failure);
    let failures = of_entries.chain([&mut known.failure]).flatten();
    for failure in failures.filter(|f| f.refusal.reason.is_of_provider()) {
        let soonest = schedule::again_at_the_soonest(failure.at, failure.refusal.retry_after);
        failure.next_attempt_at = failure.next_attempt_at.map(|at| at.min(soonest));
    }
}

fn lift_one(failure: &mut Option<Failure>, now: &Circumstances) {
    let Some(f) = failure else { return };
    let before = f.under.get_or_insert_with(|| now.clone());
    let a_person_ends_it = matches!(f.refusal.reason.verdicts().retry, Retry::Probe | Retry::Person);
    if before != now && a_person_ends_it {
        *failure = None;
    }
}
