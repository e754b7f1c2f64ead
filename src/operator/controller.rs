//! From changes to passes: knows the credentials, which Secrets concern which, and runs bounded passes over them.
//!
//! A pass that is under way when its process stops or leads no longer, or when its credential is suspended or deleted,
//! begins nothing any more: it stores what it has obtained.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::election::Standing;
use super::leadership::Leadership;
use super::passes::Passes;
use super::queue::Queue;
use crate::api::{ClientCredential, refresh_token_secret};
use crate::plan::{Time, settle};
use crate::reconcile::footing::Footing;
use crate::reconcile::ports::{Clock, Key, Ports};
use crate::reconcile::{Credential, Leave, Memory, Shared, estimate_time, pass, stamp};

/// How often wake times are looked at.
const TICK: Duration = Duration::from_millis(500);

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

#[derive(Debug, Default)]
struct Known {
    credentials: BTreeMap<Key, Arc<Entry>>,
    /// Which credentials a Secret concerns, by the names in their specs.
    concerned: BTreeMap<Key, BTreeSet<Key>>,
    /// What exists and this version does not understand. What it understood of it before is served on.
    not_understood: BTreeSet<Key>,
}

#[derive(Debug)]
struct Entry {
    credential: RwLock<Arc<Credential>>,
    memory: Mutex<Memory>,
    /// A list told it again, and no pass has compared its status since.
    listed_again: AtomicBool,
    /// A place among the requests is kept for it, and no pass has asked for it since.
    called: AtomicBool,
    /// What the metrics show while a pass holds the memory.
    meanwhile: RwLock<Option<Box<Seen>>>,
}

/// What the metrics show of one credential.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The resource.
    pub key: Key,
    /// Status as it was decided last; the stored one before the first pass, and while another process leads.
    pub status: crate::api::EntraCredentialStatus,
    /// Since when its login Secret has been waiting.
    pub login_waiting_since: Option<Time>,
    /// When its client certificate ends, once it was read.
    pub certificate_expires_at: Option<Time>,
    /// Since when a pass runs over it, by the monotonic clock.
    pub passing_since: Option<Duration>,
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
    pub(super) fn applied(&self, credential: Credential) {
        let key = credential.key.clone();
        let changed = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.apply(credential)
        };
        if changed {
            self.queue.trigger(&key);
        }
    }

    /// A credential that was known is told again by a list: its status is looked at, too, which may not be the one that
    /// was written last.
    pub(super) fn listed_again(&self, credential: Credential) {
        let key = credential.key.clone();
        self.applied(credential);
        if let Some(entry) = self.entry(&key) {
            entry.listed_again.store(true, Ordering::Release);
        }
        self.queue.trigger(&key);
    }

    /// It was told to come back later, and its turn to call the provider has come.
    pub(super) fn called(&self, key: &Key) {
        if let Some(entry) = self.entry(key) {
            entry.called.store(true, Ordering::Release);
            self.queue.trigger(key);
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
        first.is_some_and(|(key, _)| key.namespace == namespace)
    }

    /// Something about a Secret changed; `owner` is the credential that controls it, if one does.
    pub(super) fn secret_changed(&self, secret: &Key, owner: Option<&str>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let by_owner = owner.map(|name| Key::new(&secret.namespace, name));
        let by_name = known.concerned.get(secret).into_iter().flatten().cloned();
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

    /// What is known of every credential, for metrics. One that is being passed over is shown as it was before: a pass may
    /// hang for as long as the provider does, and those are the credentials that an alert is about.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let leads = self.leadership.lasts();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known
            .credentials
            .iter()
            .map(|(key, entry)| {
                if leads {
                    entry.decided(key)
                } else {
                    entry.told(key)
                }
            })
            .collect()
    }

    /// Refresh-token Secrets of suspended credentials.
    pub(super) fn suspended(&self) -> BTreeSet<Key> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let suspended = known
            .credentials
            .iter()
            .filter(|(_, entry)| entry.credential().spec.suspend);
        suspended
            .map(|(key, _)| Key::new(&key.namespace, refresh_token_secret(&key.name)))
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
        let ticking = tokio::spawn(Arc::clone(&self).tick(stop.clone()));
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
            entry.memory.lock().await.look_at_status_again();
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

    async fn tick(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let clock = self.ports.clock();
        let mut footing = Footing::of(clock);
        while !stop.is_cancelled() {
            ticks.tick().await;
            // Wake times were reckoned by the clock as it was.
            if footing.moved(clock) {
                footing = Footing::of(clock);
                estimate_time(&*self.ports).await;
                self.look_at_all();
            }
            self.queue.tick(clock.now());
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
        let credential = entry.credential();
        let mut memory = entry.memory.lock().await;
        if entry.listed_again.swap(false, Ordering::AcqRel) {
            memory.compare_status(&credential);
        }
        if entry.called.swap(false, Ordering::AcqRel) {
            settle::renewal::turn_came(&mut memory.known);
        }
        let stands = || self.leadership.lasts() && self.still_asks(key, &entry);
        let leave = Leave(&stands);
        entry.show_meanwhile(Some(Seen {
            passing_since: Some(self.ports.clock().monotonic()),
            ..entry.shown(key, &memory)
        }));
        let passed = Box::pin(pass(&*self.ports, &self.shared, &credential, &mut memory, leave)).await;
        entry.show_meanwhile(None);
        let expires_at = memory.decided().expires_at.as_ref().map(stamp::from_kube);
        self.queue.done(key, passed.wake, expires_at);
    }

    /// Whether the credential of a running pass still exists and wants to be worked for.
    fn still_asks(&self, key: &Key, entry: &Arc<Entry>) -> bool {
        let credential = entry.credential();
        self.entry(key).is_some_and(|now| Arc::ptr_eq(&now, entry))
            && !credential.spec.suspend
            && !credential.deleting
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

impl Known {
    fn apply(&mut self, credential: Credential) -> bool {
        let key = credential.key.clone();
        self.not_understood.remove(&key);
        let before = self.credentials.get(&key).map(|entry| entry.credential());
        if before
            .as_ref()
            .is_some_and(|b| differs_in_status_only(b, &credential))
        {
            self.note_status(credential);
            return false;
        }
        self.unconcern(&key);
        for secret in secrets_of(&credential) {
            self.concerned.entry(secret).or_default().insert(key.clone());
        }
        let known = self
            .credentials
            .get(&key)
            .filter(|_| before.is_some_and(|b| b.uid == credential.uid));
        if let Some(entry) = known {
            *entry.credential.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credential);
        } else {
            let entry = Entry {
                credential: RwLock::new(Arc::new(credential)),
                memory: Mutex::default(),
                listed_again: AtomicBool::default(),
                called: AtomicBool::default(),
                meanwhile: RwLock::default(),
            };
            self.credentials.insert(key, Arc::new(entry));
        }
        true
    }

    /// A status that somebody wrote asks for no pass, but a process that takes over goes by it.
    fn note_status(&self, credential: Credential) {
        if let Some(entry) = self.credentials.get(&credential.key) {
            *entry.credential.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credential);
        }
    }

    fn remove(&mut self, key: &Key) {
        self.unconcern(key);
        self.not_understood.remove(key);
        self.credentials.remove(key);
    }

    fn unconcern(&mut self, key: &Key) {
        let Some(before) = self.credentials.get(key).map(|entry| entry.credential()) else {
            return;
        };
        for secret in secrets_of(&before) {
            if let Some(concerned) = self.concerned.get_mut(&secret) {
                concerned.remove(key);
                if concerned.is_empty() {
                    self.concerned.remove(&secret);
                }
            }
        }
    }
}

impl Entry {
    fn credential(&self) -> Arc<Credential> {
        Arc::clone(&self.credential.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As this process decided it last.
    fn decided(&self, key: &Key) -> Seen {
        match self.memory.try_lock() {
            Ok(memory) => self.shown(key, &memory),
            Err(_) => self.shown_meanwhile().unwrap_or_else(|| self.told(key)),
        }
    }

    fn shown(&self, key: &Key, memory: &Memory) -> Seen {
        if !memory.restored {
            return self.told(key);
        }
        Seen {
            key: key.clone(),
            status: memory.decided().clone(),
            login_waiting_since: memory.login_waiting_since,
            certificate_expires_at: memory.known.client.as_ref().and_then(|c| c.expires_at),
            passing_since: None,
        }
    }

    fn show_meanwhile(&self, seen: Option<Seen>) {
        *self.meanwhile.write().unwrap_or_else(PoisonError::into_inner) = seen.map(Box::new);
    }

    fn shown_meanwhile(&self) -> Option<Seen> {
        let meanwhile = self.meanwhile.read().unwrap_or_else(PoisonError::into_inner);
        meanwhile.as_deref().cloned()
    }

    /// As the watch tells it: what this process once decided is of no use while another one leads.
    fn told(&self, key: &Key) -> Seen {
        Seen {
            key: key.clone(),
            status: self.credential().status.clone().unwrap_or_default(),
            login_waiting_since: None,
            certificate_expires_at: None,
            passing_since: None,
        }
    }
}

fn differs_in_status_only(before: &Credential, after: &Credential) -> bool {
    before.uid == after.uid
        && before.generation == after.generation
        && before.deleting == after.deleting
        && before.request == after.request
        && before.spec == after.spec
}

/// The Secrets that a credential's spec names.
fn secrets_of(credential: &Credential) -> BTreeSet<Key> {
    let spec = &credential.spec;
    let client = spec
        .client_credential
        .as_ref()
        .and_then(ClientCredential::secret_name);
    let session = refresh_token_secret(&credential.key.name);
    let tokens = spec.tokens.iter().map(|t| t.secret_name.as_str());
    let names = tokens
        .chain([spec.login.secret_name.as_str(), session.as_str()])
        .chain(client);
    names.map(|name| credential.sibling(name)).collect()
}
