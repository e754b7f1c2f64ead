//! Which lists are still missing, and why: readiness waits for the first list of everything that is watched, and ends when
//! a right to list or watch is taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::CustomResourceExt as _;
use tokio::sync::Notify;

use crate::api::EntraCredential;
use crate::cluster::{Interruption, Scope, Watch};
use crate::reconcile::ports::ClusterError;
use crate::telemetry::health::Health;

/// The condition of readiness that is told here.
pub(super) const WATCHES: &str = "watches";

/// Obstacles that are named at once: more would say no more.
const NAMED: usize = 3;

/// One watch of the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watched {
    /// Credentials of a scope.
    Credentials(Scope),
    /// Some Secrets of a scope.
    Secrets(Watch),
}

/// What has been listed.
#[derive(Debug)]
pub(super) struct Lists {
    health: Arc<Health>,
    /// What has not, and what stands in the way.
    missing: Mutex<BTreeMap<Watched, Option<String>>>,
    listed: Notify,
}

impl Lists {
    /// Nothing of `watched` has been listed yet.
    pub(super) fn new(health: Arc<Health>, watched: impl IntoIterator<Item = Watched>) -> Self {
        let missing = watched.into_iter().map(|watched| (watched, None)).collect();
        Self {
            health,
            missing: Mutex::new(missing),
            listed: Notify::new(),
        }
    }

    /// A list is complete.
    pub(super) fn listed(&self, watched: &Watched) {
        let mut missing = self.missing();
        missing.remove(watched);
        self.tell(&missing);
        self.listed.notify_one();
    }

    /// Waits for the next complete list. One waits at a time.
    pub(super) async fn next(&self) {
        self.listed.notified().await;
    }

    /// A list or a watch failed. An API server that does not answer for a while makes nobody unready who was ready.
    pub(super) fn interrupted(&self, watched: Watched, interruption: &Interruption) {
        let Interruption::Failed { verb, error } = interruption else {
            tracing::warn!(%interruption, ?watched, "watch interrupted");
            return;
        };
        let why = watched.cannot(verb, error);
        tracing::warn!(error = why, "watch interrupted");
        let mut missing = self.missing();
        let for_good = matches!(error, ClusterError::Refused(_) | ClusterError::NotFound);
        if for_good || missing.contains_key(&watched) {
            missing.insert(watched, Some(why));
            self.tell(&missing);
        }
    }

    fn tell(&self, missing: &BTreeMap<Watched, Option<String>>) {
        if missing.is_empty() {
            return self.health.met(WATCHES);
        }
        let obstacles: BTreeSet<_> = missing.values().flatten().map(String::as_str).collect();
        let named: Vec<_> = obstacles.iter().copied().take(NAMED).collect();
        let count = missing.len();
        self.health.unmet(
            WATCHES,
            match (named.is_empty(), obstacles.len().saturating_sub(NAMED)) {
                (true, _) => format!("{count} lists are not complete yet"),
                (false, 0) => named.join("; "),
                (false, more) => format!("{}; and {more} more", named.join("; ")),
            },
        );
    }

    fn missing(&self) -> MutexGuard<'_, BTreeMap<Watched, Option<String>>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// The obstacle in words: verb, resource and namespace, as a Role names them.
    fn cannot(&self, verb: &str, error: &ClusterError) -> String {
        let place = self.scope().as_ref().map_or_else(
            || "in all namespaces".to_owned(),
            |ns| format!("in the namespace {ns}"),
        );
        let why = match (self, error) {
            (Self::Credentials(_), ClusterError::NotFound) => {
                "the CustomResourceDefinition is not installed; apply the manifests in crds/".to_owned()
            }
            _ => error.to_string(),
        };
        format!("cannot {verb} {} {place}: {why}", self.resource())
    }

    fn resource(&self) -> &'static str {
        match self {
            Self::Credentials(_) => EntraCredential::crd_name(),
            Self::Secrets(_) => "secrets",
        }
    }

    const fn scope(&self) -> &Scope {
        match self {
            Self::Credentials(scope) | Self::Secrets(Watch { scope, .. }) => scope,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::{scopes, secret_watches};

    fn lists() -> (Lists, Vec<Watched>) {
        let scopes = scopes(&["a".to_owned(), "b".to_owned()]);
        let secrets = secret_watches(&scopes).into_iter().map(Watched::Secrets);
        let all: Vec<_> = scopes
            .into_iter()
            .map(Watched::Credentials)
            .chain(secrets)
            .collect();
        let health = Arc::new(Health::new(&[(WATCHES, "-")], Arc::new(|| Duration::ZERO)));
        (Lists::new(health, all.clone()), all)
    }

    fn failed(verb: &'static str, error: ClusterError) -> Interruption {
        Interruption::Failed { verb, error }
    }

    fn forbidden() -> ClusterError {
        ClusterError::Refused("the operator lacks the permission (RBAC) to read it".to_owned())
    }

    #[test]
    fn ready_once_every_scope_was_listed() {
        let (lists, all) = lists();
        for watched in &all {
            assert!(!lists.health.ready().ok, "before the list of {watched:?}");
            lists.listed(watched);
        }
        assert!(lists.health.ready().ok);
    }

    #[test]
    fn a_missing_right_is_named_by_verb_resource_and_namespace() {
        let (lists, all) = lists();
        for watched in all {
            match watched.scope().as_deref() {
                Some("b") => lists.interrupted(watched, &failed("list", forbidden())),
                _ => lists.listed(&watched),
            }
        }
        let detail = lists.health.ready();
        assert!(!detail.ok);
        for right in ["entracredentials.entra-operator.dev", "secrets"] {
            let named = format!(
                "cannot list {right} in the namespace b: the API server refused the call: the operator lacks the permission (RBAC)"
            );
            assert_eq!(detail.text.matches(&named).count(), 1, "{}", detail.text);
        }
    }

    #[test]
    fn a_missing_crd_is_told() {
        let (lists, _) = lists();
        lists.interrupted(
            Watched::Credentials(None),
            &failed("list", ClusterError::NotFound),
        );
        let text = lists.health.ready().text;
        assert!(
            text.contains("the CustomResourceDefinition is not installed")
                && text.contains("in all namespaces"),
            "{text}"
        );
    }

    #[test]
    fn a_right_that_is_taken_away_ends_readiness_and_an_outage_does_not() {
        let (lists, all) = lists();
        for watched in &all {
            lists.listed(watched);
        }
        let away = ClusterError::Unavailable {
            text: "gone".to_owned(),
            retry_after: None,
        };
        lists.interrupted(all[0].clone(), &failed("watch", away));
        assert!(lists.health.ready().ok, "an outage");
        lists.interrupted(all[0].clone(), &failed("watch", forbidden()));
        assert!(lists.health.ready().text.contains("cannot watch"));
        lists.listed(&all[0]);
        assert!(lists.health.ready().ok);
    }
}
