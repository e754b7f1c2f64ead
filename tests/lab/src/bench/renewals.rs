//! A while of renewals: what each costs, and how late it is.

use std::time::Duration;

use serde::Serialize;

use super::eyes::{Arrival, quantiles};
use super::population::SignedIn;
use super::window::{Cost, Window};
use super::{Args, Scene};
use crate::stage::{Error, Operator};

/// What a while of renewals came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Renewals {
    /// Tokens that were published.
    pub(super) count: usize,
    /// What they cost.
    pub(super) cost: Cost,
    /// Seconds by which the half, 99 of 100, and the last were late.
    pub(super) lateness: [f64; 3],
}

/// Waits until the first lives are over, which were of different lengths, and measures a while of renewals. These come evenly
/// since the shortest of them was over.
pub(super) async fn measure(
    scene: &Scene,
    operator: &Operator,
    signed_in: &SignedIn,
    args: &Args,
) -> Result<Renewals, Error> {
    let (stage, elsewhere, eyes) = (&scene.stage, &scene.elsewhere, &scene.eyes);
    let life = if args.first_renewals {
        scene.population.shortest_life()
    } else {
        scene.population.longest_life(scene.life)
    };
    let due = super::renewed_within(life);
    tokio::time::sleep(due.saturating_sub(signed_in.began.elapsed())).await;
    tokio::time::sleep(super::SETTLE / 4).await;
    let (open, seen) = (
        Window::open(stage, elsewhere, Some(operator)).await?,
        eyes.count(),
    );
    tokio::time::sleep(Duration::from_secs(args.window)).await;
    let lateness: Vec<_> = eyes.since(seen).iter().map(Arrival::late).collect();
    Ok(Renewals {
        count: lateness.len(),
        cost: open.close(stage, elsewhere, operator).await?,
        lateness: quantiles(lateness),
    })
}
