//! The watches: credentials whole, Secrets by their metadata only.
//!
//! # Guarantees
//!
//! - Secrets are selected by the API server: by type (`fieldSelector`) or by our label, so nothing else ever arrives.
//! - A stream never ends and never spins: after an error it says so, waits (0.8 s doubling to 30 s, jittered) and goes
//!   on, from where it was or with a new list.
//!
//! # Caveats
//!
//! A selector also "deletes" an object that stops matching it: see [`super::SecretStore`].

use std::fmt::Debug;
use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll, StreamExt, select_all};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::failure::{Verb, classify};
use super::lean::Lean;
use super::metadata::SeenSecret;
use crate::api::{
    CLIENT_SECRET_TYPE, EntraCredential, LABEL_MANAGED_BY, LOGIN_TYPE, MANAGED_BY, REFRESH_TOKEN_TYPE,
    TLS_TYPE,
};
use crate::reconcile::ports::ClusterError;

/// Objects per page of a list: bounds the memory of a relist.
const PAGE: u32 = 100;

/// A namespace, or all of them.
pub type Scope = Option<Arc<str>>;

/// Which Secrets a watch selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selects {
    /// Type `entra-operator.dev/login`.
    Logins,
    /// Type `entra-operator.dev/refresh-token`.
    RefreshTokens,
    /// Type `entra-operator.dev/client-secret`.
    ClientSecrets,
    /// Type `kubernetes.io/tls`: all certificates of the scope, because a type cannot tell whose they are.
    Certificates,
    /// Label `app.kubernetes.io/managed-by=entra-operator`.
    Tokens,
}

impl Selects {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::Logins,
        Self::RefreshTokens,
        Self::ClientSecrets,
        Self::Certificates,
        Self::Tokens,
    ];

    /// The watch that sees Secrets of this type; token Secrets are told by their label.
    pub fn of_type(kind: &str) -> Option<Self> {
        match kind {
            LOGIN_TYPE => Some(Self::Logins),
            REFRESH_TOKEN_TYPE => Some(Self::RefreshTokens),
            CLIENT_SECRET_TYPE => Some(Self::ClientSecrets),
            TLS_TYPE => Some(Self::Certificates),
            _ => None,
        }
    }

    fn config(self) -> watcher::Config {
        let config = config();
        match self {
            Self::Logins => config.fields(&format!("type={LOGIN_TYPE}")),
            Self::RefreshTokens => config.fields(&format!("type={REFRESH_TOKEN_TYPE}")),
            Self::ClientSecrets => config.fields(&format!("type={CLIENT_SECRET_TYPE}")),
            Self::Certificates => config.fields(&format!("type={TLS_TYPE}")),
            Self::Tokens => config.labels(&format!("{LABEL_MANAGED_BY}={MANAGED_BY}")),
        }
    }
}

/// One watch on Secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watch {
    /// What it selects.
    pub selects: Selects,
    /// Where.
    pub scope: Scope,
}

/// What a watch reports.
#[derive(Clone, Debug)]
pub enum Change<T> {
    /// A list begins: what exists arrives as [`Change::Applied`], until [`Change::Listed`].
    Restarted,
    /// The object exists, new or changed.
    Applied(T),
    /// The object is gone, or no longer selected.
    Deleted(T),
    /// The list is complete: what was not applied since [`Change::Restarted`] does not exist.
    Listed,
    /// The watch is interrupted, and tried again after a pause.
    Failed(ClusterError),
}

/// Changes of Secrets, each with the watch that reports it.
pub type SecretChanges = SelectAll<BoxStream<'static, (Watch, Change<SeenSecret>)>>;

/// Changes of credentials, each with the scope of the watch that reports it.
pub type CredentialChanges = SelectAll<BoxStream<'static, (Scope, Change<Lean<EntraCredential>>)>>;

/// The scopes to watch: each of `namespaces`, or all of them if none is named.
pub fn scopes(namespaces: &[String]) -> Vec<Scope> {
    if namespaces.is_empty() {
        return vec![None];
    }
    namespaces.iter().map(|n| Some(Arc::from(n.as_str()))).collect()
}

/// The watches on Secrets that the scopes need.
pub fn secret_watches(scopes: &[Scope]) -> Vec<Watch> {
    let all = scopes.iter().flat_map(|scope| {
        Selects::ALL.map(|selects| Watch {
            selects,
            scope: scope.clone(),
        })
    });
    all.collect()
}

/// Watches Secrets.
pub fn watch_secrets(client: &Client, watches: &[Watch]) -> SecretChanges {
    select_all(watches.iter().map(|watch| watch_selected(client, watch.clone())))
}

/// Watches credentials.
pub fn watch_credentials(client: &Client, scopes: &[Scope]) -> CredentialChanges {
    select_all(scopes.iter().map(|scope| watch_scope(client, scope.clone())))
}

fn watch_selected(client: &Client, watch: Watch) -> BoxStream<'static, (Watch, Change<SeenSecret>)> {
    let api = match &watch.scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let changes = changes(api, watch.selects.config());
    changes.map(move |change| (watch.clone(), change)).boxed()
}

fn watch_scope(client: &Client, scope: Scope) -> BoxStream<'static, (Scope, Change<Lean<EntraCredential>>)> {
    let api = match &scope {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let changes = changes(api, config());
    changes.map(move |change| (scope.clone(), change)).boxed()
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn changes<K>(api: Api<K>, config: watcher::Config) -> BoxStream<'static, Change<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    watcher(api, config).default_backoff().map(change).boxed()
}

fn change<K>(event: watcher::Result<watcher::Event<K>>) -> Change<K> {
    match event {
        Ok(watcher::Event::Init) => Change::Restarted,
        Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => Change::Applied(object),
        Ok(watcher::Event::Delete(object)) => Change::Deleted(object),
        Ok(watcher::Event::InitDone) => Change::Listed,
        Err(error) => Change::Failed(failure(error)),
    }
}

fn failure(error: watcher::Error) -> ClusterError {
    match error {
        watcher::Error::InitialListFailed(e)
        | watcher::Error::WatchStartFailed(e)
        | watcher::Error::WatchFailed(e) => classify(Verb::Read, &e),
        watcher::Error::WatchError(status) => classify(Verb::Read, &kube::Error::Api(status)),
        watcher::Error::NoResourceVersion => super::failure::unavailable("its list has no resourceVersion"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_namespace_means_all() {
        assert_eq!(scopes(&[]), [None]);
        assert_eq!(secret_watches(&scopes(&[])).len(), 5);
    }

    #[test]
    fn each_namespace_has_its_watches() {
        let scopes = scopes(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(secret_watches(&scopes).len(), 10);
    }

    #[test]
    fn every_watch_selects_on_the_server() {
        for selects in Selects::ALL {
            let config = selects.config();
            assert!(config.field_selector.is_some() != config.label_selector.is_some());
        }
    }

    #[test]
    fn types_lead_to_their_watch() {
        assert_eq!(Selects::of_type(LOGIN_TYPE), Some(Selects::Logins));
        assert_eq!(Selects::of_type("Opaque"), None);
    }
}
