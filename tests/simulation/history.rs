//! One seeded history: processes, people, storms and time, one event after the other, then peace and the check that all
//! is well.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use entra_operator::api::EntraCredentialStatus;
use entra_operator::plan::settle::renewal::turn_came;
use entra_operator::reconcile::{Credential, Leave, Passed, Remembered, pass};

use super::book::Tally;
use super::replica::{Known, Replica, Running};
use super::rules_passes::{headline, used_login, whole};
use super::rules_rest::{Says, Seen};
use super::stories::Act;
use super::users::People;
use super::world::{Clocks, Counts, START, Shared, Turn, World};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How soon a process is told the time, once the API server answers.
const TOLD_WITHIN: i64 = 10_000;

/// How a history goes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub replicas: usize,
    pub credentials: usize,
    pub days: i64,
    /// Mean pause between deeds of people, minutes; 0: nobody does anything.
    pub deeds: i64,
    /// Mean pause between storms, minutes; 0: none.
    pub storms: i64,
    pub crashes: bool,
    pub clocks: bool,
    /// What [`super::wide`] adds happens.
    pub wide: bool,
    /// What happens at which minute.
    pub script: &'static [(i64, Act)],
}

type Passing = Pin<Box<dyn Future<Output = (Passed, Remembered)>>>;

struct Task {
    replica: usize,
    credential: Arc<Credential>,
    future: Passing,
    wake_at: i64,
}

/// A history in progress.
pub struct History {
    plan: Plan,
    world: Shared,
    replicas: Vec<Replica>,
    tasks: Vec<Task>,
    people: People,
    next_deed: i64,
    next_storm: i64,
    storm_ends: Option<i64>,
    next_collection: i64,
    next_jump: i64,
    /// When the machines wake up, milliseconds.
    asleep_until: Option<i64>,
    /// When the API server was seen to answer nobody.
    silent_at: i64,
    /// Acts of the script that were played.
    acted: usize,
    peace: bool,
}

/// What a history came to.
#[derive(Debug)]
pub struct Outcome {
    pub counts: Counts,
    pub broken: Option<String>,
    pub trace: Vec<String>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Task(usize),
    Delivery(usize),
    Pass(usize),
    Start(usize),
    Collect,
    Deed,
    Storm,
    Jump,
    WakeUp,
    Act,
    End,
}

impl History {
    /// Plays a history to its end, or to the first broken rule.
    pub fn play(plan: Plan, traced: bool) -> Outcome {
        let mut history = Self::begin(plan, traced);
        let broken = history.run().err();
        let mut world = history.lock();
        world.counts.seconds = (world.now() - START) / 1000;
        Outcome {
            counts: world.counts,
            broken,
            trace: world.trace.take().unwrap_or_default(),
        }
    }

    fn begin(plan: Plan, traced: bool) -> Self {
        let mut world = World::new(plan.seed, traced);
        world.alone = plan.replicas == 1;
        let mut people = People::begin(&mut world, plan.credentials);
        if plan.wide {
            world.widen(&mut people);
        }
        let pause = |world: &mut World, mean: i64| match mean {
            0 => i64::MAX,
            mean => START + world.rng.range(1, 2 * mean) * MINUTE,
        };
        let next_deed = pause(&mut world, plan.deeds);
        let next_storm = pause(&mut world, plan.storms);
        let next_jump = pause(&mut world, if plan.clocks { 2000 } else { 0 });
        let replicas = (0..plan.replicas).map(|number| Replica {
            number,
            offset: Arc::new(AtomicI64::new(0)),
            leads: true,
            running: None,
            starts_at: START,
        });
        Self {
            plan,
            replicas: replicas.collect(),
            world: Arc::new(Mutex::new(world)),
            tasks: Vec::new(),
            people,
            next_deed,
            next_storm,
            storm_ends: None,
            next_collection: START,
            next_jump,
            asleep_until: None,
            silent_at: START,
            acted: 0,
            peace: false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn run(&mut self) -> Result<(), String> {
        let last = self.plan.script.last().map_or(0, |(minute, _)| minute + 1);
        let end = START + (self.plan.days * DAY).max(last * MINUTE);
        self.until(end)?;
        self.make_peace();
        self.until(end + 60 * MINUTE)?;
        self.check_rest()?;
        self.people.repair(&mut self.world.lock().unwrap());
        self.distribute();
        self.until(end + 61 * MINUTE)?;
        self.people.log_in(&mut self.world.lock().unwrap());
        self.distribute();
        self.until(end + 120 * MINUTE)?;
        self.check_ready()
    }

    fn until(&mut self, end: i64) -> Result<(), String> {
        let mut at_once = (0, 0);
        loop {
            let (at, next) = self.next(end);
            let now = at.max(self.lock().now());
            at_once = if now == at_once.0 {
                (now, at_once.1 + 1)
            } else {
                (now, 0)
            };
            if at_once.1 > 5000 {
                return Err("5000 events without time passing: a hot loop".to_owned());
            }
            self.lock().ticks.store(now, Ordering::Relaxed);
            if next == Next::End {
                return Ok(());
            }
            self.happen(next);
            self.distribute();
            self.judge_ready();
            let hears = |running: &Running| !running.is_deaf();
            let awake = self.asleep_until.is_none();
            let operators = self
                .replicas
                .iter()
                .any(|r| awake && r.leads && r.running.as_ref().is_some_and(hears));
            let mut world = self.lock();
            world.judge_liveness(operators);
            if let Some(broken) = world.book.violations.first() {
                return Err(broken.clone());
            }
        }
    }

    /// What the processes that lead say, and what the status says where one process alone writes it.
    fn judge_ready(&self) {
        let mut world = self.lock();
        world.watch_status();
        if !world.is_a_new_second() || self.asleep_until.is_some() {
            return;
        }
        let nothing = EntraCredentialStatus::default();
        for r in self.replicas.iter().filter(|r| r.leads) {
            let Some(running) = r.running.as_ref().filter(|running| running.synced()) else {
                continue;
            };
            for known in running.known.values() {
                let seen = Seen {
                    credential: &known.credential,
                    store: &running.ports.store,
                };
                let Some(remembered) = &known.remembered else {
                    continue;
                };
                let decided = remembered.decided(&known.credential);
                world.judge_ready(Says::Process(r.number), seen, decided.or(Some(&nothing)));
                if running.is_deaf() || world.lists_are_awaited() {
                    // Nothing tells that the status is another one.
                    world.judge_ready(Says::Status, seen, None);
                } else if world.alone && world.status_gets_through() {
                    let status = world
                        .api
                        .credentials
                        .get(&known.credential.key)
                        .and_then(|r| r.status.clone());
                    world.judge_ready(Says::Status, seen, status.as_ref());
                }
            }
        }
    }

    fn next(&self, end: i64) -> (i64, Next) {
        let now = self.lock().now();
        let tasks = self
            .tasks
            .iter()
            .enumerate()
            .map(|(i, t)| (t.wake_at, Next::Task(i)));
        let mut all: Vec<_> = tasks.collect();
        for r in &self.replicas {
            match &r.running {
                None => all.push((r.starts_at, Next::Start(r.number))),
                Some(running) => {
                    all.extend(running.due().map(|at| (at, Next::Delivery(r.number))));
                    let passes = r.leads && running.synced();
                    let pass = running.next_pass(now).filter(|_| passes);
                    all.extend(pass.map(|(at, _)| (at, Next::Pass(r.number))));
                }
            }
        }
        if let Some(wakes) = self.asleep_until {
            for (at, _) in &mut all {
                *at = wakes.max(*at);
            }
            all.push((wakes, Next::WakeUp));
        }
        all.push((self.next_collection, Next::Collect));
        if !self.peace {
            all.push((self.next_deed, Next::Deed));
            all.push((self.storm_ends.unwrap_or(self.next_storm), Next::Storm));
            all.push((self.next_jump, Next::Jump));
            let act = self.plan.script.get(self.acted);
            all.extend(act.map(|(minute, _)| (START + minute * MINUTE, Next::Act)));
        }
        all.push((end, Next::End));
        all.into_iter().min().unwrap()
    }

    fn happen(&mut self, next: Next) {
        self.keep_time();
        match next {
            Next::Task(at) => self.go_on(at),
            Next::Delivery(replica) => {
                let world = Arc::clone(&self.world);
                if let Some(running) = &mut self.replicas[replica].running {
                    running.deliver(&mut world.lock().unwrap());
                }
            }
            Next::Pass(replica) => self.begin_pass(replica),
            Next::Start(replica) => {
                let offset = Arc::clone(&self.replicas[replica].offset);
                self.replicas[replica].running = Some(Running::start(&self.world, &offset));
                if !self.lock().api_answers() {
                    self.judge_clocks();
                }
            }
            Next::Collect => self.collect(),
            Next::Deed => self.deed(),
            Next::Storm => self.weather(),
            Next::Jump => self.jump(),
            Next::WakeUp => {
                self.asleep_until = None;
                self.tell_time();
            }
            Next::Act => self.act(),
            Next::End => {}
        }
    }

    fn begin_pass(&mut self, replica: usize) {
        let now = self.lock().now();
        let Some(running) = &mut self.replicas[replica].running else {
            return;
        };
        let Some((_, key)) = running.next_pass(now) else {
            return;
        };
        let slot = running.slots.get_mut(&key).unwrap();
        let known = running.known.get_mut(&key);
        let Some((credential, mut remembered, called)) = known.and_then(Known::take) else {
            running.slots.remove(&key);
            return;
        };
        (slot.running, slot.ready, slot.again, slot.wake) = (true, false, false, None);
        let (ports, common) = (Arc::clone(&running.ports), Arc::clone(&running.common));
        let whose = Arc::clone(&credential);
        let future = Box::pin(async move {
            let memory = remembered.recall(&*ports, &whose);
            if called {
                turn_came(&mut memory.known);
            }
            let passed = Box::pin(pass(&*ports, &common, &whose, memory, Leave::ALWAYS)).await;
            (passed, remembered)
        });
        self.tasks.push(Task {
            replica,
            credential,
            future,
            wake_at: now,
        });
        let mut world = self.lock();
        world.counts.passes += 1;
        let tally = Tally {
            began: now,
            ..Tally::default()
        };
        world.book.tallies.insert((replica, key), tally);
    }

    fn go_on(&mut self, at: usize) {
        let replica = self.tasks[at].replica;
        let crashes = {
            let mut world = self.lock();
            let rate = world.faults.crash;
            world.rng.chance(rate)
        };
        if crashes {
            return self.crash(replica);
        }
        let turn = Turn {
            replica,
            credential: Arc::clone(&self.tasks[at].credential),
        };
        {
            let mut world = self.lock();
            (world.turn, world.sleep_until) = (Some(turn), None);
        }
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.tasks[at].future.as_mut().poll(&mut context);
        match polled {
            Poll::Pending => {
                let until = self.lock().sleep_until.unwrap();
                self.tasks[at].wake_at = until;
            }
            Poll::Ready((passed, remembered)) => self.finish(at, &passed, remembered),
        }
        self.lock().turn = None;
    }

    fn finish(&mut self, at: usize, passed: &Passed, remembered: Remembered) {
        let task = self.tasks.swap_remove(at);
        let ahead = self.replicas[task.replica].offset.load(Ordering::Relaxed);
        // By the true time, which its own clock need not tell.
        let told = Passed {
            wake: passed.wake.map(|at| at.plus(-ahead)),
            ..*passed
        };
        let mut world = self.lock();
        world.note(|| {
            format!(
                "pass ends: {} steps, {} wake {:?} {}",
                passed.steps,
                passed.reason,
                passed.wake,
                if passed.reported { "" } else { "unreported" }
            )
        });
        world.judge_pass(&told);
        let key = task.credential.key.clone();
        if let Some(running) = &self.replicas[task.replica].running {
            let seen = Seen {
                credential: &task.credential,
                store: &running.ports.store,
            };
            if running.slots.get(&key).is_some_and(|slot| !slot.again) {
                world.judge_wake(seen, &told);
            }
        }
        drop(world);
        if let Some(running) = &mut self.replicas[task.replica].running {
            running.done(&key, &task.credential.uid, passed.wake, remembered);
        }
    }

    fn crash(&mut self, replica: usize) {
        self.tasks.retain(|t| t.replica != replica);
        self.replicas[replica].running = None;
        let mut world = self.lock();
        world.note(|| format!("CRASH of {replica}"));
        world.book.forget(replica);
        world.counts.crashes += 1;
        world.trouble();
        let starts_at = world.now() + world.rng.range(1000, 90_000);
        drop(world);
        self.replicas[replica].starts_at = starts_at;
    }

    fn collect(&mut self) {
        let mut world = self.lock();
        let orphans = world.api.orphans().into_iter();
        let staying: Vec<_> = orphans.filter(|key| !world.api.secrets[key].deleting).collect();
        for key in staying {
            world.collect(&key);
        }
        let next = world.now() + world.rng.range(2000, 60_000);
        drop(world);
        self.next_collection = next;
    }

    fn deed(&mut self) {
        let world = Arc::clone(&self.world);
        let mut world = world.lock().unwrap();
        if self.people.guesses > 0 {
            self.next_deed = world.now() + world.rng.range(5000, 25_000);
            return self.people.guess(&mut world);
        }
        if self.plan.deeds == 0 {
            self.next_deed = i64::MAX;
            return;
        }
        let kind = world.rng.below(20);
        self.next_deed = world.now() + world.rng.range(1000, self.plan.deeds * 2 * MINUTE);
        if world.rng.chance(150) {
            // People work in bursts.
            self.next_deed = world.now() + world.rng.range(10, 3000);
        }
        match kind {
            0 if self.plan.crashes => {
                drop(world);
                self.crash(0);
            }
            1 if self.replicas.len() > 1 => {
                drop(world);
                self.hand_over();
            }
            _ => self.people.act(&mut world),
        }
    }

    /// What the script says.
    fn act(&mut self) {
        let (_, act) = self.plan.script[self.acted];
        self.acted += 1;
        let world = Arc::clone(&self.world);
        match act {
            Act::Crash => return self.crash(0),
            Act::Clock(off) => {
                self.replicas[0].offset.store(off, Ordering::Relaxed);
                return self.tell_time();
            }
            Act::Move(off) => {
                self.crash(0);
                return self.replicas[0].offset.store(off, Ordering::Relaxed);
            }
            Act::Sleep(minutes) => return self.sleep(minutes),
            _ => {}
        }
        let mut world = world.lock().unwrap();
        act.play(&mut world, &mut self.people);
        let running = self.replicas.iter_mut().filter_map(|r| r.running.as_mut());
        running.for_each(|running| running.look_at_keys(&world.keys));
        if self.people.guesses > 0 {
            self.next_deed = world.now();
        }
    }

    /// Another replica leads, or all do.
    fn hand_over(&mut self) {
        let which = self.lock().rng.below(self.replicas.len() + 1);
        self.lock().note(|| format!("leader: {which}"));
        for r in &mut self.replicas {
            let leads = which == r.number || which == 2;
            if leads && !std::mem::replace(&mut r.leads, leads) {
                if let Some(running) = &mut r.running {
                    running.take_over();
                }
            }
            r.leads = leads;
        }
    }

    fn weather(&mut self) {
        let crashes = self.plan.crashes;
        let mut world = self.lock();
        let storms = self.plan.storms;
        if self.storm_ends.is_some() {
            world.calm();
            let next = world.now() + world.rng.range(1, 2 * storms) * MINUTE;
            drop(world);
            (self.storm_ends, self.next_storm) = (None, next);
            return;
        }
        world.storm(crashes);
        let hours = world.faults.is_calm();
        let top = world.rng.pick(if hours {
            &[60, 180, 360, 720]
        } else {
            &[2, 10, 60, 180]
        });
        let ends = world.now() + world.rng.range(1, top * 60) * 1000;
        drop(world);
        self.storm_ends = Some(ends);
    }

    /// A node's clock jumps, and is put right later.
    fn jump(&mut self) {
        let which = self.lock().rng.below(self.replicas.len());
        let offset = Arc::clone(&self.replicas[which].offset);
        let mut world = self.lock();
        let off = if offset.load(Ordering::Relaxed) == 0 {
            world
                .rng
                .pick(&[-20_000, -3000, -300, -30, 30, 300, 3000, 20_000])
        } else {
            0
        };
        let pause = if off == 0 {
            world.rng.range(60, 4000)
        } else {
            world.rng.range(1, 90)
        };
        world.note(|| format!("clock of {which} is off by {off} s"));
        world.trouble();
        let next = world.now() + pause * MINUTE;
        drop(world);
        offset.store(off, Ordering::Relaxed);
        self.tell_time();
        self.next_jump = next;
    }

    /// Every machine of the operator sleeps: neither its processes nor their monotonic clocks go on.
    fn sleep(&mut self, minutes: i64) {
        let mut world = self.lock();
        world.note(|| format!("ASLEEP for {minutes} minutes"));
        let wakes = world.now() + minutes * MINUTE;
        world.slept.fetch_add(minutes * MINUTE, Ordering::Relaxed);
        drop(world);
        self.asleep_until = Some(wakes);
    }

    /// Clocks were set.
    fn tell_time(&mut self) {
        self.running().for_each(Running::keep_time);
        self.judge_clocks();
    }

    /// Who was not told the time asks again, and knows it soon after the API server answers.
    fn keep_time(&mut self) {
        self.running().for_each(Running::keep_time);
        let (now, answers) = {
            let world = self.lock();
            (world.now(), world.api_answers())
        };
        if !answers {
            self.silent_at = now;
        }
        if self.lock().untimed() && now - self.silent_at > TOLD_WITHIN {
            self.judge_clocks();
        }
    }

    fn running(&mut self) -> impl Iterator<Item = &mut Running> {
        self.replicas.iter_mut().filter_map(|r| r.running.as_mut())
    }

    fn judge_clocks(&mut self) {
        let wrong = self
            .replicas
            .iter()
            .any(|r| r.offset.load(Ordering::Relaxed) != 0);
        let mut world = self.lock();
        world.clocks = match (world.api_answers(), wrong) {
            (false, _) => Clocks::Untold,
            (true, true) => Clocks::Wrong,
            (true, false) => Clocks::Right,
        };
        world.book.jumped_at = world.now();
    }

    /// All faults stop and nobody touches anything any more.
    fn make_peace(&mut self) {
        self.peace = true;
        for r in &mut self.replicas {
            r.offset.store(0, Ordering::Relaxed);
        }
        self.lock().calm();
        self.tell_time();
    }

    fn distribute(&mut self) {
        let world = Arc::clone(&self.world);
        let mut world = world.lock().unwrap();
        let notices = std::mem::take(&mut world.api.outbox);
        for running in self.replicas.iter_mut().filter_map(|r| r.running.as_mut()) {
            for notice in &notices {
                running.notice(&mut world, notice);
            }
            running.begin_anew(&mut world);
        }
    }

    /// In peace the status says how things are.
    fn check_rest(&self) -> Result<(), String> {
        let world = self.lock();
        for key in &self.people.keys {
            let Some(resource) = world.api.credentials.get(key).filter(|r| !r.deleting) else {
                continue;
            };
            let (ready, reason) = headline(resource.status.as_ref());
            let whole = whole(&world, key);
            // Whose tokens are wanted is known by the refresh token or by the status, and by nothing else.
            let told = resource.status.as_ref().and_then(|s| s.account.as_ref());
            let known = told.is_some() || world.session_of(key).account().is_some();
            if ready && known && !whole && !world.is_obtainable(key) {
                let lacks = world.wanting(key);
                return Err(format!(
                    "{} says Ready ({reason}), but is not: {lacks:?}",
                    key.name
                ));
            }
            if reason.is_empty() {
                return Err(format!("{} has no status", key.name));
            }
        }
        Ok(())
    }

    /// After a person's help everything is as it should be.
    fn check_ready(&self) -> Result<(), String> {
        let world = self.lock();
        for key in &self.people.keys {
            let Some(resource) = world.api.credentials.get(key) else {
                continue;
            };
            let (ready, reason) = headline(resource.status.as_ref());
            if !ready || !whole(&world, key) || !world.is_obtainable(key) {
                return Err(format!("{} does not recover: {ready} {reason}", key.name));
            }
            let used = world.api.secrets.contains_key(&used_login(key));
            if used && !world.login_may_stay(key, &used_login(key)) {
                return Err(format!("the used login of {} stays", key.name));
            }
        }
        Ok(())
    }
}
