//! How long a request may take, and a sign-in as a whole.

use std::time::Duration;

/// Longest time for a request: the default of MSAL Go.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Shortest, for tokens that live for seconds.
const REQUEST_MIN: Duration = Duration::from_secs(2);

/// A part of a token's life that one request may take (docs/contract.md, "Timing": life/8).
const LIFE_PART: u32 = 8;

/// Longest time for a sign-in with all its requests (docs/contract.md, "The login, step by step"): another process takes it over after 60 s.
const SIGN_IN_MAX: Duration = Duration::from_secs(45);

/// Longest time for a document on the way: two of them and a connection fit into the ten seconds within which the
/// password must leave (docs/contract.md, "The login, step by step").
const DOCUMENT_MAX: Duration = Duration::from_secs(4);

/// min(30 s, life/8), at least 2 s; 30 s while the life is unknown or over.
pub(super) fn of_request(life: Option<i64>) -> Duration {
    let life = life
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0);
    life.map_or(REQUEST_MAX, |seconds| {
        (Duration::from_secs(seconds) / LIFE_PART).clamp(REQUEST_MIN, REQUEST_MAX)
    })
}

/// The one deadline of a sign-in, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignInDeadline {
    end: Duration,
    request: Duration,
}

impl SignInDeadline {
    /// Of a sign-in that begins now.
    pub(super) fn new(now: Duration, life: Option<i64>) -> Self {
        Self {
            end: now.saturating_add(SIGN_IN_MAX),
            request: of_request(life),
        }
    }

    /// Time for a grant that begins now.
    pub(super) fn for_grant(self, now: Duration) -> Duration {
        self.request.min(self.end.saturating_sub(now))
    }

    /// Time for a document that is asked for now.
    pub(super) fn for_document(self, now: Duration) -> Duration {
        self.for_grant(now).min(DOCUMENT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_an_eighth_of_the_life() {
        let seconds = |life| of_request(life).as_secs_f64();
        assert!((seconds(Some(24)) - 3.0).abs() < 1e-9);
        assert!((seconds(Some(4000)) - 30.0).abs() < 1e-9);
        assert!((seconds(Some(5)) - 2.0).abs() < 1e-9);
        assert!((seconds(Some(-5)) - 30.0).abs() < 1e-9);
        assert!((seconds(None) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn whatever_its_requests_take_a_sign_in_ends_after_45_seconds() {
        let begun = Duration::from_secs(100);
        let deadline = SignInDeadline::new(begun, None);
        let mut now = begun;
        for _ in 0..2 {
            assert_eq!(deadline.for_document(now), Duration::from_secs(4));
            now += deadline.for_document(now);
        }
        assert_eq!(deadline.for_grant(now), Duration::from_secs(30));
        now += deadline.for_grant(now);
        assert_eq!(deadline.for_grant(now), Duration::from_secs(7));
        now += deadline.for_grant(now);
        assert_eq!(now, begun + SIGN_IN_MAX);
        assert_eq!(deadline.for_grant(now), Duration::ZERO);
    }
}
