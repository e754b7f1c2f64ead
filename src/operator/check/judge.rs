//! What the operator itself would refuse, once an object is in the cluster: by its configuration, and by what an authority takes.

use super::configured::Configured;
use super::explain::{self, Explained};
use super::finding::Finding;
use crate::api::{ClientCredential, EntraCredentialSpec, Realm};
use crate::entra::authority::Route;
use crate::plan::policy::{Permission, Place};
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::Wanted;

/// The explanation, or what is wrong by what the operator itself checks, and what may not be meant.
pub(super) fn credential(
    spec: &EntraCredentialSpec,
    place: Place<'_>,
    configured: &Configured,
    warnings: &mut Vec<Finding>,
) -> Result<Option<Explained>, Vec<Finding>> {
    if let (Some(name), None) = (&spec.authority, &configured.config) {
        let sentence = format!(
            "{name} is declared in the operator's configuration: give that with --config to have it checked and explained"
        );
        warnings.push(Finding::at("spec.authority", sentence));
        return Ok(None);
    }
    let (binding, route) = target(spec, configured)?;
    let permission = configured.permission(place, &binding);
    let problems: Vec<_> = [
        not_served(place, configured),
        not_permitted(&permission),
        workload_identity(spec, &route),
        openid(spec, &route),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    warnings.extend(federation(spec, configured));
    Ok(Some(explain::explained(
        spec,
        place,
        (&binding, &route),
        &permission,
        configured,
    )))
}

fn target(spec: &EntraCredentialSpec, configured: &Configured) -> Result<(Binding, Route), Vec<Finding>> {
    let wanted = Wanted {
        cloud: spec.cloud,
        authority: spec.authority.as_deref(),
        tenant: spec.tenant.as_deref(),
        client_id: &spec.client_id,
    };
    let authorities = &configured.authorities;
    let binding = authorities.binding(&wanted);
    let routed = binding.and_then(|binding| {
        let route = authorities.route(spec.cloud, wanted.authority, &binding)?;
        Ok((binding, route))
    });
    routed.map_err(|refused| vec![Finding::at("spec", refused.message)])
}

fn not_served(place: Place<'_>, configured: &Configured) -> Option<Finding> {
    let config = configured.config.as_ref()?;
    let served = config.scope.covers(place.namespace);
    (!served).then(|| {
        let sentence = format!(
            "{} is not among watch.namespaces of the configuration",
            place.namespace
        );
        Finding::at("metadata.namespace", sentence)
    })
}

fn not_permitted(permission: &Permission) -> Option<Finding> {
    match permission {
        Permission::Denied(message) => Some(Finding::at("spec", message)),
        Permission::Granted | Permission::Unresolved => None,
    }
}

fn workload_identity(spec: &EntraCredentialSpec, route: &Route) -> Option<Finding> {
    let asked = matches!(
        spec.client_credential,
        Some(ClientCredential::WorkloadIdentity(_))
    );
    (asked && route.audience.is_none()).then(|| {
        let sentence = "the token of a workload identity is good at Entra ID only: use a client secret or a certificate, \
                        or an authority of kind Entra";
        Finding::at("spec.clientCredential.workloadIdentity", sentence)
    })
}

/// Without a named authority the schema says so.
fn openid(spec: &EntraCredentialSpec, route: &Route) -> Option<Finding> {
    let ours = |scope: &String| ["openid", "profile"].contains(&scope.to_ascii_lowercase().as_str());
    let named = spec.tokens.iter().position(|token| token.scopes.iter().any(ours));
    named.filter(|_| !route.takes_openid).map(|index| {
        let sentence = "openid and profile name no API here: leave them out, the operator adds them";
        Finding::at(&format!("spec.tokens[{index}].scopes"), sentence)
    })
}

fn federation(spec: &EntraCredentialSpec, configured: &Configured) -> Option<Finding> {
    let config = configured.config.as_ref()?;
    let refused = spec.login.realm == Some(Realm::Federated) && config.federation.allowed_hosts.is_empty();
    refused.then(|| {
        let sentence = "federation.allowedHosts of the configuration is empty: federated accounts are refused, and the message \
                        names the host to add";
        Finding::at("spec.login.realm", sentence)
    })
}
