//! Rule 10 of docs/contract.md: a restart over many healthy credentials asks for nothing that was not due.

use std::collections::BTreeMap;
use std::time::Duration;

use entra_lab::proxy::Entry;
use entra_lab::simulator::world::{password, user_name};
use entra_lab::stage::OperatorOptions;
use kube::api::ListParams;
use serde_json::json;

use crate::evidence::{LONG_LIFE, api_proxy, asking, own_simulator, steps, through};
use crate::scene::{Place, api_scope, graph_scope};

const CREDENTIALS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_over_many_credentials_reads_writes_and_calls_for_none_of_them() {
    let place = Place::new("restart").await;
    let simulator = own_simulator(CREDENTIALS, LONG_LIFE).await;
    let options = OperatorOptions {
        config: "limits: {requestsPerSecondPerTenant: 1000}".to_owned(),
        ..asking(&simulator)
    };
    let mut operator = place.operator(options.clone()).await;
    for i in 0..CREDENTIALS {
        let name = format!("c{i}");
        place
            .credential(&name, &[(&format!("{name}-api"), &api_scope())])
            .await;
        place
            .login(&format!("{name}-login"), &user_name(i), &password(i))
            .await;
    }
    place
        .until("all are ready", || async { ready(&place).await == CREDENTIALS })
        .await;
    operator.kill();

    let proxy = api_proxy().await;
    let (mark, calls) = (place.mark().await, simulator.journal().mark());
    let operator = place.operator(through(&proxy, options)).await;
    println!(
        "ready with {CREDENTIALS} credentials after {:?}",
        operator.ready().await.unwrap()
    );
    place
        .until("every credential had its pass", || async {
            steps(&operator) >= CREDENTIALS
        })
        .await;
    let deeds = place.deeds_since(mark).await;
    let each = |e: &&entra_lab::audit::Entry| !e.is_list_or_watch();
    assert_eq!(deeds.0.iter().filter(each).count(), 0, "{}", deeds.shown());
    assert_eq!(simulator.journal().since(calls).len(), 0, "no call");
    let requests = proxy.journal().requests();
    let other = requests.iter().filter(|r| !is_expected(r));
    assert_eq!(other.map(|r| &r.path).collect::<Vec<_>>(), [""; 0]);
    println!("{:#?}", counted(&requests));
    assert_eq!(ready(&place).await, CREDENTIALS);
}

/// A Secret of somebody else bears the name of a token Secret: known from the status, it is looked at, and nothing is asked for
/// that could not be published.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_foreign_secret_in_the_way_costs_no_call() {
    let place = Place::new("in-the-way").await;
    let simulator = own_simulator(1, LONG_LIFE).await;
    let mut operator = place.operator(asking(&simulator)).await;
    let foreign = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one-foreign"}});
    place.create_secret(foreign).await;
    place
        .credential(
            "one",
            &[("one-api", &api_scope()), ("one-foreign", &graph_scope())],
        )
        .await;
    place.login("one-login", &user_name(0), &password(0)).await;
    place.expect("one", "Ready", "False/SecretConflict").await;
    place
        .until("the other is published", || async {
            place.secret("one-api").await.is_some()
        })
        .await;
    operator.kill();
    let (mark, calls) = (place.mark().await, simulator.journal().mark());
    let operator = place.operator(asking(&simulator)).await;
    operator.ready().await.unwrap();
    place
        .until("it had its pass", || async { steps(&operator) > 0 })
        .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(simulator.journal().since(calls).len(), 0, "no call");
    let deeds = place.deeds_since(mark).await;
    let writes = deeds.0.iter().filter(|e| e.is_write());
    assert_eq!(writes.count(), 0, "{}", deeds.shown());
    place.expect("one", "Ready", "False/SecretConflict").await;
}

async fn ready(place: &Place) -> usize {
    let all = place.credentials().list(&ListParams::default()).await.unwrap();
    let status = all.items.into_iter().filter_map(|c| c.status);
    let ready = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        c.type_ == "Ready" && c.status == "True"
    };
    status.filter(|s| s.conditions.iter().any(ready)).count()
}

/// Lists, watches, the key Secret, and the API server's time.
fn is_expected(request: &Entry) -> bool {
    let path = request.path.split('?').next().unwrap_or_default();
    let collection = path.ends_with("/secrets") || path.ends_with("/entracredentials");
    let keys = "/namespaces/entra-operator/secrets/entra-operator-keys";
    request.method == "GET" && (collection || path.ends_with(keys) || path == "/version")
}

fn counted(requests: &[Entry]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for request in requests {
        let verb = if request.is_watch() {
            "watch"
        } else {
            request.method.as_str()
        };
        let kind = request.path.split('?').next().and_then(|p| p.rsplit('/').next());
        *counted
            .entry(format!("{verb} {}", kind.unwrap_or_default()))
            .or_default() += 1;
    }
    counted
}
