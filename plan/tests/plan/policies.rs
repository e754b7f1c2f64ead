//! What an administrator allows: names, who holds where, and what the tenant's GUID decides.

use entra_plan::policy::{Bounds, Name, Names, OTHERS, Permission, Permissions, Place, Policy};
use entra_plan::snapshot::{Binding, Session, Snapshot, Target};
use proptest::prelude::*;

use super::build::{TENANT_ID, binding, first_sight, healthy, opened};

const OTHER_ID: &str = "22222222-0000-4000-8000-000000000002";

fn names(entries: &[&str]) -> Option<Names> {
    entries.iter().map(|entry| Name::new(entry)).collect()
}

fn tenants(entries: &[&str]) -> Bounds {
    Bounds {
        tenants: names(entries),
        ..Bounds::default()
    }
}

fn everywhere(everywhere: Bounds) -> Policy {
    Policy {
        everywhere,
        ..Policy::default()
    }
}

fn within(namespaces: &[(&str, Bounds)]) -> Policy {
    let namespaces = namespaces
        .iter()
        .map(|(name, bounds)| ((*name).to_owned(), bounds.clone()));
    Policy {
        namespaces: namespaces.collect(),
        ..Policy::default()
    }
}

fn at(namespace: &str) -> Place<'_> {
    Place {
        namespace,
        authority: None,
    }
}

fn of_tenant(tenant: &str) -> Binding {
    Binding {
        tenant: tenant.to_owned(),
        ..binding()
    }
}

/// What is said of a tenant as the spec writes it, with its GUID if that is known: G, U or D.
fn said(policy: &Policy, tenant: &str, id: Option<&str>) -> char {
    letter(&policy.target(at("etl"), &of_tenant(tenant), id))
}

fn letter(permission: &Permission) -> char {
    match permission {
        Permission::Granted => 'G',
        Permission::Unresolved => 'U',
        Permission::Denied(_) => 'D',
    }
}

fn told(permission: &Permission) -> &str {
    match permission {
        Permission::Denied(message) => message,
        Permission::Granted | Permission::Unresolved => panic!("{permission:?}"),
    }
}

#[test]
fn names_are_compared_without_case_and_a_star_stands_for_any_text() {
    for (entry, name, allowed) in [
        ("Contoso.example", "contoso.EXAMPLE", true),
        ("contoso.example", "a.contoso.example", false),
        ("*.contoso.example", "a.b.contoso.example", true),
        ("*.contoso.example", "contoso.example", false),
        ("svc-*@contoso.example", "SVC-etl@contoso.example", true),
        (
            "svc-*@contoso.example",
            "svc-@contoso.example.evil.example",
            false,
        ),
        ("ab*ba", "aba", false),
        ("ab*ba", "abba", true),
        ("*", "anything", true),
        ("*", "", true),
        ("Å@contoso.example", "å@contoso.example", true),
    ] {
        let names = names(&[entry]).unwrap();
        assert_eq!(names.allow(name), allowed, "{entry} and {name}");
    }
    for wrong in ["", "**", "*a*"] {
        assert_eq!(Name::new(wrong), None, "{wrong}");
    }
}

#[test]
fn without_a_policy_everything_is_allowed() {
    let open = Policy::open();
    assert_eq!(open, Policy::default());
    assert_eq!(said(&open, "organizations", None), 'G');
    assert_eq!(open.user("etl", "anybody"), Permission::Granted);
    assert_eq!(open.permissions(at("etl"), &healthy()), Permissions::default());
}

#[test]
fn a_tenant_is_allowed_by_its_name_or_by_its_guid() {
    let by_name = everywhere(tenants(&["contoso.example"]));
    let by_id = everywhere(tenants(&[TENANT_ID]));
    for (policy, tenant, id, expected) in [
        (&by_name, "Contoso.example", None, 'G'),
        (&by_name, "contoso.other", None, 'D'),
        (&by_name, TENANT_ID, None, 'D'),
        (&by_id, TENANT_ID, None, 'G'),
        (&by_id, OTHER_ID, None, 'D'),
        (&by_id, "contoso.example", None, 'U'),
        (&by_id, "contoso.example", Some(TENANT_ID), 'G'),
        (&by_id, "contoso.example", Some(OTHER_ID), 'D'),
    ] {
        assert_eq!(said(policy, tenant, id), expected, "{tenant} {id:?}");
    }
}

/// A domain can be anybody's tenant, so its GUID must decide; `organizations` is no tenant, whatever the list says.
#[test]
fn organizations_is_refused_as_soon_as_tenants_are_listed() {
    for list in [&["*"][..], &["contoso.example"], &[]] {
        let policies = [everywhere(tenants(list)), within(&[("etl", tenants(list))])];
        for policy in policies {
            assert_eq!(said(&policy, "Organizations", Some(TENANT_ID)), 'D', "{list:?}");
        }
    }
    let clients = Bounds {
        client_ids: names(&["client"]),
        ..Bounds::default()
    };
    assert_eq!(said(&everywhere(clients), "organizations", None), 'G');
}

#[test]
fn an_authority_without_tenants_is_bound_by_its_name() {
    let bounds = Bounds {
        authorities: names(&["legacy"]),
        ..tenants(&[])
    };
    let policy = within(&[("etl", bounds)]);
    let named = |authority| Place {
        authority,
        ..at("etl")
    };
    let target = |authority, tenant| letter(&policy.target(named(authority), &of_tenant(tenant), None));
    assert_eq!(target(Some("legacy"), ""), 'G');
    assert_eq!(target(Some("partner"), ""), 'D');
    assert_eq!(
        target(Some("legacy"), "contoso.example"),
        'D',
        "it has tenants, and none is allowed"
    );
}

#[test]
fn a_namespace_narrows_what_holds_everywhere_and_the_star_stands_for_the_others() {
    let policy = Policy {
        everywhere: tenants(&["a.example", "b.example"]),
        ..within(&[
            ("etl", tenants(&["a.example", "c.example"])),
            (OTHERS, tenants(&[])),
        ])
    };
    let may = |namespace, tenant| letter(&policy.target(at(namespace), &of_tenant(tenant), None));
    assert_eq!(may("etl", "a.example"), 'G');
    assert_eq!(may("etl", "b.example"), 'D', "not in the namespace");
    assert_eq!(may("etl", "c.example"), 'D', "not everywhere");
    assert_eq!(may("web", "a.example"), 'D', "the others may use none");
}

#[test]
fn a_refusal_names_the_key_and_what_to_add() {
    let bounds = Bounds {
        client_ids: names(&["another"]),
        authorities: names(&[]),
        users: names(&["svc@contoso.example"]),
        ..Bounds::default()
    };
    let policy = within(&[("etl", bounds.clone()), (OTHERS, bounds)]);
    let place = |namespace, authority| Place { namespace, authority };
    let of = |place| policy.target(place, &binding(), None);
    let ask = "ask the administrator of the operator to add";
    for (permission, sentence) in [
        (
            of(place("etl", None)),
            format!(
                "the administrator's policy does not allow client client; {ask} client to policy.namespaces.etl.clientIds"
            ),
        ),
        (
            of(place("web", Some("lab"))),
            format!(
                "the administrator's policy does not allow authority lab; {ask} lab to policy.namespaces.\"*\".authorities"
            ),
        ),
        (
            policy.user("etl", "other@contoso.example"),
            format!(
                "the administrator's policy does not allow this user; {ask} the user name, as the login Secret has it, to policy.namespaces.etl.users"
            ),
        ),
        (
            everywhere(tenants(&[TENANT_ID])).target(at("etl"), &binding(), Some(OTHER_ID)),
            format!(
                "the administrator's policy does not allow tenant contoso.example, whose GUID is {OTHER_ID}; {ask} {OTHER_ID} to policy.tenants"
            ),
        ),
        (
            everywhere(tenants(&[TENANT_ID])).target(
                at("etl"),
                &Binding {
                    tenant: OTHER_ID.to_uppercase(),
                    ..binding()
                },
                Some(OTHER_ID),
            ),
            format!(
                "the administrator's policy does not allow tenant {0}; {ask} {0} to policy.tenants",
                OTHER_ID.to_uppercase()
            ),
        ),
        (
            everywhere(tenants(&[])).target(at("etl"), &binding(), None),
            format!(
                "the administrator's policy does not allow tenant contoso.example; {ask} contoso.example to policy.tenants"
            ),
        ),
    ] {
        assert_eq!(told(&permission), sentence);
    }
}

#[test]
fn the_guid_is_that_of_the_resolved_tenant_or_of_the_account_whose_token_is_sealed() {
    let policy = everywhere(tenants(&[TENANT_ID]));
    let target = |s: &Snapshot| letter(&policy.permissions(at("etl"), s).target);
    assert_eq!(target(&first_sight()), 'U');
    let resolved = |guid: &str| Snapshot {
        target: Target::Known {
            binding: binding(),
            resolved_tenant: Some(guid.to_owned()),
        },
        ..first_sight()
    };
    assert_eq!(target(&resolved(TENANT_ID)), 'G');
    assert_eq!(target(&resolved(OTHER_ID)), 'D');
    let mut s = healthy();
    assert_eq!(target(&s), 'G');
    // What is written beside the seal can be edited.
    s.session.opened = opened(entra_plan::record::Record::default(), None);
    assert_eq!(target(&s), 'U');
    let mut moved = healthy();
    moved.session.token.as_mut().unwrap().binding = of_tenant("contoso.other");
    assert_eq!(target(&moved), 'U', "the sealed token is of another tenant");
}

#[test]
fn the_account_is_the_one_in_the_seal() {
    let users = |list: &[&str]| {
        within(&[(
            "etl",
            Bounds {
                users: names(list),
                ..Bounds::default()
            },
        )])
    };
    let account = |policy: &Policy, s: &Snapshot| letter(&policy.permissions(at("etl"), s).account);
    assert_eq!(account(&users(&["svc@*"]), &healthy()), 'G');
    assert_eq!(account(&users(&["other@*"]), &healthy()), 'D');
    let unread = Snapshot {
        session: Session {
            opened: entra_plan::snapshot::Opened::Unread,
            ..healthy().session
        },
        ..healthy()
    };
    assert_eq!(account(&users(&["other@*"]), &unread), 'G');
}

fn entry() -> impl Strategy<Value = String> {
    "[a-cA-C.@]{0,3}[*]?[a-cA-C.@]{1,3}"
}

fn lists() -> impl Strategy<Value = Option<Vec<String>>> {
    prop::option::of(prop::collection::vec(entry(), 0..3))
}

fn made(list: Option<&Vec<String>>) -> Bounds {
    let names = list.map(|list| list.iter().map(|e| Name::new(e).unwrap()).collect::<Names>());
    Bounds {
        tenants: names.clone(),
        client_ids: names.clone(),
        authorities: names.clone(),
        users: names,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A star is tried in every place, the slow way.
    #[test]
    fn a_star_is_any_text(entry in entry(), name in "[a-cA-C.@]{0,8}") {
        let (entry_low, low) = (entry.to_lowercase(), name.to_lowercase());
        let expected = match entry_low.split_once('*') {
            None => entry_low == low,
            Some((before, after)) => (0..=low.len()).any(|n| {
                (0..=low.len() - n).any(|m| Some(low.as_str()) == low.get(n..n + m).map(|text| format!("{before}{text}{after}")).as_deref())
            }),
        };
        prop_assert_eq!(names(&[&entry]).unwrap().allow(&name), expected);
    }

    #[test]
    fn a_namespace_only_narrows(
        wide in lists(),
        narrow in lists(),
        tenant in "([a-c]{1,3}[.][a-c]{1,2})?",
        id in prop::option::of("[a-c]{1,3}"),
        authority in prop::option::of("[a-c]{1,3}"),
    ) {
        let alone = everywhere(made(wide.as_ref()));
        let policy = Policy {
            everywhere: alone.everywhere.clone(),
            ..within(&[("etl", made(narrow.as_ref()))])
        };
        let place = Place { namespace: "etl", authority: authority.as_deref() };
        let binding = of_tenant(&tenant);
        let both = policy.target(place, &binding, id.as_deref());
        let one = alone.target(place, &binding, id.as_deref());
        prop_assert!(both >= one, "{one:?} became {both:?}");
        let lists = [wide.as_ref(), narrow.as_ref()].map(|list| made(list).users);
        let allowed = lists.iter().flatten().all(|users| users.allow(&tenant));
        prop_assert_eq!(policy.user("etl", &tenant) == Permission::Granted, allowed);
        // With the GUID at hand nothing is left to be asked for.
        if id.is_some() {
            prop_assert_ne!(both, Permission::Unresolved);
        }
    }
}
