//! `entra-operator run`: start-up in the order in which things depend on each other, shutdown in the reverse.
//!
//! Start: clients, listeners, watches, keys, election, passes. Stop: passes end (bounded), the Lease is released, the
//! listeners close. Readiness means: everything that is watched was listed, permissions sufficient, keys loaded; never the
//! identity provider, and never that this replica leads.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::select_all;
use tokio_util::sync::CancellationToken;

use super::cli::RunArgs;
use super::clock::SystemClock;
use super::config::{Config, LoadError};
use super::controller::Controller;
use super::dumps;
use super::election::{Election, Standing};
use super::keys::{Keys, Place, chain};
use super::lists::{Lists, WATCHES};
use super::measure::{Measure, observed};
use super::namespaces;
use super::proxies;
use super::roots::Roots;
use super::view::StoreView;
use super::watches::{after_what_they_name, credentials_of, follow_credentials, follow_secrets};
use crate::cluster::{self, ConnectError, KubeCluster, Reporter, SecretStore, WatchClients};
use crate::entra::{self, Authorities, BuildError, DeclarationError, Peer};
use crate::plan::policy::Policy;
use crate::reconcile::Shared;
use crate::reconcile::ports::{Clock, Ports};
use crate::secrets::Keyring;
use crate::telemetry::audit::Audit;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::server::{Addresses, BindError, Listeners};

/// How often liveness is fed.
const SWEEP: Duration = Duration::from_secs(30);

/// Pause before the keys are asked for again at start.
const KEYS_AGAIN: Duration = Duration::from_secs(2);

const KEYS: &str = "keys";
const LEADER: &str = "leader";

/// Why the operator could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// A declared authority is wrong.
    #[error(transparent)]
    Authority(#[from] DeclarationError),
    /// No client for the identity provider.
    #[error(transparent)]
    Entra(#[from] BuildError),
    /// No client for the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A listener could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// The ports of the real process.
#[derive(Debug)]
pub(super) struct RealPorts {
    cluster: Arc<KubeCluster>,
    provider: entra::Client,
    keys: Arc<Keys>,
    view: StoreView,
    clock: SystemClock,
    policy: Policy,
}

impl Ports for RealPorts {
    type Cluster = KubeCluster;
    type Provider = entra::Client;
    type Vault = Keyring;
    type Keys = Keys;
    type View = StoreView;
    type Clock = SystemClock;

    fn cluster(&self) -> &KubeCluster {
        &self.cluster
    }

    fn provider(&self) -> &entra::Client {
        &self.provider
    }

    fn vault(&self) -> &Keyring {
        self.keys.ring()
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn view(&self) -> &StoreView {
        &self.view
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// What exists before the keys do.
struct Base {
    config: Config,
    identity: String,
    namespace: String,
    client: kube::Client,
    watching: WatchClients,
    cluster: Arc<KubeCluster>,
    store: Arc<SecretStore>,
    scopes: Vec<cluster::Scope>,
    clock: SystemClock,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    measure: Arc<Measure>,
    stop: CancellationToken,
}

/// Serves until `until` resolves, then shuts down in order.
pub async fn run(args: RunArgs, until: impl Future<Output = ()>) -> Result<(), RunError> {
    if let Err(error) = dumps::forbid() {
        tracing::warn!(%error, "core dumps could not be forbidden: see to it that the container runtime makes none");
    }
    let base = Base::set_up(args).await?;
    let authorities = base.config.offered()?;
    let listeners = Listeners::bind(Addresses {
        health: base.config.http.health,
        metrics: base.config.http.metrics,
    })?;
    if let Ok(bound) = listeners.addresses() {
        tracing::info!(health = %bound.health, metrics = %bound.metrics, "listening");
    }
    let serving = tokio::spawn(listeners.serve(
        Arc::clone(&base.health),
        Arc::clone(&base.metrics),
        base.stop.clone(),
    ));
    let stop = base.stop.clone();
    let work = base.work(authorities);
    tokio::pin!(until, work);
    let result = tokio::select! {
        result = &mut work => result,
        () = &mut until => {
            tracing::info!("stopping");
            stop.cancel();
            work.await
        }
    };
    stop.cancel();
    let _served = serving.await;
    result
}

impl Base {
    async fn set_up(args: RunArgs) -> Result<Self, RunError> {
        let config = Config::load(args.config.as_deref())?;
        proxies::tell(&config);
        let clock = SystemClock::start();
        let reach = cluster::configure(args.kubeconfig.as_deref()).await?;
        let scopes = cluster::scopes(&config.scope.names().unwrap_or_default());
        let watching = WatchClients::new(&reach, &scopes)?;
        let client = cluster::connect(&reach)?;
        let store = Arc::new(SecretStore::new(&cluster::secret_watches(&scopes)));
        let identity = args.pod.identity();
        let reporter = Reporter {
            instance: identity.clone(),
            now: super::clock::timestamp,
        };
        let metrics = Arc::new(Metrics::new(config.metrics.per_object));
        let measure = Arc::new(Measure {
            metrics: Arc::clone(&metrics),
            audit: Audit {
                user_names: config.audit.user_names,
            },
        });
        let cluster = Arc::new(KubeCluster::new(
            client.clone(),
            Arc::clone(&store),
            reporter,
            Arc::clone(&measure) as _,
        ));
        let conditions = [
            (WATCHES, "the watches have not been listed yet"),
            (KEYS, "the sealing keys have not been loaded yet"),
            (LEADER, "the leader election has not begun yet"),
        ];
        let health = Health::new(&conditions, Arc::new(move || clock.monotonic()));
        Ok(Self {
            identity,
            namespace: args.pod.namespace,
            client,
            watching,
            cluster,
            store,
            scopes,
            clock,
            health: Arc::new(health),
            metrics,
            measure,
            stop: CancellationToken::new(),
            config,
        })
    }

    async fn work(self, authorities: Authorities) -> Result<(), RunError> {
        let lists = Arc::new(self.lists());
        let begins = |watch: &cluster::Watch| {
            let (watch, lists) = (watch.clone(), Arc::clone(&lists));
            async move { lists.begins(&watch).await }
        };
        let secrets = cluster::watch_secrets(
            &self.watching,
            &cluster::secret_watches(&self.scopes),
            &self.store.rewound(),
            begins,
        );
        let (relay, changes) = tokio::sync::mpsc::unbounded_channel();
        let feeding = {
            let (store, lists) = (Arc::clone(&self.store), Arc::clone(&lists));
            tokio::spawn(async move { feed(secrets, &store, &relay, &lists).await })
        };
        let Some(keys) = self.keys(&lists).await else {
            return Ok(());
        };
        self.health.met(KEYS);
        let ports = Arc::new(self.ports(authorities, Arc::clone(&keys))?);
        let trusting = {
            let ports = Arc::clone(&ports);
            let trust = move |peer: &Peer, pem: &[u8]| ports.provider.trust(peer, pem);
            let mut roots = Roots::of(&self.config);
            // Before the first pass: a file that is there delays nobody.
            roots.look(&trust).await;
            tokio::spawn(roots.follow(trust))
        };
        let observer = Arc::clone(&self.measure);
        let controller = Arc::new(Controller::new(
            Arc::clone(&ports),
            Arc::new(Shared::new(observer)),
        ));
        let calling = tokio::spawn(call(ports, Arc::clone(&controller)));
        self.serve(controller, keys, changes, lists).await;
        feeding.abort();
        calling.abort();
        trusting.abort();
        Ok(())
    }

    fn ports(&self, authorities: Authorities, keys: Arc<Keys>) -> Result<RealPorts, RunError> {
        let provider = entra::Client::new(authorities, limits(&self.config), Arc::new(self.clock))?
            .federated(federation(&self.config.federation));
        Ok(RealPorts {
            cluster: Arc::clone(&self.cluster),
            provider: provider.observed_by(Arc::clone(&self.measure) as _),
            keys,
            view: StoreView::new(Arc::clone(&self.store)),
            clock: self.clock,
            policy: self.config.policy.clone(),
        })
    }

    /// Waits for the Secrets that can be read, then for the keys; `None` when it is time to stop.
    async fn keys(&self, lists: &Lists) -> Option<Arc<Keys>> {
        let known = lists.secrets_known();
        tokio::pin!(known);
        loop {
            self.health.swept(Duration::ZERO);
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = &mut known => break,
                () = tokio::time::sleep(KEYS_AGAIN) => {}
            }
        }
        let place = self.key_place();
        loop {
            match place.load(self.clock.now()).await {
                Ok(loaded) => {
                    let clock = self.clock;
                    let monotonic = Arc::new(move || clock.monotonic());
                    return Some(Arc::new(Keys::new(place, loaded, clock.now(), monotonic)));
                }
                Err(error) => {
                    let why = chain(&error);
                    tracing::error!(error = why, "no sealing keys");
                    self.health.unmet(KEYS, why);
                    // Unready, but alive: a restart would not bring the keys back.
                    self.health.swept(Duration::ZERO);
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(KEYS_AGAIN) => {}
            }
        }
    }

    fn lists(&self) -> Lists {
        Lists::new(Arc::clone(&self.health), Arc::clone(&self.metrics), &self.scopes)
    }

    fn key_place(&self) -> Place {
        Place::new(
            Arc::clone(&self.cluster),
            Arc::clone(&self.store),
            self.config.sealing.clone(),
            self.namespace.clone(),
        )
    }

    async fn serve(
        &self,
        controller: Arc<Controller<RealPorts>>,
        keys: Arc<Keys>,
        mut changes: tokio::sync::mpsc::UnboundedReceiver<cluster::Altered>,
        lists: Arc<Lists>,
    ) {
        let election = self.elect();
        self.measure(&controller, keys.ring().clone());
        let each = |scope: &cluster::Scope| {
            let credentials = cluster::watch_credentials(&self.watching, scope.clone(), self.store.rewound());
            let credentials = after_what_they_name(credentials, Arc::clone(&lists));
            credentials_of(scope.clone(), credentials, Arc::clone(&lists))
        };
        let credentials = select_all(self.scopes.iter().map(each));
        let looking = tokio::spawn(namespaces::look(
            self.scopes.clone(),
            Arc::clone(&controller),
            Arc::clone(&self.cluster),
            Arc::clone(&lists),
            self.clock,
        ));
        let following = {
            let controller = Arc::clone(&controller);
            tokio::spawn(async move { follow_credentials(credentials, controller, &lists).await })
        };
        let telling = {
            let controller = Arc::clone(&controller);
            tokio::spawn(async move { follow_secrets(&mut changes, &controller).await })
        };
        let all = Arc::clone(&controller);
        let stop = self.stop.clone();
        let keeping = tokio::spawn(async move { keys.keep(move || all.look_at_all(), stop).await });
        let sweeping = tokio::spawn(sweep(Arc::clone(&controller), Arc::clone(&self.health)));
        let comparing = tokio::spawn(look_at_present(Arc::clone(&self.cluster), self.scopes.clone()));
        let leading = tokio::spawn(tell_leading(
            election.standing(),
            Arc::clone(&self.metrics),
            Arc::clone(&self.health),
        ));
        let in_flight = usize::from(self.config.limits.reconciles_in_flight);
        controller
            .run(in_flight, election.standing(), self.stop.clone())
            .await;
        // None of them may outlive the Lease.
        for task in [looking, following, telling, keeping, sweeping, comparing, leading] {
            task.abort();
        }
        election.release().await;
    }

    fn elect(&self) -> Election {
        Election::start(
            self.client.clone(),
            &self.namespace,
            &self.identity,
            self.config.leader_election,
            self.clock,
            Arc::clone(&self.store),
        )
    }

    fn measure(&self, controller: &Arc<Controller<RealPorts>>, keys: Keyring) {
        let (controller, store, clock) = (Arc::clone(controller), Arc::clone(&self.store), self.clock);
        self.metrics
            .observe(Box::new(move || observed(&controller, &store, &keys, &clock)));
    }
}

pub(super) fn limits(config: &Config) -> entra::Limits {
    entra::Limits {
        in_flight: config.limits.requests_in_flight,
        per_second_per_tenant: config.limits.requests_per_second_per_tenant.get(),
    }
}

fn federation(configured: &super::config::Federation) -> entra::Federation {
    entra::Federation {
        allowed_hosts: configured.allowed_hosts.clone(),
        ca_file: configured.ca_file.clone(),
    }
}

/// Takes Secrets' changes into the store from the first moment, and tells the controller once there is one.
async fn feed(
    changes: cluster::SecretChanges,
    store: &SecretStore,
    relay: &tokio::sync::mpsc::UnboundedSender<cluster::Altered>,
    lists: &Lists,
) {
    super::watches::store_secrets(changes, store, |altered| drop(relay.send(altered)), lists).await;
}

/// A replica that does not lead is ready all the same; one that may not take part is not.
async fn tell_leading(
    mut standing: tokio::sync::watch::Receiver<Standing>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
) {
    loop {
        let now = standing.borrow_and_update().clone();
        let known = matches!(now, Standing::Leads | Standing::LedBy(_));
        metrics.leading(now.leads(), known);
        match now {
            Standing::Leads => told(&health, "this replica leads"),
            Standing::LedBy(other) => told(&health, &format!("{other} leads")),
            Standing::Nobody(why) => told(&health, &format!("nobody leads: {why}")),
            Standing::Forbidden(why) => {
                tracing::error!(why, "leader election");
                health.unmet(LEADER, why);
            }
        }
        if standing.changed().await.is_err() {
            return;
        }
    }
}

fn told(health: &Health, what: &str) {
    tracing::info!(what, "leader election");
    health.told(LEADER, what);
}

/// Gives a pass to whom the provider's gate calls.
async fn call(ports: Arc<RealPorts>, controller: Arc<Controller<RealPorts>>) {
    loop {
        controller.called(&ports.provider.turn().await);
    }
}

/// Whether etcd was set back, which not every watch notices. One scope that answers tells it for all.
async fn look_at_present(cluster: Arc<KubeCluster>, scopes: Vec<cluster::Scope>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for scope in &scopes {
            if cluster.look_at_present(scope).await.is_ok() {
                break;
            }
        }
    }
}

/// Liveness: the sweep ticks, and no wake time is long past without a pass while this process leads.
async fn sweep(controller: Arc<Controller<RealPorts>>, health: Arc<Health>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        health.swept(controller.overdue());
    }
}
