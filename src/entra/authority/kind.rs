//! The kinds of authority, and everything in which they differ: one row each.
//!
//! Sources: MSAL's authorities, and Microsoft's pages of each kind of service. External
//! tenants have no row: Microsoft's page "Supported features in workforce and external tenants" lists this grant as
//! unsupported there.

use strum::{EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};
use url::Url;

use crate::entra::assertion::Algorithm;
use crate::entra::grant::Manners;

/// What an identity provider is, and with it how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, EnumString, IntoStaticStr)]
pub enum Kind {
    /// Microsoft Entra ID: a national cloud, or the simulator. `https://host`.
    Entra,
    /// Azure AD B2C with a resource-owner user flow. `https://contoso.b2clogin.com/B2C_1_ropc`.
    B2c,
    /// AD FS 2019 or newer. `https://fs.contoso.example/adfs`.
    Adfs,
    /// Any other OpenID provider. The URL is its issuer.
    Oidc,
}

/// A row of the table.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
#[derive(Debug)]
pub(in crate::entra) struct Traits {
    /// What the path of its URL is.
    path: Path,
    /// Which tenants it has.
    pub(super) tenancy: Tenancy,
    /// Segments of its token endpoint; `None`: the discovery document names it.
    pub(super) token: Option<&'static [&'static str]>,
    /// Segments of its discovery document (OpenID Connect Discovery 1.0 §4).
    pub(super) document: &'static [&'static str],
    /// Scopes that every request asks for beside those of the entry: without `offline_access` no refresh token comes,
    /// without `openid` no id_token.
    pub(in crate::entra) reserved_scopes: &'static [&'static str],
    /// It answers `client_info=1` with the home account, and takes its routing hint.
    pub(in crate::entra) client_info: bool,
    /// Scopes that differ in case only are one: Entra ID compares them so. To RFC 6749 §3.3 they are two.
    pub(in crate::entra) folds_scopes: bool,
    /// It issues tokens for `openid` and `profile` alone. Elsewhere they name no resource, and are ours to add.
    pub(in crate::entra) openid_suffices: bool,
    /// It takes no password with a space at either end: Microsoft's page of this grant says so of Entra ID.
    pub(in crate::entra) refuses_outer_spaces: bool,
    /// The token of a workload identity may go there: its audience is Entra ID's, and whoever has it can redeem it
    /// there for all that the application may.
    pub(in crate::entra) takes_workload_identity: bool,
    /// A refresh token that was redeemed stays redeemable, as Microsoft's page "Refresh tokens in the Microsoft identity
    /// platform" says: what comes back need not be stored each time.
    pub(in crate::entra) redeemed_stays_valid: bool,
    /// How its clients prove themselves; where a discovery document names the endpoint, that document decides.
    pub(in crate::entra) manners: Manners,
    /// `response_type` of a sign-in: B2C wants it on this grant, though RFC 6749 §4.3.2 has none.
    pub(in crate::entra) response_type: Option<&'static str>,
}

/// Which tenants an authority has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenancy {
    /// Many; `organizations` finds the one of the user name.
    Organizations,
    /// Each by its GUID or domain.
    Named,
    /// None.
    Absent,
}

/// What follows the host in an authority's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    /// Nothing.
    Empty,
    /// The name of a user flow.
    Flow,
    /// `/adfs`.
    Adfs,
    /// Whatever the issuer has.
    Issuer,
}

const V2_TOKEN: &[&str] = &["oauth2", "v2.0", "token"];
const V2_DOCUMENT: &[&str] = &["v2.0", ".well-known", "openid-configuration"];
const DOCUMENT: &[&str] = &[".well-known", "openid-configuration"];

/// Scopes that every MSAL adds.
const MSAL_SCOPES: &[&str] = &["offline_access", "openid", "profile"];

const ENTRA: Traits = Traits {
    path: Path::Empty,
    tenancy: Tenancy::Organizations,
    token: Some(V2_TOKEN),
    document: V2_DOCUMENT,
    reserved_scopes: MSAL_SCOPES,
    client_info: true,
    folds_scopes: true,
    openid_suffices: false,
    refuses_outer_spaces: true,
    takes_workload_identity: true,
    redeemed_stays_valid: true,
    manners: Manners {
        algorithm: Algorithm::Ps256,
        basic: false,
    },
    response_type: None,
};

/// Microsoft's page "Set up a resource owner password credentials flow in Azure AD B2C" has this form; the home
/// account comes from the id_token, because `client_info` is missing from some of its answers.
const B2C: Traits = Traits {
    path: Path::Flow,
    tenancy: Tenancy::Named,
    reserved_scopes: &["offline_access", "openid"],
    client_info: false,
    refuses_outer_spaces: false,
    takes_workload_identity: false,
    redeemed_stays_valid: false,
    response_type: Some("token id_token"),
    ..ENTRA
};

/// Scopes name the resource, as `{resource}/{scope}`; there is no parameter `resource`. Assertions are signed as every
/// MSAL signs them for AD FS, which knows neither PSS nor SHA-256 thumbprints.
const ADFS: Traits = Traits {
    path: Path::Adfs,
    tenancy: Tenancy::Absent,
    token: Some(&["oauth2", "token"]),
    document: DOCUMENT,
    client_info: false,
    refuses_outer_spaces: false,
    takes_workload_identity: false,
    redeemed_stays_valid: false,
    manners: Manners {
        algorithm: Algorithm::Rs256,
        basic: false,
    },
    ..ENTRA
};

const OIDC: Traits = Traits {
    path: Path::Issuer,
    token: None,
    folds_scopes: false,
    openid_suffices: true,
    ..ADFS
};

/// What is wrong with an authority's URL: completes "the url ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("must be an https URL with a host, for example https://login.contoso.example")]
    NoUrl,
    /// Not https.
    #[error("must begin with https://, because passwords are sent there")]
    NotHttps,
    /// Holds credentials.
    #[error("must not hold a user name or password: write the host alone")]
    Credentials,
    /// `?` or `#`, or a path that the kind does not have.
    #[error("{0}")]
    Path(&'static str),
}

impl Kind {
    /// The names of all kinds, as the configuration writes them: `Entra, B2c, ...`.
    pub fn names() -> String {
        let names: Vec<&'static str> = Self::iter().map(Into::into).collect();
        names.join(", ")
    }

    pub(in crate::entra) const fn traits(self) -> &'static Traits {
        match self {
            Self::Entra => &ENTRA,
            Self::B2c => &B2C,
            Self::Adfs => &ADFS,
            Self::Oidc => &OIDC,
        }
    }

    /// Parses the URL of an authority of this kind.
    pub fn url(self, text: &str) -> Result<Url, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::NoUrl)?;
        if url.scheme() != "https" {
            return Err(UrlError::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        let path = self.traits().path;
        let plain = url.query().is_none() && url.fragment().is_none();
        if plain && path.fits(url.path()) {
            Ok(url)
        } else {
            Err(UrlError::Path(path.wanted()))
        }
    }
}

impl Path {
    fn fits(self, path: &str) -> bool {
        match self {
            Self::Empty => path == "/",
            Self::Flow => is_flow(path.trim_start_matches('/')),
            Self::Adfs => path.eq_ignore_ascii_case("/adfs"),
            Self::Issuer => true,
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Empty => "must end after the host and port: the tenant comes from spec.tenant",
            Self::Flow => {
                "must end after the user flow, for example https://contoso.b2clogin.com/B2C_1_ropc: the tenant comes \
                 from spec.tenant"
            }
            Self::Adfs => "must end in /adfs, for example https://fs.contoso.example/adfs",
            Self::Issuer => "must be the issuer as its discovery document writes it, without ? and #",
        }
    }
}

/// Names of user flows and custom policies: `B2C_1_...`, `B2C_1A_...`.
fn is_flow(segment: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !segment.is_empty() && segment.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_error(kind: Kind) -> UrlError {
        UrlError::Path(kind.traits().path.wanted())
    }

    #[test]
    fn every_kind_takes_urls_of_its_shape() {
        for (kind, good) in [
            (Kind::Entra, "https://localhost"),
            (Kind::Entra, "https://localhost:443/"),
            (Kind::B2c, "https://contoso.b2clogin.com/B2C_1A_ropc-2"),
            (Kind::Adfs, "https://fs.contoso.example/adfs"),
            (Kind::Oidc, "https://sso.contoso.example"),
            (Kind::Oidc, "https://sso.contoso.example/realms/a/"),
        ] {
            assert!(kind.url(good).is_ok(), "{kind:?} {good}");
        }
    }

    #[test]
    fn every_kind_refuses_urls_of_another_shape() {
        for (kind, bad) in [
            (Kind::Entra, "https://localhost/adfs"),
            (Kind::Entra, "https://localhost/contoso.example"),
            (Kind::B2c, "https://contoso.b2clogin.com"),
            (
                Kind::B2c,
                "https://contoso.b2clogin.com/contoso.example/B2C_1_ropc",
            ),
            (Kind::B2c, "https://contoso.b2clogin.com/B2C_1_ropc/"),
            (Kind::Adfs, "https://fs.contoso.example"),
            (Kind::Adfs, "https://fs.contoso.example/adfs/oauth2"),
            (Kind::Oidc, "https://sso.contoso.example?tenant=a"),
        ] {
            assert_eq!(kind.url(bad).unwrap_err(), path_error(kind), "{kind:?} {bad}");
        }
    }

    #[test]
    fn no_kind_takes_anything_but_plain_https() {
        for kind in Kind::iter() {
            for (bad, error) in [
                ("http://localhost/adfs", UrlError::NotHttps),
                ("file:///etc/passwd", UrlError::NotHttps),
                ("localhost", UrlError::NoUrl),
                ("https://", UrlError::NoUrl),
                ("https://user@localhost/adfs", UrlError::Credentials),
                ("https://:pass@localhost/adfs", UrlError::Credentials),
                ("https://localhost/adfs?x=1", path_error(kind)),
                ("https://localhost/adfs#x", path_error(kind)),
            ] {
                assert_eq!(kind.url(bad).unwrap_err(), error, "{kind:?} {bad}");
            }
        }
    }

    #[test]
    fn kinds_are_listed_as_the_configuration_writes_them() {
        assert_eq!(Kind::names(), "Entra, B2c, Adfs, Oidc");
        assert_eq!("Adfs".parse(), Ok(Kind::Adfs));
        assert!(
            "ExternalId".parse::<Kind>().is_err(),
            "Microsoft offers this grant to no external tenant"
        );
    }
}
