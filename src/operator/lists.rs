//! What of all that is watched was listed, and what stands in the way: readiness waits for the first answer about every
//! namespace served, and tells of those that cannot be served. They hold nobody else up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::CustomResourceExt as _;
use tokio::sync::watch;

use crate::api::EntraCredential;
use crate::cluster::{Interruption, Scope, Watch, place, secret_watches};
use crate::reconcile::ports::ClusterError;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// The condition of readiness that is told here.
pub(super) const WATCHES: &str = "watches";

/// What is said where the API server knows no credentials.
pub(super) const NOT_INSTALLED: &str =
    "the CustomResourceDefinition is not installed; apply the manifests in crds/";

/// How long a credential waits for the first list of a watch that begins for it.
const NAMED_WITHIN: Duration = Duration::from_secs(5);

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
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    watched: BTreeMap<Watched, Standing>,
    /// Namespaces that were looked for and are not there.
    missing: BTreeSet<Arc<str>>,
}

/// How it stands with one watch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Its first list is not complete, and what stands in the way if something does.
    Waits(Option<String>),
    /// It was listed.
    Listed,
    /// It was listed, and refused once since, which makes nobody unready: an API server that has just started refuses for a
    /// moment what it grants.
    Doubted,
    /// It began late, because a credential names what it shows. Nobody is unready for that, and its first list is waited for
    /// by that credential alone.
    Named,
    /// The right to it, or its kind, is missing.
    Refused(String),
}

impl Standing {
    /// After an attempt that failed for this reason.
    fn after(self, refused: bool, why: &str) -> Self {
        match (self, refused) {
            (Self::Listed, true) => Self::Doubted,
            (_, true) => Self::Refused(why.to_owned()),
            (Self::Doubted, false) => Self::Listed,
            (Self::Waits(_), false) => Self::Waits(Some(why.to_owned())),
            (same, false) => same,
        }
    }

    const fn was_listed(&self) -> bool {
        matches!(self, Self::Listed | Self::Doubted)
    }
}

impl Lists {
    /// Nothing of `scopes` has been listed yet.
    pub(super) fn new(health: Arc<Health>, metrics: Arc<Metrics>, scopes: &[Scope]) -> Self {
        let secrets = secret_watches(scopes).into_iter();
        let at_once = secrets.filter(|watch| !watch.selects.is_named_first());
        let credentials = scopes.iter().cloned().map(Watched::Credentials);
        let watched = credentials.chain(at_once.map(Watched::Secrets));
        let watched = watched.map(|watched| (watched, Standing::Waits(None)));
        let state = State {
            watched: watched.collect(),
            missing: BTreeSet::new(),
        };
        Self {
            health,
            metrics,
            state: Mutex::new(state),
            changed: watch::Sender::default(),
        }
    }

    /// A list is complete.
    pub(super) fn listed(&self, watched: &Watched) {
        self.stands(watched, Standing::Listed);
    }

    /// A list or a watch failed. An API server that does not answer for a while makes nobody unready who was ready, nor one
    /// that refuses once.
    pub(super) fn interrupted(&self, watched: &Watched, interruption: &Interruption) {
        let Interruption::Failed { verb, error } = interruption else {
            tracing::warn!(%interruption, ?watched, "watch interrupted");
            return;
        };
        let why = watched.cannot(verb, error);
        let refused = matches!(error, ClusterError::Refused(_) | ClusterError::NotFound);
        let standing = self.state().watched.get(watched).cloned();
        let now = standing.map(|before| before.after(refused, &why));
        if !matches!(now, Some(Standing::Refused(_))) {
            tracing::warn!(error = why, "watch interrupted");
        }
        if let Some(now) = now {
            self.stands(watched, now);
        }
    }

    /// A namespace was looked for.
    pub(super) fn looked_for(&self, namespace: &Arc<str>, exists: bool) {
        let mut state = self.state();
        let news = if exists {
            state.missing.remove(namespace)
        } else {
            state.missing.insert(Arc::clone(namespace))
        };
        if news && !exists {
            tracing::warn!(namespace = %namespace, "a namespace to serve does not exist, or is being deleted; it is served when it comes");
        }
        self.tell(&state);
    }

    /// Something names a Secret that this watch shows: it begins, if it has not. Then waits until it was listed, or cannot be:
    /// before that, that a Secret is absent means nothing. Not for long, and once: others wait behind who names it first.
    pub(super) async fn know(&self, watch: &Watch) {
        let watched = Watched::Secrets(watch.clone());
        let begun = self.state().watched.contains_key(&watched);
        if begun {
            return;
        }
        self.stands(&watched, Standing::Named);
        let known = self.until(|state| state.watched.get(&watched) != Some(&Standing::Named));
        let _late = tokio::time::timeout(NAMED_WITHIN, known).await;
    }

    /// Waits until this watch is to begin: at once, or when something names a Secret that it shows.
    pub(super) async fn begins(&self, watch: &Watch) {
        let watched = Watched::Secrets(watch.clone());
        self.until(|state| state.watched.contains_key(&watched)).await;
    }

    /// Whether all of a scope was listed.
    pub(super) fn has_all_of(&self, scope: &Scope) -> bool {
        self.state().has_all_of(scope)
    }

    /// Waits until it is known of the Secrets of every namespace that can be read which there are, and one can be.
    pub(super) async fn secrets_known(&self) {
        self.until(State::secrets_are_known).await;
    }

    /// Waits until the Secrets of `scope` are known: before that, that one is absent means nothing.
    pub(super) async fn secrets_of(&self, scope: &Scope) {
        self.until(|state| state.has_secrets_of(scope)).await;
    }

    async fn until(&self, met: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        while !met(&self.state()) {
            // The sender is ours.
            let _lasts = changes.changed().await;
        }
    }

    fn stands(&self, watched: &Watched, now: Standing) {
        let mut state = self.state();
        if let Standing::Refused(why) = &now
            && !state.obstacles().contains(why)
        {
            tracing::warn!(
                error = why,
                "what cannot be read is not served; it is tried again by itself"
            );
        }
        let is_listed = now == Standing::Listed;
        let before = state.watched.insert(watched.clone(), now);
        if is_listed && matches!(before, Some(Standing::Refused(_))) {
            tracing::info!(?watched, "it can be read again");
        }
        self.tell(&state);
        self.changed.send_replace(());
    }

    fn tell(&self, state: &State) {
        self.metrics.unserved(state.unserved().len());
        let (obstacles, waiting) = (state.obstacles(), state.waiting());
        let named = named(&obstacles);
        if waiting > 0 || !state.serves_something() {
            let why = if obstacles.is_empty() {
                format!("{waiting} lists are not complete yet")
            } else {
                named
            };
            self.health.unmet(WATCHES, why);
        } else if obstacles.is_empty() {
            self.health.met(WATCHES);
        } else {
            self.health.told(WATCHES, format!("the rest is served: {named}"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn scopes(&self) -> BTreeSet<&Scope> {
        self.watched.keys().map(Watched::scope).collect()
    }

    fn of<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = (&'a Watched, &'a Standing)> {
        self.watched.iter().filter(move |(w, _)| w.scope() == scope)
    }

    fn is_refused(&self, scope: &Scope) -> bool {
        self.of(scope).any(|(_, is)| matches!(is, Standing::Refused(_)))
    }

    /// Scopes that cannot be served as things are.
    fn unserved(&self) -> BTreeSet<&Scope> {
        let refused = |scope: &&Scope| {
            let missing = |ns: &Arc<str>| self.missing.contains(ns);
            self.is_refused(scope) || scope.as_ref().is_some_and(missing)
        };
        self.scopes().into_iter().filter(refused).collect()
    }

    fn has_all_of(&self, scope: &Scope) -> bool {
        self.of(scope)
            .all(|(_, is)| is.was_listed() || *is == Standing::Named)
    }

    fn serves_something(&self) -> bool {
        self.scopes().into_iter().any(|scope| self.has_all_of(scope))
    }

    /// Lists that are waited for. What is refused is not.
    fn waiting(&self) -> usize {
        let scopes = self.scopes().into_iter().filter(|scope| !self.is_refused(scope));
        let waits = |scope| {
            self.of(scope)
                .filter(|(_, is)| matches!(is, Standing::Waits(_)))
                .count()
        };
        scopes.map(waits).sum()
    }

    fn obstacles(&self) -> BTreeSet<String> {
        let told = self.watched.values().filter_map(|is| match is {
            Standing::Waits(why) => why.clone(),
            Standing::Refused(why) => Some(why.clone()),
            Standing::Listed | Standing::Doubted | Standing::Named => None,
        });
        told.chain(self.missing.iter().map(|ns| missing(ns))).collect()
    }

    fn has_secrets_of(&self, scope: &Scope) -> bool {
        let secrets = |(w, _): &(&Watched, _)| matches!(w, Watched::Secrets(_));
        self.of(scope).filter(secrets).all(|(_, is)| is.was_listed())
    }

    fn secrets_are_known(&self) -> bool {
        let (scopes, has) = (self.scopes(), |scope: &&Scope| self.has_secrets_of(scope));
        scopes.iter().all(|scope| self.is_refused(scope) || has(scope)) && scopes.iter().any(has)
    }
}

/// What is said of a namespace to serve that is not there.
pub(super) fn missing(namespace: &str) -> String {
    format!("the namespace {namespace} does not exist, or is being deleted: it is served when it comes")
}

fn named(obstacles: &BTreeSet<String>) -> String {
    let first: Vec<_> = obstacles.iter().map(String::as_str).take(NAMED).collect();
    match obstacles.len().saturating_sub(NAMED) {
        0 => first.join("; "),
        more => format!("{}; and {more} more", first.join("; ")),
    }
}

impl Watched {
    /// The obstacle in words: verb, resource and namespace, as a Role names them.
    fn cannot(&self, verb: &str, error: &ClusterError) -> String {
        let why = match (self, error) {
            (Self::Credentials(_), ClusterError::NotFound) => NOT_INSTALLED.to_owned(),
            _ => error.to_string(),
        };
        format!("cannot {verb} {} {}: {why}", self.resource(), place(self.scope()))
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
mod tests;
