//! The proxies of one operator: before the API server and before the simulator, with faults that meet nobody else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{Operator, OperatorOptions, Stage};
use crate::proxy::{Action, Next, Options, Proxy, Rule, StartError, Trigger};

/// Both proxies.
#[derive(Debug)]
pub struct Relay {
    /// Before the API server.
    pub api: Proxy,
    /// Before the simulator.
    pub entra: Proxy,
}

impl Relay {
    /// Proxies without rules.
    pub async fn before(stage: &Stage) -> Result<Self, StartError> {
        let api = Options::new(&stage.plane.server_url(), stage.plane.ca_pem());
        let mut entra = Options::new(&stage.simulator.url(), &stage.simulator.ca_pem());
        entra.forward_host = true;
        Ok(Self {
            api: Proxy::start(api).await?,
            entra: Proxy::start(entra).await?,
        })
    }

    /// How to run an operator behind them.
    pub fn options(&self) -> OperatorOptions {
        OperatorOptions {
            api: Some((self.api.url(), self.api.ca_pem())),
            entra: Some((self.entra.url(), self.entra.ca_pem())),
            ..OperatorOptions::default()
        }
    }

    /// Something happens to the `nth` call with this method and path.
    pub fn at_api(&self, method: &str, path: &str, nth: usize, action: Action) {
        self.api.add(Rule::new(action).method(method).path(path).nth(nth));
    }

    /// Something happens to the `nth` request for a token.
    pub fn at_entra(&self, nth: usize, action: Action) {
        let rule = Rule::new(action).method("POST").path("/oauth2/v2.0/token");
        self.entra.add(rule.nth(nth));
    }
}

/// Holds a request while its sender is killed; the sender never gets an answer.
#[derive(Clone, Debug, Default)]
pub struct Trap {
    reached: Arc<Notify>,
    dead: Arc<Notify>,
}

impl Trap {
    /// What the proxy does with the request.
    pub fn trigger(&self) -> Trigger {
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

    /// SIGKILL at the moment when its request is held, or when the patience ends; only then the request's connection is
    /// closed. Says whether the request was made.
    pub async fn kill(&self, operator: &mut Operator, patience: Duration) -> bool {
        let made = tokio::time::timeout(patience, self.reached.notified()).await;
        operator.kill();
        self.dead.notify_one();
        made.is_ok()
    }
}
