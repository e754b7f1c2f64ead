//! What the tests share: one stage for all, one namespace each, and words for what users do.

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use entra_lab::simulator::world::{API, GRAPH, PUBLIC_CLIENT, TENANT, User};
use entra_lab::stage::{AUTHORITY, Operator, OperatorOptions, Stage};
use entra_operator::api::EntraCredential;
use entra_operator::cluster::SeenCredential;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

/// Seconds that tokens live.
pub(crate) const LIFE: u64 = 24;

/// Users of the simulator, handed out to the tests one by one.
const USERS: usize = 600;

static STAGE: OnceCell<Stage> = OnceCell::const_new();
/// The simulator lives on a runtime of its own, because a test's runtime ends with the test.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().enable_all().build().unwrap());
static NEXT_USER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// The stage that all tests share.
pub(crate) async fn stage() -> &'static Stage {
    let start = || RUNTIME.block_on(Stage::with_users(USERS, LIFE)).unwrap();
    STAGE
        .get_or_init(|| async { tokio::task::spawn_blocking(start).await.unwrap() })
        .await
}

/// The binary under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_entra-operator"))
}

/// A user of the simulator that no other test has: name and password.
pub(crate) fn user() -> (String, String) {
    let index = NEXT_USER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert!(index < USERS, "raise USERS");
    (
        entra_lab::simulator::world::user_name(index),
        entra_lab::simulator::world::password(index),
    )
}

/// From now on answers for `user` tell of refresh tokens that live so briefly that each is stored.
pub(crate) fn tell_brief_refresh_tokens(stage: &Stage, user: &str) {
    let briefly = |user: &mut User| user.told_refresh_life = Some(3);
    stage.simulator.change_user(user, briefly);
}

/// A namespace of a test, and an administrator's client.
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    /// A stage of the test's own; absent: the shared one.
    own: Option<Arc<Stage>>,
}

impl Place {
    /// A fresh namespace whose name begins with `name`.
    pub(crate) async fn new(name: &str) -> Self {
        Self::make(None, name).await
    }

    /// The same on a stage of the test's own.
    pub(crate) async fn on(stage: &Arc<Stage>, name: &str) -> Self {
        Self::make(Some(Arc::clone(stage)), name).await
    }

    /// The stage that this place is on.
    pub(crate) async fn stage(&self) -> &Stage {
        match &self.own {
            Some(own) => own,
            None => stage().await,
        }
    }

    async fn make(own: Option<Arc<Stage>>, name: &str) -> Self {
        let stage = match &own {
            Some(own) => own,
            None => stage().await,
        };
        let client = stage.plane.client().await.unwrap();
        let object = Namespace {
            metadata: ObjectMeta {
                generate_name: Some(format!("{name}-")),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let made = Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
        Self {
            namespace: made.name_any(),
            client,
            own,
        }
    }

    /// Starts an operator that serves this namespace only, so that tests do not meet.
    pub(crate) async fn operator(&self, options: OperatorOptions) -> Operator {
        let config = format!("watch: {{namespaces: [{}]}}\n{}", self.namespace, options.config);
        let options = OperatorOptions {
            config,
            election: false,
            ..options
        };
        let started = self.stage().await.operator(program(), options).await;
        started.unwrap()
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates a login Secret.
    pub(crate) async fn login(&self, name: &str, user: &str, password: &str) {
        self.create_secret(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
            "metadata": {"name": name}, "stringData": {"username": user, "password": password},
        }))
        .await;
    }

    /// Creates this Secret.
    pub(crate) async fn create_secret(&self, secret: Value) {
        let secret = serde_json::from_value(secret).unwrap();
        self.secrets()
            .create(&PostParams::default(), &secret)
            .await
            .unwrap();
    }

    /// Applies an EntraCredential with these token Secrets (name, scope).
    pub(crate) async fn credential(&self, name: &str, tokens: &[(&str, &str)]) {
        let tokens: Vec<_> = tokens
            .iter()
            .map(|(n, s)| json!({"secretName": n, "scopes": [s]}))
            .collect();
        self.apply(
            name,
            json!({
                "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
                "login": {"secretName": format!("{name}-login")}, "tokens": tokens,
            }),
        )
        .await;
    }

    /// Applies an EntraCredential with this spec.
    pub(crate) async fn apply(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {"name": name}, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        // Also one that this version does not understand.
        let any: Api<SeenCredential> = Api::namespaced(self.client.clone(), &self.namespace);
        any.patch(name, &params, &Patch::Apply(&object)).await.unwrap();
    }

    pub(crate) fn credentials(&self) -> Api<EntraCredential> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Status of a credential as JSON; null if there is none.
    pub(crate) async fn status(&self, name: &str) -> Value {
        let object = self.credentials().get(name).await.unwrap();
        serde_json::to_value(object.status).unwrap()
    }

    /// Status and reason of a condition, as `True/Fresh`.
    pub(crate) async fn condition(&self, name: &str, kind: &str) -> String {
        let status = self.status(name).await;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|c| c["type"] == kind);
        found.map_or_else(String::new, |c| {
            format!(
                "{}/{}",
                c["status"].as_str().unwrap_or(""),
                c["reason"].as_str().unwrap_or("")
            )
        })
    }

    /// Waits until a condition is what is expected; says what it was instead.
    pub(crate) async fn expect(&self, name: &str, kind: &str, expected: &str) {
        self.expect_within(30, name, kind, expected).await;
    }

    /// The same with patience for so many seconds.
    pub(crate) async fn expect_within(&self, seconds: u64, name: &str, kind: &str, expected: &str) {
        let (begun, patience) = (Instant::now(), Duration::from_secs(seconds));
        let mut last = String::new();
        while begun.elapsed() < patience {
            last = self.condition(name, kind).await;
            if last == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{kind} of {name} is {last}, not {expected}: {:#}",
            self.status(name).await
        );
    }

    /// The Secret of that name.
    pub(crate) async fn secret(&self, name: &str) -> Option<Secret> {
        self.secrets().get_opt(name).await.unwrap()
    }

    /// A value of a Secret as text.
    pub(crate) async fn value(&self, secret: &str, key: &str) -> Option<String> {
        let data = self.secret(secret).await?.data?;
        Some(String::from_utf8(data.get(key)?.0.clone()).unwrap())
    }

    /// Waits until `condition` holds; `what` is for the message.
    pub(crate) async fn until<F>(&self, what: &str, mut condition: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        for _ in 0..1200 {
            if condition().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("waited in vain: {what}");
    }

    /// Names of all Secrets in the namespace.
    pub(crate) async fn secret_names(&self) -> Vec<String> {
        let list = self
            .secrets()
            .list_metadata(&ListParams::default())
            .await
            .unwrap();
        list.items.iter().map(ResourceExt::name_any).collect()
    }

    pub(crate) async fn delete_secret(&self, name: &str) {
        self.secrets()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// Scope of the simulator's API.
pub(crate) fn api_scope() -> String {
    format!("{API}/.default")
}

/// Scope of the simulator's Graph.
pub(crate) fn graph_scope() -> String {
    format!("{GRAPH}/.default")
}
