//! The token endpoint: what is checked before the grant itself, in the order of the design.
//!
//! Each grant type has a file of its own and is entered here.

use serde_json::Value;

use super::authority::Authority;
use super::client::{Client, Credentials, unknown};
use super::directory::Realm;
use super::error::Refusal;
use super::federation::Saml;
use super::scope::Scopes;
use super::service::{Service, TokenRequest};
use super::{grant_password, grant_refresh, grant_saml, issue};

/// The grants that the service knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrantType {
    Password,
    RefreshToken,
    Assertion(Saml),
}

/// A request whose client and scope are in order.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// The tenant, unless it follows from the user.
    pub(crate) tenant: Option<String>,
    pub(crate) client: Client,
    pub(crate) scopes: Scopes,
}

/// Decides one token request.
pub(crate) fn answer(service: &mut Service, request: TokenRequest<'_>) -> Result<Value, Refusal> {
    let grant_type = grant_type(request)?;
    let tenant = tenant(service, request, grant_type)?;
    let checked = check(service, request, tenant)?;
    check_loop(service, request)?;
    let sign_in = match grant_type {
        GrantType::Password => grant_password::sign_in(service, request, &checked),
        GrantType::RefreshToken => grant_refresh::sign_in(service, request, &checked),
        GrantType::Assertion(saml) => grant_saml::sign_in(service, request, &checked, saml),
    }?;
    // Under `organizations` the tenant is known only now.
    if !checked.client.application.exists_in(&sign_in.user.tenant) {
        return Err(unknown(&checked.client.application.client_id));
    }
    issue::tokens(service, request, &checked, sign_in)
}

fn check_loop(service: &mut Service, request: TokenRequest<'_>) -> Result<(), Refusal> {
    let owner = request
        .form
        .get("refresh_token")
        .and_then(|token| service.tokens.owner(token));
    let owner = owner.map_or("", |family| family.user.as_str());
    if service.behaviour.loop_detection && service.loops.exceeded(request.form, owner, request.now) {
        return Err(Refusal::of(50196));
    }
    Ok(())
}

fn grant_type(request: TokenRequest<'_>) -> Result<GrantType, Refusal> {
    let entra = matches!(request.authority, Authority::Entra(_));
    match request.form.get("grant_type") {
        None => Err(Refusal::missing("grant_type")),
        Some("password") => Ok(GrantType::Password),
        Some("refresh_token") => Ok(GrantType::RefreshToken),
        Some("urn:ietf:params:oauth:grant-type:saml1_1-bearer") if entra => {
            Ok(GrantType::Assertion(Saml::V11))
        }
        Some("urn:ietf:params:oauth:grant-type:saml2-bearer") if entra => Ok(GrantType::Assertion(Saml::V20)),
        Some(other) => {
            Err(Refusal::of(70003).text(&format!("The app requested an unsupported grant type '{other}'.")))
        }
    }
}

fn tenant(
    service: &Service,
    request: TokenRequest<'_>,
    grant_type: GrantType,
) -> Result<Option<String>, Refusal> {
    let (Authority::Entra(segment) | Authority::B2c { tenant: segment, .. }) = request.authority else {
        return Ok(None);
    };
    let not_found = || Refusal::of(90002).text(&format!("Tenant '{segment}' not found."));
    match service.directory.realm(segment).ok_or_else(not_found)? {
        Realm::Tenant(id) => Ok(Some(id)),
        Realm::Organizations => Ok(None),
        // A refresh token knows its tenant, a password does not.
        Realm::Common if grant_type == GrantType::RefreshToken => Ok(None),
        Realm::Common | Realm::Consumers => Err(Refusal::of(9001023)),
    }
}

fn check(service: &Service, request: TokenRequest<'_>, tenant: Option<String>) -> Result<Checked, Refusal> {
    let credentials = Credentials::read(request.form, request.authorization);
    let client = credentials.check(tenant.as_deref(), &service.directory, request)?;
    let scope = request
        .form
        .get("scope")
        .ok_or_else(|| Refusal::missing("scope"))?;
    let scopes = match request.authority {
        Authority::Oidc(name) => Scopes::free(scope, name),
        Authority::B2c { .. } => Scopes::of_b2c(scope, &client.application, &service.directory)?,
        Authority::Entra(_) | Authority::Adfs => {
            Scopes::check(scope, &client.application, &service.directory)?
        }
    };
    Ok(Checked {
        tenant,
        client,
        scopes,
    })
}
