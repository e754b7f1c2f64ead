//! Watches the demonstration's objects as an administrator would, and keeps of them only what is told.

use std::pin::Pin;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use entra_operator::api::{EntraCredential, EntraCredentialStatus, annotation};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};

/// Something that happened to an object.
#[derive(Debug)]
pub(crate) enum Change {
    /// A Secret is there, new or changed.
    Secret(SecretFacts),
    /// A Secret is gone.
    SecretGone(SecretFacts),
    /// The credential is there, new or changed.
    Credential(String, Box<EntraCredentialStatus>),
    /// The credential is gone.
    CredentialGone(String),
}

/// What a Secret tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SecretFacts {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Name of the credential that claimed this login Secret.
    pub(crate) claimed_by: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) refresh_at: Option<Timestamp>,
    /// The sealed refresh token, as text to compare.
    pub(crate) sealed: Option<String>,
    /// The access token.
    pub(crate) token: Option<String>,
}

/// What happens, in the order in which the API server tells it.
pub(crate) type Changes = Pin<Box<dyn Stream<Item = Change> + Send>>;

/// Every change in a namespace from now on. Interruptions of the watches are mended silently.
pub(crate) fn changes(client: &Client, namespace: &str) -> Changes {
    let secrets = events(Api::<Secret>::namespaced(client.clone(), namespace)).filter_map(secret);
    let credentials =
        events(Api::<EntraCredential>::namespaced(client.clone(), namespace)).filter_map(credential);
    Box::pin(stream::select(secrets, credentials))
}

fn events<K>(api: Api<K>) -> impl Stream<Item = Event<K>> + Send
where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Send
        + serde::de::DeserializeOwned
        + 'static,
{
    watcher(api, watcher::Config::default())
        .default_backoff()
        .into_stream()
        .filter_map(async |event| event.ok())
}

async fn secret(event: Event<Secret>) -> Option<Change> {
    match event {
        Event::Apply(secret) | Event::InitApply(secret) => Some(Change::Secret(facts(&secret))),
        Event::Delete(secret) => Some(Change::SecretGone(facts(&secret))),
        Event::Init | Event::InitDone => None,
    }
}

async fn credential(event: Event<EntraCredential>) -> Option<Change> {
    match event {
        Event::Apply(object) | Event::InitApply(object) => {
            let name = object.name_any();
            Some(Change::Credential(
                name,
                Box::new(object.status.unwrap_or_default()),
            ))
        }
        Event::Delete(object) => Some(Change::CredentialGone(object.name_any())),
        Event::Init | Event::InitDone => None,
    }
}

fn facts(secret: &Secret) -> SecretFacts {
    let note = |name: &str| secret.annotations().get(name);
    let time = |name: &str| note(name).and_then(|text| text.parse().ok());
    let value = |key: &str| {
        secret
            .data
            .as_ref()
            .and_then(|data| data.get(key))
            .map(|value| &value.0)
    };
    SecretFacts {
        name: secret.name_any(),
        kind: secret.type_.clone().unwrap_or_default(),
        claimed_by: note(annotation::CLAIMED_BY).and_then(|text| Some(text.split_once('/')?.0.to_owned())),
        expires_at: time(annotation::EXPIRES_AT),
        refresh_at: time(annotation::REFRESH_AT),
        sealed: value("token").map(|sealed| BASE64_STANDARD.encode(sealed)),
        token: value("access_token").map(|token| String::from_utf8_lossy(token).into_owned()),
    }
}
