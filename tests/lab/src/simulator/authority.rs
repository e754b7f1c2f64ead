//! The kinds of authority that one simulator plays side by side, told apart by the path.
//!

/// Whom a request is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority<'a> {
    /// `/{tenant}`, the tenant as written.
    Entra(&'a str),
    /// `/adfs`.
    Adfs,
    /// `/{tenant}/{policy}` or `/tfp/{tenant}/{policy}`.
    B2c { tenant: &'a str, policy: &'a str },
    /// `/oidc/{name}`.
    Oidc(&'a str),
}

/// What an authority is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Token,
    Configuration,
    Keys,
}

impl<'a> Authority<'a> {
    /// Reads a path; compared without case, as the real services do.
    pub(crate) fn of_path(path: &'a str) -> Option<(Self, Endpoint)> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (authority, rest) = Self::of_segments(&segments)?;
        let rest = rest.join("/").to_lowercase();
        let endpoints = [Endpoint::Token, Endpoint::Configuration, Endpoint::Keys];
        let endpoint = endpoints
            .into_iter()
            .find(|endpoint| rest == authority.path_of(*endpoint))?;
        Some((authority, endpoint))
    }

    fn of_segments<'s>(segments: &'s [&'a str]) -> Option<(Self, &'s [&'a str])> {
        match segments {
            [first, rest @ ..] if first.eq_ignore_ascii_case("adfs") => Some((Self::Adfs, rest)),
            [first, name, rest @ ..] if first.eq_ignore_ascii_case("oidc") => Some((Self::Oidc(name), rest)),
            [first, rest @ ..] if first.eq_ignore_ascii_case("tfp") => Self::of_segments(rest),
            [tenant, policy, rest @ ..] if is_policy(policy) => Some((Self::B2c { tenant, policy }, rest)),
            [tenant, rest @ ..] => Some((Self::Entra(tenant), rest)),
            [] => None,
        }
    }

    /// Where an endpoint is found below the authority.
    pub(crate) fn path_of(self, endpoint: Endpoint) -> &'static str {
        match (self, endpoint) {
            (Self::Entra(_) | Self::B2c { .. }, Endpoint::Token) => "oauth2/v2.0/token",
            (Self::Entra(_) | Self::B2c { .. }, Endpoint::Configuration) => {
                "v2.0/.well-known/openid-configuration"
            }
            (Self::Entra(_) | Self::B2c { .. }, Endpoint::Keys) => "discovery/v2.0/keys",
            (Self::Adfs, Endpoint::Token) => "oauth2/token",
            (Self::Adfs, Endpoint::Keys) => "discovery/keys",
            (Self::Oidc(_), Endpoint::Token) => "token",
            (Self::Oidc(_), Endpoint::Keys) => "keys",
            (Self::Adfs | Self::Oidc(_), Endpoint::Configuration) => ".well-known/openid-configuration",
        }
    }

    /// The URL of the authority itself.
    pub(crate) fn url(self, base: &str) -> String {
        match self {
            Self::Entra(tenant) => format!("{base}/{tenant}"),
            Self::Adfs => format!("{base}/adfs"),
            Self::B2c { tenant, policy } => format!("{base}/{tenant}/{policy}"),
            Self::Oidc(name) => format!("{base}/oidc/{name}"),
        }
    }

    /// The `iss` of its tokens; `tenant` is a GUID.
    pub(crate) fn issuer(self, base: &str, tenant: &str) -> String {
        match self {
            Self::Entra(_) => format!("{base}/{tenant}/v2.0"),
            Self::B2c { .. } => format!("{base}/{tenant}/v2.0/"),
            Self::Adfs | Self::Oidc(_) => self.url(base),
        }
    }

    /// Refresh tokens are good at the authority that issued them; Entra's are good for every tenant.
    pub(crate) fn circle(self) -> String {
        match self {
            Self::Entra(_) => "entra".to_owned(),
            Self::Adfs => "adfs".to_owned(),
            Self::B2c { policy, .. } => format!("b2c/{}", policy.to_lowercase()),
            Self::Oidc(name) => format!("oidc/{name}"),
        }
    }
}

/// B2C prefixes its user flows, custom policies have `B2C_1A_`.
fn is_policy(segment: &str) -> bool {
    segment.to_lowercase().starts_with("b2c_1")
}
