//! The password grant: account, password with smart lockout, then consent and policy.
//!
//! The password is judged before Conditional Access, so a policy code reveals that it was right.

use super::error::Refusal;
use super::issue::SignIn;
use super::refresh_tokens::Family;
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
    let user = find(service, name, checked.tenant.as_deref())?;
    sign_in::check_account(&user)?;
    // Smart lockout guards the password only: refresh tokens go on working.
    if service.lockout.is_locked(&user.oid, request.now) {
        return Err(Refusal::of(50053));
    }
    let password = request
        .form
        .get("password")
        .ok_or_else(|| Refusal::missing("password"))?;
    check_password(service, &user, password, request)?;
    sign_in::check_access(&user, checked)?;
    Ok(SignIn {
        family: family(&user, checked, request),
        user,
        redeemed: false,
    })
}

fn find(service: &Service, name: &str, tenant: Option<&str>) -> Result<User, Refusal> {
    let Some(user) = service.directory.user(name) else {
        let derivable = tenant.is_some() || service.directory.owns_domain(name);
        return Err(if derivable {
            not_in_directory(name)
        } else {
            Refusal::of(50128)
        });
    };
    match tenant {
        Some(tenant) if user.guest_of.contains(tenant) => Err(Refusal::of(50020)),
        Some(tenant) if user.tenant != tenant => Err(not_in_directory(name)),
        Some(_) | None => Ok(user.clone()),
    }
}

fn not_in_directory(name: &str) -> Refusal {
    let text = format!(
        "The user account {name} does not exist in the directory. To sign into this application, the account \
         must be added to the directory."
    );
    Refusal::of(50034).text(&text)
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

fn family(user: &User, checked: &Checked, request: TokenRequest<'_>) -> Family {
    Family {
        user: user.upn.to_lowercase(),
        client_id: checked.client.application.client_id.clone(),
        confidential: checked.client.confidential,
        password_based: true,
        signed_in: request.now,
    }
}
