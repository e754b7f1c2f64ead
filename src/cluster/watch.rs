//! The watches: credentials whole, Secrets by their metadata only.
//!
//! # Guarantees
//!
//! - Secrets are selected by the API server: by type (`fieldSelector`) or by our label, so nothing else ever arrives.
//! - A stream never ends and never spins: after an error it says so, waits (0.8 s doubling to 30 s, jittered) and goes
//!   on, from where it was or with a new list. Only what it brings ends the doubling, not that it was asked for.
//! - Where the right is missing, one watch of a scope asks for all that want the same right, every 10 s at the latest: they
//!   are many, and all go on at once when it comes.
//! - After a refusal a list is complete only once its watch was let in, so that who may list and not watch is refused for
//!   good, and does not list again and again.
//! - Client secrets and certificates are watched once something names one: [`Selects::is_named_first`].
//! - It begins anew with a list where the version that it would go on from may be of another history, as after a restore
//!   of etcd: when versions are seen to have gone back, whoever sees it, and when it could not be resumed for a while, for
//!   want of a right, or because its version is not kept any more (410). An API server that is asked to go on from a version that it has not reached yet is silent until then.
//!
//! # Caveats
//!
//! A selector also "deletes" an object that stops matching it: see [`super::SecretStore`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::{BoxStream, Peekable, SelectAll, Stream, StreamExt, once, select_all, unfold};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::credential::SeenCredential;
use super::failure::{Verb, classify, unavailable};
use super::knock::{Door, Knock};
use super::metadata::SeenSecret;
use super::scope::Scope;
use super::watch_clients::{SCOPES, STREAMS, WatchClients};
use crate::api::{CLIENT_SECRET_TYPE, IS_TOKEN, LABEL_TOKEN, LOGIN_TYPE, REFRESH_TOKEN_TYPE, TLS_TYPE};
use crate::reconcile::ports::ClusterError;

/// Objects per page of a list: bounds the memory of a relist.
pub const PAGE: u32 = 100;

/// Attempts to resume a watch, of which each failed; with the pauses between them they take some seconds. etcd is
/// restored while no API server runs.
const ATTEMPTS: u32 = 3;

/// Longest until an API server that answers has refused a watch that it does not let in; one that it lets in is silent.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

// Of each namespace the credentials, and Secrets by what selects them.
const _: () = assert!(SCOPES * (1 + Selects::ALL.len()) <= STREAMS);

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
    /// Label `entra-operator.dev/token=true`.
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

    /// Whether a credential must name such a Secret before it is of any use. Most clusters hold many certificates, and
    /// no client that signs in with one.
    pub const fn is_named_first(self) -> bool {
        matches!(self, Self::ClientSecrets | Self::Certificates)
    }

    fn config(self) -> watcher::Config {
        let config = config();
        match self {
            Self::Logins => config.fields(&format!("type={LOGIN_TYPE}")),
            Self::RefreshTokens => config.fields(&format!("type={REFRESH_TOKEN_TYPE}")),
            Self::ClientSecrets => config.fields(&format!("type={CLIENT_SECRET_TYPE}")),
            Self::Certificates => config.fields(&format!("type={TLS_TYPE}")),
            Self::Tokens => config.labels(&format!("{LABEL_TOKEN}={IS_TOKEN}")),
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
    Interrupted(Interruption),
}

/// Why a watch is interrupted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interruption {
    /// The API server does not answer, or not as it should.
    #[error("cannot {verb}: {error}")]
    Failed {
        /// What was asked, as a Role names it: `list` or `watch`.
        verb: &'static str,
        /// What it said.
        error: ClusterError,
    },
    /// What exists is older than what was known.
    #[error("resourceVersions went back, as after a restore of etcd; everything is listed anew")]
    WentBack,
}

/// Changes whenever versions are seen to have gone back: see [`super::SecretStore::rewound`].
pub type Rewound = tokio::sync::watch::Receiver<()>;

/// Changes of Secrets, each with the watch that reports it.
pub type SecretChanges = SelectAll<BoxStream<'static, (Watch, Change<SeenSecret>)>>;

/// Changes of credentials, each with the scope of the watch that reports it.
pub type CredentialChanges = SelectAll<BoxStream<'static, (Scope, Change<SeenCredential>)>>;

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

/// Watches Secrets, each watch from when it is `wanted`.
pub fn watch_secrets<W>(
    clients: &WatchClients,
    watches: &[Watch],
    rewound: &Rewound,
    wanted: impl Fn(&Watch) -> W,
) -> SecretChanges
where
    W: Future<Output = ()> + Send + 'static,
{
    let mut doors: BTreeMap<Scope, Door> = BTreeMap::new();
    let each = |watch: &Watch| {
        let door = doors.entry(watch.scope.clone()).or_default().clone();
        let (api, wanted) = (api(clients, &watch.scope), wanted(watch));
        let (watch, rewound) = (watch.clone(), rewound.clone());
        let begun = async move {
            wanted.await;
            watch_selected(api, watch, rewound, door)
        };
        once(begun).flatten().boxed()
    };
    select_all(watches.iter().map(each))
}

fn watch_selected(
    api: Api<SeenSecret>,
    watch: Watch,
    rewound: Rewound,
    door: Door,
) -> BoxStream<'static, (Watch, Change<SeenSecret>)> {
    let changes = changes(api, watch.selects.config(), rewound, door);
    changes.map(move |change| (watch.clone(), change)).boxed()
}

/// Watches the credentials of a scope.
pub fn watch_credentials(
    clients: &WatchClients,
    scope: Scope,
    rewound: Rewound,
) -> BoxStream<'static, (Scope, Change<SeenCredential>)> {
    let changes = changes(api(clients, &scope), config(), rewound, Door::default());
    changes.map(move |change| (scope.clone(), change)).boxed()
}

fn api<K>(clients: &WatchClients, scope: &Scope) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match scope {
        Some(namespace) => Api::namespaced(clients.of(scope), namespace),
        None => Api::all(clients.of(scope)),
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn changes<K>(
    api: Api<K>,
    config: watcher::Config,
    rewound: Rewound,
    door: Door,
) -> BoxStream<'static, Change<K>>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let begin = move || watcher(api.clone(), config.clone()).boxed();
    lasting(begin, rewound, door).map(change).boxed()
}

type Events<K> = BoxStream<'static, watcher::Result<watcher::Event<K>>>;

/// A watch, of the one history that there is.
struct Lasting<B, K> {
    begin: B,
    events: Peekable<Events<K>>,
    rewound: Rewound,
    /// Attempts to resume it that failed, in a row.
    failed: u32,
    knock: Knock,
}

fn lasting<B, K>(
    begin: B,
    rewound: Rewound,
    door: Door,
) -> impl Stream<Item = Result<watcher::Event<K>, Interruption>>
where
    B: Fn() -> Events<K>,
    K: 'static,
{
    let lasting = Lasting {
        events: begin().peekable(),
        begin,
        rewound,
        failed: 0,
        knock: Knock::at(door),
    };
    unfold(lasting, async |mut l| l.next().await.map(|item| (item, l)))
}

impl<B, K> Lasting<B, K>
where
    B: Fn() -> Events<K>,
{
    async fn next(&mut self) -> Option<Result<watcher::Event<K>, Interruption>> {
        let next = async {
            self.knock.turn().await;
            let event = self.events.next().await;
            let listed = matches!(event, Some(Ok(watcher::Event::InitDone)));
            if listed && self.knock.was_refused() && refuses(&mut self.events).await {
                self.events.next().await
            } else {
                event
            }
        };
        // Nothing of the old history after it is known to be over.
        tokio::select! {
            biased;
            Ok(()) = self.rewound.changed() => {
                self.begin_anew();
                Some(Err(Interruption::WentBack))
            }
            event = next => {
                let event = event?;
                self.count(&event);
                Some(event.map_err(failure))
            }
        }
    }

    fn count(&mut self, event: &watcher::Result<watcher::Event<K>>) {
        let refused = event.as_ref().is_err_and(is_refusal);
        match event {
            // That a list was asked for is no answer yet.
            Ok(watcher::Event::Init) => return,
            Ok(watcher::Event::InitApply(_)) => {}
            Ok(watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_)) => {
                self.knock.opened();
            }
            Err(_) if refused => self.knock.refused(),
            Err(_) => self.knock.unanswered(),
        }
        self.failed = match event {
            // A complete list tells that the right is back; a watch that goes on is silent until something changes.
            Err(watcher::Error::WatchStartFailed(_)) if refused => ATTEMPTS,
            // What happened since its version is not kept any more.
            Err(watcher::Error::WatchStartFailed(error)) if has_status(error, &[410]) => ATTEMPTS,
            Err(watcher::Error::WatchStartFailed(_)) => self.failed.saturating_add(1),
            Ok(_) | Err(_) => 0,
        };
        if self.failed >= ATTEMPTS {
            self.begin_anew();
        }
    }

    fn begin_anew(&mut self) {
        self.events = (self.begin)().peekable();
        self.failed = 0;
    }
}

/// Whether the watch is refused that follows a list.
async fn refuses<K>(events: &mut Peekable<Events<K>>) -> bool {
    let next = timeout(REFUSED_WITHIN, Pin::new(events).peek()).await;
    matches!(next, Ok(Some(Err(error))) if is_refusal(error))
}

/// Whether a right is missing, or the kind: which is so until somebody changes it.
fn is_refusal(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error)
    | watcher::Error::WatchStartFailed(error)
    | watcher::Error::WatchFailed(error)) = error
    else {
        return false;
    };
    has_status(error, &[403, 404])
}

fn has_status(error: &kube::Error, codes: &[u16]) -> bool {
    matches!(error, kube::Error::Api(status) if codes.contains(&status.code))
}

fn change<K>(event: Result<watcher::Event<K>, Interruption>) -> Change<K> {
    match event {
        Ok(watcher::Event::Init) => Change::Restarted,
        Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => Change::Applied(object),
        Ok(watcher::Event::Delete(object)) => Change::Deleted(object),
        Ok(watcher::Event::InitDone) => Change::Listed,
        Err(interruption) => Change::Interrupted(interruption),
    }
}

fn failure(error: watcher::Error) -> Interruption {
    let (verb, error) = match error {
        watcher::Error::InitialListFailed(e) => ("list", classify(Verb::Read, &e)),
        watcher::Error::WatchStartFailed(e) | watcher::Error::WatchFailed(e) => {
            ("watch", classify(Verb::Read, &e))
        }
        watcher::Error::WatchError(status) => ("watch", classify(Verb::Read, &kube::Error::Api(status))),
        watcher::Error::NoResourceVersion => ("list", unavailable("its list has no resourceVersion")),
    };
    Interruption::Failed { verb, error }
}

#[cfg(test)]
mod tests;
