//! Stage two: every key becomes a validated value or its default.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::document::{Node, Section};
use super::names::{is_label, is_subdomain};
use super::{
    Audit, Authority, Config, ConfigError, Federation, Http, LeaderElection, Limits, Metrics, Scope, Sealing,
    WorkloadIdentity, policy,
};
use crate::api::Cloud;
use crate::entra::Kind;
use crate::entra::authority::CLOUDS;

const TOP: &[&str] = &[
    "watch",
    "sealing",
    "authorities",
    "federation",
    "policy",
    "limits",
    "http",
    "workloadIdentity",
    "leaderElection",
    "metrics",
    "audit",
];

/// The whole document.
pub(super) fn config(document: Node) -> Result<Config, ConfigError> {
    let mut top = document.section(TOP)?;
    let authorities = resolved(top.take("authorities"), authorities)?;
    Ok(Config {
        scope: resolved(top.take("watch"), scope)?,
        sealing: resolved(top.take("sealing"), sealing)?,
        policy: policy::policy(top.given("policy", policy::NOTHING)?, &authorities)?,
        authorities,
        federation: resolved(top.take("federation"), federation)?,
        limits: resolved(top.take("limits"), limits)?,
        http: resolved(top.take("http"), http)?,
        workload_identity: resolved(top.take("workloadIdentity"), workload_identity)?,
        leader_election: resolved(top.take("leaderElection"), leader_election)?,
        metrics: resolved(top.take("metrics"), metrics)?,
        audit: resolved(top.take("audit"), audit)?,
    })
}

/// The value of a node, or the default where there is none.
fn resolved<T: Default>(
    node: Option<Node>,
    resolve: impl FnOnce(Node) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    node.map_or_else(|| Ok(T::default()), resolve)
}

fn scope(node: Node) -> Result<Scope, ConfigError> {
    let mut section = node.section(&["namespaces"])?;
    let names = resolved(section.take("namespaces"), namespaces)?;
    Ok(if names.is_empty() {
        Scope::Cluster
    } else {
        Scope::Namespaces(names)
    })
}

fn namespaces(node: Node) -> Result<BTreeSet<String>, ConfigError> {
    node.list("a list of namespaces, for example [etl, reports]")?
        .iter()
        .map(|item| label(item, "the name of a namespace, for example etl"))
        .collect()
}

fn sealing(node: Node) -> Result<Sealing, ConfigError> {
    let mut section = node.section(&["keySecret", "keyFile"])?;
    match (section.take("keySecret"), section.take("keyFile")) {
        (Some(_), Some(file)) => Err(file.invalid("excludes `sealing.keySecret`: keep one of the two")),
        (None, Some(file)) => Ok(Sealing::KeyFile(
            file.absolute_path("/etc/entra-operator/keys.json")?,
        )),
        (Some(secret), None) => Ok(Sealing::KeySecret(secret_name(&secret)?)),
        (None, None) => Ok(Sealing::default()),
    }
}

fn secret_name(node: &Node) -> Result<String, ConfigError> {
    let wanted = "the name of a Secret in the operator's namespace, for example entra-operator-keys";
    let name = node.text(wanted)?;
    if is_subdomain(name) {
        Ok(name.to_owned())
    } else {
        Err(node.unlike(wanted))
    }
}

fn authorities(node: Node) -> Result<Vec<Authority>, ConfigError> {
    let mut resolved: Vec<Authority> = Vec::new();
    for item in node.list("a list of authorities, each with name, kind and url")? {
        let authority = authority(item, &resolved)?;
        resolved.push(authority);
    }
    Ok(resolved)
}

fn authority(node: Node, earlier: &[Authority]) -> Result<Authority, ConfigError> {
    let mut section = node.section(&["name", "kind", "url", "caFile", "namespaces"])?;
    let name = authority_name(&mut section, earlier)?;
    let kind = authority_kind(&mut section)?;
    Ok(Authority {
        name,
        kind,
        url: authority_url(&mut section, kind)?,
        ca_file: ca_file(&mut section)?,
        namespaces: resolved(section.take("namespaces"), authority_namespaces)?,
    })
}

fn authority_name(section: &mut Section, earlier: &[Authority]) -> Result<String, ConfigError> {
    let wanted = "a name that spec.authority can use: lower-case letters, digits and dashes, for example lab";
    let node = section.require("name", wanted)?;
    let name = label(&node, wanted)?;
    if earlier.iter().any(|authority| authority.name == name) {
        return Err(node.invalid(format!(
            "is \"{name}\" a second time: give each authority a name of its own"
        )));
    }
    Ok(name)
}

fn authority_kind(section: &mut Section) -> Result<Kind, ConfigError> {
    let wanted = format!("one of {}", Kind::names());
    let node = section.require("kind", &wanted)?;
    node.text(&wanted)?.parse().map_err(|_| node.unlike(&wanted))
}

fn authority_url(section: &mut Section, kind: Kind) -> Result<String, ConfigError> {
    let wanted = "an https URL with a host, for example https://login.contoso.example";
    let node = section.require("url", wanted)?;
    let text = node.text(wanted)?;
    match kind.url(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(problem) => Err(node.invalid(problem.to_string())),
    }
}

fn ca_file(section: &mut Section) -> Result<Option<PathBuf>, ConfigError> {
    let file = section.take("caFile");
    file.map(|file| file.absolute_path("/etc/entra-operator/ca.pem"))
        .transpose()
}

fn authority_namespaces(node: Node) -> Result<Scope, ConfigError> {
    let empty = node.invalid("is empty: leave it out for all namespaces, or name at least one");
    let names = namespaces(node)?;
    if names.is_empty() {
        Err(empty)
    } else {
        Ok(Scope::Namespaces(names))
    }
}

fn federation(node: Node) -> Result<Federation, ConfigError> {
    let mut section = node.section(&["allowedHosts", "caFile"])?;
    Ok(Federation {
        allowed_hosts: resolved(section.take("allowedHosts"), allowed_hosts)?,
        ca_file: ca_file(&mut section)?,
    })
}

fn allowed_hosts(node: Node) -> Result<BTreeSet<String>, ConfigError> {
    node.list("a list of hosts, for example [sts.fed.example]")?
        .iter()
        .map(allowed_host)
        .collect()
}

/// A host and maybe a port, as a URL parser writes it: in lower case, and without the default port.
fn allowed_host(node: &Node) -> Result<String, ConfigError> {
    let wanted = "a host, maybe with a port, for example sts.fed.example or sts.fed.example:8443";
    let text = node.text(wanted)?;
    let url = Url::parse(&format!("https://{text}")).ok().filter(names_one_host);
    let url = url.ok_or_else(|| node.unlike(wanted))?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
    let with_port = port.map_or_else(String::new, |port| format!("{host}:{port}"));
    if ![host, with_port.as_str()].contains(&text.to_ascii_lowercase().as_str()) {
        return Err(node.unlike(wanted));
    }
    Ok(if url.port().is_some() {
        with_port
    } else {
        host.to_owned()
    })
}

/// Not a pattern such as `*.fed.example`, which a URL parser lets pass.
fn names_one_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_subdomain(name),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

fn limits(node: Node) -> Result<Limits, ConfigError> {
    let mut section = node.section(&[
        "requestsInFlight",
        "requestsPerSecondPerTenant",
        "reconcilesInFlight",
    ])?;
    let default = Limits::default();
    let in_flight = limit(section.take("requestsInFlight"), 32)?;
    let per_tenant = limit(section.take("requestsPerSecondPerTenant"), 10)?;
    let reconciles = limit(section.take("reconcilesInFlight"), 64)?;
    Ok(Limits {
        requests_in_flight: in_flight.map_or(default.requests_in_flight, usize::from),
        requests_per_second_per_tenant: per_tenant
            .and_then(|n| NonZeroU32::new(n.into()))
            .unwrap_or(default.requests_per_second_per_tenant),
        reconciles_in_flight: reconciles.unwrap_or(default.reconciles_in_flight),
    })
}

fn limit(node: Option<Node>, example: u16) -> Result<Option<u16>, ConfigError> {
    node.map(|node| node.integer(1..=1000, example)).transpose()
}

fn http(node: Node) -> Result<Http, ConfigError> {
    let mut section = node.section(&["health", "metrics"])?;
    let default = Http::default();
    let (health, metrics) = (section.take("health"), section.take("metrics"));
    let resolved = Http {
        health: address(health.as_ref(), default.health)?,
        metrics: address(metrics.as_ref(), default.metrics)?,
    };
    match metrics.or(health) {
        Some(node) if resolved.health == resolved.metrics && resolved.health.port() != 0 => {
            Err(node
                .invalid("must differ from the other address: http.health and http.metrics need a port each"))
        }
        _ => Ok(resolved),
    }
}

fn address(node: Option<&Node>, default: SocketAddr) -> Result<SocketAddr, ConfigError> {
    let Some(node) = node else { return Ok(default) };
    let wanted = format!("an IP address and a port in quotes, for example \"{default}\"");
    node.text(&wanted)?.parse().map_err(|_| node.unlike(&wanted))
}

fn workload_identity(node: Node) -> Result<WorkloadIdentity, ConfigError> {
    let mut section = node.section(&["audiences"])?;
    Ok(WorkloadIdentity {
        audiences: resolved(section.take("audiences"), audiences)?,
    })
}

fn audiences(node: Node) -> Result<BTreeMap<Cloud, String>, ConfigError> {
    let names = CLOUDS.map(|(cloud, _)| cloud.name());
    let mut section = node.section(&names)?;
    let written = CLOUDS
        .into_iter()
        .filter_map(|(cloud, _)| Some((cloud, section.take(cloud.name())?)));
    written
        .map(|(cloud, node)| Ok((cloud, audience(&node)?)))
        .collect()
}

/// What the API server takes and a token can name: visible characters.
fn audience(node: &Node) -> Result<String, ConfigError> {
    let wanted = "the audience of a federated credential, for example api://AzureADTokenExchange";
    let text = node.text(wanted)?;
    let fits = (1..=600).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic());
    fits.then(|| text.to_owned()).ok_or_else(|| node.unlike(wanted))
}

fn leader_election(node: Node) -> Result<LeaderElection, ConfigError> {
    let mut section = node.section(&["enabled", "leaseSeconds"])?;
    let default = LeaderElection::default();
    let seconds = section.take("leaseSeconds").map(|node| node.integer(3..=300, 15));
    Ok(LeaderElection {
        enabled: switch(section.take("enabled"), default.enabled)?,
        lease: seconds
            .transpose()?
            .map_or(default.lease, |s| Duration::from_secs(s.into())),
    })
}

fn metrics(node: Node) -> Result<Metrics, ConfigError> {
    let mut section = node.section(&["perObject"])?;
    Ok(Metrics {
        per_object: switch(section.take("perObject"), Metrics::default().per_object)?,
    })
}

fn audit(node: Node) -> Result<Audit, ConfigError> {
    let mut section = node.section(&["userNames"])?;
    Ok(Audit {
        user_names: switch(section.take("userNames"), Audit::default().user_names)?,
    })
}

fn switch(node: Option<Node>, default: bool) -> Result<bool, ConfigError> {
    node.map_or(Ok(default), |node| node.boolean())
}

/// A DNS label: the name of a namespace or an authority.
fn label(node: &Node, wanted: &str) -> Result<String, ConfigError> {
    let name = node.text(wanted)?;
    if is_label(name) {
        Ok(name.to_owned())
    } else {
        Err(node.unlike(wanted))
    }
}
