//! Many credentials with one token each, and their sign-ins.

use std::time::{Duration, Instant};

use entra_operator::api::EntraCredential;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::SHORTEST;
use super::eyes::Eyes;
use super::report::failed;
use crate::simulator::world::{API, PUBLIC_CLIENT, TENANT, password, user_name};
use crate::stage::{AUTHORITY, Error, Stage};

/// Objects that are created at a time.
const AT_ONCE: usize = 16;

/// How often it is looked who is Ready.
const LOOK: Duration = Duration::from_millis(500);

/// Longest that a sign-in of all may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// As many sign in within a second at least.
const SIGN_INS: u64 = 50;

/// How far the first lives of two that follow each other are apart; a prime, so that no two are alike.
const NEIGHBOURS: usize = 6_367;

/// Every so many's credential signs in at another host.
pub(super) const ELSEWHERE: usize = 10;

/// Name of the authority that this host is.
pub(super) const OTHER_AUTHORITY: &str = "elsewhere";

/// How many there are, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Population {
    /// Credentials.
    pub(super) credentials: usize,
    /// Namespaces that they are spread over.
    pub(super) namespaces: usize,
}

/// How long it took until all were Ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct SignedIn {
    /// When the first login was created.
    pub(super) began: Instant,
    /// Seconds from the last create.
    pub(super) seconds: f64,
}

impl Population {
    /// Creates its namespaces.
    pub(super) async fn prepare(self, stage: &Stage) -> Result<(), Error> {
        let client = stage.plane.client().await?;
        for name in self.all_namespaces() {
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            create::<Namespace>(&Api::all(client.clone()), &object).await?;
        }
        Ok(())
    }

    /// Names of its namespaces.
    pub(super) fn all_namespaces(self) -> impl Iterator<Item = String> {
        (0..self.namespaces.max(1)).map(namespace)
    }

    /// Seconds that the first token of this number lives. All sign in at about the same time, and are to be renewed evenly
    /// from then on: the first lives are spread over one more whole life, and neighbours far apart.
    pub(super) fn first_life(self, i: usize, life: u64) -> u64 {
        let apart = (i * NEIGHBOURS % self.credentials) as u64;
        self.shortest_life() + life * apart / self.credentials as u64
    }

    /// Seconds that the longest of the first lives lasts.
    pub(super) fn longest_life(self, life: u64) -> u64 {
        self.shortest_life() + life
    }

    /// Nobody is to be renewed before all have signed in.
    pub(super) fn shortest_life(self) -> u64 {
        SHORTEST + self.credentials as u64 / SIGN_INS
    }

    /// Creates the credentials, then their logins, and waits until all are Ready.
    pub(super) async fn sign_in(self, stage: &Stage, eyes: &Eyes) -> Result<SignedIn, Error> {
        let client = stage.plane.client().await?;
        let all = |object: fn(Self, usize) -> Value| (0..self.credentials).map(move |i| (i, object(self, i)));
        self.create::<EntraCredential>(&client, all(Self::credential))
            .await?;
        let began = Instant::now();
        self.create::<Secret>(&client, all(Self::login)).await?;
        let created = Instant::now();
        // To list them all again and again would be the larger part of what is measured.
        while eyes.published() < self.credentials || ready(&client).await? < self.credentials {
            if began.elapsed() > PATIENCE {
                return Err(failed("not all credentials became Ready"));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(SignedIn {
            began,
            seconds: created.elapsed().as_secs_f64(),
        })
    }

    async fn create<K>(
        self,
        client: &Client,
        objects: impl Iterator<Item = (usize, Value)>,
    ) -> Result<(), Error>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
    {
        let each = objects.map(|(i, object)| async move {
            let api = Api::<K>::namespaced(client.clone(), &self.namespace(i));
            create(&api, &object).await
        });
        stream::iter(each)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    /// Where the credential of this number is.
    pub(super) fn namespace(self, i: usize) -> String {
        namespace(i % self.namespaces.max(1))
    }

    fn credential(self, i: usize) -> Value {
        json!({
            "apiVersion": "entra-operator.dev/v1alpha1", "kind": "EntraCredential",
            "metadata": {"name": format!("account-{i:05}"), "namespace": self.namespace(i)},
            "spec": {
                "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": authority(i),
                "login": {"secretName": format!("account-{i:05}-login")},
                "tokens": [{"secretName": format!("account-{i:05}-token"), "scopes": [format!("{API}/.default")]}],
            },
        })
    }

    fn login(self, i: usize) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
            "metadata": {"name": format!("account-{i:05}-login"), "namespace": self.namespace(i)},
            "stringData": {"username": user_name(i), "password": password(i)},
        })
    }
}

/// Where the credential of this number signs in.
fn authority(i: usize) -> &'static str {
    if is_elsewhere(i) {
        OTHER_AUTHORITY
    } else {
        AUTHORITY
    }
}

/// Whether the credential of this number signs in at another host than most.
pub(super) const fn is_elsewhere(i: usize) -> bool {
    i.is_multiple_of(ELSEWHERE)
}

/// Number of the credential that a token Secret of this name belongs to.
pub(super) fn number_of(secret: &str) -> Option<usize> {
    secret
        .strip_prefix("account-")?
        .strip_suffix("-token")?
        .parse()
        .ok()
}

fn namespace(number: usize) -> String {
    format!("bench-{number:04}")
}

/// Creates an object.
pub(super) async fn create<K>(api: &Api<K>, object: &Value) -> Result<(), Error>
where
    K: Clone + std::fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let object = serde_json::from_value(object.clone()).map_err(|_| failed("an object is not understood"))?;
    let created = api.create(&PostParams::default(), &object).await;
    created.map_err(|error| failed(&format!("cannot create an object: {error}")))?;
    Ok(())
}

/// How many are Ready, counted page by page.
async fn ready(client: &Client) -> Result<usize, Error> {
    let api = Api::<EntraCredential>::all(client.clone());
    let mut page = ListParams::default().limit(1000);
    let mut count = 0;
    loop {
        let list = api
            .list(&page)
            .await
            .map_err(|error| failed(&format!("cannot list: {error}")))?;
        count += list
            .items
            .iter()
            .filter(|credential| is_ready(credential))
            .count();
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(count),
        }
    }
}

fn is_ready(credential: &EntraCredential) -> bool {
    let conditions = credential.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .any(|c| c.type_ == "Ready" && c.status == "True")
}
