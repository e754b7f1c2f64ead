//! Who may call the identity provider now. Nobody waits here: a caller gets a [`Permit`], or a time to come back, before
//! which [`Gate::turn`] may call it.
//!
//! # Guarantees
//!
//! - At most [`Limits::in_flight`] requests run, and [`Limits::per_second_per_tenant`] start per second and tenant. Who
//!   was let through is not held back by it again: what it asks besides is made up for before the next one.
//! - After a 429, or a 5xx that asks to wait, nothing goes to that authority, tenant and client before its pause is over.
//! - An authority that fails [`circuit::TRIPS`] times in a row within a minute is left alone for half a minute, by who renews
//!   a token of a short life for an eighth of that life; then it is probed by one request in five seconds, for one
//!   that hangs says nothing about the next.
//! - Whom an authority that failed several put off, or held back by its circuit, or the throttling of its tenant and client,
//!   is called as soon as it answers anybody. Until then at most ten in a second come to ask whether it does, however many
//!   wait.
//! - A permit that is dropped, by a cancelled pass too, gives everything back.
//! - Slots go turn by turn over the namespaces in which somebody waits for one, inside one by deadline; one namespace gets
//!   half of them at most while others wait, one host a quarter while several do. A host that hangs leaves a quarter free
//!   for the others.

mod caller;
mod circuit;
mod pauses;
mod slots;
mod tenants;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use caller::Caller;
use circuit::Circuits;
use pauses::Pauses;
use slots::{Place, Slots};
use tenants::Tenants;

use crate::api::Reason;
use tokio::sync::Notify;

use crate::plan::Time;
use crate::plan::outages::Outages;
use crate::reconcile::ports::{Called, Clock, Key, Later};

/// A first sign-in, for which a person may be waiting, goes before what expires later than this. Seconds.
const SIGN_IN: i64 = 60;

/// So many of those whom a circuit holds back come again in one second: all are called as soon as the authority answers one.
const IN_A_SECOND: usize = 10;

/// How much may go to the identity provider (docs/contract.md, "Timing").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the same time; 0 counts as 1.
    pub in_flight: usize,
    /// Requests per second for one tenant; 0 counts as 1.
    pub per_second_per_tenant: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 32,
            per_second_per_tenant: 10,
        }
    }
}

/// What came of a permitted request, as far as limits go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Experience {
    /// The authority answered.
    Answered,
    /// 5xx, a timeout or no connection.
    Failing {
        /// What happened, one sentence.
        message: String,
        /// Seconds that a 5xx asks to wait.
        retry_after: Option<i64>,
    },
    /// 429 with these seconds to wait.
    Throttled(i64),
    /// Nothing that says anything about the authority.
    Nothing,
}

/// The gate in front of every request.
pub(super) struct Gate {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    called: Notify,
}

struct State {
    slots: Slots,
    tenants: Tenants,
    pauses: Pauses,
    circuits: Circuits,
    outages: Outages<Key, Duration>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        let state = State {
            slots: Slots::new(limits.in_flight),
            tenants: Tenants::new(limits.per_second_per_tenant),
            pauses: Pauses::default(),
            circuits: Circuits::default(),
            outages: Outages::default(),
        };
        Arc::new(Self {
            clock,
            state: Mutex::new(state),
            called: Notify::new(),
        })
    }

    /// A permit for this caller, or when to come back.
    pub(super) fn admit(self: &Arc<Self>, caller: Caller) -> Result<Permit, Later> {
        let now = self.clock.monotonic();
        let deadline = self.deadline(&caller);
        let admitted = self.lock().admit(&caller, deadline, now);
        // Whatever was not taken may have been kept for others.
        self.called.notify_one();
        let place = admitted.map_err(|held| self.later(held))?;
        let slot = Slot {
            gate: Arc::clone(self),
            place: Mutex::new(place),
        };
        Ok(Permit::new(Arc::new(slot), caller, now))
    }

    /// The next one of those who were turned away and need not wait any longer.
    pub(super) async fn turn(&self) -> Called {
        loop {
            let called = self.called.notified();
            let next = self.lock().tell();
            match next {
                Some(who) => return who,
                None => called.await,
            }
        }
    }

    fn deadline(&self, caller: &Caller) -> Time {
        caller
            .life
            .map_or_else(|| self.clock.now().plus(SIGN_IN), |life| life.expires_at)
    }

    fn later(&self, held: Held) -> Later {
        Later {
            until: self.after(held.wait),
            reason: held.reason,
            message: held.message,
        }
    }

    fn after(&self, wait: Duration) -> Time {
        let seconds = i64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
        self.clock.now().plus(seconds.max(1))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is held back: how long, and whether because the provider asked for it, fails, or others come first.
#[derive(Clone, Debug)]
struct Held {
    wait: Duration,
    reason: Reason,
    message: String,
}

impl Held {
    /// Others come first.
    fn by_limits(wait: Duration) -> Self {
        Self {
            wait,
            reason: Reason::Throttled,
            message: "the operator's own limits hold it back".to_owned(),
        }
    }
}

impl State {
    /// Pauses and circuits first, for they cost nothing; the tenant's rate last, for it is used up by asking.
    fn admit(&mut self, caller: &Caller, deadline: Time, now: Duration) -> Result<Place, Held> {
        if let Err(held) = self.answers(caller, now) {
            self.slots.declined(caller, now);
            return Err(held);
        }
        let place = self.slots.take(caller, deadline, now).map_err(Held::by_limits)?;
        if let Err(wait) = self.tenants.check(caller, now) {
            self.slots.returned(&place, now);
            return Err(Held::by_limits(wait));
        }
        self.circuits.begin(caller, now);
        Ok(place)
    }

    /// The same for one who has a slot, which is counted at the caller's host from then on.
    fn admit_there(
        &mut self,
        place: &mut Place,
        caller: &Caller,
        deadline: Time,
        now: Duration,
    ) -> Result<(), Held> {
        self.answers(caller, now)?;
        *place = self
            .slots
            .exchange(place, caller, deadline, now)
            .map_err(Held::by_limits)?;
        self.tenants.take(caller, now);
        self.circuits.begin(caller, now);
        Ok(())
    }

    /// The same for one who has a slot.
    fn admit_next(&mut self, caller: &Caller, now: Duration) -> Result<(), Held> {
        self.answers(caller, now)?;
        self.tenants.take(caller, now);
        self.circuits.begin(caller, now);
        Ok(())
    }

    /// The same for one who has leave for another request: its circuit let that through, perhaps as its probe.
    fn admit_one_more(&mut self, caller: &Caller, now: Duration) -> Result<(), Held> {
        self.was_not_asked_to_wait(caller, now)?;
        self.tenants.take(caller, now);
        Ok(())
    }

    fn was_not_asked_to_wait(&mut self, caller: &Caller, now: Duration) -> Result<(), Held> {
        self.pauses.check(caller, now).map_err(|(wait, reason)| Held {
            wait,
            reason,
            message: format!("{} asked to wait", caller.authority),
        })
    }

    /// Neither did the provider ask this caller to wait, nor does the authority fail for everybody.
    fn answers(&mut self, caller: &Caller, now: Duration) -> Result<(), Held> {
        self.was_not_asked_to_wait(caller, now)?;
        let Err((wait, last)) = self.circuits.check(caller, now) else {
            return Ok(());
        };
        let put_off = self.outages.put_off(&caller.circuit, &caller.credential, now);
        let later = u64::try_from(put_off / IN_A_SECOND).unwrap_or(u64::MAX);
        Err(Held {
            wait: wait.saturating_add(Duration::from_secs(later)),
            reason: Reason::ServiceUnavailable,
            message: format!(
                "{} failed several times in a row, the last time so: {}",
                caller.authority,
                last.trim_end_matches('.')
            ),
        })
    }

    /// Who waits for a slot is not called to be told that the authority fails.
    fn dismiss(&mut self, caller: &Caller, now: Duration) {
        if self.circuits.check(caller, now).is_ok() {
            return;
        }
        for who in self.slots.dismiss(&caller.circuit) {
            self.outages.put_off(&caller.circuit, &who, now);
        }
    }

    fn tell(&mut self) -> Option<Called> {
        let slot = self.slots.tell().map(Called::Place);
        slot.or_else(|| self.outages.tell().map(Called::Answers))
    }

    /// What came of a request that began at `began`.
    fn finish(&mut self, caller: &Caller, experience: Experience, began: Duration, now: Duration) {
        match experience {
            Experience::Answered => {
                self.circuits.succeeded(&caller.circuit);
                self.outages.answered(&caller.circuit, now);
                self.outages.answered(&caller.client_there(), now);
            }
            Experience::Failing { message, retry_after } => {
                self.circuits.failed(&caller.circuit, now, message);
                self.outages.put_off(&caller.circuit, &caller.credential, began);
                self.dismiss(caller, now);
                if let Some(seconds) = retry_after {
                    self.pauses
                        .pause(caller, now, seconds, Reason::ServiceUnavailable);
                }
            }
            Experience::Throttled(seconds) => {
                self.circuits.succeeded(&caller.circuit);
                self.outages.answered(&caller.circuit, now);
                self.outages
                    .put_off(&caller.client_there(), &caller.credential, began);
                self.pauses.pause(caller, now, seconds, Reason::Throttled);
            }
            Experience::Nothing => self.circuits.abandoned(&caller.circuit),
        }
    }
}

/// Leave for one request.
#[derive(Debug)]
pub struct Permit {
    slot: Arc<Slot>,
    began: Duration,
    caller: Caller,
    experience: Experience,
}

impl Permit {
    const fn new(slot: Arc<Slot>, caller: Caller, began: Duration) -> Self {
        Self {
            slot,
            began,
            caller,
            experience: Experience::Nothing,
        }
    }

    /// Its slot, for what follows from this one's request.
    pub(super) fn slot(&self) -> Arc<Slot> {
        Arc::clone(&self.slot)
    }

    /// A second permit for the same caller, in the same slot: for what has to be asked before the request that this one
    /// is for.
    pub(super) fn for_one_more(&self) -> Result<Self, Later> {
        self.slot.admit(self.caller.clone(), State::admit_one_more)
    }

    /// Says what came of the request, and gives the permit back.
    pub(super) fn finish(mut self, experience: Experience) {
        self.experience = experience;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.slot.gate.clock.monotonic();
        let experience = std::mem::replace(&mut self.experience, Experience::Nothing);
        let gate = &self.slot.gate;
        gate.lock().finish(&self.caller, experience, self.began, now);
        gate.called.notify_one();
    }
}

/// One of the requests in flight, given back with the last permit that shares it.
#[derive(Debug)]
pub(super) struct Slot {
    gate: Arc<Gate>,
    /// Where it is counted.
    place: Mutex<Place>,
}

impl Slot {
    /// Another permit in it: what came of the first is not lost for want of leave to use it.
    pub(super) fn permit(self: &Arc<Self>, caller: Caller) -> Result<Permit, Later> {
        self.admit(caller, State::admit_next)
    }

    /// The same at another host, which may be slow: the slot is counted there from now on.
    pub(super) fn permit_there(self: &Arc<Self>, caller: Caller) -> Result<Permit, Later> {
        let deadline = self.gate.deadline(&caller);
        self.admit(caller, |state, caller, now| {
            let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
            state.admit_there(&mut place, caller, deadline, now)
        })
    }

    fn admit(
        self: &Arc<Self>,
        caller: Caller,
        admit: impl FnOnce(&mut State, &Caller, Duration) -> Result<(), Held>,
    ) -> Result<Permit, Later> {
        let now = self.gate.clock.monotonic();
        admit(&mut self.gate.lock(), &caller, now).map_err(|held| self.gate.later(held))?;
        Ok(Permit::new(Arc::clone(self), caller, now))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.gate.clock.monotonic();
        let place = self.place.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.gate.lock().slots.returned(place, now);
        self.gate.called.notify_one();
    }
}

#[cfg(test)]
mod tests;
