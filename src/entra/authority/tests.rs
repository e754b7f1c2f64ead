//! Who may reach which authority, and where each kind's endpoints are.

use super::*;

const CLIENT: &str = "3f0c1a52-0000-4000-8000-000000000001";
const TENANT: Option<&str> = Some("contoso.example");

fn declared(kind: Kind, url: &str) -> Declared {
    Declared {
        name: "lab".to_owned(),
        kind,
        url: url.to_owned(),
        ca_file: Some("/lab-ca.pem".into()),
    }
}

fn of(kind: Kind, url: &str) -> Authorities {
    Authorities::new([declared(kind, url)]).unwrap()
}

fn lab() -> Authorities {
    of(Kind::Entra, "https://localhost:8443")
}

fn wanted<'a>(authority: Option<&'a str>, tenant: Option<&'a str>) -> Wanted<'a> {
    Wanted {
        cloud: None,
        authority,
        tenant,
        client_id: CLIENT,
    }
}

fn authority(kind: Kind, url: &str) -> Authority {
    of(kind, url).declared("lab").unwrap()
}

fn public() -> Authority {
    Authority::of_cloud(Cloud::Public).unwrap()
}

#[test]
fn every_cloud_has_its_fixed_host() {
    for (cloud, host) in CLOUDS {
        let wanted = Wanted {
            cloud: Some(cloud),
            ..wanted(None, TENANT)
        };
        let binding = Authorities::default().binding(&wanted).unwrap();
        assert_eq!(binding.authority, host);
        assert_eq!(
            (binding.tenant.as_str(), binding.client_id.as_str()),
            ("contoso.example", CLIENT)
        );
        assert_eq!(Authorities::default().bound(None, host).unwrap().host(), host);
    }
}

#[test]
fn absent_cloud_is_public() {
    let binding = Authorities::default().binding(&wanted(None, TENANT)).unwrap();
    assert_eq!(binding.authority, "login.microsoftonline.com");
}

#[test]
fn an_authority_must_be_declared_and_excludes_a_cloud() {
    let reason = |wanted: Wanted<'_>| lab().binding(&wanted).unwrap_err().reason;
    assert!(lab().binding(&wanted(Some("lab"), TENANT)).is_ok());
    assert_eq!(reason(wanted(Some("no"), TENANT)), Reason::AppMisconfigured);
    let both = Wanted {
        cloud: Some(Cloud::Public),
        ..wanted(Some("lab"), TENANT)
    };
    assert_eq!(reason(both), Reason::AppMisconfigured);
}

#[test]
fn the_kind_says_what_a_binding_holds() {
    for (kind, url, tenant, id) in [
        (Kind::Entra, "https://localhost:8443/", TENANT, "localhost:8443"),
        (
            Kind::B2c,
            "https://contoso.b2clogin.com/B2C_1_ropc",
            TENANT,
            "contoso.b2clogin.com/B2C_1_ropc",
        ),
        (
            Kind::Adfs,
            "https://fs.contoso.example/adfs",
            None,
            "fs.contoso.example/adfs",
        ),
        (
            Kind::Oidc,
            "https://sso.contoso.example/realms/a/",
            None,
            "https://sso.contoso.example/realms/a/",
        ),
    ] {
        let authorities = of(kind, url);
        let binding = authorities.binding(&wanted(Some("lab"), tenant)).unwrap();
        assert_eq!(binding.authority, id, "{kind:?}");
        assert_eq!(binding.tenant, tenant.unwrap_or_default(), "{kind:?}");
        assert!(authorities.bound(Some("lab"), id).is_ok(), "{kind:?}");
        let other = if tenant.is_some() { None } else { TENANT };
        let refused = authorities.binding(&wanted(Some("lab"), other)).unwrap_err();
        assert_eq!(refused.reason, Reason::AppMisconfigured, "{kind:?}");
        assert!(
            refused.message.contains("spec.tenant"),
            "{kind:?}: {}",
            refused.message
        );
    }
}

#[test]
fn a_binding_reaches_its_own_authority_only() {
    assert!(lab().bound(Some("lab"), "localhost:8443").is_ok());
    assert!(lab().bound(Some("lab"), "localhost:9443").is_err());
    assert!(lab().bound(None, "localhost:8443").is_err());
    assert!(lab().bound(None, "evil.example").is_err());
    let flow = of(Kind::B2c, "https://contoso.b2clogin.com/B2C_1_b");
    assert!(flow.bound(Some("lab"), "contoso.b2clogin.com/B2C_1_a").is_err());
}

#[test]
fn declarations_are_checked() {
    let twice = [lab_declaration(), lab_declaration()];
    assert_eq!(
        Authorities::new(twice).unwrap_err(),
        DeclarationError::Duplicate("lab".to_owned())
    );
    let error = Authorities::new([declared(Kind::Entra, "https://localhost/adfs")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the url of authority lab must end after the host and port: the tenant comes from spec.tenant"
    );
}

fn lab_declaration() -> Declared {
    declared(Kind::Entra, "https://localhost")
}

#[test]
fn tokens_come_from_where_the_kind_says() {
    let at = |text: &str| Endpoint::Known(Url::parse(text).unwrap());
    for (authority, tenant, endpoint) in [
        (
            public(),
            "contoso.example",
            at("https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"),
        ),
        (
            authority(Kind::B2c, "https://contoso.b2clogin.com/B2C_1_ropc"),
            "contoso.example",
            at("https://contoso.b2clogin.com/contoso.example/B2C_1_ropc/oauth2/v2.0/token"),
        ),
        (
            authority(Kind::Adfs, "https://fs.contoso.example/adfs"),
            "",
            at("https://fs.contoso.example/adfs/oauth2/token"),
        ),
        (
            authority(Kind::Oidc, "https://sso.contoso.example/realms/a/"),
            "",
            Endpoint::Discovered(
                Url::parse("https://sso.contoso.example/realms/a/.well-known/openid-configuration").unwrap(),
            ),
        ),
    ] {
        assert_eq!(authority.token_endpoint(tenant), Ok(endpoint));
    }
}

#[test]
fn discovery_documents_are_below_the_tenant() {
    assert_eq!(
        public().discovery_document("contoso.example").unwrap().as_str(),
        "https://login.microsoftonline.com/contoso.example/v2.0/.well-known/openid-configuration"
    );
    let flow = authority(Kind::B2c, "https://contoso.b2clogin.com/B2C_1_ropc");
    assert_eq!(
        flow.discovery_document("contoso.example").unwrap().as_str(),
        "https://contoso.b2clogin.com/contoso.example/B2C_1_ropc/v2.0/.well-known/openid-configuration"
    );
}

#[test]
fn only_entra_id_has_a_page_for_consent() {
    assert_eq!(
        public()
            .admin_consent("contoso.example", "a&b=c")
            .unwrap()
            .as_str(),
        "https://login.microsoftonline.com/contoso.example/adminconsent?client_id=a%26b%3Dc"
    );
    let adfs = authority(Kind::Adfs, "https://fs.contoso.example/adfs");
    assert_eq!(adfs.admin_consent("", CLIENT), None);
}

#[test]
fn only_entra_id_has_a_realm_service() {
    assert_eq!(
        public().user_realm("a/b@contoso.example").unwrap().as_str(),
        "https://login.microsoftonline.com/common/userrealm/a%2Fb@contoso.example?api-version=1.0"
    );
    for (kind, url) in [
        (Kind::B2c, "https://contoso.b2clogin.com/B2C_1_ropc"),
        (Kind::Adfs, "https://fs.contoso.example/adfs"),
        (Kind::Oidc, "https://sso.contoso.example"),
    ] {
        assert_eq!(
            authority(kind, url).user_realm("a@contoso.example"),
            None,
            "{kind:?}"
        );
    }
}

#[test]
fn no_endpoint_is_made_of_a_tenant_that_was_not_checked() {
    for bad in ["", "..", "a/b", "common"] {
        assert!(public().token_endpoint(bad).is_err(), "{bad}");
        assert!(public().discovery_document(bad).is_err(), "{bad}");
    }
    let adfs = authority(Kind::Adfs, "https://fs.contoso.example/adfs");
    assert!(adfs.token_endpoint("contoso.example").is_err());
}

#[test]
fn every_cloud_has_its_audience_which_the_administrator_may_change() {
    let built_in = Authorities::default();
    let of = |cloud| built_in.audience(Some(cloud));
    let all: std::collections::BTreeSet<&str> = CLOUDS.iter().map(|(cloud, _)| of(*cloud)).collect();
    assert_eq!(all.len(), CLOUDS.len());
    assert!(
        all.iter()
            .all(|audience| audience.starts_with("api://AzureADTokenExchange"))
    );
    assert_eq!(of(Cloud::USGovernment), "api://AzureADTokenExchangeUSGov");
    assert_eq!(of(Cloud::China), "api://AzureADTokenExchangeChina");
    assert_eq!(built_in.audience(None), "api://AzureADTokenExchange");
    let changed = lab().with_audiences([(Cloud::China, "api://other".to_owned())].into());
    assert_eq!(changed.audience(Some(Cloud::China)), "api://other");
    assert_eq!(changed.audience(None), "api://AzureADTokenExchange");
}
