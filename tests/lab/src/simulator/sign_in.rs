//! What every grant asks of the account: is it a member, is it usable, is there consent, what does policy say.
//!
//! Evaluated anew on each redemption, as the real service does.

use uuid::Uuid;

use super::error::Refusal;
use super::refresh_tokens::Family;
use super::service::{Service, TokenRequest};
use super::token::Checked;
use super::world::{Account, Policy, User};

/// The challenge that a policy refusal carries; it is meant for an interactive request.
const POLICY_CLAIMS: &str =
    r#"{"access_token":{"capolids":{"essential":true,"values":["c0ffee00-0000-4000-8000-000000000001"]}}}"#;

/// The account of this name, if it may sign in at the tenant with a credential of its own.
pub(crate) fn find(service: &Service, name: &str, tenant: Option<&str>) -> Result<User, Refusal> {
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

/// Refuses a disabled or locked account, whatever the credential.
pub(crate) fn check_account(user: &User) -> Result<(), Refusal> {
    match user.account {
        Account::Disabled => Err(Refusal::of(50057)),
        Account::Locked => Err(Refusal::of(50053)),
        Account::Active => Ok(()),
    }
}

/// Refuses without consent, then as Conditional Access says.
pub(crate) fn check_access(user: &User, checked: &Checked) -> Result<(), Refusal> {
    let client = &checked.client.application.client_id;
    if !user.consents(client, &checked.scopes.resource.id) {
        return Err(Refusal::of(65001));
    }
    match user.policy {
        Policy::Allow => Ok(()),
        Policy::Mfa => Err(Refusal::of(50076).claims(POLICY_CLAIMS)),
        Policy::MfaRegistration => Err(Refusal::of(50079).claims(POLICY_CLAIMS)),
        Policy::Block => Err(Refusal::of(53003).claims(POLICY_CLAIMS)),
        Policy::CompliantDevice => Err(Refusal::of(53000)),
        Policy::SecurityDefaults => Err(Refusal::of(530035)),
    }
}

/// The refresh tokens that begin with this sign-in.
pub(crate) fn family(
    user: &User,
    checked: &Checked,
    request: TokenRequest<'_>,
    password_based: bool,
) -> Family {
    Family {
        user: user.upn.to_lowercase(),
        client_id: checked.client.application.client_id.clone(),
        confidential: checked.client.confidential,
        circle: request.authority.circle(),
        password_based,
        signed_in: request.now,
        id: Uuid::new_v4(),
    }
}
