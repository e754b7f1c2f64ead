//! Which identity providers a credential may reach: the six clouds' fixed hosts, and what the administrator declared.
//!
//! # Guarantees
//!
//! - No URL is ever assembled from text: host and path come from a fixed list or a validated declaration, and the
//!   tenant enters as one path segment that was checked before.
//! - A binding is reachable only while the configuration still says the same.

mod clouds;
mod kind;
mod route;
mod tenant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use url::Url;

pub use clouds::{CLOUDS, audience};
pub use kind::{Kind, UrlError};
pub use route::Route;

pub(super) use kind::Traits;

use kind::Tenancy;

use crate::api::{Cloud, Reason};
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::{AuthorityRefused, Wanted};

/// An authority that the administrator declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// What `spec.authority` calls it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its URL, in the shape that [`Kind`] describes. That of an issuer is compared as it is written here.
    pub url: String,
    /// The file whose certificates are trusted instead of the system's; `None`: the system's. Its content comes by
    /// [`Client::trust`](crate::entra::Client::trust), and nothing is sent there before.
    pub ca_file: Option<PathBuf>,
}

/// Why a declaration is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// Two authorities have the same name.
    #[error("authority {0} is declared twice")]
    Duplicate(String),
    /// The URL has not the shape that the kind asks for.
    #[error("the url of authority {name} {problem}")]
    Url {
        /// Name of the authority.
        name: String,
        /// What is wrong with it.
        problem: UrlError,
    },
}

/// Every authority of this process.
#[derive(Clone, Debug, Default)]
pub struct Authorities {
    named: BTreeMap<String, Named>,
    audiences: BTreeMap<Cloud, String>,
}

/// A validated declaration.
#[derive(Clone, Debug)]
struct Named {
    authority: Authority,
    ca_file: Option<PathBuf>,
}

impl Authorities {
    /// Validates the declarations. The six clouds are always there.
    pub fn new(declared: impl IntoIterator<Item = Declared>) -> Result<Self, DeclarationError> {
        let mut named = BTreeMap::new();
        for declaration in declared {
            let name = declaration.name.clone();
            if named.insert(name.clone(), Named::new(declaration)?).is_some() {
                return Err(DeclarationError::Duplicate(name));
            }
        }
        Ok(Self {
            named,
            audiences: BTreeMap::new(),
        })
    }

    /// Workload identities prove themselves to these clouds by tokens for these audiences, and not for the built-in ones.
    #[must_use]
    pub fn with_audiences(self, audiences: BTreeMap<Cloud, String>) -> Self {
        Self { audiences, ..self }
    }

    /// For whom the token of a workload identity is. A declared authority counts as the public cloud.
    pub(super) fn audience(&self, cloud: Option<Cloud>) -> &str {
        let cloud = cloud.unwrap_or(Cloud::Public);
        self.audiences
            .get(&cloud)
            .map_or_else(|| audience(cloud), String::as_str)
    }

    /// The binding of a credential that names this cloud or authority; neither means the public cloud. Its kind says
    /// whether there is a tenant.
    pub fn binding(&self, wanted: &Wanted<'_>) -> Result<Binding, AuthorityRefused> {
        let found = match (wanted.cloud, wanted.authority) {
            (Some(_), Some(_)) => Err(misconfigured(
                "set either cloud or authority, not both".to_owned(),
            )),
            (None, Some(name)) => self.declared(name),
            (cloud, None) => Authority::of_cloud(cloud.unwrap_or(Cloud::Public)),
        }?;
        Ok(Binding {
            tenant: found.tenant(wanted.tenant)?.to_owned(),
            authority: found.id(),
            client_id: wanted.client_id.to_owned(),
        })
    }

    /// The authority that a stored binding names by [`Authority::id`]. It is refused when the configuration now says
    /// something else: a refresh token goes to its binding and nowhere else.
    pub(super) fn bound(&self, named: Option<&str>, id: &str) -> Result<Authority, AuthorityRefused> {
        let found = match named {
            Some(name) => self.declared(name)?,
            None => Authority::of_host(id)?,
        };
        if found.id() == id {
            Ok(found)
        } else {
            Err(unbound(id))
        }
    }

    /// A declaration, whoever may use it.
    pub(super) fn declared(&self, name: &str) -> Result<Authority, AuthorityRefused> {
        let entry = self.named.get(name).ok_or_else(|| unknown(name))?;
        Ok(entry.authority.clone())
    }

    /// Names and files of the declarations that bring certificates of their own.
    pub(super) fn private_roots(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.named
            .iter()
            .filter_map(|(name, entry)| Some((name.as_str(), entry.ca_file.as_deref()?)))
    }
}

impl Named {
    fn new(declared: Declared) -> Result<Self, DeclarationError> {
        let Declared {
            name,
            kind,
            url: written,
            ca_file,
        } = declared;
        let base = kind.url(&written).map_err(|problem| DeclarationError::Url {
            name: name.clone(),
            problem,
        })?;
        Ok(Self {
            authority: Authority {
                kind,
                base,
                written,
                name: Some(name),
            },
            ca_file,
        })
    }
}

/// Where a token request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// There. Templates need no discovery that could stand between us and a renewal, as in MSAL.NET and MSAL Java.
    Known(Url),
    /// Where the discovery document at this URL says.
    Discovered(Url),
}

/// One authority; the tenant comes with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    kind: Kind,
    base: Url,
    /// The URL as the declaration writes it.
    written: String,
    name: Option<String>,
}

impl Authority {
    pub(super) fn of_cloud(cloud: Cloud) -> Result<Self, AuthorityRefused> {
        Self::of_host(clouds::host_of(cloud))
    }

    /// The cloud with this very host.
    fn of_host(host: &str) -> Result<Self, AuthorityRefused> {
        let written = format!("https://{host}");
        let base = Kind::Entra.url(&written).ok().filter(|_| clouds::is_host(host));
        Ok(Self {
            kind: Kind::Entra,
            base: base.ok_or_else(|| unbound(host))?,
            written,
            name: None,
        })
    }

    /// What a binding calls it: the issuer as written; else the host, and the path that belongs to it.
    pub fn id(&self) -> String {
        match self.kind {
            Kind::Oidc => self.written.clone(),
            Kind::Entra | Kind::B2c | Kind::Adfs => {
                format!("{}{}", self.host(), self.base.path().trim_end_matches('/'))
            }
        }
    }

    /// Host, with the port if it is not 443.
    pub fn host(&self) -> String {
        host(&self.base)
    }

    /// How it is spoken to.
    pub(super) const fn traits(&self) -> &'static Traits {
        self.kind.traits()
    }

    /// Name of the declaration; `None` for a cloud.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The issuer as the declaration writes it.
    pub(super) fn issuer(&self) -> &str {
        &self.written
    }

    /// Its discovery document alone says where tokens are asked for.
    pub(super) fn is_issuer(&self) -> bool {
        self.kind == Kind::Oidc
    }

    /// A tenant to ask the discovery document of, where no credential names one; empty where there is none. That of B2C is
    /// called by the first label of its host, where the host is Microsoft's.
    pub(super) fn some_tenant(&self) -> String {
        match self.traits().tenancy {
            Tenancy::Organizations => "organizations".to_owned(),
            Tenancy::Named => {
                let host = self.base.host_str().unwrap_or_default();
                format!("{}.onmicrosoft.com", host.split('.').next().unwrap_or_default())
            }
            Tenancy::Absent => String::new(),
        }
    }

    /// Where tokens are asked for.
    pub(super) fn token_endpoint(&self, tenant: &str) -> Result<Endpoint, AuthorityRefused> {
        match self.traits().token {
            Some(segments) => self.below(tenant, segments).map(Endpoint::Known),
            None => self.discovery_document(tenant).map(Endpoint::Discovered),
        }
    }

    /// The discovery document (OpenID Connect Discovery 1.0 §4).
    pub(super) fn discovery_document(&self, tenant: &str) -> Result<Url, AuthorityRefused> {
        self.below(tenant, self.traits().document)
    }

    /// `https://{host}/common/userrealm/{user}`, the user name as one segment whatever it holds; `None` where there is
    /// no realm service: all kinds but Entra ID check passwords themselves.
    pub(super) fn user_realm(&self, username: &str) -> Option<Url> {
        let mut url = (self.kind == Kind::Entra).then(|| self.base.clone())?;
        url.path_segments_mut()
            .ok()?
            .pop_if_empty()
            .extend(["common", "userrealm", username]);
        url.query_pairs_mut().append_pair("api-version", "1.0");
        Some(url)
    }

    /// The cloud with this instance name, if this is another one. A declared host is no cloud, and knows of none.
    pub(super) fn other_cloud(&self, instance: &str) -> Option<Cloud> {
        let named = self
            .name
            .is_none()
            .then(|| clouds::of_instance(instance))
            .flatten();
        named.filter(|cloud| clouds::host_of(*cloud) != self.host())
    }

    /// Page on which an administrator of the tenant consents to the application's permissions: Entra ID has one.
    pub(super) fn admin_consent(&self, tenant: &str, client_id: &str) -> Option<Url> {
        let mut url = (self.kind == Kind::Entra)
            .then(|| self.below(tenant, &["adminconsent"]).ok())
            .flatten()?;
        url.query_pairs_mut().append_pair("client_id", client_id);
        Some(url)
    }

    /// The tenant as the spec writes it, if this authority takes it; empty where there is none.
    fn tenant<'t>(&self, written: Option<&'t str>) -> Result<&'t str, AuthorityRefused> {
        tenant::check(self.traits().tenancy, written)
    }

    /// `https://{host}[/{tenant}][/{path of the declaration}]/{rest}`
    fn below(&self, tenant: &str, rest: &[&str]) -> Result<Url, AuthorityRefused> {
        let tenant = self.tenant(Some(tenant).filter(|t| !t.is_empty()))?;
        let mut url = self.base.clone();
        let mut segments = url.path_segments_mut().map_err(|()| unbound(tenant))?;
        segments.pop_if_empty();
        if !tenant.is_empty() {
            segments.clear().push(tenant).extend(
                self.base
                    .path_segments()
                    .into_iter()
                    .flatten()
                    .filter(|s| !s.is_empty()),
            );
        }
        segments.extend(rest);
        drop(segments);
        Ok(url)
    }
}

/// Host of a URL, with the port if it is not the scheme's own.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
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

fn unbound(id: &str) -> AuthorityRefused {
    misconfigured(format!(
        "{id} is neither the host of a known cloud nor the declared authority; nothing was sent"
    ))
}

#[cfg(test)]
mod tests;
