//! Which hosts a credential may reach: the six clouds' fixed hosts, and what the administrator declared.
//!
//! # Guarantees
//!
//! - No URL is ever assembled from text: host comes from a fixed list or a validated declaration, and the tenant
//!   enters as one path segment that was checked before.
//! - A declared authority is reachable only from the namespaces that it names.

use std::collections::BTreeMap;

use url::Url;

use crate::api::{Cloud, Reason};
use crate::reconcile::ports::AuthorityRefused;

/// The clouds and the host that MSAL prefers for each (MSAL.NET `KnownMetadataProvider`, `preferred_network`).
pub const CLOUDS: [(Cloud, &str); 6] = [
    (Cloud::Public, "login.microsoftonline.com"),
    (Cloud::USGovernment, "login.microsoftonline.us"),
    (Cloud::China, "login.partner.microsoftonline.cn"),
    (Cloud::Bleu, "login.sovcloud-identity.fr"),
    (Cloud::Delos, "login.sovcloud-identity.de"),
    (Cloud::GovSG, "login.sovcloud-identity.sg"),
];

/// Longest tenant text: a DNS name (RFC 1035 §2.3.4).
const TENANT_MAX: usize = 253;

/// Tenant of personal Microsoft accounts, which cannot use the password grant.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// An authority of kind Entra that the administrator declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// What `spec.authority` calls it.
    pub name: String,
    /// `https://host[:port]`, without path, query or user.
    pub url: String,
    /// PEM certificates to trust instead of the system's; `None`: the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Namespaces that may name it; `None`: all.
    pub namespaces: Option<Vec<String>>,
}

/// Why a declaration is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// Two authorities have the same name.
    #[error("authority {0} is declared twice")]
    Duplicate(String),
    /// The URL is not `https://host[:port]`.
    #[error(
        "the url of authority {0} must be https://host or https://host:port, without path, query or user"
    )]
    Url(String),
}

/// Every authority of this process.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    named: BTreeMap<String, Named>,
}

/// A validated declaration.
#[derive(Clone, Debug)]
struct Named {
    base: Url,
    ca_pem: Option<Vec<u8>>,
    namespaces: Option<Vec<String>>,
}

impl Authorities {
    /// Validates the declarations. The six clouds are always there.
    pub fn new(declared: impl IntoIterator<Item = Declared>) -> Result<Self, DeclarationError> {
        let mut named = BTreeMap::new();
        for declaration in declared {
            let Declared {
                name,
                url,
                ca_pem,
                namespaces,
            } = declaration;
            let base = plain_https(&url).ok_or_else(|| DeclarationError::Url(name.clone()))?;
            let entry = Named {
                base,
                ca_pem,
                namespaces,
            };
            if named.insert(name.clone(), entry).is_some() {
                return Err(DeclarationError::Duplicate(name));
            }
        }
        Ok(Self { named })
    }

    /// The authority that a credential of `namespace` reaches by this cloud or name; neither means the public cloud.
    pub fn resolve(
        &self,
        namespace: &str,
        cloud: Option<Cloud>,
        named: Option<&str>,
    ) -> Result<Authority, AuthorityRefused> {
        match (cloud, named) {
            (Some(_), Some(_)) => Err(misconfigured(
                "set either cloud or authority, not both".to_owned(),
            )),
            (None, Some(name)) => self.declared(namespace, name),
            (cloud, None) => Authority::of_cloud(cloud.unwrap_or(Cloud::Public)),
        }
    }

    /// The authority that a stored binding names. It is refused when the configuration now says something else: a
    /// refresh token goes to its binding and nowhere else.
    pub(super) fn bound(
        &self,
        namespace: &str,
        named: Option<&str>,
        host: &str,
    ) -> Result<Authority, AuthorityRefused> {
        let found = match named {
            Some(name) => self.declared(namespace, name)?,
            None => Authority::of_host(host)?,
        };
        if found.host() == host {
            Ok(found)
        } else {
            Err(unbound(host))
        }
    }

    /// Names and certificates of the declarations that bring their own.
    pub(super) fn private_roots(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.named
            .iter()
            .filter_map(|(name, entry)| Some((name.as_str(), entry.ca_pem.as_deref()?)))
    }

    fn declared(&self, namespace: &str, name: &str) -> Result<Authority, AuthorityRefused> {
        let entry = self.named.get(name).ok_or_else(|| unknown(name))?;
        if !entry.serves(namespace) {
            return Err(not_allowed(namespace, name));
        }
        Ok(Authority {
            base: entry.base.clone(),
            name: Some(name.to_owned()),
        })
    }
}

impl Named {
    fn serves(&self, namespace: &str) -> bool {
        self.namespaces
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|n| n == namespace))
    }
}

/// One authority: scheme, host and port; the tenant comes with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    base: Url,
    name: Option<String>,
}

impl Authority {
    fn of_cloud(cloud: Cloud) -> Result<Self, AuthorityRefused> {
        let host = CLOUDS
            .iter()
            .find(|(c, _)| *c == cloud)
            .map_or("", |(_, host)| host);
        Self::of_host(host)
    }

    /// The cloud with this very host.
    fn of_host(host: &str) -> Result<Self, AuthorityRefused> {
        let known = CLOUDS.iter().any(|(_, h)| *h == host);
        let base = plain_https(&format!("https://{host}")).filter(|_| known);
        Ok(Self {
            base: base.ok_or_else(|| unbound(host))?,
            name: None,
        })
    }

    /// Host for the binding, with the port if it is not 443.
    pub fn host(&self) -> String {
        host(&self.base)
    }

    /// Name of the declaration; `None` for a cloud.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// `https://{host}/{tenant}/oauth2/v2.0/token`: the template that MSAL.NET and MSAL Java use for Entra, so that
    /// no discovery stands between us and a renewal.
    pub(super) fn token_endpoint(&self, tenant: &str) -> Result<Url, AuthorityRefused> {
        self.below(tenant, &["oauth2", "v2.0", "token"])
    }

    /// `https://{host}/{tenant}/v2.0/.well-known/openid-configuration` (OpenID Connect Discovery 1.0 §4).
    pub(super) fn discovery_document(&self, tenant: &str) -> Result<Url, AuthorityRefused> {
        self.below(tenant, &["v2.0", ".well-known", "openid-configuration"])
    }

    /// `https://{host}/common/userrealm/{user}`, the user name as one segment whatever it holds; `None` if there is no
    /// realm service (entra-protocol §2).
    pub(super) fn user_realm(&self, username: &str) -> Option<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(["common", "userrealm", username]);
        url.query_pairs_mut().append_pair("api-version", "1.0");
        Some(url)
    }

    /// Page on which an administrator of the tenant consents to the application's permissions.
    pub(super) fn admin_consent(&self, tenant: &str, client_id: &str) -> Option<Url> {
        let mut url = self.below(tenant, &["adminconsent"]).ok()?;
        url.query_pairs_mut().append_pair("client_id", client_id);
        Some(url)
    }

    fn below(&self, tenant: &str, rest: &[&str]) -> Result<Url, AuthorityRefused> {
        check_tenant(tenant)?;
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| unbound(tenant))?
            .pop_if_empty()
            .push(tenant)
            .extend(rest);
        Ok(url)
    }
}

/// Host of a URL, with the port if it is not the scheme's own.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Parses `https://host[:port]` and nothing else.
fn plain_https(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.scheme() == "https"
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

/// A tenant is a GUID, a DNS name or `organizations`; what the password grant cannot use is refused.
fn check_tenant(tenant: &str) -> Result<(), AuthorityRefused> {
    let well_formed = (1..=TENANT_MAX).contains(&tenant.len())
        && tenant.split('.').all(|label| !label.is_empty())
        && tenant
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if !well_formed {
        return Err(misconfigured(
            "tenant must be a GUID, a domain or organizations".to_owned(),
        ));
    }
    if ["common", "consumers", CONSUMERS]
        .iter()
        .any(|t| tenant.eq_ignore_ascii_case(t))
    {
        return Err(misconfigured(
            "user name and password sign-in works for work and school accounts only: write the tenant's GUID, its \
             domain, or organizations"
                .to_owned(),
        ));
    }
    Ok(())
}

fn misconfigured(message: String) -> AuthorityRefused {
    AuthorityRefused {
        reason: Reason::AppMisconfigured,
        message,
    }
}

fn unknown(name: &str) -> AuthorityRefused {
    misconfigured(format!(
        "no authority named {name} is declared in the operator's configuration; ask its administrator to add it"
    ))
}

fn unbound(host: &str) -> AuthorityRefused {
    misconfigured(format!(
        "{host} is neither the host of a known cloud nor that of the declared authority; nothing was sent"
    ))
}

fn not_allowed(namespace: &str, name: &str) -> AuthorityRefused {
    AuthorityRefused {
        reason: Reason::NotAllowed,
        message: format!(
            "authority {name} may not be used in namespace {namespace}; ask the operator's administrator to allow it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> Authorities {
        Authorities::new([Declared {
            name: "lab".to_owned(),
            url: "https://localhost:8443".to_owned(),
            ca_pem: Some(b"pem".to_vec()),
            namespaces: Some(vec!["etl".to_owned()]),
        }])
        .unwrap()
    }

    fn declare(url: &str) -> Result<Authorities, DeclarationError> {
        Authorities::new([Declared {
            name: "a".to_owned(),
            url: url.to_owned(),
            ca_pem: None,
            namespaces: None,
        }])
    }

    #[test]
    fn every_cloud_has_its_fixed_host() {
        for (cloud, host) in CLOUDS {
            let found = Authorities::default().resolve("any", Some(cloud), None).unwrap();
            assert_eq!(found.host(), host);
            assert_eq!(Authorities::default().bound("any", None, host).unwrap(), found);
        }
    }

    #[test]
    fn absent_cloud_is_public() {
        let found = Authorities::default().resolve("any", None, None).unwrap();
        assert_eq!(found.host(), "login.microsoftonline.com");
    }

    #[test]
    fn declared_authority_serves_its_namespaces_only() {
        assert_eq!(
            lab().resolve("etl", None, Some("lab")).unwrap().host(),
            "localhost:8443"
        );
        assert_eq!(
            lab().resolve("web", None, Some("lab")).unwrap_err().reason,
            Reason::NotAllowed
        );
        assert_eq!(
            lab().resolve("etl", None, Some("no")).unwrap_err().reason,
            Reason::AppMisconfigured
        );
        assert_eq!(
            lab()
                .resolve("etl", Some(Cloud::Public), Some("lab"))
                .unwrap_err()
                .reason,
            Reason::AppMisconfigured
        );
    }

    #[test]
    fn a_binding_reaches_its_own_host_only() {
        assert!(lab().bound("etl", Some("lab"), "localhost:8443").is_ok());
        assert!(lab().bound("etl", Some("lab"), "localhost:9443").is_err());
        assert!(lab().bound("etl", None, "localhost:8443").is_err());
        assert!(lab().bound("etl", None, "evil.example").is_err());
    }

    #[test]
    fn only_plain_https_urls_are_declared() {
        assert!(declare("https://localhost").is_ok());
        assert!(declare("https://localhost:443/").is_ok());
        for bad in [
            "http://localhost",
            "https://localhost/adfs",
            "https://user@localhost",
            "https://localhost?x=1",
            "https://localhost#x",
            "localhost",
            "file:///etc/passwd",
        ] {
            assert_eq!(
                declare(bad).unwrap_err(),
                DeclarationError::Url("a".to_owned()),
                "{bad}"
            );
        }
    }

    #[test]
    fn two_declarations_of_one_name_are_refused() {
        let one = Declared {
            name: "a".to_owned(),
            url: "https://a.example".to_owned(),
            ca_pem: None,
            namespaces: None,
        };
        let twice = Authorities::new([one.clone(), one]);
        assert_eq!(twice.unwrap_err(), DeclarationError::Duplicate("a".to_owned()));
    }

    #[test]
    fn endpoints_are_below_the_tenant() {
        let public = Authorities::default().resolve("any", None, None).unwrap();
        assert_eq!(
            public.token_endpoint("contoso.example").unwrap().as_str(),
            "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
        );
        assert_eq!(
            public.discovery_document("contoso.example").unwrap().as_str(),
            "https://login.microsoftonline.com/contoso.example/v2.0/.well-known/openid-configuration"
        );
        assert_eq!(
            public.admin_consent("contoso.example", "a&b=c").unwrap().as_str(),
            "https://login.microsoftonline.com/contoso.example/adminconsent?client_id=a%26b%3Dc"
        );
    }

    #[test]
    fn nothing_can_be_injected_through_the_tenant() {
        let public = Authorities::default().resolve("any", None, None).unwrap();
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a?b",
            "a#b",
            "a%2fb",
            "a@b",
            "a:b",
            "a b",
            "ä",
            "a..b",
            "common",
            "Consumers",
        ] {
            assert!(public.token_endpoint(bad).is_err(), "{bad}");
        }
        assert!(
            public
                .token_endpoint("9188040D-6C67-4C5B-B112-36A304B66DAD")
                .is_err()
        );
    }
}
