//! When: renewal, retries, probes and repairs. Pure arithmetic over whole seconds; the numbers are those of the contract (docs/contract.md, "Timing").

use super::Time;

/// Seconds a new token must be out before the old one expires.
///
/// 390 s for the slowest kubelet to show it (Secret cache with TTL on large clusters), 300 s that careful clients
/// subtract, and 300 s for retries.
pub const LEAD: i64 = 990;

/// Seconds that the replaced token still lives when its successor is written: propagation plus consumer skew.
pub const MARGIN: i64 = 690;

/// Pause between probes of a failure that only a person can end.
pub const PROBE: i64 = 1800;

/// Shortest pause between two renewals that people ask for.
pub const REQUEST_SPACING: i64 = 20;

/// Tokens that fall due within this many seconds of each other are renewed together.
pub const TOGETHER: i64 = 60;

/// An attempt must be sent within this many seconds of its record.
pub const SEND_WITHIN: i64 = 10;

/// An unfinished attempt is taken over this many seconds after it was first seen.
pub const TAKE_OVER: i64 = 60;

/// Pause after a login whose answer was lost.
pub const AFTER_LOST: i64 = 60;

/// Pause before the next entry's scopes are tried with a login.
pub const NEXT_ENTRY: i64 = 30;

/// Same content in a re-created login Secret: shortest pause between sends while nothing else changed.
pub const SAME_CONTENT: i64 = 1800;

/// Shortest pause between deletions of a used login Secret that is created again, seconds.
pub const DELETED_AGAIN: i64 = 60;

/// Longest `Retry-After` that is obeyed.
pub const RETRY_AFTER_CAP: i64 = 3600;

/// Sends of one account in [`SEND_WINDOW`], whoever asks: Entra's smart lockout trips at ten failures.
pub const SENDS_PER_ACCOUNT: usize = 3;

/// Shortest pause before a turn is asked for again that a sign-in under way may give back; half of the time that it is under
/// way if that is longer.
pub const TURN_AGAIN: i64 = 1;

/// A sign-in that has its turn for so long is not under way any more: it has 45 s.
pub const SIGN_IN_LONGEST: i64 = 60;

/// Logins of one namespace in [`SEND_WINDOW`] that end in a refusal.
pub const REFUSALS_PER_NAMESPACE: usize = 20;

/// Window of both, seconds.
pub const SEND_WINDOW: i64 = 900;

/// How far a person's word may be ahead of our clock, seconds.
pub const WORD_AHEAD: i64 = 300;

/// How long a word counts for a login Secret that comes later, seconds.
pub const WORD_HOLDS: i64 = DAY;

/// How often in a day a person's word lifts one condemned content.
pub const LIFTS_A_DAY: usize = 3;

/// Sends in all of a content that was refused with doubt, without a person's word.
pub const DOUBTFUL_SENDS: u32 = 3;

/// Pause between tries of a content whose password is known to be right, and how many there are.
pub const PROVEN_PAUSE: i64 = 3600;
/// See [`PROVEN_PAUSE`].
pub const PROVEN_TRIES: u32 = 24;

/// Equal doubtful answers after which a refresh token counts as dead, and the pause between them.
pub const SUSPECT: (u32, i64) = (3, 600);
/// The same where the provider says that it cannot read the token.
pub const UNREADABLE: (u32, i64) = (2, 60);

/// A renewal or sign-in that waits so long for a permit is told of, seconds; less is a turn like another.
pub const WITHHELD_TOLD: i64 = 20;

/// Seconds that a ServiceAccount token is asked for: the default of Kubernetes' projected tokens.
pub const SERVICE_ACCOUNT_TOKEN: i64 = 3600;

/// Part of a ServiceAccount token's life after which another is asked for: as kubelet does it for projected tokens.
const SERVICE_ACCOUNT_TOKEN_USED: i64 = 80;

/// When a hold ends that began at `since`: at once if that lies in the future, because the clock was set back meanwhile.
pub fn hold_ends(until: Time, since: Option<Time>, now: Time) -> Time {
    if since.is_some_and(|since| since > now) {
        now
    } else {
        until
    }
}

/// Seconds that the wall clock may move against the monotonic one without having been set. A clock that is kept right is
/// slewed, and the monotonic one with it; what is left is rounding.
pub const CLOCK_SET: i64 = 5;

/// Seconds before an API server that did not say what time it is is asked again.
pub const TIME_AGAIN: u64 = 5;

/// Age at which a stored refresh token is replaced by the newest that came back, where a used one stays redeemable, seconds.
///
/// Entra ID's live 90 days from their issue (Microsoft's page "Refresh tokens in the Microsoft identity
/// platform"), so 89 are left when renewals stop.
pub const STORE_AFTER: i64 = DAY;

/// How long after the last pause of a back-off the API server's next failure goes on from it, seconds: a server that fails
/// every other call is not asked as often as one that fails none.
pub const UNSTEADY: i64 = 60;

/// A quiet time that ends a row of repairs, seconds.
pub const REPAIRS_END: i64 = 600;

/// Steps that one pass may take; a whole login of two tokens needs eleven. What is left goes on in the next pass.
pub const STEPS: usize = 14;

/// How often one pass takes the same step: at the next time its objects are held.
pub const SAME_STEP: usize = 2;

/// How long a look at somebody else's claim is good for, and how often it is repeated.
pub const CLAIM_LOOK: i64 = 60;

/// How often an object in the way is looked at again.
pub const LOOK_AGAIN: i64 = 300;

/// Pauses before the looks for a login Secret of the wrong type, for a credential that is new or changed.
pub const SEARCH_SOON: [i64; 2] = [5, 10];
/// First pause of that search else; it doubles up to [`SEARCH_LAST`].
pub const SEARCH_FIRST: i64 = 30;
/// See [`SEARCH_FIRST`].
pub const SEARCH_LAST: i64 = 600;

/// A day, seconds.
pub const DAY: i64 = 86_400;

/// A client certificate that ends within this time is told of: long enough for a change of the app registration that
/// somebody must approve.
pub const CERTIFICATE_NOTICE: i64 = 30 * DAY;

const REFRESH: [i64; 4] = [20, 60, 180, 600];
const WRITE: [i64; 4] = [20, 60, 300, 600];
const CLUSTER: [i64; 5] = [5, 10, 20, 40, 80];
const STATUS: [i64; 3] = [5, 10, 20];
const LOGIN: [i64; 5] = [60, 120, 240, 480, 600];
const REPAIR: [i64; 3] = [20, 60, 300];
const CAP_WITHOUT_TOKEN: i64 = 120;
/// Jitter spreads renewals over this many thousandths of the token's life.
const JITTER_PER_MILLE: i64 = 60;

/// Life of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was issued.
    pub issued_at: Time,
    /// When it expires.
    pub expires_at: Time,
}

impl Life {
    /// Seconds from issue to expiry, never negative.
    pub const fn seconds(self) -> i64 {
        max(self.expires_at.since(self.issued_at), 0)
    }

    /// Seconds left at `now`, never negative.
    pub const fn remaining(self, now: Time) -> i64 {
        max(self.expires_at.since(now), 0)
    }

    /// Smallest pause between two tries while the token is valid: Entra's loop detector trips at about 15 equal
    /// requests in 5 minutes.
    const fn spacing(self) -> i64 {
        min(20, self.seconds() / 8)
    }
}

const fn min(a: i64, b: i64) -> i64 {
    if a < b { a } else { b }
}

const fn max(a: i64, b: i64) -> i64 {
    if a > b { a } else { b }
}

/// When a token's renewal is due.
///
/// At `at_percent` of its life plus up to 6 % jitter, [`LEAD`] before its expiry, or when the provider advises
/// (`advised`), whichever is first; never before half of its life.
pub const fn refresh_at(life: Life, at_percent: i64, spread: u32, advised: Option<Time>) -> Time {
    let seconds = life.seconds();
    let share = seconds.saturating_mul(at_percent) / 100;
    let jitter = seconds
        .saturating_mul(JITTER_PER_MILLE)
        .saturating_mul((spread % 1000) as i64)
        / 1_000_000;
    let mut due = min(share.saturating_add(jitter), seconds - LEAD);
    if let Some(advised) = advised {
        due = min(due, advised.since(life.issued_at));
    }
    life.issued_at.plus(max(due, seconds - seconds / 2))
}

/// When the renewal of a token is due that the last answer did not outlive: at half of its remaining life.
pub const fn deferred(life: Life, now: Time) -> Time {
    now.plus(max(life.remaining(now) / 2, 1))
}

/// When a failed renewal is tried again. `life` is that of the published token, if there is one.
///
/// The steps are 20 s, 60 s, 3 min, 10 min, spread by object. While the token is valid it is sooner (an eighth of what
/// is left), but never closer than min(20 s, life/8); without one that lives the steps are capped at 2 min.
/// `Retry-After` lengthens a pause and never shortens it.
pub fn retry_refresh(
    now: Time,
    consecutive: u32,
    spread: u32,
    life: Option<Life>,
    retry_after: Option<i64>,
) -> Time {
    let step = spread_out(step(&REFRESH, consecutive), spread, consecutive);
    let pause = match life {
        Some(life) if life.remaining(now) > 0 => step.min((life.remaining(now) / 8).max(life.spacing())),
        _ => step.min(CAP_WITHOUT_TOKEN),
    };
    now.plus(pause.max(1).max(asked_for(retry_after)))
}

/// When a renewal that failed at `at` is tried again at the soonest, once the provider answers others.
pub fn again_at_the_soonest(at: Time, retry_after: Option<i64>) -> Time {
    at.plus(step(&REFRESH, 1).max(asked_for(retry_after)))
}

/// When a refused write is tried again, spread by object; `Retry-After` lengthens it.
pub fn retry_write(now: Time, consecutive: u32, spread: u32, retry_after: Option<i64>) -> Time {
    spaced(now, &WRITE, consecutive, spread, retry_after)
}

/// When an API server that did not answer is asked again; the same.
pub fn retry_cluster(now: Time, consecutive: u32, spread: u32, retry_after: Option<i64>) -> Time {
    spaced(now, &CLUSTER, consecutive, spread, retry_after)
}

/// When a status that did not get through is written again: it must be there 30 s after the API server takes writes.
pub fn retry_status(now: Time, consecutive: u32, spread: u32, retry_after: Option<i64>) -> Time {
    spaced(now, &STATUS, consecutive, spread, retry_after)
}

fn spaced(now: Time, steps: &[i64], consecutive: u32, spread: u32, retry_after: Option<i64>) -> Time {
    let pause = spread_out(step(steps, consecutive), spread, consecutive);
    now.plus(pause.max(asked_for(retry_after)))
}

/// When a login that was put off (429, 5xx, refused connection) is tried again: 60 s, doubling to 10 min;
/// `Retry-After` wins, but never below 60 s.
pub fn retry_login(now: Time, postponed: u32, retry_after: Option<i64>) -> Time {
    let pause = retry_after.map_or_else(|| step(&LOGIN, postponed), |s| s.clamp(60, RETRY_AFTER_CAP));
    now.plus(pause)
}

/// When a refresh-token Secret of an older key is sealed anew if no renewal does it: at its own second of the day, so that
/// a restart neither puts it off nor brings all at once.
pub const fn reseal_at(now: Time, spread: u32) -> Time {
    now.plus((spread as i64 - now.0).rem_euclid(DAY))
}

/// When another ServiceAccount token is asked for.
pub const fn next_service_account_token(now: Time, expires_at: Time) -> Time {
    now.plus(expires_at.since(now).saturating_mul(SERVICE_ACCOUNT_TOKEN_USED) / 100)
}

/// When a token Secret that keeps being deleted or edited may be repaired again.
pub fn next_repair(last: Time, count: u32) -> Time {
    last.plus(step(&REPAIR, count))
}

/// The pause that `Retry-After` asks for, as far as it is obeyed.
fn asked_for(retry_after: Option<i64>) -> i64 {
    retry_after.unwrap_or_default().min(RETRY_AFTER_CAP)
}

/// The pause for the `nth` failure in a row, counted from 1.
fn step(steps: &[i64], nth: u32) -> i64 {
    let at = (nth.max(1) as usize - 1).min(steps.len().saturating_sub(1));
    steps.get(at).copied().unwrap_or_default()
}

/// Adds up to a fifth, so that objects that failed together do not come back together.
fn spread_out(pause: i64, spread: u32, consecutive: u32) -> i64 {
    pause + pause * i64::from(mixed(spread, consecutive)) / 500
}

/// 0 to 99, another one for each failure in a row.
const fn mixed(spread: u32, consecutive: u32) -> u32 {
    (spread.wrapping_add(consecutive.wrapping_mul(0x9E37_79B9)) >> 7) % 100
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn life(seconds: i64) -> Life {
        Life {
            issued_at: Time(1000),
            expires_at: Time(1000 + seconds),
        }
    }

    fn due(seconds: i64, at_percent: i64, spread: u32) -> i64 {
        refresh_at(life(seconds), at_percent, spread, None).since(Time(1000))
    }

    #[test]
    fn an_hour_is_renewed_at_sixty_percent() {
        assert_eq!(due(3600, 60, 0), 2160);
        assert_eq!(due(3600, 60, 999), 2160 + 215);
        assert_eq!(due(3600, 66, 999), 2376 + 215);
    }

    #[test]
    fn a_renewal_is_due_990_seconds_before_expiry_at_the_latest() {
        assert_eq!(due(2400, 60, 0), 2400 - 990);
        assert_eq!(due(3500, 66, 999), 3500 - 990);
    }

    #[test]
    fn a_short_life_is_renewed_at_half() {
        assert_eq!(due(24, 60, 0), 12);
        assert_eq!(due(25, 60, 0), 13);
        assert_eq!(due(600, 66, 999), 300);
    }

    #[test]
    fn advice_of_the_provider_moves_it_forward_but_not_before_half() {
        assert_eq!(
            refresh_at(life(86_400), 60, 0, Some(Time(1000 + 43_300))),
            Time(1000 + 43_300)
        );
        assert_eq!(
            refresh_at(life(86_400), 60, 0, Some(Time(1001))),
            Time(1000 + 43_200)
        );
    }

    #[test]
    fn the_replaced_token_keeps_its_margin_whatever_the_life() {
        for seconds in (1..200_000).step_by(37) {
            for at_percent in 50..=66 {
                for spread in [0, 1, 500, 999, u32::MAX] {
                    let due = refresh_at(life(seconds), at_percent, spread, None);
                    let left = life(seconds).expires_at.since(due);
                    assert!(
                        left >= MARGIN.min(seconds / 4),
                        "{seconds} s at {at_percent} %: {left} s left"
                    );
                    assert!(due.since(Time(1000)) * 2 >= seconds);
                }
            }
        }
    }

    #[test]
    fn retries_come_sooner_while_the_token_is_valid() {
        let now = Time(1000 + 3000);
        let pause = |now, life| retry_refresh(now, 4, 0, life, None).since(now);
        assert!((600..=720).contains(&pause(now, Some(life(86_400)))));
        assert_eq!(pause(now, Some(life(3600))), 75);
        assert_eq!(pause(Time(1000 + 4000), Some(life(3600))), 120);
        assert_eq!(pause(now, None), 120, "it is missing");
    }

    #[test]
    fn retries_are_never_closer_than_the_loop_detector_allows() {
        let now = Time(1000 + 3590);
        assert_eq!(retry_refresh(now, 1, 0, Some(life(3600)), None).since(now), 20);
        let now = Time(1000 + 20);
        assert_eq!(retry_refresh(now, 1, 0, Some(life(24)), None).since(now), 3);
    }

    #[test]
    fn retry_after_lengthens_and_is_capped_at_an_hour() {
        assert_eq!(
            retry_refresh(Time(1000), 1, 0, Some(life(24)), Some(7)),
            Time(1007)
        );
        let plain = retry_refresh(Time(1000), 1, 0, Some(life(3600)), None);
        assert_eq!(retry_refresh(Time(1000), 1, 0, Some(life(3600)), Some(1)), plain);
        assert_eq!(retry_refresh(Time(0), 1, 0, None, Some(90_000)), Time(3600));
        assert_eq!(retry_login(Time(0), 1, Some(5)), Time(60));
        for retry in [retry_write, retry_cluster, retry_status] {
            assert_eq!(retry(Time(0), 1, 0, Some(700)), Time(700));
            assert_eq!(retry(Time(0), 1, 0, Some(90_000)), Time(3600));
        }
    }

    /// The pause after each failure in a row, where the spread adds nothing.
    fn pauses(retry: impl Fn(u32, u32) -> Time) -> [i64; 6] {
        let unspread = |n| (0..u32::MAX).find(|spread| mixed(*spread, n) == 0).unwrap();
        [1, 2, 3, 4, 5, 6].map(|n| retry(n, unspread(n)).0)
    }

    #[test]
    fn each_pause_is_longer_than_the_one_before_up_to_a_last() {
        let of = |retry: fn(Time, u32, u32, Option<i64>) -> Time| pauses(|n, s| retry(Time(0), n, s, None));
        assert_eq!(
            pauses(|n, s| retry_refresh(Time(0), n, s, Some(life(86_400)), None)),
            [20, 60, 180, 600, 600, 600]
        );
        assert_eq!(of(retry_write), [20, 60, 300, 600, 600, 600]);
        assert_eq!(of(retry_cluster), [5, 10, 20, 40, 80, 80]);
        assert_eq!(of(retry_status), [5, 10, 20, 20, 20, 20]);
        assert_eq!(
            pauses(|n, _| retry_login(Time(0), n, None)),
            [60, 120, 240, 480, 600, 600]
        );
        assert_eq!(
            pauses(|n, _| next_repair(Time(0), n)),
            [20, 60, 300, 300, 300, 300]
        );
    }

    #[test]
    fn objects_that_failed_together_come_back_within_a_fifth_more_of_the_pause() {
        let seen: std::collections::BTreeSet<_> = (0..100_000)
            .step_by(128)
            .map(|spread| retry_write(Time(0), 4, spread, None).0)
            .collect();
        assert_eq!(seen.first(), Some(&600));
        assert!(seen.last().is_some_and(|at| (700..720).contains(at)), "{seen:?}");
        assert!(seen.len() > 90, "{} moments", seen.len());
    }

    #[test]
    fn a_renewal_that_brought_nothing_later_is_due_at_half_of_what_is_left() {
        assert_eq!(deferred(life(3600), Time(1000 + 600)), Time(1000 + 2100));
        assert_eq!(deferred(life(3600), Time(1000 + 3600)), Time(1000 + 3601));
        assert_eq!(deferred(life(3600), Time(9000)), Time(9001));
    }

    #[test]
    fn each_object_is_sealed_anew_at_its_own_second_of_the_day() {
        assert_eq!(reseal_at(Time(0), 5), Time(5));
        assert_eq!(reseal_at(Time(5), 5), Time(5));
        assert_eq!(reseal_at(Time(6), 5), Time(DAY + 5));
        assert_eq!(reseal_at(Time(3 * DAY + 7), 9 + 86_400), Time(3 * DAY + 9));
    }

    #[test]
    fn a_service_account_token_is_used_for_four_fifths_of_its_life() {
        assert_eq!(next_service_account_token(Time(100), Time(3700)), Time(2980));
    }

    #[test]
    fn a_hold_ends_at_once_if_it_began_in_the_future() {
        assert_eq!(hold_ends(Time(9), Some(Time(5)), Time(5)), Time(9));
        assert_eq!(hold_ends(Time(9), Some(Time(6)), Time(5)), Time(5));
        assert_eq!(hold_ends(Time(9), None, Time(5)), Time(9));
    }

    #[test]
    fn a_life_is_never_negative() {
        assert_eq!((life(24).seconds(), life(-1).seconds()), (24, 0));
        assert_eq!(life(24).remaining(Time(1004)), 20);
        assert_eq!(life(24).remaining(Time(9000)), 0);
    }
}
