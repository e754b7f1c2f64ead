//! What an older key sealed is sealed anew: with a renewal, and what does not renew within a day, spread.

use crate::Time;
use crate::known::Known;
use crate::schedule;
use crate::snapshot::Snapshot;

/// A pass begins. What is suspended gets its turn when it is resumed.
pub fn begins(known: &mut Known, s: &Snapshot, now: Time) {
    let turn = known
        .reseal_at
        .unwrap_or_else(|| schedule::reseal_at(now, s.object.spread));
    known.reseal_at = match () {
        () if !s.is_sealed_by_older() => None,
        () if s.object.suspended => Some(now),
        () => Some(turn),
    };
}

/// A renewal has opened the Secret: if its answer asks for no write, it is sealed anew all the same.
pub fn renewed(known: &mut Known, now: Time) {
    known.reseal_at = known.reseal_at.map(|at| at.min(now));
}
