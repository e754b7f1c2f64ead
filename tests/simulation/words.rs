//! What people write into the annotation that asks for a renewal, and what it is worth: a moment, unless it is far ahead.

use entra_operator::plan::Time;
use entra_operator::reconcile::stamp as text;

use super::rng::Rng;

/// How far ahead of a clock a word may be, seconds.
const AHEAD: i64 = 300;

/// What a person writes at that moment: nearly always the moment, sometimes an odd one, sometimes nonsense.
pub fn written(rng: &mut Rng, now: i64) -> String {
    let at = |seconds: i64| text::to_text(Time(seconds));
    match rng.below(20) {
        0 => "now".to_owned(),
        1 => at(now).replace('T', " at "),
        2 => at(now + rng.range(AHEAD + 60, 7200)),
        3 => at(now + rng.range(1, AHEAD - 30)),
        4 => at(now - rng.range(60, 7200)),
        5 => at(now).replace('Z', "+00:00"),
        _ => at(now),
    }
}

/// The moment that a text names.
pub fn stamp(written: &str) -> Option<i64> {
    text::from_text(written).map(|at| at.0)
}

/// The moment that a text names, unless it is too far ahead of this clock to count.
pub fn word(written: &str, wall: i64) -> Option<i64> {
    stamp(written).filter(|at| *at <= wall + AHEAD)
}
