//! The API server or etcd stops, freezes, and comes back, while tokens fall due and a login's answer is on its way.

use std::sync::Arc;

use entra_lab::controlplane::Component::{self, ApiServer, Etcd};
use entra_lab::proxy::{Action, Gate, Trigger};
use entra_lab::simulator::world::{password, user_name};
use entra_lab::stage::Stage;
use jiff::Timestamp;

use super::{Trial, seconds};
use crate::scene::Place;

/// Seconds that tokens live here: they fall due at half of it, and an outage may last until shortly before the end.
const LIFE: u64 = 60;

/// Seconds that an outage lasts: longer than the operator waits for an answer.
const OUTAGE: u64 = 12;

#[derive(Clone, Copy, Debug)]
enum Outage {
    Stopped(Component),
    Frozen(Component),
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_control_plane_costs_no_password_and_no_token() {
    let stage = Arc::new(Stage::with_users(9, LIFE).await.unwrap());
    let outages = [
        Outage::Stopped(ApiServer),
        Outage::Frozen(ApiServer),
        Outage::Stopped(Etcd),
    ];
    let old = trial(&stage, "old", 0).await;
    old.sign_in().await;
    for (outage, user) in outages.into_iter().zip(1..) {
        let new = trial(&stage, "new", user).await;
        let gate = Gate::new();
        let held = Action::After(Trigger::gate(gate.clone()));
        new.relay.at_entra(1, held);
        old.renewed("a fresh token").await;
        // It falls due in the outage.
        seconds(LIFE / 2 - OUTAGE / 3).await;
        new.sign_in().await;
        gate.reached().await;
        outage.begin(&stage).await;
        gate.release();
        seconds(OUTAGE).await;
        outage.end(&stage).await;
        let over = Timestamp::now();
        old.check(1).await;
        old.witness.never_expired_since(over);
        new.check(1).await;
        assert!(old.operator.is_ready().await, "still ready after {outage:?}");
    }
}

async fn trial(stage: &Arc<Stage>, name: &str, user: usize) -> Trial {
    let place = Place::on(stage, name).await;
    Trial::at(place, (user_name(user), password(user))).await
}

impl Outage {
    async fn begin(self, stage: &Stage) {
        match self {
            Self::Stopped(component) => stage.plane.stop(component).await.unwrap(),
            Self::Frozen(component) => stage.plane.pause(component).await.unwrap(),
        }
    }

    async fn end(self, stage: &Stage) {
        match self {
            Self::Stopped(component) => stage.plane.launch(component).await.unwrap(),
            Self::Frozen(component) => stage.plane.resume(component).unwrap(),
        }
    }
}
