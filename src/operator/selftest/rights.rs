//! The rights that `run` needs: those of the manifests (deploy/chart/templates/_rights.tpl and rbac.yaml), one by one.

use std::sync::Arc;

use super::report::Finding;
use crate::cluster::{Right, Scope, place};
use crate::operator::config::{Config, LEASE_NAME, Sealing};
use crate::operator::rights::SERVED;

const LEASES: (&str, &str) = ("coordination.k8s.io", "leases");
const SECRETS: (&str, &str) = ("", "secrets");

/// What is needed, by the place where it is.
pub(super) fn needed(config: &Config, scopes: &[Scope], own: &str) -> Vec<(String, Vec<Right>)> {
    let mut all: Vec<_> = scopes.iter().map(|scope| (place(scope), served(scope))).collect();
    let own: Scope = Some(Arc::from(own));
    let rights = in_own(config, &own);
    if !rights.is_empty() {
        all.push((format!("{}, its own", place(&own)), rights));
    }
    all
}

fn served(scope: &Scope) -> Vec<Right> {
    let of = |(group, resource, verbs): &(&'static str, &'static str, &'static [&'static str])| {
        rights((group, resource), verbs, None, scope)
    };
    SERVED.iter().flat_map(of).collect()
}

fn in_own(config: &Config, own: &Scope) -> Vec<Right> {
    let mut all = Vec::new();
    if config.leader_election.enabled {
        all.extend(rights(LEASES, &["create"], None, own));
        all.extend(rights(LEASES, &["get", "patch"], Some(LEASE_NAME), own));
    }
    if let Sealing::KeySecret(name) = &config.sealing {
        all.extend(rights(SECRETS, &["create"], None, own));
        all.extend(rights(SECRETS, &["get", "patch"], Some(name), own));
    }
    all
}

fn rights(
    (group, resource): (&'static str, &'static str),
    verbs: &[&'static str],
    name: Option<&str>,
    scope: &Scope,
) -> Vec<Right> {
    let right = |verb: &&'static str| Right {
        verb,
        group,
        resource,
        name: name.map(str::to_owned),
        scope: scope.clone(),
    };
    verbs.iter().map(right).collect()
}

/// What is said of a right that is missing: which, and what to write into which Role.
pub(super) fn lacks(right: &Right) -> Finding {
    let Right {
        verb,
        group,
        resource,
        name,
        scope,
    } = right;
    let role = scope.as_ref().map_or_else(
        || "a ClusterRole, and bind it by a ClusterRoleBinding".to_owned(),
        |namespace| format!("a Role in the namespace {namespace}, and bind it there"),
    );
    let named = name
        .as_ref()
        .map(|name| format!(", resourceNames: [{name}]"))
        .unwrap_or_default();
    let wanted = format!("{{apiGroups: [\"{group}\"], resources: [{resource}]{named}, verbs: [{verb}]}}");
    let remedy = format!("Add {wanted} to {role} to the operator's ServiceAccount; the chart has them all.");
    Finding::wrong("rights", format!("it may not {right}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_follows_the_configuration() {
        let count = |text: &str| {
            let config = Config::parse(text).unwrap();
            needed(&config, &[None], "own")
                .iter()
                .map(|(_, rights)| rights.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(count(""), [13, 6]);
        assert_eq!(count("leaderElection: {enabled: false}"), [13, 3]);
        assert_eq!(
            count("{leaderElection: {enabled: false}, sealing: {keyFile: /keys}}"),
            [13]
        );
    }

    #[test]
    fn a_missing_right_is_named_with_the_rule_that_gives_it() {
        let scope: Scope = Some("etl".into());
        let right = &rights(SECRETS, &["patch"], Some("keys"), &scope)[0];
        let said = format!("{:?}", lacks(right)).replace('\\', "");
        assert!(
            said.contains("it may not patch secrets keys in the namespace etl"),
            "{said}"
        );
        let rule = r#"{apiGroups: [""], resources: [secrets], resourceNames: [keys], verbs: [patch]} to a Role in the namespace etl"#;
        assert!(said.contains(rule), "{said}");
    }
}
