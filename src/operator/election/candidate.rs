//! What one candidate knows of the Lease, and what it may do next. No calls, no clocks.
//!
//! The rules are those of client-go's `tools/leaderelection`. All times here are of this process's monotonic clock; what
//! a Lease says of times is shown to people and never compared.
//!
//! - A record is void once it has not changed for its term, counted from when this process saw it first.
//! - A leader stops to lead a fifth of the lease before others may find its record void, counted from before it was sent.
//! - A released Lease and one that does not exist are free at once.

use std::time::Duration;

use crate::cluster::LeaseRecord;
use crate::plan::metadata::Version;

/// Longest that is waited for a record because it asks for it: it may ask for anything.
const ASKED: Duration = Duration::from_mins(1);

/// Longest pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Whether somebody leads, as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) enum Standing {
    /// This process does.
    Leads,
    /// Another one does.
    LedBy(String),
    /// Nobody does.
    Nobody(String),
    /// Nobody does, as far as can be known: a right is missing.
    Forbidden(String),
}

impl Standing {
    /// Whether this process leads.
    pub(in crate::operator) const fn leads(&self) -> bool {
        matches!(self, Self::Leads)
    }
}

/// What may be written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing: another one leads.
    Nothing,
    /// The Lease does not exist.
    Create(LeaseRecord),
    /// It is free, void or ours.
    Replace(Version, LeaseRecord),
}

/// One candidate.
#[derive(Debug)]
pub(super) struct Candidate {
    identity: String,
    lease: Duration,
    seen: Seen,
    /// Until when it leads.
    until: Option<Duration>,
}

/// What is known of the Lease.
#[derive(Debug)]
enum Seen {
    /// It was not read, or may have changed since.
    Unknown(Option<Observed>),
    /// It does not exist.
    Absent,
    /// It was this.
    Exactly(Version, Observed),
}

/// A record, and since when it has been seen unchanged.
#[derive(Clone, Debug)]
struct Observed {
    record: LeaseRecord,
    since: Duration,
}

impl Observed {
    fn holder(&self) -> Option<&str> {
        self.record
            .holder_identity
            .as_deref()
            .filter(|holder| !holder.is_empty())
    }
}

impl Candidate {
    /// Named `identity`; a holder that went silent is waited for so long.
    pub(super) const fn new(identity: String, lease: Duration) -> Self {
        Self {
            identity,
            lease,
            seen: Seen::Unknown(None),
            until: None,
        }
    }

    /// The Lease was read.
    pub(super) fn read(&mut self, found: Option<(Version, LeaseRecord)>, now: Duration) {
        self.seen = match found {
            None => Seen::Absent,
            Some((version, record)) => {
                let since = self
                    .observed()
                    .filter(|before| before.record == record)
                    .map_or(now, |before| before.since);
                Seen::Exactly(version, Observed { record, since })
            }
        };
        if !self.is_ours() {
            self.until = None;
        }
    }

    /// A claim was written: it had been made at `sent`.
    pub(super) fn wrote(&mut self, version: Version, record: LeaseRecord, sent: Duration) {
        self.seen = Seen::Exactly(version, Observed { record, since: sent });
        self.until = self.is_ours().then_some(sent.saturating_add(self.reign()));
    }

    /// A call failed: what the Lease is now must be read first.
    pub(super) fn unsure(&mut self) {
        self.seen = Seen::Unknown(self.observed().cloned());
    }

    /// Whether the Lease must be read before anything can be claimed. One that is ours is known by what was written.
    pub(super) fn must_read(&self) -> bool {
        !matches!(self.seen, Seen::Exactly(..)) || !self.is_ours()
    }

    /// What may be written `now`; `time` is the wall clock's, for people.
    pub(super) fn claim(&self, now: Duration, time: &str) -> Claim {
        match &self.seen {
            Seen::Absent => Claim::Create(self.record(None, time)),
            Seen::Exactly(version, observed) if self.may_take(observed, now) => {
                Claim::Replace(version.clone(), self.record(Some(&observed.record), time))
            }
            Seen::Exactly(..) | Seen::Unknown(_) => Claim::Nothing,
        }
    }

    /// What gives the Lease up, if it is ours.
    pub(super) fn release(&self) -> Claim {
        match &self.seen {
            Seen::Exactly(version, observed) if self.is_ours() => {
                let released = LeaseRecord {
                    lease_transitions: observed.record.lease_transitions,
                    ..LeaseRecord::default()
                };
                Claim::Replace(version.clone(), released)
            }
            Seen::Exactly(..) | Seen::Unknown(_) | Seen::Absent => Claim::Nothing,
        }
    }

    /// Whether somebody leads. Whoever holds a record that is not void does, for all that is known.
    pub(super) fn standing(&self, now: Duration) -> Standing {
        if self.leads(now) {
            return Standing::Leads;
        }
        let Some(observed) = self.observed() else {
            return Standing::Nobody(match self.seen {
                Seen::Absent => "the Lease does not exist".to_owned(),
                Seen::Unknown(_) | Seen::Exactly(..) => "the Lease has not been read yet".to_owned(),
            });
        };
        match observed.holder() {
            None => Standing::Nobody("the Lease is released".to_owned()),
            Some(holder) if holder == self.identity || self.is_void(observed, now) => {
                Standing::Nobody(format!("{holder} has not renewed the Lease in time"))
            }
            Some(holder) => Standing::LedBy(holder.to_owned()),
        }
    }

    /// How much longer it leads without another renewal; `None` if it does not lead.
    pub(super) fn leads_for(&self, now: Duration) -> Option<Duration> {
        self.until
            .and_then(|until| until.checked_sub(now))
            .filter(|left| !left.is_zero())
    }

    /// When it acts again.
    pub(super) fn pause(&self, now: Duration) -> Duration {
        let renewed = !self.must_read();
        let pause = if renewed {
            self.lease / 5
        } else {
            LOOK.min(self.lease / 5)
        };
        self.leads_for(now).map_or(pause, |left| pause.min(left))
    }

    fn leads(&self, now: Duration) -> bool {
        self.leads_for(now).is_some()
    }

    /// How long a renewal is good for.
    fn reign(&self) -> Duration {
        self.lease / 5 * 4
    }

    fn observed(&self) -> Option<&Observed> {
        match &self.seen {
            Seen::Unknown(observed) => observed.as_ref(),
            Seen::Absent => None,
            Seen::Exactly(_, observed) => Some(observed),
        }
    }

    /// Whether this process holds it, for all that it knows.
    pub(super) fn is_ours(&self) -> bool {
        self.observed()
            .is_some_and(|o| o.holder() == Some(self.identity.as_str()))
    }

    fn may_take(&self, observed: &Observed, now: Duration) -> bool {
        match observed.holder() {
            None => true,
            Some(holder) => holder == self.identity || self.is_void(observed, now),
        }
    }

    fn is_void(&self, observed: &Observed, now: Duration) -> bool {
        now.saturating_sub(observed.since) >= self.term(&observed.record)
    }

    /// How long a record is waited for: what is configured here, or what it asks for, within bounds.
    fn term(&self, record: &LeaseRecord) -> Duration {
        let asked = record
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        self.lease.max(asked.min(ASKED))
    }

    fn record(&self, before: Option<&LeaseRecord>, time: &str) -> LeaseRecord {
        let transitions = before.and_then(|b| b.lease_transitions);
        let held = before.filter(|b| b.holder_identity.as_ref() == Some(&self.identity));
        let held_since = held.and_then(|b| b.acquire_time.clone());
        LeaseRecord {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i64::try_from(self.lease.as_secs()).ok(),
            acquire_time: held_since.or_else(|| Some(time.to_owned())),
            renew_time: Some(time.to_owned()),
            lease_transitions: match held {
                Some(_) => transitions,
                None => Some(next(transitions)),
            },
        }
    }
}

/// The API counts in 32 bits. The first holder is no transition.
fn next(transitions: Option<i64>) -> i64 {
    transitions.map_or(0, |t| t.saturating_add(1).clamp(0, i32::MAX.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);
    const FUTURE: &str = "9999-12-31T23:59:59.000000Z";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn candidate() -> Candidate {
        Candidate::new("me".to_owned(), LEASE)
    }

    fn held(by: &str, asks: i64, renewed: &str) -> LeaseRecord {
        LeaseRecord {
            holder_identity: Some(by.to_owned()),
            lease_duration_seconds: Some(asks),
            renew_time: Some(renewed.to_owned()),
            lease_transitions: Some(4),
            ..LeaseRecord::default()
        }
    }

    fn version(version: &str) -> Version {
        Version(version.to_owned())
    }

    /// Seconds after which this record is taken by somebody who sees it unchanged all the time.
    fn taken_after(record: &LeaseRecord) -> u64 {
        let mut candidate = candidate();
        let begun = 1000;
        let taken = (begun..begun + 10_000).find(|&at| {
            candidate.read(Some((version("1"), record.clone())), seconds(at));
            candidate.claim(seconds(at), "now") != Claim::Nothing
        });
        taken.unwrap() - begun
    }

    #[test]
    fn a_record_is_void_by_what_was_observed_whatever_times_stand_in_it() {
        assert_eq!(taken_after(&held("other", 15, FUTURE)), 15);
        assert_eq!(taken_after(&held("other", 15, "1970-01-01T00:00:00.000000Z")), 15);
        assert_eq!(taken_after(&held("other", 40, "")), 40, "it asks for longer");
    }

    #[test]
    fn an_absurd_duration_is_waited_for_a_minute_at_most() {
        assert_eq!(taken_after(&held("other", i64::from(i32::MAX), FUTURE)), 60);
        assert_eq!(taken_after(&held("other", i64::MIN, FUTURE)), 15);
        assert_eq!(taken_after(&held("other", 0, FUTURE)), 15);
    }

    #[test]
    fn a_holder_that_renews_keeps_the_lease() {
        let mut candidate = candidate();
        for at in 0..100 {
            let renewed = held("other", 15, &format!("renewed {}", at / 14));
            candidate.read(Some((version("1"), renewed)), seconds(at));
            assert_eq!(candidate.claim(seconds(at), "now"), Claim::Nothing);
            assert_eq!(
                candidate.standing(seconds(at)),
                Standing::LedBy("other".to_owned())
            );
        }
    }

    #[test]
    fn an_edit_of_anything_but_the_record_is_no_sign_of_life() {
        let mut candidate = candidate();
        for at in 0..=15 {
            candidate.read(
                Some((version(&at.to_string()), held("other", 15, ""))),
                seconds(at),
            );
        }
        assert!(matches!(candidate.claim(seconds(15), "now"), Claim::Replace(v, _) if v == version("15")));
    }

    #[test]
    fn a_released_lease_and_one_that_is_gone_are_free_at_once() {
        let mut candidate = candidate();
        candidate.read(Some((version("1"), held("", 1, FUTURE))), seconds(5));
        assert!(matches!(candidate.claim(seconds(5), "now"), Claim::Replace(..)));
        assert!(matches!(candidate.standing(seconds(5)), Standing::Nobody(why) if why.contains("released")));
        candidate.read(None, seconds(6));
        assert!(matches!(candidate.claim(seconds(6), "now"), Claim::Create(_)));
        assert!(
            matches!(candidate.standing(seconds(6)), Standing::Nobody(why) if why.contains("does not exist"))
        );
    }

    #[test]
    fn a_leader_ends_before_another_may_begin() {
        let (mut leader, mut other) = (candidate(), Candidate::new("other".to_owned(), LEASE));
        leader.read(None, seconds(0));
        let Claim::Create(record) = leader.claim(seconds(0), "now") else {
            panic!("it is free")
        };
        leader.wrote(version("1"), record.clone(), seconds(0));
        for at in 0..15 {
            other.read(Some((version("1"), record.clone())), seconds(at));
            assert_eq!(other.claim(seconds(at), "now"), Claim::Nothing, "{at}");
        }
        assert_eq!(leader.standing(seconds(11)), Standing::Leads);
        assert!(matches!(leader.standing(seconds(12)), Standing::Nobody(_)));
    }

    #[test]
    fn a_leader_whose_call_failed_leads_on_and_reads_first() {
        let mut candidate = candidate();
        candidate.wrote(version("1"), held("me", 15, "a"), seconds(0));
        assert!(!candidate.must_read());
        candidate.unsure();
        assert!(candidate.must_read());
        assert_eq!(candidate.claim(seconds(1), "now"), Claim::Nothing);
        assert_eq!(candidate.standing(seconds(1)), Standing::Leads);
        candidate.read(Some((version("2"), held("other", 15, "b"))), seconds(2));
        assert_eq!(
            candidate.standing(seconds(2)),
            Standing::LedBy("other".to_owned())
        );
    }

    #[test]
    fn who_led_before_leads_again_without_waiting() {
        let mut candidate = candidate();
        let mine = LeaseRecord {
            acquire_time: Some("then".to_owned()),
            ..held("me", 15, "then")
        };
        candidate.read(Some((version("3"), mine)), seconds(0));
        let Claim::Replace(_, record) = candidate.claim(seconds(0), "now") else {
            panic!("it is ours")
        };
        assert_eq!(record.acquire_time.as_deref(), Some("then"));
        assert_eq!(record.renew_time.as_deref(), Some("now"));
        assert_eq!(record.lease_transitions, Some(4));
    }

    #[test]
    fn what_is_taken_over_is_a_transition_and_what_is_released_names_nobody() {
        let mut candidate = candidate();
        candidate.read(Some((version("3"), held("", 15, ""))), seconds(0));
        let Claim::Replace(_, record) = candidate.claim(seconds(0), "now") else {
            panic!("it is free")
        };
        assert_eq!(record.lease_transitions, Some(5));
        candidate.wrote(version("4"), record, seconds(0));
        let Claim::Replace(seen, released) = candidate.release() else {
            panic!("it is ours")
        };
        assert_eq!((seen, released.holder_identity), (version("4"), None));
        assert_eq!(released.lease_transitions, Some(5));
        candidate.read(Some((version("5"), held("other", 15, ""))), seconds(1));
        assert_eq!(candidate.release(), Claim::Nothing, "it is not ours to give up");
    }
}
