//! `entra-operator selftest`: is everything there that `run` needs?
//!
//! # Guarantees
//!
//! - Nothing is written, and no credential leaves: sign-in hosts are asked for their public documents.
//! - It has no right of its own: what it asks the API server, `run` may ask, or everybody.
//! - What is missing is named, with what to do about it.

mod definition;
mod report;
mod rights;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use report::Report;

use self::report::Finding;
use super::cli::SelftestArgs;
use super::clock::{SystemClock, timestamp};
use super::config::Config;
use super::keys::{Place, chain};
use super::lists::{NOT_INSTALLED, missing};
use super::roots::Roots;
use super::run::{RunError, limits};
use crate::api::Cloud;
use crate::cluster::{self, KubeCluster, Reporter, Scope, SecretStore};
use crate::entra::{Client, Host, Peer, SKEW_MIN};
use crate::plan::Time;
use crate::reconcile::ports::{Clock as _, Cluster as _, ClusterError};

/// Looks at everything. An error means that it could not begin.
pub(super) async fn look(args: &SelftestArgs) -> Result<Report, RunError> {
    let selftest = Selftest::set_up(args).await?;
    Ok(selftest.report(&args.cloud).await)
}

struct Selftest {
    config: Config,
    cluster: Arc<KubeCluster>,
    scopes: Vec<Scope>,
    provider: Client,
    keys: Place,
    clock: SystemClock,
    namespace: String,
}

impl Selftest {
    async fn set_up(args: &SelftestArgs) -> Result<Self, RunError> {
        let config = Config::load(args.config.as_deref())?;
        let authorities = config.offered()?;
        let clock = SystemClock::start();
        let provider = Client::new(authorities, limits(&config), Arc::new(clock))?;
        let client = cluster::connect(&cluster::configure(args.kubeconfig.as_deref()).await?)?;
        let store = Arc::new(SecretStore::new(&[]));
        let reporter = Reporter {
            instance: args.pod.identity(),
            now: timestamp,
        };
        let unheard = Arc::new(|_, _, _: Result<(), &ClusterError>| ());
        let cluster = Arc::new(KubeCluster::new(client, Arc::clone(&store), reporter, unheard));
        let namespace = args.pod.namespace.clone();
        Ok(Self {
            scopes: cluster::scopes(&config.scope.names().unwrap_or_default()),
            keys: Place::new(
                Arc::clone(&cluster),
                store,
                config.sealing.clone(),
                namespace.clone(),
            ),
            config,
            cluster,
            provider,
            clock,
            namespace,
        })
    }

    /// Without an API server that answers there is nothing else to say.
    async fn report(&self, clouds: &[Cloud]) -> Report {
        let (before, date, after) = (self.clock.now(), self.cluster.date().await, self.clock.now());
        let served = self.cluster.served_schema().await;
        let (Some(date), Ok(served)) = (date, served.as_ref()) else {
            return Report::of([no_answer(served.err())]);
        };
        let mut report = Report::of([
            Finding::fine("API server", "it answers"),
            of_clock(before, after, date),
            of_definition(served.as_ref()),
        ]);
        report.extend(self.of_rights().await);
        report.extend(self.of_namespaces().await);
        report.extend([self.of_keys().await]);
        report.extend(self.of_hosts(clouds).await);
        report
    }

    async fn of_rights(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (subject, needed) in rights::needed(&self.config, &self.scopes, &self.namespace) {
            let count = needed.len();
            match self.cluster.missing(needed).await {
                Ok(missing) if missing.is_empty() => {
                    findings.push(Finding::fine("rights", format!("{subject}: all {count}")));
                }
                Ok(missing) => findings.extend(missing.iter().map(rights::lacks)),
                Err(error) => findings.push(Finding::wrong("rights", format!("{subject}: {error}"), "")),
            }
        }
        findings
    }

    async fn of_namespaces(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for namespace in self.scopes.iter().flatten() {
            // A right that is missing is told among the rights.
            if self.cluster.namespace_active(namespace).await == Ok(false) {
                let remedy = "Create it, or take it out of watch.namespaces.";
                findings.push(Finding::wrong("namespaces", missing(namespace), remedy));
            }
        }
        findings
    }

    async fn of_keys(&self) -> Finding {
        match self.keys.stored().await {
            Ok(Some(loaded)) => {
                let count = loaded.keys.ids().count();
                Finding::fine("sealing keys", format!("{count} in {}", self.keys))
            }
            Ok(None) => Finding::wrong(
                "sealing keys",
                format!("{} does not exist", self.keys),
                "The operator creates it at its start, if no refresh token is sealed by other keys: see its log. After a \
                 restore, restore it first.",
            ),
            Err(error) => Finding::wrong(
                "sealing keys",
                chain(&error),
                "See \"Sealing keys\" in docs/configuration.md.",
            ),
        }
    }

    async fn of_hosts(&self, asked: &[Cloud]) -> Vec<Finding> {
        let trust = |peer: &Peer, pem: &[u8]| self.provider.trust(peer, pem);
        Roots::of(&self.config).look(&trust).await;
        let mut findings = Vec::new();
        for authority in &self.config.authorities {
            let subject = format!("authority {} at {}", authority.name, authority.url);
            findings.push(self.of_host(Host::Declared(&authority.name), subject).await);
        }
        for cloud in self.clouds(asked).await {
            let subject = format!("cloud {}", cloud.name());
            findings.push(self.of_host(Host::Cloud(cloud), subject).await);
        }
        findings
    }

    async fn of_host(&self, host: Host<'_>, subject: String) -> Finding {
        match self.provider.reach(host).await {
            Ok(()) => Finding::fine("sign-in hosts", format!("{subject} answers")),
            Err(refusal) => Finding::wrong(
                "sign-in hosts",
                format!("{subject}: {}", refusal.message),
                refusal.remedy,
            ),
        }
    }

    /// Those that somebody asked for, and those that a credential signs in at.
    async fn clouds(&self, asked: &[Cloud]) -> BTreeSet<Cloud> {
        let mut clouds: BTreeSet<_> = asked.iter().copied().collect();
        for scope in &self.scopes {
            // A right that is missing, or no definition, is told elsewhere.
            let sources = self.cluster.sources(scope).await.unwrap_or_default();
            let of_clouds = sources.into_iter().filter(|source| source.authority.is_none());
            clouds.extend(of_clouds.map(|source| source.cloud.unwrap_or(Cloud::Public)));
        }
        clouds
    }
}

fn no_answer(error: Option<ClusterError>) -> Finding {
    let why = error.map_or_else(
        || "it did not answer, or not with its time".to_owned(),
        |e| e.to_string(),
    );
    let remedy =
        "Nothing else was looked at. Check the NetworkPolicy, and the token or kubeconfig that is used.";
    Finding::wrong("API server", why, remedy)
}

/// The API server's clock may stand anywhere between the question and the answer.
fn of_clock(before: Time, after: Time, date: Time) -> Finding {
    let off = if date < before {
        date.since(before)
    } else {
        date.since(after).max(0)
    };
    if off.abs() <= SKEW_MIN {
        return Finding::fine("clock", format!("within {SKEW_MIN} s of the API server's"));
    }
    let sense = if off > 0 { "behind" } else { "ahead of" };
    Finding::wrong(
        "clock",
        format!(
            "{} s {sense} the API server's, which is more than {SKEW_MIN} s",
            off.abs()
        ),
        "Set the node's time (NTP).",
    )
}

fn of_definition(served: Option<&serde_json::Value>) -> Finding {
    let apply = "Apply the manifests in crds/, or upgrade the chart.";
    let Some(served) = served else {
        return Finding::wrong("definition", NOT_INSTALLED, apply);
    };
    match definition::compare(served) {
        definition::Served::Same => Finding::fine("definition", "it is that of this version"),
        definition::Served::Lacks(what) => Finding::wrong(
            "definition",
            format!("it is that of another version: it lacks {what}"),
            apply,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_may_be_off_by_a_minute() {
        let off = |seconds: i64| of_clock(Time(1000), Time(1002), Time(seconds));
        for seconds in [940, 1000, 1001, 1062] {
            assert!(off(seconds).is_fine(), "{seconds}");
        }
        for (seconds, told) in [(939, "61 s ahead of"), (1063, "61 s behind")] {
            assert!(!off(seconds).is_fine() && format!("{:?}", off(seconds)).contains(told));
        }
    }
}
