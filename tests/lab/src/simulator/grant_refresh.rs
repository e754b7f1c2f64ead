//! The refresh-token grant: the token's own state first, then the account and its policies anew.
//!
//! The token is bound to user and client, not to a resource, so one token serves every consented API.

use super::clock::DAY;
use super::error::Refusal;
use super::issue::SignIn;
use super::refresh_tokens::Family;
use super::service::{Service, TokenRequest};
use super::sign_in;
use super::token::Checked;
use super::world::{Rotation, User};

/// Redeems a refresh token.
pub(crate) fn sign_in(
    service: &mut Service,
    request: TokenRequest<'_>,
    checked: &Checked,
) -> Result<SignIn, Refusal> {
    let token = request
        .form
        .get("refresh_token")
        .ok_or_else(|| Refusal::missing("refresh_token"))?;
    let application = &checked.client.application;
    let family = service.tokens.redeem(
        token,
        &application.client_id,
        &request.authority.circle(),
        request.now,
    )?;
    if family.confidential && !checked.client.confidential {
        return Err(Refusal::of(7000218));
    }
    let user = owner(service, &family, checked.tenant.as_deref())?;
    check_age(&family, &user, application.single_page, request)?;
    sign_in::check_account(&user)?;
    sign_in::check_access(&user, checked)?;
    if service.directory.rotation(request.authority) == Rotation::OneTime {
        service.tokens.spend(token);
    }
    Ok(SignIn {
        family,
        user,
        redeemed: true,
    })
}

fn owner(service: &Service, family: &Family, tenant: Option<&str>) -> Result<User, Refusal> {
    let user = service
        .directory
        .user(&family.user)
        .ok_or_else(|| Refusal::of(50034))?;
    let member = |tenant: &str| user.tenant == tenant || user.guest_of.contains(tenant);
    if tenant.is_none_or(member) {
        Ok(user.clone())
    } else {
        Err(Refusal::of(50020))
    }
}

/// Single-page applications sign in anew every day; a sign-in-frequency policy may ask for less.
fn check_age(
    family: &Family,
    user: &User,
    single_page: bool,
    request: TokenRequest<'_>,
) -> Result<(), Refusal> {
    let age = request.now.duration_since(family.signed_in).as_secs();
    if single_page && age >= DAY {
        return Err(Refusal::of(700084));
    }
    match user.sign_in_frequency {
        Some(limit) if age >= limit => Err(Refusal::of(70043)),
        Some(_) | None => Ok(()),
    }
}
