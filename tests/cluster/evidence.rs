//! What promises are judged by: the audit log of one namespace, a proxy before the API server, Events and logs.

use std::time::Duration;

use entra_lab::audit::{Entry, Mark, service_account};
use entra_lab::proxy::{self, Proxy};
use entra_lab::simulator::world::World;
use entra_lab::simulator::{self, Simulator};
use entra_lab::stage::{OPERATOR, Operator, OperatorOptions};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::scene::{Place, stage};

/// Life of tokens that no test lives to see renewed, seconds.
pub(crate) const LONG_LIFE: u64 = 7200;

/// A simulator of the test's own, with `users` users whose tokens live for `seconds`.
pub(crate) async fn own_simulator(users: usize, seconds: u64) -> Simulator {
    let options = simulator::Options::new(World::with_users(users)).token_lifetime(seconds);
    Simulator::start(options).await.unwrap()
}

/// Options for an operator that asks this simulator.
pub(crate) fn asking(simulator: &Simulator) -> OperatorOptions {
    OperatorOptions {
        entra: Some((simulator.url(), simulator.ca_pem())),
        ..OperatorOptions::default()
    }
}

/// A proxy before the API server.
pub(crate) async fn api_proxy() -> Proxy {
    let plane = &stage().await.plane;
    let options = proxy::Options::new(&plane.server_url(), plane.ca_pem());
    Proxy::start(options).await.unwrap()
}

/// The same options with all calls to the API server through `proxy`.
pub(crate) fn through(proxy: &Proxy, options: OperatorOptions) -> OperatorOptions {
    OperatorOptions {
        api: Some((proxy.url(), proxy.ca_pem())),
        ..options
    }
}

/// What operators did in a namespace.
#[derive(Debug)]
pub(crate) struct Deeds(pub(crate) Vec<Entry>);

impl Deeds {
    /// Requests that change something, Events apart.
    pub(crate) fn writes(&self) -> usize {
        self.0
            .iter()
            .filter(|e| e.is_write() && e.resource != "events")
            .count()
    }

    /// Requests that read something.
    pub(crate) fn reads(&self) -> usize {
        self.0.iter().filter(|e| e.is_read()).count()
    }

    /// Events created or counted up.
    pub(crate) fn events(&self) -> usize {
        self.0
            .iter()
            .filter(|e| e.is_write() && e.resource == "events")
            .count()
    }

    /// Requests about this Secret.
    pub(crate) fn about_secret(&self, name: &str) -> Vec<&Entry> {
        self.0
            .iter()
            .filter(|e| e.is_about_secrets() && e.name == name)
            .collect()
    }

    /// One line per request, for messages.
    pub(crate) fn shown(&self) -> String {
        let line = |e: &Entry| format!("{} {} {} {}\n", e.verb, e.code, e.uri, e.name);
        self.0.iter().map(line).collect()
    }
}

impl Place {
    /// Now, in the audit log.
    pub(crate) async fn mark(&self) -> Mark {
        let plane = &stage().await.plane;
        plane.audit_barrier().await.unwrap();
        plane.audit().mark().unwrap()
    }

    /// What operators did in this namespace since `mark`.
    pub(crate) async fn deeds_since(&self, mark: Mark) -> Deeds {
        let plane = &stage().await.plane;
        plane.audit_barrier().await.unwrap();
        let user = service_account(OPERATOR, OPERATOR);
        let mut entries = plane.audit().by_user_since(&user, mark).unwrap();
        entries.retain(|e| e.namespace == self.namespace);
        Deeds(entries)
    }

    /// Applies a merge patch to a credential.
    pub(crate) async fn patch_credential(&self, name: &str, patch: Value) {
        self.credentials()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Applies a merge patch to a Secret.
    pub(crate) async fn patch_secret(&self, name: &str, patch: Value) {
        self.secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Asks for a renewal, as people do; gives the annotation's value.
    pub(crate) async fn request_refresh(&self, name: &str) -> String {
        let at = jiff::Timestamp::now().to_string();
        let annotation = json!({"entra-operator.dev/refresh-requested-at": at});
        self.patch_credential(name, json!({"metadata": {"annotations": annotation}}))
            .await;
        at
    }

    /// Creates a Secret.
    pub(crate) async fn put_secret(&self, secret: Value) {
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets()
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
    }

    /// Events in this namespace about a credential.
    pub(crate) async fn events(&self, name: &str) -> Vec<Event> {
        let events = Api::<Event>::namespaced(self.client.clone(), &self.namespace);
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let about = |e: &Event| e.regarding.as_ref().and_then(|r| r.name.as_deref()) == Some(name);
        all.into_iter().filter(about).collect()
    }

    /// `metadata.resourceVersion` of a Secret.
    pub(crate) async fn version(&self, name: &str) -> Option<String> {
        self.secret(name).await?.metadata.resource_version
    }

    /// Waits until a Secret is gone.
    pub(crate) async fn gone(&self, name: &str) {
        self.until(&format!("{name} is deleted"), || async {
            self.secret(name).await.is_none()
        })
        .await;
    }
}

/// How many steps an operator has logged.
pub(crate) fn steps(operator: &Operator) -> usize {
    operator.log().lines().filter(|l| l.contains("step=")).count()
}

/// Waits until an operator has made a pass after `before` steps, and is still again.
pub(crate) async fn passed(operator: &Operator, before: usize) {
    for _ in 0..200 {
        if steps(operator) > before {
            return tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no pass was made");
}
