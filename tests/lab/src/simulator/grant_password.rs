//! The password grant: account, password with smart lockout, then consent and policy.
//!
//! The password is judged before Conditional Access, so a policy code reveals that it was right.

use super::authority::Authority;
use super::error::Refusal;
use super::issue::SignIn;
use super::service::{Service, TokenRequest};
use super::sign_in;
use super::token::Checked;
use super::world::User;

/// Longer passwords are refused before they are compared.
const LONGEST_PASSWORD: usize = 256;

/// Signs the user in.
pub(crate) fn sign_in(
    service: &mut Service,
    request: TokenRequest<'_>,
    checked: &Checked,
) -> Result<SignIn, Refusal> {
    let name = request
        .form
        .get("username")
        .ok_or_else(|| Refusal::missing("username"))?;
    let user = sign_in::find(service, name, checked.tenant.as_deref())?;
    sign_in::check_account(&user)?;
    // Smart lockout guards the password only: refresh tokens go on working.
    if service.lockout.is_locked(&user.oid, request.now) {
        return Err(Refusal::of(50053));
    }
    let password = request
        .form
        .get("password")
        .ok_or_else(|| Refusal::missing("password"))?;
    check_response_type(request)?;
    check_password(service, &user, password, request)?;
    sign_in::check_access(&user, checked)?;
    Ok(SignIn {
        family: sign_in::family(&user, checked, request, true),
        user,
        redeemed: false,
    })
}

/// B2C wants to be told what to answer.
fn check_response_type(request: TokenRequest<'_>) -> Result<(), Refusal> {
    let b2c = matches!(request.authority, Authority::B2c { .. });
    if b2c && request.form.get("response_type").is_none() {
        Err(Refusal::missing("response_type"))
    } else {
        Ok(())
    }
}

fn check_password(
    service: &mut Service,
    user: &User,
    password: &str,
    request: TokenRequest<'_>,
) -> Result<(), Refusal> {
    if password.chars().count() > LONGEST_PASSWORD {
        return Err(Refusal::of(50052));
    }
    // The hash of a federated user's password is not in the cloud, so there is nothing to count either.
    let cloud = matches!(request.authority, Authority::Entra(_));
    if cloud && !service.directory.knows_password(&user.upn) {
        return Err(Refusal::of(50126));
    }
    if password != user.password {
        service
            .lockout
            .fail(&user.oid, password, request.now, &service.behaviour.lockout);
        return Err(Refusal::of(50126));
    }
    service.lockout.succeed(&user.oid);
    if user.password_expired {
        Err(Refusal::of(50055))
    } else {
        Ok(())
    }
}
