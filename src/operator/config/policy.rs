//! `policy`: what credentials may use. A mistake in it must not open anything: null is an error, and so is a name that
//! would never match.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Node, Section};
use super::names::is_label;
use super::{Authority, ConfigError};
use crate::plan::policy::{Bounds, Name, Names, OTHERS, Policy};

/// What the absence of a key means, as an error about null says it.
pub(super) const NOTHING: &str = "is null: leave it out for no restriction, or write what is allowed";

/// The whole policy; `authorities[].namespaces` belongs to it.
pub(super) fn policy(node: Option<Node>, declared: &[Authority]) -> Result<Policy, ConfigError> {
    let written = node.map(written).transpose()?.unwrap_or_default();
    Ok(Policy {
        authorities: kept(declared),
        ..written
    })
}

fn kept(declared: &[Authority]) -> BTreeMap<String, BTreeSet<String>> {
    let kept = declared.iter().filter_map(|authority| {
        let namespaces = authority.namespaces.names()?;
        Some((authority.name.clone(), namespaces.into_iter().collect()))
    });
    kept.collect()
}

fn written(node: Node) -> Result<Policy, ConfigError> {
    let mut section = node.section(&["tenants", "clientIds", "namespaces"])?;
    Ok(Policy {
        everywhere: Bounds {
            tenants: tenants(&mut section)?,
            client_ids: client_ids(&mut section)?,
            ..Bounds::default()
        },
        namespaces: section
            .given("namespaces", NOTHING)?
            .map_or_else(|| Ok(BTreeMap::new()), namespaces)?,
        authorities: BTreeMap::new(),
    })
}

fn namespaces(node: Node) -> Result<BTreeMap<String, Bounds>, ConfigError> {
    let wanted = "a mapping from namespaces, or * for all others, to what they may use";
    let entries = node.mapping(wanted)?;
    entries
        .into_iter()
        .map(|(name, node)| namespace(name, node))
        .collect()
}

fn namespace(name: String, node: Node) -> Result<(String, Bounds), ConfigError> {
    if name != OTHERS && !is_label(&name) {
        return Err(node.invalid("is not the name of a namespace, nor * for all others"));
    }
    let mut section = node
        .not_null(NOTHING)?
        .section(&["tenants", "clientIds", "authorities", "users"])?;
    let authority = "the name of an authority, maybe with one *, for example lab";
    let user = "a user name, maybe with one *, for example svc-*@contoso.example";
    let bounds = Bounds {
        tenants: tenants(&mut section)?,
        client_ids: client_ids(&mut section)?,
        authorities: names(&mut section, "authorities", authority, |_| true)?,
        users: names(&mut section, "users", user, |name| name.trim() == name)?,
    };
    Ok((name, bounds))
}

/// What stands for any tenant cannot be listed as one.
fn tenants(section: &mut Section) -> Result<Option<Names>, ConfigError> {
    let wanted = "a tenant's GUID or domain, maybe with one *, for example *.contoso.example";
    let stands_for_any = ["organizations", "common", "consumers"];
    names(section, "tenants", wanted, |name| {
        is_plain(name) && !stands_for_any.contains(&name.to_lowercase().as_str())
    })
}

fn client_ids(section: &mut Section) -> Result<Option<Names>, ConfigError> {
    let wanted = "a client id, maybe with one *, for example 3f0c1a52-0000-4000-8000-000000000001";
    names(section, "clientIds", wanted, is_plain)
}

fn is_plain(name: &str) -> bool {
    !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '@')
}

fn names(
    section: &mut Section,
    key: &str,
    wanted: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<Option<Names>, ConfigError> {
    let Some(node) = section.given(key, NOTHING)? else {
        return Ok(None);
    };
    let entry = |node: Node| {
        let name = node.text(wanted)?;
        let name = Some(name).filter(|name| fits(name)).and_then(Name::new);
        name.ok_or_else(|| node.unlike(wanted))
    };
    let entries = node.list(&format!("a list, each entry {wanted}"))?;
    entries.into_iter().map(entry).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use crate::operator::config::Config;
    use std::collections::BTreeMap;

    use crate::plan::policy::{Bounds, Name, Names, Permission, Place, Policy};
    use crate::plan::snapshot::Binding;

    fn error(policy: &str) -> String {
        match Config::parse(&format!("policy: {policy}")) {
            Ok(config) => format!("accepted: {:?}", config.policy),
            Err(error) => error.to_string(),
        }
    }

    fn names(entries: &[&str]) -> Option<Names> {
        entries.iter().map(|entry| Name::new(entry)).collect()
    }

    #[test]
    fn every_key_takes_effect() {
        let text = "
policy:
  tenants: [Contoso.example]
  clientIds: [\"3F0C*\"]
  namespaces:
    etl: {tenants: [contoso.example], clientIds: [], authorities: [lab], users: [\"svc-*@contoso.example\"]}
    \"*\": {}
";
        let of_etl = Bounds {
            tenants: names(&["contoso.example"]),
            client_ids: names(&[]),
            authorities: names(&["lab"]),
            users: names(&["svc-*@contoso.example"]),
        };
        let expected = Policy {
            everywhere: Bounds {
                tenants: names(&["contoso.example"]),
                client_ids: names(&["3f0c*"]),
                ..Bounds::default()
            },
            namespaces: [("etl".to_owned(), of_etl), ("*".to_owned(), Bounds::default())].into(),
            authorities: BTreeMap::new(),
        };
        assert_eq!(Config::parse(text).unwrap().policy, expected);
    }

    #[test]
    fn null_opens_nothing() {
        for (policy, key) in [
            ("", "policy"),
            ("{tenants: }", "policy.tenants"),
            ("{clientIds: null}", "policy.clientIds"),
            ("{namespaces: ~}", "policy.namespaces"),
            ("{namespaces: {etl: }}", "policy.namespaces.etl"),
            ("{namespaces: {etl: {users: }}}", "policy.namespaces.etl.users"),
            (
                "{namespaces: {\"*\": {authorities: }}}",
                "policy.namespaces.*.authorities",
            ),
        ] {
            assert_eq!(
                error(policy),
                format!("`{key}` is null: leave it out for no restriction, or write what is allowed")
            );
        }
    }

    #[test]
    fn a_name_that_cannot_match_is_refused() {
        let tenant = "a tenant's GUID or domain, maybe with one *, for example *.contoso.example";
        let client = "a client id, maybe with one *, for example 3f0c1a52-0000-4000-8000-000000000001";
        let user = "a user name, maybe with one *, for example svc-*@contoso.example";
        for (policy, key, wanted, shown) in [
            ("{tenants: [a.example, \"\"]}", "tenants[1]", tenant, "\"\""),
            ("{tenants: [\"*.a.*\"]}", "tenants[0]", tenant, "\"*.a.*\""),
            (
                "{tenants: [Organizations]}",
                "tenants[0]",
                tenant,
                "\"Organizations\"",
            ),
            (
                "{tenants: [\"a@b.example\"]}",
                "tenants[0]",
                tenant,
                "\"a@b.example\"",
            ),
            ("{tenants: [null]}", "tenants[0]", tenant, "null"),
            ("{clientIds: [1]}", "clientIds[0]", client, "1"),
            ("{clientIds: [\"a b\"]}", "clientIds[0]", client, "\"a b\""),
            (
                "{namespaces: {etl: {users: [\" a\"]}}}",
                "namespaces.etl.users[0]",
                user,
                "\" a\"",
            ),
        ] {
            assert_eq!(
                error(policy),
                format!("`policy.{key}` must be {wanted}, but is {shown}")
            );
        }
        assert_eq!(
            error("{tenants: a.example}"),
            format!("`policy.tenants` must be a list, each entry {tenant}, but is \"a.example\"")
        );
        assert_eq!(
            error("{namespaces: {\"et*\": {}}}"),
            "`policy.namespaces.et*` is not the name of a namespace, nor * for all others"
        );
        assert_eq!(
            error("{namespaces: {etl: {tenant: []}}}"),
            "unknown key `policy.namespaces.etl.tenant`; known here: tenants, clientIds, authorities, users"
        );
    }

    #[test]
    fn the_namespaces_of_an_authority_belong_to_the_policy() {
        let text = "authorities: [{name: lab, kind: Entra, url: \"https://a.example\", namespaces: [etl]}]";
        let policy = Config::parse(text).unwrap().policy;
        let may = |namespace| {
            let place = Place {
                namespace,
                authority: Some("lab"),
            };
            policy.target(place, &Binding::default(), None)
        };
        assert_eq!(may("etl"), Permission::Granted);
        let told = "the administrator's policy does not allow authority lab in namespace web; ask the administrator of \
                    the operator to add web to authorities[].namespaces of lab";
        assert_eq!(may("web"), Permission::Denied(told.to_owned()));
    }
}
