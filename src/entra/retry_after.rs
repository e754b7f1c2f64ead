//! `Retry-After`: seconds or an HTTP date (RFC 9110 §10.2.3).

use crate::plan::Time;
use crate::reconcile::stamp;

/// Longest pause that is believed: one hour, as in MSAL (`min(3600, Retry-After)`).
pub const RETRY_AFTER_MAX: i64 = 3600;

/// Pause after a 429 without `Retry-After`: MSAL's default for public clients.
pub const RETRY_AFTER_DEFAULT: i64 = 60;

/// Seconds to wait from a `Retry-After` value, 0 to [`RETRY_AFTER_MAX`]; `now` is the answer's own time.
pub(super) fn parse_retry_after(value: &str, now: Time) -> Option<i64> {
    let value = value.trim();
    let seconds = match parse_seconds(value) {
        Some(seconds) => seconds,
        None => stamp::from_http(value)?.since(now),
    };
    Some(seconds.clamp(0, RETRY_AFTER_MAX))
}

/// Digits; more of them than fit mean the longest pause.
fn parse_seconds(value: &str) -> Option<i64> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    #[test]
    fn seconds_are_capped_at_an_hour() {
        for (value, seconds) in [
            ("0", 0),
            (" 17 ", 17),
            ("3601", 3600),
            ("99999999999999999999999", 3600),
        ] {
            assert_eq!(parse_retry_after(value, NOW), Some(seconds), "{value}");
        }
    }

    #[test]
    fn all_three_date_forms_count_from_the_answers_time() {
        for value in [
            "Sun, 06 Nov 1994 08:50:07 GMT",
            "Sunday, 06-Nov-94 08:50:07 GMT",
            "Sun Nov  6 08:50:07 1994",
        ] {
            assert_eq!(parse_retry_after(value, NOW), Some(30), "{value}");
        }
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:00 GMT", NOW), Some(0));
        assert_eq!(
            parse_retry_after("Mon, 06 Nov 1995 08:49:00 GMT", NOW),
            Some(3600)
        );
    }

    #[test]
    fn anything_else_is_no_answer() {
        for value in ["", "-1", "1.5", "soon", "+3"] {
            assert_eq!(parse_retry_after(value, NOW), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_in_bounds(value in ".{0,40}", now in any::<i64>()) {
            if let Some(seconds) = parse_retry_after(&value, Time(now)) {
                prop_assert!((0..=RETRY_AFTER_MAX).contains(&seconds));
            }
        }
    }
}
