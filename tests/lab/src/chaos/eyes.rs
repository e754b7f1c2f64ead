//! Sees every version of every Secret of the cast, as pods do, through no proxy.
//!
//! A watch and not a list each second: nothing that was published is missed, and any moment can be judged afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use entra_operator::api::annotation;
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::cast::NAMESPACES;
use super::evidence::{Token, Version};

/// Versions by `namespace/name`.
type Versions = BTreeMap<String, Vec<Version>>;

/// The watch; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Eyes {
    versions: Arc<Mutex<Versions>>,
    _task: AbortOnDropHandle<()>,
}

impl Eyes {
    /// Begins to watch.
    pub(super) fn open(client: &Client) -> Self {
        let versions = Arc::<Mutex<Versions>>::default();
        let events = watcher(Api::<Secret>::all(client.clone()), watcher::Config::default());
        let mut events = events.default_backoff().boxed();
        let seen = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            let mut listed = BTreeSet::new();
            while let Some(event) = events.next().await {
                if let Ok(event) = event {
                    see(
                        &mut seen.lock().unwrap_or_else(PoisonError::into_inner),
                        &mut listed,
                        event,
                    );
                }
            }
        });
        Self {
            versions,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Everything seen so far.
    pub(super) fn versions(&self) -> Versions {
        self.versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn see(versions: &mut Versions, listed: &mut BTreeSet<String>, event: Event<Secret>) {
    let seen = Timestamp::now();
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(secret) => {
            listed.insert(key(&secret));
            add(versions, &secret, version(&secret, seen));
        }
        Event::Apply(secret) => add(versions, &secret, version(&secret, seen)),
        Event::Delete(secret) => add(versions, &secret, gone(&version(&secret, seen))),
        Event::InitDone => {
            let unlisted = versions.iter_mut().filter(|(key, _)| !listed.contains(*key));
            for (_, versions) in unlisted {
                let last = versions.last().filter(|last| !last.gone).cloned();
                versions.extend(last.map(|last| Version { seen, ..gone(&last) }));
            }
        }
    }
}

fn key(secret: &Secret) -> String {
    format!("{}/{}", secret.namespace().unwrap_or_default(), secret.name_any())
}

/// Adds what is new.
fn add(versions: &mut Versions, secret: &Secret, version: Version) {
    let key = key(secret);
    if !key.starts_with(NAMESPACES) {
        return;
    }
    let versions = versions.entry(key).or_default();
    let same = |last: &Version| {
        Version {
            seen: last.seen,
            ..version.clone()
        } == *last
    };
    if !versions.last().is_some_and(same) {
        versions.push(version);
    }
}

fn gone(version: &Version) -> Version {
    Version {
        gone: true,
        token: None,
        ..version.clone()
    }
}

fn version(secret: &Secret, seen: Timestamp) -> Version {
    Version {
        seen,
        uid: secret.uid().unwrap_or_default(),
        gone: false,
        token: token(secret),
    }
}

fn token(secret: &Secret) -> Option<Token> {
    let note = |name: &str| secret.annotations().get(name)?.parse::<Timestamp>().ok();
    let data = secret.data.as_ref()?.get("access_token")?;
    let expires = std::str::from_utf8(&data.0).ok().and_then(expiry);
    Some(Token {
        issued_at: note(annotation::ISSUED_AT)?,
        refresh_at: note(annotation::REFRESH_AT)?,
        expires_at: expires.or_else(|| note(annotation::EXPIRES_AT))?,
        intact: expires.is_some(),
    })
}

/// `exp` of a JSON Web Token (RFC 7519 section 4.1.4).
fn expiry(token: &str) -> Option<Timestamp> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}
