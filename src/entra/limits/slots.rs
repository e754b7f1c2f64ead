//! The slots for requests in flight, shared fairly: turn by turn over the namespaces, inside one by deadline. Who finds
//! none waits, and is called when one is kept for it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::caller::Caller;
use crate::plan::Time;
use crate::plan::turns::Turns;
use crate::reconcile::ports::Key;

/// How long a slot is kept for who was called, and how long who was turned away counts as waiting beyond the time that it
/// was given.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time to come back uncalled, for each round of the slots that comes before.
const WAIT: Duration = Duration::from_secs(1);

/// Longest time to come back.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// While several hosts wait, one host gets this part of the slots; and as much is left free by one host while there are
/// others, so that one that hangs holds up no other.
const HOST_SHARE: usize = 4;

/// While several namespaces wait, one namespace gets this part of the slots.
const NAMESPACE_SHARE: usize = 2;

/// How long a host is counted after its last request.
const HOST_REMEMBERED: Duration = Duration::from_hours(1);

/// Slots in use, and who waits for one.
#[derive(Debug)]
pub(super) struct Slots {
    held: Held,
    turns: Turns<Place, Key>,
    waiting: HashMap<Key, Waiting>,
    called: HashMap<Key, Call>,
}

/// Slots in use or kept for who was called.
#[derive(Debug)]
struct Held {
    capacity: usize,
    by_place: BTreeMap<Place, usize>,
    /// When each host was asked for last.
    hosts: HashMap<Arc<str>, Duration>,
}

/// Namespace and host of a caller: where its slot is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    namespace: Arc<str>,
    host: Arc<str>,
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    circuit: String,
    deadline: Time,
    until: Duration,
}

/// Somebody for whom a slot is kept.
#[derive(Debug)]
struct Call {
    place: Place,
    until: Duration,
    told: bool,
}

/// Where somebody waits: the first and the last namespace and host, which differ if any do.
#[derive(Debug)]
struct Rivals {
    namespaces: [Option<Arc<str>>; 2],
    hosts: [Option<Arc<str>>; 2],
}

impl Slots {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            held: Held {
                capacity: capacity.max(1),
                by_place: BTreeMap::new(),
                hosts: HashMap::new(),
            },
            turns: Turns::default(),
            waiting: HashMap::new(),
            called: HashMap::new(),
        }
    }

    /// Takes a slot, or says how long to wait if no call comes before. One that was kept is taken wherever it is counted:
    /// a sign-in that found no room at its federation server asks its authority first when it is called for there.
    pub(super) fn take(&mut self, caller: &Caller, deadline: Time, now: Duration) -> Result<Place, Duration> {
        self.lapse(now);
        let (who, place) = (&caller.credential, Place::of(caller));
        self.held.asked(&place, now);
        if let Some(call) = self.called.remove(who) {
            return Ok(call.place);
        }
        let before = self.leave(who);
        if self.held.has_room(&place, &Rivals::of(&self.turns)) {
            self.held.add(place.clone());
            return Ok(place);
        }
        let deadline = before.map_or(deadline, |before| before.deadline.min(deadline));
        Err(self.turn_away(caller, place, deadline, now))
    }

    /// Counts a slot at the caller's host from now on. It is not given up for that, so that no crowd comes in between; but
    /// the host must have room.
    pub(super) fn exchange(
        &mut self,
        from: &Place,
        caller: &Caller,
        deadline: Time,
        now: Duration,
    ) -> Result<Place, Duration> {
        let place = Place::of(caller);
        self.held.asked(&place, now);
        if *from == place {
            return Ok(place);
        }
        if !self.held.has_room_at_host(&place, &Rivals::of(&self.turns)) {
            return Err(self.turn_away(caller, place, deadline, now));
        }
        self.held.remove(from);
        self.held.add(place.clone());
        Ok(place)
    }

    /// Gives a slot back.
    pub(super) fn returned(&mut self, place: &Place, now: Duration) {
        self.give_back(place, now);
    }

    /// Who was called may not send now: the slot goes to the next one.
    pub(super) fn declined(&mut self, caller: &Caller, now: Duration) {
        if let Some(call) = self.called.remove(&caller.credential) {
            self.give_back(&call.place, now);
        }
    }

    /// Nobody may send to the authority of this circuit, so who waits for a slot to do so is not called.
    pub(super) fn dismiss(&mut self, circuit: &str) -> Vec<Key> {
        let theirs = self.waiting.extract_if(|_, waiting| waiting.circuit == circuit);
        let theirs: Vec<_> = theirs.collect();
        theirs
            .into_iter()
            .map(|(who, waited)| {
                self.turns.leave(&waited.place, waited.deadline, who.clone());
                who
            })
            .collect()
    }

    /// Somebody who was called and has not been told so.
    pub(super) fn tell(&mut self) -> Option<Key> {
        let (who, call) = self.called.iter_mut().find(|(_, call)| !call.told)?;
        call.told = true;
        Some(who.clone())
    }

    fn give_back(&mut self, place: &Place, now: Duration) {
        self.held.remove(place);
        self.call(now);
    }

    /// Keeps what is free for those whose turn it is.
    fn call(&mut self, now: Duration) {
        loop {
            let rivals = Rivals::of(&self.turns);
            let next = self.turns.next(|place| self.held.has_room(place, &rivals));
            let Some(who) = next else { return };
            let waited = self.waiting.remove(&who);
            if let Some(Waiting { place, .. }) = waited.filter(|waited| waited.until > now) {
                self.held.add(place.clone());
                let call = Call {
                    place,
                    until: now.saturating_add(PATIENCE),
                    told: false,
                };
                self.called.insert(who, call);
            }
        }
    }

    /// Who was called and did not come has lost its slot.
    fn lapse(&mut self, now: Duration) {
        let late: Vec<_> = self.called.extract_if(|_, call| call.until <= now).collect();
        for (_, call) in late {
            self.give_back(&call.place, now);
        }
    }

    fn leave(&mut self, who: &Key) -> Option<Waiting> {
        let waited = self.waiting.remove(who)?;
        self.turns.leave(&waited.place, waited.deadline, who.clone());
        Some(waited)
    }

    /// Notes who waits; the more wait, the later it comes back uncalled.
    fn turn_away(&mut self, caller: &Caller, place: Place, deadline: Time, now: Duration) -> Duration {
        let who = &caller.credential;
        let rounds = u32::try_from(self.waiting.len() / self.held.capacity).unwrap_or(u32::MAX);
        let wait = WAIT.saturating_mul(rounds.saturating_add(1)).min(WAIT_MAX);
        self.turns.wait(place.clone(), deadline, who.clone());
        let waiting = Waiting {
            place,
            circuit: caller.circuit.clone(),
            deadline,
            until: now.saturating_add(wait).saturating_add(PATIENCE),
        };
        self.waiting.insert(who.clone(), waiting);
        wait
    }
}

impl Held {
    fn add(&mut self, place: Place) {
        let held = self.by_place.entry(place).or_default();
        *held = held.saturating_add(1);
    }

    fn remove(&mut self, place: &Place) {
        if let Some(held) = self.by_place.get_mut(place) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_place.remove(place);
            }
        }
    }

    fn asked(&mut self, place: &Place, now: Duration) {
        self.hosts.insert(Arc::clone(&place.host), now);
        self.hosts
            .retain(|_, at| now.saturating_sub(*at) < HOST_REMEMBERED);
    }

    fn has_room(&self, place: &Place, rivals: &Rivals) -> bool {
        let of_namespace = self.count(|other| other.namespace == place.namespace);
        self.count(|_| true) < self.capacity
            && self.has_room_at_host(place, rivals)
            && of_namespace < self.share_of_namespace(place, rivals)
    }

    fn has_room_at_host(&self, place: &Place, rivals: &Rivals) -> bool {
        let of_host = self.count(|other| other.host == place.host);
        of_host < self.share_of_host(place, rivals)
    }

    fn share_of_host(&self, place: &Place, rivals: &Rivals) -> usize {
        let part = self.part(HOST_SHARE);
        if others(&rivals.hosts, &place.host) {
            part
        } else if self.hosts.keys().any(|host| *host != place.host) {
            self.capacity.saturating_sub(part).max(1)
        } else {
            self.capacity
        }
    }

    fn share_of_namespace(&self, place: &Place, rivals: &Rivals) -> usize {
        if others(&rivals.namespaces, &place.namespace) {
            self.part(NAMESPACE_SHARE)
        } else {
            self.capacity
        }
    }

    fn part(&self, share: usize) -> usize {
        (self.capacity / share).max(1)
    }

    fn count(&self, counts: impl Fn(&Place) -> bool) -> usize {
        let held = self.by_place.iter().filter(|(place, _)| counts(place));
        held.map(|(_, held)| *held).sum()
    }
}

impl Rivals {
    fn of(turns: &Turns<Place, Key>) -> Self {
        let places = || turns.places();
        Self {
            namespaces: ends(places().map(|place| &place.namespace)),
            hosts: ends(places().map(|place| &place.host)),
        }
    }
}

fn ends<'p>(names: impl Iterator<Item = &'p Arc<str>> + Clone) -> [Option<Arc<str>>; 2] {
    [names.clone().min(), names.max()].map(Option::<&Arc<str>>::cloned)
}

fn others(ends: &[Option<Arc<str>>; 2], name: &str) -> bool {
    ends.iter().flatten().any(|end| **end != *name)
}

impl Place {
    fn of(caller: &Caller) -> Self {
        Self {
            namespace: Arc::clone(&caller.credential.namespace),
            host: Arc::from(&*caller.authority),
        }
    }
}
