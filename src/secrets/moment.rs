//! Calendar time from the plan's seconds, UTC. Total: what no calendar date can express is clamped to the nearest one.

use jiff::Timestamp;

use crate::plan::Time;

/// `time` as a calendar timestamp.
pub(super) fn timestamp(time: Time) -> Timestamp {
    let nearest = if time.0 < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_second(time.0).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::timestamp;
    use crate::plan::Time;

    #[test]
    fn impossible_dates_are_clamped() {
        assert_eq!(timestamp(Time(0)).to_string(), "1970-01-01T00:00:00Z");
        assert!(timestamp(Time(i64::MAX)).to_string().starts_with("9999-"));
        assert!(timestamp(Time(i64::MIN)).to_string().starts_with('-'));
    }
}
