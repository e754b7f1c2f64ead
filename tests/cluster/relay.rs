//! The proxies of one test: before the API server and before the simulator, with faults that meet its operator only.

use std::sync::Arc;
use std::time::Duration;

use entra_lab::proxy::{Action, Next, Options, Proxy, Rule, Trigger};
use entra_lab::stage::{Operator, OperatorOptions, Stage};
use tokio::sync::{Notify, Semaphore};

/// Longest until an operator makes the call at which it is to be killed; many start at once.
const PATIENCE: Duration = Duration::from_mins(2);

/// Cases that work at the same time: with more of them tokens of seconds would expire on a small machine.
static ROOM: Semaphore = Semaphore::const_new(10);

/// Plays a case when it is its turn. Cases that mostly wait need no turn.
pub(crate) async fn in_turn<T>(case: impl Future<Output = T>) -> T {
    let _room = ROOM.acquire().await.unwrap();
    case.await
}

/// Both proxies.
pub(crate) struct Relay {
    pub(crate) api: Proxy,
    pub(crate) entra: Proxy,
}

impl Relay {
    /// Proxies without rules.
    pub(crate) async fn before(stage: &Stage) -> Self {
        let api = Options::new(&stage.plane.server_url(), stage.plane.ca_pem());
        let mut entra = Options::new(&stage.simulator.url(), &stage.simulator.ca_pem());
        entra.forward_host = true;
        Self {
            api: Proxy::start(api).await.unwrap(),
            entra: Proxy::start(entra).await.unwrap(),
        }
    }

    /// How to run an operator behind them.
    pub(crate) fn options(&self) -> OperatorOptions {
        OperatorOptions {
            api: Some((self.api.url(), self.api.ca_pem())),
            entra: Some((self.entra.url(), self.entra.ca_pem())),
            ..OperatorOptions::default()
        }
    }

    /// Something happens to the `nth` call with this method and path.
    pub(crate) fn at_api(&self, method: &str, path: &str, nth: usize, action: Action) {
        self.api.add(Rule::new(action).method(method).path(path).nth(nth));
    }

    /// Something happens to the `nth` request for a token.
    pub(crate) fn at_entra(&self, nth: usize, action: Action) {
        let rule = Rule::new(action).method("POST").path("/oauth2/v2.0/token");
        self.entra.add(rule.nth(nth));
    }
}

/// Holds a request while its sender is killed; the sender never gets an answer.
#[derive(Clone, Default)]
pub(crate) struct Trap {
    reached: Arc<Notify>,
    dead: Arc<Notify>,
}

impl Trap {
    /// What the proxy does with the request.
    pub(crate) fn trigger(&self) -> Trigger {
        let trap = self.clone();
        Trigger::new(move |_| {
            let trap = trap.clone();
            async move {
                trap.reached.notify_one();
                trap.dead.notified().await;
                Next::HangUp
            }
        })
    }

    /// SIGKILL at the moment when its request is held; only then the request's connection is closed.
    pub(crate) async fn kill(&self, mut operator: Operator) {
        if tokio::time::timeout(PATIENCE, self.reached.notified())
            .await
            .is_err()
        {
            panic!("the call was never made:\n{}", operator.log());
        }
        operator.kill();
        self.dead.notify_one();
    }
}
