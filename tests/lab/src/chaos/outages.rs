//! Outages: what begins them, what ends them.

use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::evidence::Span;
use super::plan::Outage;
use super::scene::Scene;
use crate::controlplane::Component::{ApiServer, ControllerManager, Etcd};
use crate::proxy::{Action, Proxy, Rule};
use crate::simulator::{Fault, RetryAfter, Rule as Script};

/// Seconds that the provider asks to wait for.
const RETRY_AFTER: u64 = 2;

/// Has something out for this time, and notes how long it was.
pub(super) async fn be_out(scene: &Scene, outage: Outage, time: Duration) -> Result<(), Error> {
    let from = Timestamp::now();
    begin(scene, outage).await?;
    tokio::time::sleep(time).await;
    end(scene, outage).await?;
    scene.note_outage(Span::new(from, Timestamp::now()));
    Ok(())
}

async fn begin(scene: &Scene, outage: Outage) -> Result<(), Error> {
    let plane = &scene.stage.plane;
    let proxies = || scene.replicas.iter().map(|replica| &replica.api);
    match outage {
        Outage::ApiRefused => proxies().for_each(Proxy::down),
        Outage::ApiErrors => at_api(scene, &Action::status(503, "ServiceUnavailable")),
        Outage::ApiHung => at_api(scene, &Action::Stall),
        Outage::ApiStopped => plane.stop(ApiServer).await?,
        Outage::EtcdStopped => plane.stop(Etcd).await?,
        Outage::EtcdFrozen => plane.pause(Etcd).await?,
        Outage::ProviderRefused => scene.entra.down(),
        Outage::ProviderErrors => at_provider(scene, Fault::ServiceUnavailable(RetryAfter::None)),
        Outage::ProviderThrottles => {
            at_provider(scene, Fault::TooManyRequests(RetryAfter::Seconds(RETRY_AFTER)));
        }
        Outage::ProviderHung => at_provider(scene, Fault::Stall),
    }
    Ok(())
}

async fn end(scene: &Scene, outage: Outage) -> Result<(), Error> {
    let plane = &scene.stage.plane;
    let proxies = || scene.replicas.iter().map(|replica| &replica.api);
    match outage {
        Outage::ApiRefused => proxies().for_each(Proxy::up),
        Outage::ApiErrors | Outage::ApiHung => {
            for proxy in proxies() {
                proxy.clear();
                // Requests that hang are answered by the end of their connection.
                proxy.cut_connections();
            }
        }
        Outage::ApiStopped => plane.launch(ApiServer).await?,
        Outage::EtcdStopped => plane.launch(Etcd).await?,
        Outage::EtcdFrozen => plane.resume(Etcd)?,
        Outage::ProviderRefused => scene.entra.up(),
        Outage::ProviderErrors | Outage::ProviderThrottles | Outage::ProviderHung => {
            scene.stage.simulator.clear_faults();
        }
    }
    match outage {
        Outage::ApiStopped | Outage::EtcdStopped | Outage::EtcdFrozen => restart_controllers(scene).await,
        Outage::ApiRefused
        | Outage::ApiErrors
        | Outage::ApiHung
        | Outage::ProviderRefused
        | Outage::ProviderErrors
        | Outage::ProviderThrottles
        | Outage::ProviderHung => Ok(()),
    }
}

/// As in a cluster, where the controllers end with the lease that they could not renew. Theirs that collects garbage would
/// otherwise never know of an object that was deleted and created again while its watch was broken.
async fn restart_controllers(scene: &Scene) -> Result<(), Error> {
    scene.stage.plane.stop(ControllerManager).await?;
    scene.stage.plane.launch(ControllerManager).await?;
    Ok(())
}

/// Every request meets this; the watches that are open break.
fn at_api(scene: &Scene, action: &Action) {
    for replica in &scene.replicas {
        replica.api.clear();
        replica.api.add(Rule::new(action.clone()).forever());
        replica.api.cut_connections();
    }
}

fn at_provider(scene: &Scene, fault: Fault) {
    scene.stage.simulator.clear_faults();
    scene
        .stage
        .simulator
        .script(Script::new(fault).path("").forever());
}
