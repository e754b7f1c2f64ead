//! A provider that hangs, sessions that are ended, and a token Secret that somebody deletes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::DeleteParams;
use serde::Serialize;

use super::eyes::{Arrival, Eyes, quantiles};
use super::meter::{Footprint, footprint};
use super::population::{Population, is_elsewhere};
use super::report::failed;
use crate::simulator::world::user_name;
use crate::simulator::{Fault, Rule};
use crate::stage::{Error, Operator, Stage};

/// How long each trouble lasts.
const LONG: Duration = Duration::from_mins(1);

/// Longest until all is well again after one.
const CALM: Duration = Duration::from_mins(5);

/// Of every so many the session is ended.
const ENDED: usize = 20;

/// Longest that a deleted Secret may take to be back.
const BACK: Duration = Duration::from_secs(30);

/// How often it is looked for a deleted Secret.
const LOOK: Duration = Duration::from_millis(5);

/// What the troubles came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Troubles {
    /// Seconds by which renewals at another host were late while one hung: the half, 99 of 100, and the last.
    pub(super) others_late: [f64; 3],
    /// Seconds from the end of the hang until nothing was late any more at the host that hung.
    pub(super) fresh_again: f64,
    /// Of a hundred pairs of renewals after the end, how many came in the order of their expiry.
    pub(super) in_order: f64,
    /// Footprint at the end of the hang.
    pub(super) memory: Footprint,
    /// Sessions that were ended, and the most calls that were made for one of them.
    pub(super) ended: (usize, usize),
    /// Seconds until a deleted token Secret was back.
    pub(super) back: f64,
}

/// Meets an operator that has renewals to do with each.
pub(super) async fn meet(
    stage: &Stage,
    operator: &Operator,
    eyes: &Eyes,
    population: Population,
) -> Result<Troubles, Error> {
    let back = deleted(stage, population).await?;
    let seen = eyes.count();
    stage.simulator.script(Rule::new(Fault::Stall).forever());
    tokio::time::sleep(LONG).await;
    let held = footprint(stage, operator);
    let others = eyes.since(seen);
    stage.simulator.clear_faults();
    let (end, seen) = (Timestamp::now(), eyes.count());
    all_renewed(eyes, end).await?;
    let late = overdue(&eyes.since(seen), end);
    Ok(Troubles {
        others_late: quantiles(elsewhere(&others)),
        fresh_again: late
            .iter()
            .map(|a| a.at.duration_since(end).as_secs_f64())
            .fold(0.0, f64::max),
        in_order: in_order(&late),
        memory: held,
        ended: sessions_end(stage, population).await,
        back,
    })
}

/// Waits until nothing is left that was due before `end`.
async fn all_renewed(eyes: &Eyes, end: Timestamp) -> Result<(), Error> {
    let begun = Instant::now();
    while eyes.awaits(end) {
        if begun.elapsed() > CALM {
            return Err(failed("tokens that were due while a host hung were not renewed"));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// By how many seconds those were late whose host did not hang.
fn elsewhere(arrivals: &[Arrival]) -> Vec<f64> {
    let others = arrivals.iter().filter(|a| is_elsewhere(a.credential));
    others.map(Arrival::late).collect()
}

/// What was due before `end` and came after it, where it hung.
fn overdue(arrivals: &[Arrival], end: Timestamp) -> Vec<Arrival> {
    let late = arrivals
        .iter()
        .filter(|a| a.due < end && !is_elsewhere(a.credential));
    late.copied().collect()
}

/// What was due first expires first: all have lives of one length.
fn in_order(arrivals: &[Arrival]) -> f64 {
    let pairs = arrivals
        .iter()
        .enumerate()
        .flat_map(|(i, a)| arrivals.iter().skip(i + 1).map(move |b| a.due <= b.due));
    let (all, good) = pairs.fold((0_u32, 0_u32), |(all, good), ordered| {
        (all + 1, good + u32::from(ordered))
    });
    f64::from(good) * 100.0 / f64::from(all.max(1))
}

/// Ends the sessions of some, and counts the calls that are made for each of them.
async fn sessions_end(stage: &Stage, population: Population) -> (usize, usize) {
    let ended = (1..population.credentials).step_by(ENDED).map(user_name);
    let ended: Vec<_> = ended.collect();
    for user in &ended {
        stage
            .simulator
            .change_user(user, |user| user.sign_in_frequency = Some(0));
    }
    let mark = stage.simulator.journal().mark();
    tokio::time::sleep(LONG).await;
    let mut calls = HashMap::<_, usize>::new();
    for entry in stage.simulator.journal().since(mark) {
        if entry.code() == Some(70043) {
            *calls.entry(entry.user).or_default() += 1;
        }
    }
    (ended.len(), calls.into_values().max().unwrap_or_default())
}

/// Seconds until a token Secret that is deleted is back.
async fn deleted(stage: &Stage, population: Population) -> Result<f64, Error> {
    let client = stage.plane.client().await?;
    let last = population.credentials.saturating_sub(1);
    let (namespace, name) = (population.namespace(last), format!("account-{last:05}-token"));
    let api = Api::<Secret>::namespaced(client, &namespace);
    let went = api.delete(&name, &DeleteParams::default()).await;
    went.map_err(|error| failed(&format!("cannot delete a token Secret: {error}")))?;
    let deleted = Instant::now();
    while api.get_metadata_opt(&name).await.ok().flatten().is_none() {
        if deleted.elapsed() > BACK {
            return Err(failed("a deleted token Secret did not come back"));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(deleted.elapsed().as_secs_f64())
}
