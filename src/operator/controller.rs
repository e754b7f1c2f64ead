//! From changes to passes: knows the credentials, which Secrets concern which, and runs bounded passes over them.
//!
//! A pass that is under way when its process stops or leads no longer, or when its credential is suspended or deleted,
//! begins nothing any more: it stores what it has obtained.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::election::Standing;
use super::known::{Entry, Known, Seen};
use super::leadership::Leadership;
use super::passes::Passes;
use super::queue::Queue;
use crate::api::refresh_token_secret;
use crate::plan::settle;
use crate::reconcile::ports::{Called, Clock, Key, Ports};
use crate::reconcile::{Credential, Leave, Shared, ToldTime, pass, stamp};

/// How often wake times are looked at.
const TICK: Duration = Duration::from_millis(125);

/// Longest that running passes are waited for at shutdown: a whole exchange takes 45 s at most, 30 of them with Entra.
const DRAIN: Duration = Duration::from_secs(40);

/// Runs the passes of one process.
#[derive(Debug)]
pub(super) struct Controller<P: Ports> {
    ports: Arc<P>,
    shared: Arc<Shared>,
    queue: Queue,
    leadership: Leadership,
    known: RwLock<Known>,
}

impl<P: Ports> Controller<P> {
    /// A controller without credentials.
    pub(super) fn new(ports: Arc<P>, shared: Arc<Shared>) -> Self {
        Self {
            ports,
            shared,
            queue: Queue::default(),
            leadership: Leadership::default(),
            known: RwLock::default(),
        }
    }

    /// A credential is new or changed. A change of nothing but its status is our own and asks for no pass.
    pub(super) fn applied(&self, credential: &Credential) {
        let changed = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.apply(&*self.ports, credential)
        };
        if changed {
            self.queue.trigger(&credential.key);
        }
    }

    /// A credential that was known is told again by a list: its status is looked at, too, which may not be the one that
    /// was written last.
    pub(super) fn listed_again(&self, credential: &Credential) {
        let key = credential.key.clone();
        self.applied(credential);
        if let Some(entry) = self.entry(&key) {
            entry.note(|news| news.listed_again = true);
        }
        self.queue.trigger(&key);
    }

    /// It waits to call the provider, and its turn has come, or a provider that put it off answers again.
    pub(super) fn called(&self, called: &Called) {
        let (Called::Place(key) | Called::Answers(key)) = called;
        let Some(entry) = self.entry(key) else { return };
        entry.note(|news| news.called = true);
        match called {
            Called::Place(_) => self.queue.call(key),
            Called::Answers(_) => self.queue.trigger(key),
        }
    }

    /// A credential exists that this version does not understand, written under a newer CRD for instance.
    pub(super) fn not_understood(&self, key: Key) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.not_understood.insert(key);
    }

    /// How many credentials are not understood.
    pub(super) fn count_not_understood(&self) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.not_understood.len()
    }

    /// A credential is gone.
    pub(super) fn removed(&self, key: &Key) {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        self.queue.forget(key);
    }

    /// Keys of all known credentials.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .credentials
            .keys()
            .cloned()
            .collect()
    }

    /// Whether a credential is known in that namespace.
    pub(super) fn serves(&self, namespace: &str) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let first = known.credentials.range(Key::new(namespace, "")..).next();
        first.is_some_and(|(key, _)| *key.namespace == *namespace)
    }

    /// Something about a Secret changed; `owner` is the credential that controls it, if one does.
    pub(super) fn secret_changed(&self, secret: &Key, owner: Option<&str>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let by_owner = owner.map(|name| secret.sibling(name));
        let by_name = known.concerned.by(secret).cloned();
        for key in by_name
            .chain(by_owner)
            .filter(|k| known.credentials.contains_key(k))
        {
            self.queue.trigger(&key);
        }
    }

    /// Everything gets a look: leadership was gained, or the keys changed.
    pub(super) fn look_at_all(&self) {
        for key in self.keys() {
            self.queue.trigger(&key);
        }
    }

    /// How long the oldest wake time has been past without a pass, while this process leads.
    pub(super) fn overdue(&self) -> Duration {
        let clock = self.ports.clock();
        self.leadership
            .late(self.queue.overdue(clock.now()), clock.monotonic())
    }

    /// What is known of every credential, for metrics, one after the other: a status is much larger than what is shown of it.
    /// One that is being passed over is shown as it was before: a pass may hang for as long as the provider does, and those
    /// are the credentials that an alert is about.
    pub(super) fn for_each_seen(&self, mut show: impl FnMut(Seen)) {
        let leads = self.leadership.lasts();
        // Neither the watches nor the store wait while statuses are unpacked.
        let known: Vec<_> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let entries = known.credentials.iter();
            entries
                .map(|(key, entry)| (key.clone(), Arc::clone(entry)))
                .collect()
        };
        for (key, entry) in known {
            let seen = if leads {
                entry.decided(&key)
            } else {
                Some(entry.shown_as_told(&key))
            };
            seen.into_iter().for_each(&mut show);
        }
    }

    /// Refresh-token Secrets of suspended credentials.
    pub(super) fn suspended(&self) -> BTreeSet<Key> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let suspended = known.credentials.iter().filter(|(_, entry)| entry.is_suspended());
        suspended
            .map(|(key, _)| key.sibling(refresh_token_secret(&key.name)))
            .collect()
    }

    /// Runs passes while this process leads, until `stop`; then lets the running ones finish, and ends those that do not.
    pub(super) async fn run(
        self: Arc<Self>,
        in_flight: usize,
        mut standing: watch::Receiver<Standing>,
        stop: CancellationToken,
    ) {
        let passes = Passes::new(in_flight);
        let time = ToldTime::ask(&*self.ports).await;
        let ticking = tokio::spawn(Arc::clone(&self).tick(time, stop.clone()));
        while led(&mut standing, &stop).await {
            self.take_over().await;
            self.leadership.begins(self.ports.clock().monotonic());
            self.look_at_all();
            self.dispatch(&passes, &mut standing, &stop).await;
            self.leadership.ends();
        }
        passes.drain(DRAIN).await;
        ticking.abort();
    }

    /// Another process led meanwhile, and wrote down in the status what it did: requests that it handled, for one.
    async fn take_over(&self) {
        for entry in self.entries() {
            entry.remembered.lock().await.look_at_status_again();
        }
    }

    fn entry(&self, key: &Key) -> Option<Arc<Entry>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.credentials.get(key).cloned()
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.credentials.values().cloned().collect()
    }

    async fn tick(self: Arc<Self>, mut time: ToldTime, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            ticks.tick().await;
            // Wake times were reckoned by the clock as it was.
            if time.keep(&*self.ports).await {
                self.look_at_all();
            }
            self.queue.tick(self.ports.clock().now());
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        passes: &Passes,
        standing: &mut watch::Receiver<Standing>,
        stop: &CancellationToken,
    ) {
        loop {
            let next = async { (passes.slot().await, self.queue.next().await) };
            let (slot, key) = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = lost(standing) => return,
                next = next => next,
            };
            let this = Arc::clone(self);
            passes.begin(slot, async move { this.pass_over(&key).await });
        }
    }

    async fn pass_over(&self, key: &Key) {
        let Some(entry) = self.entry(key) else {
            return self.queue.forget(key);
        };
        let told = entry.told();
        let Some(credential) = told.with_key(key) else {
            return self.queue.forget(key);
        };
        let mut remembered = entry.remembered.lock().await;
        let news = entry.news();
        if news.listed_again {
            remembered.compare_status(&credential);
        }
        let memory = remembered.recall(&*self.ports, &credential);
        if news.called {
            settle::renewal::turn_came(&mut memory.known);
        }
        let stands = || self.leadership.lasts() && self.still_asks(key, &entry);
        let leave = Leave(&stands);
        entry.pass_begins(key, memory, self.ports.clock().monotonic());
        let passed = Box::pin(pass(&*self.ports, &self.shared, &credential, memory, leave)).await;
        entry.pass_ends();
        let expires_at = memory.decided().expires_at.as_ref().map(stamp::from_kube);
        // The watch may have told the status that was written already.
        let tells = entry.told();
        let credential = if tells == told {
            Some(credential)
        } else {
            tells.with_key(key)
        };
        if let Some(credential) = credential {
            remembered.rest(&*self.ports, &credential);
        }
        self.queue.done(key, passed.wake, expires_at);
    }

    /// Whether the credential of a running pass still exists and wants to be worked for.
    fn still_asks(&self, key: &Key, entry: &Arc<Entry>) -> bool {
        self.entry(key).is_some_and(|now| Arc::ptr_eq(&now, entry)) && entry.asks()
    }
}

/// Waits until this process leads; `false` when it is time to stop.
async fn led(standing: &mut watch::Receiver<Standing>, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        led = standing.wait_for(Standing::leads) => led.is_ok(),
    }
}

async fn lost(standing: &mut watch::Receiver<Standing>) {
    let _ended = standing.wait_for(|standing| !standing.leads()).await;
}
