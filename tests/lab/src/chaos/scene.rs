//! Where it happens: control plane, simulator, two replicas behind proxies, and the cast in its namespaces.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use entra_operator::api::EntraCredential;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

use super::Error;
use super::cast::{self, Content};
use super::evidence::{Done, Ending, Span};
use super::eyes::Eyes;
use super::leaks::Searches;
use super::plan::{REPLICAS, Settings};
use super::replicas::{KEYS, Replica};
use crate::controlplane;
use crate::proxy::{self, Proxy};
use crate::simulator;
use crate::stage::{OPERATOR, Stage};

/// Longest for all first sign-ins.
const FIRST_TOKENS: Duration = Duration::from_mins(5);

/// Who people are on the API server.
pub(super) const SOMEBODY: &str = "somebody";

/// A running scene.
pub(super) struct Scene {
    pub(super) settings: Settings,
    pub(super) stage: Stage,
    /// Before the provider.
    pub(super) entra: Proxy,
    pub(super) replicas: [Replica; REPLICAS],
    pub(super) client: Client,
    pub(super) eyes: Eyes,
    pub(super) searches: Arc<Searches>,
    /// uid and version of every bystander.
    bystanders: BTreeMap<String, String>,
    pub(super) start: Instant,
    done: Mutex<Vec<Done>>,
    outages: Mutex<Vec<Span>>,
    /// People who wait for the API server do one thing after the other, each for a credential of their own.
    pub(super) hands: Vec<tokio::sync::Mutex<()>>,
}

impl Scene {
    /// Starts everything; returns when all who do not sign in late have tokens.
    pub(super) async fn set(
        settings: Settings,
        programs: [PathBuf; 2],
        searches: Arc<Searches>,
    ) -> Result<Self, Error> {
        let world = simulator::Options::new(cast::world(settings.credentials)).token_lifetime(settings.life);
        let stage = Stage::start(world, controlplane::Options::default()).await?;
        let client = stage.plane.client().await?;
        let eyes = Eyes::open(&client);
        create_keys(&client).await?;
        let bystanders = create_surroundings(&client, settings.credentials).await?;
        let entra = proxy::Options {
            forward_host: true,
            ..proxy::Options::new(&stage.simulator.url(), &stage.simulator.ca_pem())
        };
        let entra = Proxy::start(entra).await.map_err(Error::proxy)?;
        let start = |number| Replica::start(&stage, number, &entra, programs.clone(), Arc::clone(&searches));
        let (first, second) = futures::future::try_join(start(0), start(1)).await?;
        let scene = Self {
            replicas: [first, second],
            entra,
            client,
            eyes,
            searches,
            bystanders,
            start: Instant::now(),
            done: Mutex::default(),
            outages: Mutex::default(),
            hands: (0..settings.credentials)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
            stage,
            settings,
        };
        scene.populate().await?;
        scene.first_tokens().await?;
        Ok(Self {
            start: Instant::now(),
            ..scene
        })
    }

    async fn populate(&self) -> Result<(), Error> {
        for i in 0..self.settings.credentials {
            self.apply(&cast::credential(i, None)).await?;
            if !cast::signs_in_late(i) {
                self.login(i, Content::default()).await?;
            }
        }
        let user = self.settings.credentials;
        self.apply(&cast::blocked()).await?;
        let login = cast::login(cast::BLOCKED, &cast::namespace(0), user, Content::default());
        self.apply(&login).await?;
        Ok(())
    }

    async fn first_tokens(&self) -> Result<(), Error> {
        let expected = (0..self.settings.credentials)
            .filter(|i| !cast::signs_in_late(*i))
            .count();
        let begun = Instant::now();
        loop {
            let ready = self
                .endings()
                .await?
                .values()
                .filter(|ending| ending.ready)
                .count();
            if ready >= expected {
                return Ok(());
            }
            if begun.elapsed() > FIRST_TOKENS {
                return Err(Error::NotReady { ready, expected });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A login Secret; gives its uid.
    pub(super) async fn login(&self, i: usize, content: Content) -> Result<String, Error> {
        let login = cast::login(&cast::name(i), &cast::namespace(i), i, content);
        self.apply(&login).await
    }

    /// Applies an object as people do; gives its uid.
    pub(super) async fn apply(&self, object: &Value) -> Result<String, Error> {
        apply(&self.client, object).await
    }

    pub(super) fn secrets(&self, i: usize) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &cast::namespace(i))
    }

    /// How all credentials stand, by number.
    pub(super) async fn endings(&self) -> Result<BTreeMap<usize, Ending>, Error> {
        let list = Api::<EntraCredential>::all(self.client.clone())
            .list(&ListParams::default())
            .await?;
        let missing = |i| {
            let conditions = "there is none".to_owned();
            (
                i,
                Ending {
                    ready: false,
                    conditions,
                },
            )
        };
        let found = list
            .items
            .iter()
            .filter_map(|credential| Some((cast::number(&credential.name_any())?, ending(credential))));
        Ok((0..self.settings.credentials).map(missing).chain(found).collect())
    }

    /// Bystanders that are not what they were.
    pub(super) async fn changed_bystanders(&self) -> Result<Vec<String>, Error> {
        let now = versions(&self.client).await?;
        let changed = self
            .bystanders
            .iter()
            .filter(|(name, was)| now.get(*name) != Some(was));
        Ok(changed.map(|(name, _)| name.clone()).collect())
    }

    /// How many bystanders there are.
    pub(super) fn bystanders(&self) -> usize {
        self.bystanders.len()
    }

    /// Answers of the API server that were lost so far.
    pub(super) fn lost_at_api(&self) -> usize {
        let lost = |replica: &Replica| {
            let lost = replica.api.journal().matching(|e| e.action == Some("loseAnswer"));
            lost.len()
        };
        self.replicas.iter().map(lost).sum()
    }

    /// Notes what was done.
    pub(super) fn note(&self, done: Done) {
        lock(&self.done).push(done);
    }

    /// Notes what was out.
    pub(super) fn note_outage(&self, span: Span) {
        lock(&self.outages).push(span);
    }

    pub(super) fn done(&self) -> Vec<Done> {
        let mut done = lock(&self.done).clone();
        done.sort_by_key(|done| done.span.from);
        done
    }

    pub(super) fn outages(&self) -> Vec<Span> {
        lock(&self.outages).clone()
    }
}

fn lock<T>(record: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ending(credential: &EntraCredential) -> Ending {
    let conditions = credential.status.iter().flat_map(|status| &status.conditions);
    let shown: Vec<_> = conditions
        .clone()
        .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason))
        .collect();
    Ending {
        ready: conditions
            .clone()
            .any(|c| c.type_ == "Ready" && c.status == "True"),
        conditions: shown.join(" "),
    }
}

async fn apply(client: &Client, object: &Value) -> Result<String, Error> {
    let object: DynamicObject = serde_json::from_value(object.clone()).map_err(Error::object)?;
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types
        .api_version
        .rsplit_once('/')
        .unwrap_or(("", &types.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply(SOMEBODY).force();
    let made = api
        .patch(&object.name_any(), &params, &Patch::Apply(&object))
        .await?;
    Ok(made.uid().unwrap_or_default())
}

/// The keys are older than the three minutes that a key is held before it seals.
async fn create_keys(client: &Client) -> Result<(), Error> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS, "namespace": OPERATOR},
        "data": {"mac": key_material(), sealing_key(0): key_material()},
    });
    apply(client, &secret).await.map(drop)
}

/// Name of the `n`-th sealing key in the Secret.
pub(super) fn sealing_key(n: usize) -> String {
    format!("seal.20250101T{:02}{:02}00Z-{n:02}", n / 60, n % 60)
}

/// 32 bytes by chance, in base64.
pub(super) fn key_material() -> String {
    use base64::Engine as _;
    let halves = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    base64::prelude::BASE64_STANDARD.encode(halves.map(uuid::Uuid::into_bytes).concat())
}

/// Namespaces, applications and bystanders.
async fn create_surroundings(client: &Client, credentials: usize) -> Result<BTreeMap<String, String>, Error> {
    for namespace in cast::namespaces(credentials) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        apply(client, &object).await?;
        apply(client, &cast::application(&namespace)).await?;
        for bystander in cast::bystanders(&namespace) {
            apply(client, &bystander).await?;
        }
    }
    let mut all = versions(client).await?;
    all.retain(|name, _| {
        name.contains("bystander") || name.contains(cast::BLOCKED) || name.ends_with("/app")
    });
    Ok(all)
}

/// uid and version of every Secret in the cast's namespaces.
async fn versions(client: &Client) -> Result<BTreeMap<String, String>, Error> {
    let list = Api::<Secret>::all(client.clone())
        .list_metadata(&ListParams::default())
        .await?;
    let versions = list.items.into_iter().filter_map(|secret| {
        let namespace = secret.namespace().filter(|n| n.starts_with(cast::NAMESPACES))?;
        let version = format!("{:?} {:?}", secret.uid(), secret.resource_version());
        Some((format!("{namespace}/{}", secret.name_any()), version))
    });
    Ok(versions.collect())
}
