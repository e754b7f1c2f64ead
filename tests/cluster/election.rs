//! Two replicas with leader election: one works, the other waits and takes over.
//!
//! The Lease has one name, so this is the only test that elects.

use std::time::{Duration, Instant};

use entra_lab::stage::{OPERATOR, Operator, OperatorOptions};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use crate::evidence::steps;
use crate::scene::{Place, api_scope, program, stage, user};

/// Seconds that the Lease lasts in the laboratory.
const LEASE: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_works_and_the_other_takes_over() {
    let place = Place::new("election").await;
    let mut first = replica(&place, "replica-0").await;
    led_by(&place, "replica-0").await;
    let second = replica(&place, "replica-1").await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert!(second.is_ready().await, "a standby is Ready");
    assert!(steps(&first) > 0);
    assert_eq!(steps(&second), 0, "a standby does nothing");

    let begun = Instant::now();
    first.kill();
    led_by(&place, "replica-1").await;
    println!(
        "the standby led {:?} after the leader was killed",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(2 * LEASE));
    place
        .until("the standby works", || async { steps(&second) > 0 })
        .await;

    let third = replica(&place, "replica-2").await;
    assert_eq!(steps(&third), 0);
    let begun = Instant::now();
    assert_eq!(second.terminate().await.unwrap(), Some(0));
    let released = holder(&place).await;
    println!(
        "after {:?} the leader had ended, and {released:?} led",
        begun.elapsed()
    );
    assert_ne!(released.as_deref(), Some("replica-1"), "the Lease is released");
    led_by(&place, "replica-2").await;
    println!(
        "the next one led {:?} after the leader was asked to end",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(2 * LEASE));
    let renewals = || async { stage().await.simulator.journal().redemptions(&name) };
    let before = renewals().await;
    place
        .until("the next one renews", || async { renewals().await > before })
        .await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(stage().await.simulator.journal().password_sends(&name), 1);
}

async fn replica(place: &Place, name: &str) -> Operator {
    let options = OperatorOptions {
        identity: name.to_owned(),
        config: format!("watch: {{namespaces: [{}]}}", place.namespace),
        ..OperatorOptions::default()
    };
    stage().await.operator(program(), options).await.unwrap()
}

/// Identity of the leader.
async fn holder(place: &Place) -> Option<String> {
    let leases = Api::<Lease>::namespaced(place.client.clone(), OPERATOR);
    let lease = leases.get_opt("entra-operator").await.unwrap()?;
    lease.spec?.holder_identity
}

async fn led_by(place: &Place, name: &str) {
    place
        .until(&format!("{name} leads"), || async {
            holder(place).await.as_deref() == Some(name)
        })
        .await;
}
