//! Where the requests of a credential go, for people who want to know beforehand. Made by what makes the requests.

use super::{Authorities, Endpoint, Kind};
use crate::api::Cloud;
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::AuthorityRefused;

/// What stands for the user name in a URL.
const USER: &str = "USER";

/// Where requests go, and what the authority asks of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What the authority is.
    pub kind: Kind,
    /// Host, with the port if it is not 443.
    pub host: String,
    /// Who checks a password is asked here, `USER` being its name; `None`: the authority checks it itself.
    pub realm: Option<String>,
    /// The discovery document: it tells the GUID of a tenant, and the token endpoint where that is not known.
    pub document: String,
    /// The token endpoint; `None`: the document names it.
    pub token: Option<String>,
    /// Where an administrator of the tenant consents.
    pub admin_consent: Option<String>,
    /// Scopes that are asked for beside those of the spec.
    pub added_scopes: &'static [&'static str],
    /// The audience of a workload identity's token; `None`: it may not go there.
    pub audience: Option<String>,
    /// `openid` and `profile` may be named in the spec.
    pub takes_openid: bool,
}

impl Authorities {
    /// The route of a binding that was made for this cloud or declared authority.
    pub fn route(
        &self,
        cloud: Option<Cloud>,
        named: Option<&str>,
        binding: &Binding,
    ) -> Result<Route, AuthorityRefused> {
        let authority = self.bound(named, &binding.authority)?;
        let traits = authority.traits();
        let token = match authority.token_endpoint(&binding.tenant)? {
            Endpoint::Known(url) => Some(url.into()),
            Endpoint::Discovered(_) => None,
        };
        Ok(Route {
            kind: authority.kind,
            host: authority.host(),
            realm: authority.user_realm(USER).map(Into::into),
            document: authority.discovery_document(&binding.tenant)?.into(),
            token,
            admin_consent: authority
                .admin_consent(&binding.tenant, &binding.client_id)
                .map(Into::into),
            added_scopes: traits.reserved_scopes,
            audience: traits
                .takes_workload_identity
                .then(|| self.audience(cloud).to_owned()),
            takes_openid: traits.openid_suffices,
        })
    }
}
