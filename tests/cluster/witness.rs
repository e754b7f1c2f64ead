//! Sees every version of the Secrets in a namespace, as a pod or a thief would, and says what must never be seen.
//!
//! A watch through no proxy: it misses nothing while the API server runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entra_operator::api::{REFRESH_TOKEN_TYPE, annotation};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio_util::task::AbortOnDropHandle;

use crate::scene::Place;

/// Pause before a watch that broke is begun again.
const AGAIN: Duration = Duration::from_millis(100);

/// What an operator may need from the moment when it can work to the renewal of what is about to expire.
const HASTE: SignedDuration = SignedDuration::from_secs(8);

/// One version of a Secret that the operator wrote.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) secret: String,
    /// When this version was seen.
    pub(crate) seen: Timestamp,
    /// When the answer that it holds was given.
    pub(crate) issued_at: Timestamp,
    /// When the access token expires; absent for a refresh-token Secret.
    pub(crate) expires_at: Option<Timestamp>,
}

/// A watch of one namespace; it ends when this is dropped.
pub(crate) struct Witness {
    versions: Arc<Mutex<Vec<Version>>>,
    _task: AbortOnDropHandle<()>,
}

impl Witness {
    /// Begins to watch.
    pub(crate) fn of(place: &Place) -> Self {
        let versions = Arc::new(Mutex::new(Vec::new()));
        let mut events = watcher(place.secrets(), watcher::Config::default()).boxed();
        let seen = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(secret) | Event::InitApply(secret)) => {
                        seen.lock().unwrap().extend(version(&secret));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
            }
        });
        Self {
            versions,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The versions of one Secret, oldest first.
    pub(crate) fn versions(&self, secret: &str) -> Vec<Version> {
        let all = self.versions.lock().unwrap();
        all.iter().filter(|v| v.secret == secret).cloned().collect()
    }

    /// The Secrets seen so far.
    fn by_secret(&self) -> BTreeMap<String, Vec<Version>> {
        let mut found = BTreeMap::<String, Vec<Version>>::new();
        for version in self.versions.lock().unwrap().iter() {
            found
                .entry(version.secret.clone())
                .or_default()
                .push(version.clone());
        }
        found
    }

    /// No older refresh token was stored over a newer one, and no token published over one that expires later.
    pub(crate) fn nothing_went_back(&self) {
        for (secret, versions) in self.by_secret() {
            let went_back = |pair: &[Version]| {
                pair[1].issued_at < pair[0].issued_at || pair[1].expires_at < pair[0].expires_at
            };
            if let Some(pair) = versions.windows(2).find(|pair| went_back(pair)) {
                panic!("{secret} went back: {pair:#?}");
            }
        }
    }

    /// Every access token was replaced before it expired, and the last one is valid now.
    pub(crate) fn never_expired(&self) {
        self.never_expired_since(Timestamp::UNIX_EPOCH);
    }

    /// The same, except for tokens that expired before `working` or within [`HASTE`] of it: then nobody could help
    /// them. On a crowded machine a restart may take that long.
    pub(crate) fn never_expired_since(&self, working: Timestamp) {
        let (now, excused) = (Timestamp::now(), working.saturating_add(HASTE).unwrap());
        for (secret, versions) in self.by_secret() {
            let next = versions.iter().skip(1).map(|v| v.seen).chain([now]);
            for (version, replaced) in versions.iter().zip(next) {
                let valid = version.expires_at.is_none_or(|at| at > replaced || at < excused);
                assert!(valid, "{secret} was expired at {replaced}: {versions:#?}");
            }
        }
    }
}

fn version(secret: &Secret) -> Option<Version> {
    let time = |name: &str| secret.annotations().get(name)?.parse::<Timestamp>().ok();
    let sealed = secret.type_.as_deref() == Some(REFRESH_TOKEN_TYPE);
    Some(Version {
        secret: secret.name_any(),
        seen: Timestamp::now(),
        issued_at: time(annotation::ISSUED_AT)?,
        expires_at: time(annotation::EXPIRES_AT).filter(|_| !sealed),
    })
}
