//! The laboratory's proxies as a test uses them: what cannot be started or is never reached fails it.

use std::time::Duration;

use entra_lab::stage::Operator;
pub(crate) use entra_lab::stage::{Relay, Trap};
use tokio::sync::Semaphore;

/// Longest until an operator makes the call at which it is to be killed; many start at once.
const PATIENCE: Duration = Duration::from_mins(2);

/// Cases that work at the same time: with more of them tokens of seconds would expire on a small machine.
static ROOM: Semaphore = Semaphore::const_new(10);

/// Plays a case when it is its turn. Cases that mostly wait need no turn.
pub(crate) async fn in_turn<T>(case: impl Future<Output = T>) -> T {
    let _room = ROOM.acquire().await.unwrap();
    case.await
}

/// SIGKILL at the moment when the trapped request is held.
pub(crate) async fn kill(trap: &Trap, mut operator: Operator) {
    let reached = trap.kill(&mut operator, PATIENCE).await;
    assert!(reached, "the call was never made:\n{}", operator.log());
}
