//! The slots for requests in flight, shared fairly: by host, by namespace, the shortest life first.

use std::collections::HashMap;
use std::time::Duration;

use super::caller::Caller;

/// How long a caller that was turned away counts as waiting beyond the time it was given.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time to come back when no slot is free; a request takes a fraction of it. Also the window in which a crowd is
/// counted.
const WAIT: Duration = Duration::from_secs(1);

/// Longest time to come back.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// While several hosts wait, one host gets this part of the slots.
const HOST_SHARE: usize = 4;

/// Slots in use, and who was turned away lately.
#[derive(Debug)]
pub(super) struct Slots {
    capacity: usize,
    busy: Vec<Place>,
    waiting: HashMap<Place, Waiting>,
    crowd: Crowd,
}

/// How many were turned away since when.
#[derive(Debug, Default)]
struct Crowd {
    since: Duration,
    callers: u32,
}

/// Host and namespace of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    host: String,
    namespace: String,
}

#[derive(Debug)]
struct Waiting {
    urgency: i64,
    until: Duration,
}

impl Slots {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            busy: Vec::new(),
            waiting: HashMap::new(),
            crowd: Crowd::default(),
        }
    }

    /// Takes a slot, or says how long to wait.
    pub(super) fn take(&mut self, caller: &Caller, now: Duration) -> Result<(), Duration> {
        self.waiting.retain(|_, waiting| waiting.until > now);
        let place = Place::of(caller);
        if !self.has_room(&place, urgency(caller)) {
            return Err(self.turn_away(place, urgency(caller), now));
        }
        self.waiting.remove(&place);
        self.busy.push(place);
        Ok(())
    }

    /// Gives a slot back.
    pub(super) fn give_back(&mut self, caller: &Caller) {
        let place = Place::of(caller);
        if let Some(at) = self.busy.iter().position(|busy| *busy == place) {
            self.busy.swap_remove(at);
        }
    }

    fn has_room(&self, place: &Place, urgency: i64) -> bool {
        let free = self.capacity.saturating_sub(self.busy.len());
        free > self.more_urgent(place, urgency) && self.host_has_room(place) && self.namespace_has_room(place)
    }

    /// Waiting places with a shorter life than this one's.
    fn more_urgent(&self, place: &Place, urgency: i64) -> usize {
        self.waiting
            .iter()
            .filter(|(other, waiting)| *other != place && waiting.urgency < urgency)
            .count()
    }

    /// While another host waits, a host holds no more than its share.
    fn host_has_room(&self, place: &Place) -> bool {
        let contended = self.waiting.keys().any(|other| other.host != place.host);
        let held = self.busy.iter().filter(|busy| busy.host == place.host).count();
        !contended || held < (self.capacity / HOST_SHARE).max(1)
    }

    /// While other namespaces wait at this host, a namespace holds no more than an equal part.
    fn namespace_has_room(&self, place: &Place) -> bool {
        let rivals = self
            .waiting
            .keys()
            .filter(|o| o.host == place.host && o.namespace != place.namespace)
            .count();
        let held = self.busy.iter().filter(|busy| *busy == place).count();
        rivals == 0 || held < (self.capacity / rivals.saturating_add(1)).max(1)
    }

    /// Notes who waits; the larger the crowd, the later its last ones come back.
    fn turn_away(&mut self, place: Place, urgency: i64, now: Duration) -> Duration {
        let rounds = self.crowd.grow(now) / u32::try_from(self.capacity).unwrap_or(u32::MAX);
        let wait = WAIT.saturating_mul(rounds.saturating_add(1)).min(WAIT_MAX);
        let until = now.saturating_add(wait).saturating_add(PATIENCE);
        let waiting = self.waiting.entry(place).or_insert(Waiting { urgency, until });
        waiting.urgency = waiting.urgency.min(urgency);
        waiting.until = waiting.until.max(until);
        wait
    }
}

impl Crowd {
    /// Counts one more, and tells how many were there before.
    fn grow(&mut self, now: Duration) -> u32 {
        if now.saturating_sub(self.since) >= WAIT {
            *self = Self {
                since: now,
                callers: 0,
            };
        }
        let before = self.callers;
        self.callers = before.saturating_add(1);
        before
    }
}

impl Place {
    fn of(caller: &Caller) -> Self {
        Self {
            host: caller.authority.clone(),
            namespace: caller.namespace.clone(),
        }
    }
}

/// The shorter the life, the more urgent; without one it is the least.
fn urgency(caller: &Caller) -> i64 {
    caller.life.unwrap_or(i64::MAX)
}
