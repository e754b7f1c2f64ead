//! Namespaces of `watch.namespaces` that are missing, may not be read, lose their RoleBinding, are deleted and come back: told,
//! asked for slowly, served when they come, and nobody else waits for them.
//!
//! The operators here have the rights of the manifests by RoleBindings, in some namespaces only.

use std::time::{Duration, Instant};

use entra_lab::audit::service_account;
use entra_lab::stage::{OPERATOR, Operator, OperatorOptions};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::json;

use crate::account::{Account, apply};
use crate::relay::Relay;
use crate::scene::{Place, api_scope, stage, user};

/// Seconds within which a namespace that comes is served: it is asked for every 10 s at the latest, and a sign-in takes its
/// time on a crowded machine.
const SERVED: u64 = 40;

/// How long is counted what is asked for, and how often that may be: twice in 10 s, once for credentials and once for Secrets,
/// and a little more while the pauses grow.
const WATCHED: Duration = Duration::from_secs(15);
const ASKED: usize = 12;

/// How often is looked whether something is still told.
const SAMPLED: Duration = Duration::from_millis(50);

/// Namespaces that are served, and connections that this may take: two for their watches, and some for calls.
const NAMESPACES: usize = 12;
const CONNECTIONS: usize = 8;

/// How often an account asked for anything in a namespace while it was watched.
async fn asks(account: &Account, namespace: &str) -> usize {
    let plane = &stage().await.plane;
    plane.audit_barrier().await.unwrap();
    let mark = plane.audit().mark().unwrap();
    tokio::time::sleep(WATCHED).await;
    plane.audit_barrier().await.unwrap();
    let user = service_account(OPERATOR, account.name());
    let mut asked = plane.audit().by_user_since(&user, mark).unwrap();
    asked.retain(|entry| entry.namespace == namespace);
    asked.len()
}

async fn detail(operator: &Operator) -> String {
    let readyz = format!("{}/readyz", operator.health().unwrap());
    operator.get(&readyz).await.unwrap_or_default()
}

async fn tells(place: &Place, operator: &Operator, what: &str) {
    place
        .until(&format!("/readyz tells {what}"), || async {
            detail(operator).await.contains(what)
        })
        .await;
    assert!(operator.is_ready().await, "{what} holds nobody up");
}

async fn tells_nothing(place: &Place, operator: &Operator) {
    place
        .until("/readyz tells of nothing missing", || async {
            detail(operator).await.contains("[+] watches: ok")
        })
        .await;
}

async fn unserved(operator: &Operator) -> String {
    let metrics = format!("{}/metrics", operator.metrics().unwrap());
    let scrape = operator.get(&metrics).await.unwrap();
    let line = scrape
        .lines()
        .find_map(|l| l.strip_prefix("entra_namespaces_unserved "));
    line.unwrap().to_owned()
}

/// A credential that signs in, and its user.
async fn sign_in(place: &Place) -> String {
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    name
}

fn no_list(namespace: &str) -> String {
    format!("cannot list secrets in the namespace {namespace}: ")
}

/// Six watches of each namespace share a connection by tens of them; what is left is for calls.
#[tokio::test(flavor = "multi_thread")]
async fn the_watches_of_many_namespaces_share_connections() {
    let home = Place::new("many").await;
    let account = Account::new(&home).await;
    let mut places = Vec::new();
    for _ in 0..NAMESPACES {
        let place = Place::new("many").await;
        account.allow(&place.namespace).await;
        places.push(place);
    }
    let namespaces: Vec<_> = places.iter().map(|place| place.namespace.as_str()).collect();
    let operator = account.operator(&namespaces, OperatorOptions::default()).await;
    sign_in(&places[NAMESPACES - 1]).await;
    places[NAMESPACES - 1].expect("one", "Ready", "True/Fresh").await;
    let connections = operator.connections(stage().await.plane.server_port());
    assert!(
        (1..=CONNECTIONS).contains(&connections),
        "{connections} connections"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_may_not_be_read_or_does_not_exist_holds_up_nobody() {
    let (served, closed) = (Place::new("open").await, Place::new("closed").await);
    let mut later = Place::new("spare").await;
    later.namespace = format!("later-{}", served.namespace);
    let account = Account::new(&served).await;
    account.allow(&served.namespace).await;
    let namespaces = [&served, &closed, &later].map(|place| place.namespace.as_str());
    // It waits until it is ready, with keys that nobody had before.
    let operator = account.operator(&namespaces, OperatorOptions::default()).await;
    for place in [&closed, &later] {
        tells(&served, &operator, &no_list(&place.namespace)).await;
    }
    assert_eq!(unserved(&operator).await, "2");
    sign_in(&served).await;
    served.expect("one", "Ready", "True/Fresh").await;
    let early = sign_in(&closed).await;
    let asked = asks(&account, &closed.namespace).await;
    assert!(asked > 0 && asked <= ASKED, "asked {asked} times in {WATCHED:?}");
    let told = operator.log().matches(&no_list(&closed.namespace)).count();
    assert_eq!(told, 1, "it is told once");

    account.allow(&closed.namespace).await;
    closed.expect_within(SERVED, "one", "Ready", "True/Fresh").await;
    let journal = stage().await.simulator.journal();
    assert_eq!(journal.password_sends(&early), 1);
    let object = Namespace {
        metadata: ObjectMeta {
            name: Some(later.namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let all = Api::<Namespace>::all(served.client.clone());
    all.create(&PostParams::default(), &object).await.unwrap();
    account.allow(&later.namespace).await;
    sign_in(&later).await;
    later.expect_within(SERVED, "one", "Ready", "True/Fresh").await;
    tells_nothing(&served, &operator).await;
    assert_eq!(unserved(&operator).await, "0");
}

/// A list is an answer, but nothing goes on from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_may_be_listed_and_not_watched_is_told_for_good_and_listed_seldom() {
    let (served, closed) = (Place::new("open").await, Place::new("unwatched").await);
    let account = Account::new(&served).await;
    account.allow(&served.namespace).await;
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "list-only", "namespace": closed.namespace},
        "rules": [
            {"apiGroups": ["entra-operator.dev"], "resources": ["entracredentials"], "verbs": ["get", "list"]},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create", "patch", "delete"]},
        ],
    }))
    .await;
    account.bind(&closed.namespace, "Role", "list-only").await;
    let namespaces = [&served, &closed].map(|place| place.namespace.as_str());
    let operator = account.operator(&namespaces, OperatorOptions::default()).await;
    let no_watch = format!("cannot watch secrets in the namespace {}: ", closed.namespace);
    tells(&served, &operator, &no_watch).await;
    let goes_on = async {
        let end = Instant::now() + WATCHED;
        while Instant::now() < end {
            let detail = detail(&operator).await;
            assert!(detail.contains(&no_watch), "{detail}");
            tokio::time::sleep(SAMPLED).await;
        }
    };
    let (asked, ()) = tokio::join!(asks(&account, &closed.namespace), goes_on);
    // A watch that was listed is asked for, too.
    assert!(
        asked > 0 && asked <= 2 * ASKED,
        "asked {asked} times in {WATCHED:?}"
    );
    assert_eq!(unserved(&operator).await, "1");
    account.forbid(&closed.namespace).await;
    account.allow(&closed.namespace).await;
    sign_in(&closed).await;
    closed.expect_within(SERVED, "one", "Ready", "True/Fresh").await;
    tells_nothing(&served, &operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_loses_its_role_binding_is_told_and_goes_on_when_it_is_back() {
    let (served, closed) = (Place::new("open").await, Place::new("losing").await);
    let relay = Relay::before(stage().await).await.unwrap();
    let account = Account::new(&served).await;
    for place in [&served, &closed] {
        account.allow(&place.namespace).await;
    }
    let namespaces = [&served, &closed].map(|place| place.namespace.as_str());
    let operator = account.operator(&namespaces, relay.options()).await;
    sign_in(&served).await;
    let name = sign_in(&closed).await;
    for place in [&served, &closed] {
        place.expect("one", "Ready", "True/Fresh").await;
    }
    // What it may still do is to say how things stand.
    apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "status-only", "namespace": closed.namespace},
        "rules": [
            {"apiGroups": ["entra-operator.dev"], "resources": ["entracredentials"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["entra-operator.dev"], "resources": ["entracredentials/status"], "verbs": ["patch"]},
        ],
    }))
    .await;
    account.forbid(&closed.namespace).await;
    account.bind(&closed.namespace, "Role", "status-only").await;
    relay.api.cut_connections();
    tells(&served, &operator, &no_list(&closed.namespace)).await;
    closed
        .expect_within(SERVED, "one", "Ready", "False/ClusterUnavailable")
        .await;
    let status = closed.status("one").await.to_string();
    let right = format!("get secrets in the namespace {}", closed.namespace);
    assert!(status.contains(&right), "{status}");
    let asked = asks(&account, &closed.namespace).await;
    assert!(asked > 0 && asked <= ASKED, "asked {asked} times in {WATCHED:?}");
    served.expect("one", "Ready", "True/Fresh").await;

    account.forbid(&closed.namespace).await;
    account.allow(&closed.namespace).await;
    tells_nothing(&served, &operator).await;
    // The back-off of what was refused ends by itself.
    closed.expect_within(240, "one", "Ready", "True/Fresh").await;
    let journal = stage().await.simulator.journal();
    assert_eq!(journal.password_sends(&name), 1);
}

/// With rights in the whole cluster, what is in a namespace that does not exist is an empty list.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_exist_is_told_although_everything_may_be_read() {
    let (served, going) = (Place::new("open").await, Place::new("going").await);
    let account = Account::new(&served).await;
    let namespaces = [&served, &going].map(|place| place.namespace.as_str());
    account.allow_everywhere().await;
    let operator = account.operator(&namespaces, OperatorOptions::default()).await;
    sign_in(&going).await;
    going.expect("one", "Ready", "True/Fresh").await;
    let all = Api::<Namespace>::all(served.client.clone());
    all.delete(&going.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let missing = format!("the namespace {} does not exist", going.namespace);
    tells(&served, &operator, &missing).await;
    assert_eq!(unserved(&operator).await, "1");
    served
        .until("it is gone", || async {
            all.get_opt(&going.namespace).await.unwrap().is_none()
        })
        .await;
    let object = Namespace {
        metadata: ObjectMeta {
            name: Some(going.namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    all.create(&PostParams::default(), &object).await.unwrap();
    sign_in(&going).await;
    going.expect_within(SERVED, "one", "Ready", "True/Fresh").await;
    tells_nothing(&served, &operator).await;
}
