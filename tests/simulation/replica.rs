//! One operator process: its watches, what it knows of credentials, and which of them get a pass; as `operator::controller`
//! and `operator::queue` do it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use entra_operator::cluster::{Altered, Brake, Change, Rewound, SecretStore, Selects};
use entra_operator::plan::Time;
use entra_operator::plan::keys::Keys;
use entra_operator::plan::metadata::{Uid, Version};
use entra_operator::reconcile::ports::{Key, Vault};
use entra_operator::reconcile::{Credential, NoOp, Remembered, Shared as Common, ToldTime};
use futures::FutureExt as _;

use super::api::Notice;
use super::feed::{Feed, SecretFeeds, watch};
use super::ports::Process;
use super::world::{Shared, World};
use entra_operator::entra::Clocks;

/// How often a process asks for the version of the whole, milliseconds.
const LOOKS: i64 = 30_000;

/// A place where a process runs.
#[derive(Debug)]
pub struct Replica {
    pub number: usize,
    pub offset: Arc<AtomicI64>,
    pub leads: bool,
    pub running: Option<Running>,
    pub starts_at: i64,
}

/// A running process.
#[derive(Debug)]
pub struct Running {
    pub ports: Arc<Process>,
    time: ToldTime,
    pub common: Arc<Common>,
    resources: Feed<Told>,
    /// Versions were seen to have gone back.
    rewound: Rewound,
    /// When it asks for the version of the whole, after etcd was set back. Milliseconds.
    compares_at: Option<i64>,
    /// The keys that its credentials were looked at with.
    pub told_keys: Keys,
    listing: BTreeSet<Key>,
    listed: bool,
    pub known: BTreeMap<Key, Known>,
    pub slots: BTreeMap<Key, Slot>,
}

/// What the watch of credentials tells.
#[derive(Clone, Debug)]
enum Told {
    Restarted,
    Applied(Box<Credential>),
    Deleted(Key),
    Listed,
}

/// A credential and what the process remembers of it; that is away during a pass.
#[derive(Debug)]
pub struct Known {
    pub credential: Arc<Credential>,
    pub remembered: Option<Remembered>,
    /// A list told it again, and no pass has compared its status since.
    pub listed_again: bool,
    /// Its turn has come, and no pass has asked for it since.
    pub called: bool,
}

impl Known {
    /// For a pass: the credential, what is remembered of it, and whether it was called.
    pub fn take(&mut self) -> Option<(Arc<Credential>, Remembered, bool)> {
        let mut remembered = self.remembered.take()?;
        if std::mem::take(&mut self.listed_again) {
            remembered.compare_status(&self.credential);
        }
        let called = std::mem::take(&mut self.called);
        Some((Arc::clone(&self.credential), remembered, called))
    }

    /// The watch tells something else.
    fn tell(&mut self, ports: &Process, credential: Arc<Credential>) {
        if let Some(remembered) = &mut self.remembered {
            remembered.is_told(&self.credential, &credential);
            remembered.rest(ports, &credential);
        }
        self.credential = credential;
    }
}

/// What is asked for the time, which takes none here.
fn at_once<T>(asked: impl Future<Output = T>) -> T {
    asked.now_or_never().unwrap()
}

/// When a credential gets its pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub wake: Option<Time>,
    pub ready: bool,
    pub running: bool,
    pub again: bool,
}

impl Running {
    /// Starts a process; its lists are on their way.
    pub fn start(world: &Shared, offset: &Arc<AtomicI64>) -> Self {
        let w = world.lock().unwrap();
        let (ticks, slept) = (Arc::clone(&w.ticks), Arc::clone(&w.slept));
        let (now, keys) = (w.now(), w.keys.clone());
        drop(w);
        let watches: Vec<_> = Selects::ALL.iter().map(|s| watch(*s)).collect();
        let ports = Process {
            world: Arc::clone(world),
            store: SecretStore::new(&watches),
            feeds: Mutex::new(SecretFeeds::new(now + 50)),
            ring: keys.keyring(&ticks),
            ticks,
            slept,
            offset: Arc::clone(offset),
            clocks: Clocks::default(),
            outages: Mutex::default(),
            brake: Brake::default(),
            epoch: Instant::now(),
        };
        let time = at_once(ToldTime::ask(&ports));
        Self {
            time,
            rewound: ports.store.rewound(),
            compares_at: None,
            told_keys: ports.ring.keys_in_use(),
            ports: Arc::new(ports),
            common: Arc::new(Common::new(Arc::new(NoOp))),
            resources: Feed::new(now + 60),
            listing: BTreeSet::new(),
            listed: false,
            known: BTreeMap::new(),
            slots: BTreeMap::new(),
        }
    }

    /// Whether every watch has had a complete list.
    pub fn synced(&self) -> bool {
        self.listed && self.ports.store.synced()
    }

    /// When the next event arrives.
    pub fn due(&self) -> Option<i64> {
        let feeds = self.feeds().due();
        let all = feeds.into_iter().chain(self.resources.due());
        all.chain(self.compares_at).min()
    }

    /// Whether a watch has missed something without knowing.
    pub fn is_deaf(&self) -> bool {
        self.resources.has_missed() || self.feeds().iter().any(|(_, feed)| feed.has_missed())
    }

    /// All watches begin anew where versions were seen to have gone back.
    pub fn begin_anew(&mut self, world: &mut World) {
        if !self.rewound.has_changed().unwrap() {
            return;
        }
        self.rewound.mark_unchanged();
        let at = world.now() + world.rng.range(10, 1000);
        world.note(|| "versions went back: everything is listed anew".to_owned());
        self.resources.begin_anew(at);
        self.feeds().iter_mut().for_each(|(_, feed)| feed.begin_anew(at));
    }

    /// Something changed at the API server.
    pub fn notice(&mut self, world: &mut World, notice: &Notice) {
        let at = arrival(world);
        match notice {
            Notice::SetBack(version) => {
                self.ports.store.present(&Version(version.to_string()));
                self.compares_at = Some(world.now() + world.rng.range(1, LOOKS));
                self.resources.set_back(world, *version);
                for (_, feed) in self.feeds().iter_mut() {
                    feed.set_back(world, *version);
                }
            }
            Notice::Credential(_) if world.now() < world.credentials_late_until => {
                self.resources.begin_anew(world.credentials_late_until);
            }
            Notice::Credential(key) => {
                let told = match world.api.credential(key) {
                    Some(credential) => Told::Applied(Box::new(credential)),
                    None => Told::Deleted(key.clone()),
                };
                self.resources.offer(world, at, told);
            }
            Notice::Secret {
                key,
                old,
                new,
                version,
            } => {
                for (selects, feed) in self.feeds().iter_mut() {
                    let was = old.as_ref().filter(|o| o.shown_by(selects));
                    // An object of another uid under the same name is two events: a deletion and a creation.
                    let replaced = was.zip(new.as_ref()).is_some_and(|(o, n)| o.uid != n.uid);
                    let is = new.as_ref().filter(|o| o.shown_by(selects));
                    if let Some(old) = was.filter(|_| is.is_none() || replaced) {
                        let version = if replaced { version - 1 } else { *version };
                        feed.offer(world, at, Change::Deleted(old.seen(key, version)));
                    }
                    if let Some(new) = is {
                        feed.offer(world, at, Change::Applied(new.seen(key, *version)));
                    }
                }
            }
        }
    }

    /// Delivers one event that has arrived.
    pub fn deliver(&mut self, world: &mut World) {
        if self.compares_at.is_some_and(|at| at <= world.now()) {
            return self.look_at_present(world);
        }
        if self.resources.due().is_some_and(|at| at <= world.now()) {
            return self.deliver_resource(world);
        }
        let before = self.synced();
        self.feeds().deliver(world, &self.ports.store);
        self.catch_up();
        if !before && self.synced() {
            self.look_at_all();
        }
    }

    /// Every half a minute a process asks for the version of the whole. Only the first answer after etcd was set back tells
    /// anything, so no other is played.
    fn look_at_present(&mut self, world: &World) {
        self.compares_at = Some(world.now() + LOOKS);
        if world.api_answers() {
            self.compares_at = None;
            self.ports
                .store
                .present(&Version(world.api.version().to_string()));
        }
    }

    fn feeds(&self) -> MutexGuard<'_, SecretFeeds> {
        self.ports.feeds.lock().unwrap()
    }

    /// Finds whom it concerns what the watches of Secrets have told.
    fn catch_up(&mut self) {
        let altered = self.feeds().altered();
        for altered in altered {
            self.secret_changed(&altered);
        }
    }

    fn deliver_resource(&mut self, world: &mut World) {
        if self.resources.mend() {
            return list_resources(world, &mut self.resources);
        }
        match self.resources.next() {
            Some(Told::Restarted) => self.listing = self.known.keys().cloned().collect(),
            Some(Told::Applied(credential)) => {
                let key = credential.key.clone();
                let again = self.listing.remove(&key);
                self.applied(*credential);
                if again {
                    self.listed_again(&key);
                }
            }
            Some(Told::Deleted(key)) => self.removed(&key),
            Some(Told::Listed) => self.complete(),
            None => {}
        }
    }

    fn listed_again(&mut self, key: &Key) {
        if let Some(known) = self.known.get_mut(key) {
            known.listed_again = true;
        }
        self.trigger(key);
    }

    fn complete(&mut self) {
        for key in std::mem::take(&mut self.listing) {
            self.removed(&key);
        }
        if !std::mem::replace(&mut self.listed, true) && self.synced() {
            self.look_at_all();
        }
    }

    fn applied(&mut self, credential: Credential) {
        let key = credential.key.clone();
        let before = self.known.get(&key);
        let same_object = before.is_some_and(|k| k.credential.uid == credential.uid);
        let of_status = before.is_some_and(|k| credential.differs_in_status_only(&k.credential));
        let credential = Arc::new(credential);
        if let (true, Some(known)) = (of_status, self.known.get_mut(&key)) {
            known.tell(&self.ports, credential);
            return;
        }
        if let (true, Some(known)) = (same_object, self.known.get_mut(&key)) {
            known.tell(&self.ports, credential);
        } else {
            let remembered = Some(Remembered::default());
            let known = Known {
                credential,
                remembered,
                listed_again: false,
                called: false,
            };
            self.known.insert(key.clone(), known);
        }
        self.trigger(&key);
    }

    fn removed(&mut self, key: &Key) {
        self.known.remove(key);
        self.slots.remove(key);
    }

    /// This process leads from now on.
    pub fn take_over(&mut self) {
        for known in self.known.values_mut() {
            let remembered = known.remembered.iter_mut();
            remembered.for_each(Remembered::look_at_status_again);
        }
        self.look_at_all();
    }

    /// Its clock was set, perhaps, or nobody has told it the time yet.
    pub fn keep_time(&mut self) {
        if at_once(self.time.keep(&*self.ports)) {
            self.look_at_all();
        }
    }

    /// Everything gets a look: it leads from now on, or its clock was set.
    pub fn look_at_all(&mut self) {
        for key in self.known.keys().cloned().collect::<Vec<_>>() {
            self.trigger(&key);
        }
    }

    fn secret_changed(&mut self, altered: &Altered) {
        let owner = altered
            .controller
            .as_ref()
            .filter(|c| c.ours)
            .map(|c| c.name.clone());
        let concerned = |k: &Known| {
            let own = &k.credential.key;
            let controls = own.namespace == altered.key.namespace && owner.as_deref() == Some(&*own.name);
            controls || k.credential.secrets().contains(&altered.key)
        };
        let keys: Vec<_> = self
            .known
            .iter()
            .filter(|(_, k)| concerned(k))
            .map(|(k, _)| k.clone())
            .collect();
        for key in keys {
            self.trigger(&key);
        }
    }

    /// Who was put off by a provider that answers again gets a pass.
    fn call(&mut self) {
        while let Some(key) = self.ports.tell() {
            if let Some(known) = self.known.get_mut(&key) {
                known.called = true;
                self.trigger(&key);
            }
        }
    }

    fn trigger(&mut self, key: &Key) {
        let slot = self.slots.entry(key.clone()).or_default();
        if slot.running {
            slot.again = true;
        } else {
            slot.ready = true;
        }
    }

    /// When the next pass is due, in true milliseconds, and for whom.
    pub fn next_pass(&self, now: i64) -> Option<(i64, Key)> {
        let offset = self.ports.offset.load(Ordering::Relaxed);
        let due = |slot: &Slot| match (slot.ready, slot.wake) {
            (true, _) => Some(now),
            (false, Some(wake)) => Some(((wake.0 - offset) * 1000).max(now)),
            (false, None) => None,
        };
        let idle = self.slots.iter().filter(|(_, s)| !s.running);
        idle.filter_map(|(key, slot)| Some((due(slot)?, key.clone())))
            .min()
    }

    /// A pass is over.
    pub fn done(&mut self, key: &Key, uid: &Uid, wake: Option<Time>, mut remembered: Remembered) {
        self.catch_up();
        self.call();
        if let Some(known) = self.known.get_mut(key).filter(|k| k.credential.uid == *uid) {
            remembered.rest(&*self.ports, &known.credential);
            known.remembered = Some(remembered);
        }
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        (slot.running, slot.wake) = (false, wake);
        if std::mem::take(&mut slot.again) {
            slot.ready = true;
        }
    }
}

fn arrival(world: &mut World) -> i64 {
    let late = world.faults.watch_delay;
    let delay = if late > 0 {
        world.rng.range(1, late)
    } else {
        world.rng.range(1, 40)
    };
    world.now() + delay
}

fn list_resources(world: &mut World, feed: &mut Feed<Told>) {
    let now = world.now();
    feed.push(now, Told::Restarted);
    let keys: Vec<_> = world.api.credentials.keys().cloned().collect();
    for credential in keys.iter().filter_map(|k| world.api.credential(k)) {
        feed.push(now + 5, Told::Applied(Box::new(credential)));
    }
    feed.push(now + 5, Told::Listed);
}
