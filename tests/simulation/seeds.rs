//! Which histories are played: as many as fit, a night's share, and those that once broke a rule.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::history::{History, Plan};
use super::world::Counts;

/// How long the default run may take.
const BUDGET: Duration = Duration::from_mins(3);

/// Histories that are played even on a busy machine.
const AT_LEAST: u64 = 12;

/// Seeds from here on are histories of busy people and fair weather: handovers, bursts of edits, restores.
const BUSY: u64 = 1_000_000;

/// Seeds from here on are histories of more than one namespace, and of what happens rarely.
const WIDE: u64 = 2_000_000;

/// The history of a seed: simple ones first.
fn plan(seed: u64) -> Plan {
    if seed >= WIDE {
        let kind = usize::try_from((seed - WIDE) % 4).unwrap();
        return Plan {
            seed,
            replicas: if kind == 3 { 2 } else { 1 },
            credentials: kind % 3 + 1,
            days: if kind == 1 { 7 } else { 2 },
            deeds: [30, 240, 60, 60][kind],
            storms: [0, 1000, 300, 0][kind],
            crashes: true,
            clocks: false,
            wide: true,
            script: &[],
        };
    }
    if seed >= BUSY {
        return Plan {
            seed: seed - BUSY,
            replicas: 2,
            credentials: 3,
            days: 1,
            deeds: 30,
            storms: 0,
            crashes: false,
            clocks: false,
            wide: false,
            script: &[],
        };
    }
    let kind = seed % 8;
    Plan {
        seed,
        replicas: if kind.is_multiple_of(2) { 1 } else { 2 },
        credentials: usize::try_from(seed / 8 % 3).unwrap() + 1,
        days: if kind == 7 { 14 } else { 2 },
        deeds: [0, 0, 60, 60, 20, 20, 120, 600][usize::try_from(kind).unwrap()],
        storms: [300, 300, 0, 400, 200, 200, 400, 1500][usize::try_from(kind).unwrap()],
        crashes: true,
        clocks: kind >= 6,
        wide: false,
        script: &[],
    }
}

/// Plays a history again and shows how it ended.
fn replay(seed: u64) {
    let traced = History::play(plan(seed), true);
    let lines: Option<usize> = std::env::var("TRACE_LINES").ok().and_then(|n| n.parse().ok());
    let last = traced.trace.len().saturating_sub(lines.unwrap_or(120));
    for line in &traced.trace[last..] {
        eprintln!("{line}");
    }
    if let Some(broken) = traced.broken {
        panic!(
            "{broken}\n{:?}\nreplay: SEED={seed} cargo test --test simulation",
            plan(seed)
        );
    }
    eprintln!("{:?}", traced.counts);
}

fn keeps_the_rules(seed: u64) {
    if History::play(plan(seed), false).broken.is_some() {
        replay(seed);
    }
}

/// A process that took the lead did not know what the one before it had written into the status, and renewed on a request
/// that was handled.
#[test]
fn a_new_leader_knows_what_was_handled() {
    keeps_the_rules(BUSY + 14);
}

/// A renewal of the account before was stored over the login of another one, and a tenant written differently let it in.
#[test]
fn a_login_is_not_undone_by_a_renewal_of_the_account_before() {
    keeps_the_rules(63);
}

/// A refresh-token Secret that was restored between the decision and the read was redeemed for another client.
#[test]
fn what_was_restored_meanwhile_goes_to_its_own_binding() {
    keeps_the_rules(BUSY + 72);
}

/// A token Secret that lost its label was not known any more, and its repair conflicted without end.
#[test]
fn a_lost_label_is_repaired() {
    keeps_the_rules(10);
}

/// A step that writes several Secrets took the newest versions from the watches, and replaced what it had not looked at.
#[test]
fn what_was_not_looked_at_is_not_replaced() {
    keeps_the_rules(19);
}

/// An edited token Secret was not looked at while the refresh-token Secret was immutable, and Ready stayed True.
#[test]
fn what_was_edited_is_looked_at_whatever_stands_in_the_way() {
    keeps_the_rules(BUSY + 56);
}

/// A token for scopes that the spec had dropped counted as answering it while no refresh token was stored.
#[test]
fn a_token_without_a_session_answers_the_present_spec_or_not() {
    keeps_the_rules(BUSY + 194);
}

/// What a process had seen to be gone it still showed as it was before, until the watch told.
#[test]
fn what_is_gone_is_not_shown() {
    keeps_the_rules(50_637);
}

/// One Secret that somebody else changed whenever it was written had the whole ration of failed calls.
#[test]
fn one_secret_does_not_have_every_call() {
    keeps_the_rules(WIDE + 50_290);
}

/// The history that is played as the `n`-th: every third one of each sort.
fn seed(n: u64) -> u64 {
    n / 3 + [0, BUSY, WIDE][usize::try_from(n % 3).unwrap()]
}

/// What was played: every history in a world of its own, so that they may be played side by side.
#[derive(Default)]
struct Played {
    histories: u64,
    counts: Counts,
    failed: BTreeSet<u64>,
}

impl Played {
    fn play(seed: u64, played: &Mutex<Self>) {
        let outcome = History::play(plan(seed), false);
        let mut played = played.lock().unwrap();
        played.histories += 1;
        played.counts.add(&outcome.counts);
        if std::env::var_os("SIMULATION_EACH").is_some() {
            let end = if outcome.broken.is_some() { "FAILED" } else { "ok" };
            println!("test history {seed} ... {end}");
        }
        if let Some(broken) = outcome.broken {
            eprintln!("SEED={seed}: {broken}");
            played.failed.insert(seed);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|n| n.parse().unwrap())
}

#[test]
fn histories_keep_the_rules() {
    if let Ok(seed) = std::env::var("SEED") {
        return replay(seed.parse().unwrap());
    }
    let start = Instant::now();
    let asked = number("SIMULATION_SEEDS");
    let (from, step) = (
        number("SIMULATION_FROM").unwrap_or(0),
        number("SIMULATION_STEP").unwrap_or(1),
    );
    let more = |begun| match asked {
        Some(n) => begun < n,
        None => begun < AT_LEAST || start.elapsed() < BUDGET,
    };
    let (begun, played) = (AtomicU64::new(0), Mutex::new(Played::default()));
    let play_more = || {
        loop {
            let n = begun.fetch_add(1, Ordering::Relaxed);
            if !more(n) {
                return;
            }
            Played::play(seed(from + n * step), &played);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(play_more);
        }
    });
    let Played {
        histories,
        counts,
        failed,
    } = played.into_inner().unwrap();
    eprintln!(
        "{histories} histories, {} simulated days, {} broke a rule, {:.1} minutes: {counts:?}",
        counts.seconds / 86_400,
        failed.len(),
        start.elapsed().as_secs_f64() / 60.0
    );
    if let Some(first) = failed.first() {
        replay(*first);
    }
}
