//! What one token entry needs next.

use super::Time;
use super::hold::Object;
use super::metadata::EntryName;
use super::schedule::{self, Life};
use super::snapshot::{Failure, Held, Ownership, Published, Snapshot, Token, Wanted};

/// The next thing that a token entry needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The Secret belongs to somebody else.
    Foreign,
    /// The Secret waits for the garbage collector.
    Predecessor,
    /// The Secret is being deleted, and something holds it.
    Deleting,
    /// The API server refuses the Secret: not before then.
    Held(Option<Time>),
    /// No watch shows it: it must be looked for.
    Look,
    /// Its labels and annotations must be put right.
    Label,
    /// Our ownerReference must be put on it.
    Adopt,
    /// The Secret must be deleted first, so that the held token can be written.
    Replace,
    /// The held token must be written.
    Publish,
    /// Its data must be compared with the keyed hash.
    Verify,
    /// A new token is due since then, and may be asked for.
    Redeem(Time),
    /// A new token is due or will be; not to be asked for before then. `None`: not before something changes.
    RedeemAt(Option<Time>),
}

impl Published {
    /// Issue and expiry.
    pub const fn life(&self) -> Life {
        Life {
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }
}

impl Token {
    /// Whether a token is published that is valid at `now` and answers the present spec.
    pub fn is_valid(&self, now: Time) -> bool {
        self.ownership == Ownership::Ours
            && self
                .published
                .as_ref()
                .is_some_and(|p| p.expires_at > now && self.answers(p) && !p.edited)
    }

    /// Whether `published` answers the present request and shape.
    pub fn answers(&self, published: &Published) -> bool {
        self.wanted.is_answered_by(&published.request) && self.shape == published.shape
    }

    /// Whether the Secret of ours was touched since it was written or looked at.
    pub fn is_unseen(&self) -> bool {
        let unseen = |p: &Published| !p.verified && !p.edited && !p.unwritable;
        self.ownership == Ownership::Ours && self.published.as_ref().is_some_and(unseen)
    }

    /// Whether nothing but labels and annotations is wrong with the Secret of ours, for all that is known.
    fn is_only_unlabelled(&self) -> bool {
        let only = |p: &Published| p.unlabelled && !p.edited && !p.unwritable;
        self.ownership == Ownership::Ours && self.published.as_ref().is_some_and(only)
    }

    /// Whether the Secret holds what was last written.
    pub fn is_published(&self) -> bool {
        self.ownership == Ownership::Ours && self.published.as_ref().is_some_and(|p| p.verified && !p.edited)
    }

    /// Life of the published token, if it is one of ours.
    pub fn life(&self) -> Option<Life> {
        self.published.as_ref().map(Published::life)
    }

    /// Whether `held` should replace what is published: it answers the present request, and, unless what is published
    /// answers another one, it expires later.
    pub fn worth_publishing(&self, held: &Held, now: Time) -> bool {
        if self.wanted != Wanted::Request(held.request.clone()) || held.granted.expires_at <= now {
            return false;
        }
        match &self.published {
            Some(p) if self.answers(p) && !p.edited && !p.unwritable && self.ownership == Ownership::Ours => {
                held.granted.expires_at > p.expires_at
            }
            _ => true,
        }
    }

    /// When a new token is due.
    pub fn due(&self, s: &Snapshot) -> Time {
        let at_once = Time::ALWAYS;
        let Some(p) = self
            .published
            .as_ref()
            .filter(|_| self.ownership == Ownership::Ours)
        else {
            return self.repair_due().unwrap_or(at_once);
        };
        if p.edited || p.unwritable {
            return self.repair_due().unwrap_or(at_once);
        }
        if !self.answers(p) {
            return at_once;
        }
        self.deferred_until.unwrap_or_else(|| {
            schedule::refresh_at(p.life(), s.object.at_percent, s.object.spread, Some(p.refresh_at))
        })
    }

    /// When its renewal is planned, as a person is told. What waits for no more than its turn is told by its schedule: turns
    /// come within seconds, and each would be a write.
    pub fn planned(&self, s: &Snapshot, now: Time) -> Option<Time> {
        let Need::RedeemAt(Some(at)) = self.need(s, now) else {
            return None;
        };
        let due = self.due(s);
        let turn = s.withheld(now).is_some_and(|w| w.until == at && !w.long);
        Some(if turn && due > Time::ALWAYS { due } else { at })
    }

    /// Whether the Secret was repaired before, is gone or edited again, and its next repair is put off.
    pub fn repair_put_off(&self, now: Time) -> bool {
        self.repair_put_off_until(now).is_some()
    }

    /// Until when that is so.
    pub fn repair_put_off_until(&self, now: Time) -> Option<Time> {
        let whole = |p: &Published| !p.edited && !p.unwritable && !p.unlabelled;
        let broken = !self.published.as_ref().is_some_and(whole);
        self.repair_due().filter(|at| broken && *at > now)
    }

    fn repair_due(&self) -> Option<Time> {
        self.repairs.map(|r| schedule::next_repair(r.at, r.count))
    }

    /// What the entry needs at `now`.
    pub fn need(&self, s: &Snapshot, now: Time) -> Need {
        match self.ownership {
            Ownership::Foreign => Need::Foreign,
            Ownership::Predecessor => Need::Predecessor,
            Ownership::Adoptable | Ownership::Absent | Ownership::Ours if self.deleting => Need::Deleting,
            Ownership::Adoptable => self.unless_held(s, now, Need::Adopt),
            Ownership::Absent | Ownership::Ours => {
                let need = self.need_of_ours(s, now);
                self.unless_held(s, now, need)
            }
        }
    }

    /// While the API server refuses writes of the Secret, no token is asked for that would be written.
    fn unless_held(&self, s: &Snapshot, now: Time, need: Need) -> Need {
        held_else(s.held(&Object::Token(self.name.clone()), now), need)
    }

    fn need_of_ours(&self, s: &Snapshot, now: Time) -> Need {
        if self.unlooked {
            return Need::Look;
        }
        if self.held.as_ref().is_some_and(|h| self.worth_publishing(h, now)) {
            return self.need_to_publish();
        }
        if self.is_only_unlabelled() && !self.repair_put_off(now) {
            return Need::Label;
        }
        if self.is_unseen() {
            return held_else(s.held(&Object::Contents(self.name.clone()), now), Need::Verify);
        }
        self.need_to_redeem(s, now)
    }

    fn need_to_publish(&self) -> Need {
        if self.published.as_ref().is_some_and(|p| p.unwritable) {
            Need::Replace
        } else {
            Need::Publish
        }
    }

    fn need_to_redeem(&self, s: &Snapshot, now: Time) -> Need {
        if s.requested(now) && s.withheld(now).is_none() {
            Need::Redeem(now)
        } else {
            self.scheduled(s, now)
        }
    }

    /// When a new token is due if nobody asks for one.
    fn scheduled(&self, s: &Snapshot, now: Time) -> Need {
        let due = self.due(s);
        // "Not before something changes" is later than any time.
        let hold = [&self.failure, &s.failure]
            .into_iter()
            .flatten()
            .map(|f| f.next_attempt_at)
            .max_by_key(|hold| hold.unwrap_or(Time(i64::MAX)));
        match hold {
            Some(None) => Need::RedeemAt(None),
            Some(Some(at)) if at > now => Need::RedeemAt(Some(at.max(due))),
            _ if due > now => Need::RedeemAt(Some(due)),
            _ => s
                .withheld(now)
                .map_or(Need::Redeem(due), |w| Need::RedeemAt(Some(w.until))),
        }
    }
}

fn held_else(hold: Option<&Failure>, need: Need) -> Need {
    hold.map_or(need, |f| Need::Held(f.next_attempt_at))
}

impl Snapshot {
    /// Whether a person asked for a renewal that is not handled yet and may be tried now. It is spaced from the last
    /// one, but goes along with one that happens anyway: where lives are short, each of those would put it off again.
    pub fn requested(&self, now: Time) -> bool {
        self.requested_from(now).is_some_and(|from| from <= now)
    }

    /// From when on that is so if nothing changes.
    pub fn requested_from(&self, now: Time) -> Option<Time> {
        let counts = self.word_counts_at().map_or(now, |at| at.max(now));
        self.word_for_renewal(counts)?;
        let ready = self.request_ready_at();
        let anyway = self.renews_anyway_at(now);
        Some(anyway.map_or(ready, |at| at.min(ready)).max(counts))
    }

    fn renews_anyway_at(&self, now: Time) -> Option<Time> {
        let ours = |t: &&Token| matches!(t.ownership, Ownership::Absent | Ownership::Ours);
        let at = |t: &Token| {
            if let Need::RedeemAt(at) = t.scheduled(self, now) {
                at
            } else {
                Some(now)
            }
        };
        let first = self.tokens.iter().filter(ours).filter_map(at).min();
        first.filter(|_| self.redeemable())
    }

    /// When a requested renewal may be tried: 20 s after the last redemption.
    pub fn request_ready_at(&self) -> Time {
        self.last_redeemed_at
            .map_or(Time::ALWAYS, |t| t.plus(schedule::REQUEST_SPACING))
    }

    /// Entries that are due now, with those that fall due within a minute of them and are past half of their life.
    pub fn due_together(&self, now: Time) -> Vec<EntryName> {
        let due_at = |t: &Token, at: Time| matches!(t.need(self, at), Need::Redeem(_));
        if !self.tokens.iter().any(|t| due_at(t, now)) {
            return Vec::new();
        }
        let soon = now.plus(schedule::TOGETHER);
        let held = |t: &Token| self.token_held(&t.name, now).is_some();
        let mut due: Vec<_> = self
            .tokens
            .iter()
            .filter(|t| due_at(t, now) || (due_at(t, soon) && t.past_half(now) && !held(t)))
            .collect();
        due.sort_by_key(|t| t.life().map(|life| life.expires_at));
        if self.common_failure().is_some() && !self.requested(now) {
            // The one that was tried longest ago: what is wrong with one of them alone by now keeps up the others for one
            // probe only.
            due.sort_by_key(|t| t.failure.as_ref().map(|f| f.at));
            due.truncate(1);
        }
        due.into_iter().map(|t| t.name.clone()).collect()
    }

    /// The failure that all entries hold alike. It is the credential's, and one probe stands for all.
    pub fn common_failure(&self) -> Option<&Failure> {
        let mut failures = self
            .tokens
            .iter()
            .filter(|t| !matches!(t.ownership, Ownership::Foreign | Ownership::Predecessor))
            .map(|t| t.failure.as_ref());
        let first = failures.next()??;
        let alike = |f: Option<&Failure>| f.is_some_and(|f| f.refusal.is_like(&first.refusal));
        failures.all(alike).then_some(first)
    }
}

impl Token {
    fn past_half(&self, now: Time) -> bool {
        self.failure.is_none()
            && self
                .life()
                .is_some_and(|l| now.since(l.issued_at).saturating_mul(2) >= l.seconds())
    }
}
