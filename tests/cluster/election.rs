//! Replicas with leader election: one works, the others wait, and whatever becomes of the Lease, one leads again soon.
//!
//! The Lease has one name, so these are the only tests that elect, one after the other.

use std::time::{Duration, Instant};

use entra_lab::proxy::{Action, Canned, Rule, Trigger};
use entra_lab::simulator::{self, Fault, Gate};
use entra_lab::stage::{OPERATOR, Operator, OperatorOptions};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::evidence::steps;
use crate::relay::Relay;
use crate::scene::{Place, api_scope, graph_scope, program, stage, user};

/// Name of the Lease.
const NAME: &str = "entra-operator";

/// Seconds that the Lease lasts in the laboratory.
const LEASE: u64 = 3;

/// Longest without a leader after one ended as it should (docs/contract.md, Timing).
const HANDOVER: Duration = Duration::from_secs(2);

/// Whose turn it is.
static TURN: Mutex<()> = Mutex::const_new(());

/// A place, while no other test has to do with the Lease; and no Lease.
async fn in_turn(name: &str) -> (Place, MutexGuard<'static, ()>) {
    let turn = TURN.lock().await;
    let place = Place::new(name).await;
    drop(leases(&place).delete(NAME, &DeleteParams::default()).await);
    (place, turn)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_replica_works_and_the_other_takes_over() {
    let (place, _turn) = in_turn("election").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_ends_is_followed_within_two_seconds() {
    let (place, _turn) = in_turn("handover").await;
    let mut leader = replica(&place, "replica-0").await;
    led_by(&place, "replica-0").await;
    let mut longest = Duration::ZERO;
    for next in ["replica-1", "replica-2", "replica-3"] {
        let standby = replica(&place, next).await;
        let begun = Instant::now();
        let (ended, followed) = tokio::join!(leader.terminate(), async {
            led_by(&place, next).await;
            begun.elapsed()
        });
        assert_eq!(ended.unwrap(), Some(0));
        println!("{next} led {followed:?} after the leader was asked to end");
        longest = longest.max(followed);
        leader = standby;
    }
    println!("longest without a leader: {longest:?}");
    assert!(longest <= HANDOVER, "{longest:?}");
}

/// A credential with a good token of which a leader remembers more than its status tells.
async fn one_entry_is_blocked(place: &Place, credential: &str) {
    let (name, password) = user();
    let blocks = simulator::Rule::new(Fault::code(53003)).user(&name);
    let blocks = blocks.grant("refresh_token").scope(&graph_scope());
    stage().await.simulator.script(blocks.forever());
    let (good, blocked) = (format!("{credential}-api"), format!("{credential}-graph"));
    place
        .credential(credential, &[(&good, &api_scope()), (&blocked, &graph_scope())])
        .await;
    place
        .login(&format!("{credential}-login"), &name, &password)
        .await;
    place.expect(credential, "Ready", "False/BlockedByPolicy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_lost_the_lease_stands_by_and_can_lead_again() {
    let (place, _turn) = in_turn("demoted").await;
    let first = replica(&place, "replica-0").await;
    led_by(&place, "replica-0").await;
    let mut second = replica(&place, "replica-1").await;
    one_entry_is_blocked(&place, "also").await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "Ready", "True/Fresh").await;
    let expiry = "entra_credential_token_expiry_timestamp_seconds";
    place
        .until("its expiry shows", || async {
            figure(&first, expiry).await.is_some()
        })
        .await;

    first.pause();
    led_by(&place, "replica-1").await;
    first.resume();
    place
        .until("it knows that the other one leads", || async {
            answer(&first, "readyz").await.contains("replica-1 leads")
        })
        .await;
    assert_eq!(figure(&first, "entra_leader").await, Some(0));
    assert_eq!(figure(&first, "entra_leader_known").await, Some(1));
    let frozen = figure(&first, expiry).await.unwrap();
    let idle = steps(&first);
    place
        .until("what it knew as a leader has expired", || async {
            Timestamp::now().as_second() > frozen
        })
        .await;
    let left = figure(&first, "entra_min_remaining_life_seconds").await;
    assert!(left.is_some_and(|left| left > 0), "{left:?}");
    assert!(
        answer(&first, "livez")
            .await
            .starts_with("[+] sweep: ok\n[+] passes: ok")
    );
    assert!(first.is_ready().await, "a standby is Ready");
    assert_eq!(steps(&first), idle, "a standby does nothing");

    second.kill();
    led_by(&place, "replica-0").await;
    place
        .until("it works again", || async { steps(&first) > idle })
        .await;
    let before = stage().await.simulator.journal().redemptions(&name);
    place
        .until("it renews again", || async {
            stage().await.simulator.journal().redemptions(&name) > before
        })
        .await;
    assert_eq!(figure(&first, "entra_leader").await, Some(1));
    place.expect("one", "Ready", "True/Fresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_from_the_future_is_void_and_a_deleted_one_is_created_anew() {
    let (place, _turn) = in_turn("future").await;
    let ghost = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME},
        "spec": {"holderIdentity": "ghost", "leaseDurationSeconds": LEASE + 1, "leaseTransitions": i32::MAX,
            "acquireTime": "9999-12-31T23:59:59.000000Z", "renewTime": "9999-12-31T23:59:59.000000Z"},
    });
    let params = PatchParams::apply("test").force();
    leases(&place)
        .patch(NAME, &params, &Patch::Apply(&ghost))
        .await
        .unwrap();
    let begun = Instant::now();
    let (first, second) = tokio::join!(replica(&place, "replica-0"), replica(&place, "replica-1"));
    place
        .until("a replica leads", || async {
            holder(&place).await.is_some_and(|h| h.starts_with("replica-"))
        })
        .await;
    let waited = begun.elapsed();
    println!("a replica led {waited:?} after both were started");
    assert!(
        waited >= Duration::from_secs(LEASE + 1),
        "the ghost could have been alive"
    );
    assert!(waited < Duration::from_secs(LEASE + 1 + 5));

    leases(&place)
        .delete(NAME, &DeleteParams::default())
        .await
        .unwrap();
    let begun = Instant::now();
    place
        .until("a replica leads again", || async {
            holder(&place).await.is_some()
        })
        .await;
    println!("the deleted Lease was there again after {:?}", begun.elapsed());
    assert!(begun.elapsed() <= HANDOVER);
    place
        .until("exactly one replica leads", || async {
            let leading = [
                figure(&first, "entra_leader").await,
                figure(&second, "entra_leader").await,
            ];
            leading.iter().flatten().sum::<i64>() == 1
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_the_election_that_hangs_ends() {
    let (place, _turn) = in_turn("hung").await;
    let relay = Relay::before(stage().await).await.unwrap();
    relay.at_api("GET", "/leases/", 1, Action::Stall);
    let begun = Instant::now();
    let operator = replica_by(&place, "replica-0", relay.options()).await;
    led_by(&place, "replica-0").await;
    println!(
        "it led {:?} after its start, with the first read hanging",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(10 + 2 * LEASE));

    let renewals = relay
        .api
        .journal()
        .matching(|r| r.path.contains("/leases/"))
        .len();
    relay.at_api("PATCH", "/leases/", 1, Action::Stall);
    place
        .until("the call that hangs was made", || async {
            relay.api.rules_left() == 0
        })
        .await;
    let begun = Instant::now();
    place
        .until("it leads no longer", || async {
            figure(&operator, "entra_leader").await == Some(0)
        })
        .await;
    place
        .until("it leads again", || async {
            figure(&operator, "entra_leader").await == Some(1)
        })
        .await;
    println!("it led again {:?} after a renewal hung", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(
        relay
            .api
            .journal()
            .matching(|r| r.path.contains("/leases/"))
            .len()
            > renewals + 1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_leads_is_told() {
    let (place, _turn) = in_turn("nobody").await;
    let relay = Relay::before(stage().await).await.unwrap();
    let at_lease = |action| Rule::new(action).path("/leases").forever();
    relay.api.add(at_lease(Action::Close));
    let operator = replica_by(&place, "replica-0", relay.options()).await;
    assert_eq!(figure(&operator, "entra_leader_known").await, Some(0));
    let detail = answer(&operator, "readyz").await;
    assert!(
        detail.contains("[+] leader: nobody leads: cannot get"),
        "{detail}"
    );

    let forbidden = Action::Answer(Canned::api_status(403, "Forbidden"));
    let right = format!("cannot get leases.coordination.k8s.io named {NAME} in the namespace {OPERATOR}");
    relay.api.clear();
    relay.api.add(Rule::new(forbidden.clone()).path("/leases"));
    relay.api.add(at_lease(Action::Close));
    let refused = format!("nobody leads: {right}: the API server refused");
    place
        .until("one refusal is told", || async {
            operator.log().contains(&refused)
        })
        .await;
    assert!(operator.is_ready().await, "one refusal is no missing right");

    relay.api.clear();
    relay.api.add(at_lease(forbidden));
    place
        .until("the missing right is told", || async {
            !operator.is_ready().await
        })
        .await;
    let detail = answer(&operator, "readyz").await;
    assert!(detail.contains(&right), "{detail}");

    relay.api.clear();
    led_by(&place, "replica-0").await;
    place
        .until("all is well", || async {
            operator.is_ready().await && figure(&operator, "entra_leader_known").await == Some(1)
        })
        .await;
    assert!(
        answer(&operator, "readyz")
            .await
            .contains("[+] leader: this replica leads")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_held_until_the_last_pass_has_ended() {
    let (place, _turn) = in_turn("drain").await;
    let relay = Relay::before(stage().await).await.unwrap();
    let operator = replica_by(&place, "replica-0", relay.options()).await;
    led_by(&place, "replica-0").await;
    let gate = Gate::new();
    relay.at_api(
        "GET",
        "/secrets/one-login",
        1,
        Action::After(Trigger::gate(gate.clone())),
    );
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    gate.reached().await;
    let (ended, ()) = tokio::join!(operator.terminate(), async {
        tokio::time::sleep(Duration::from_secs(LEASE + 1)).await;
        assert_eq!(holder(&place).await.as_deref(), Some("replica-0"), "a pass runs");
        gate.release();
    });
    assert_eq!(ended.unwrap(), Some(0));
    assert_eq!(holder(&place).await, None, "it is released");
}

async fn replica(place: &Place, name: &str) -> Operator {
    replica_by(place, name, OperatorOptions::default()).await
}

async fn replica_by(place: &Place, name: &str, options: OperatorOptions) -> Operator {
    let options = OperatorOptions {
        identity: name.to_owned(),
        config: format!("watch: {{namespaces: [{}]}}", place.namespace),
        ..options
    };
    stage().await.operator(program(), options).await.unwrap()
}

/// Untyped: a Lease may hold times that no type of ours can.
fn leases(place: &Place) -> Api<DynamicObject> {
    Api::namespaced_with(place.client.clone(), OPERATOR, &ApiResource::erase::<Lease>(&()))
}

/// Identity of the leader.
async fn holder(place: &Place) -> Option<String> {
    let lease = leases(place).get_opt(NAME).await.unwrap()?;
    lease.data["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

async fn led_by(place: &Place, name: &str) {
    place
        .until(&format!("{name} leads"), || async {
            holder(place).await.as_deref() == Some(name)
        })
        .await;
}

/// What a health endpoint answers.
async fn answer(operator: &Operator, path: &str) -> String {
    let url = format!("{}/{path}", operator.health().unwrap());
    operator.get(&url).await.unwrap_or_default()
}

/// The first sample of this metric.
async fn figure(operator: &Operator, metric: &str) -> Option<i64> {
    let url = format!("{}/metrics", operator.metrics()?);
    let scrape = operator.get(&url).await?;
    let of_metric = |line: &&str| line.split(['{', ' ']).next() == Some(metric);
    let line = scrape.lines().find(of_metric)?;
    line.rsplit(' ').next()?.parse().ok()
}
