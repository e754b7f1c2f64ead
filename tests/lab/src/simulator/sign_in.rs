//! What every grant asks of the account: is it usable, is there consent, what does policy say.
//!
//! Evaluated anew on each redemption, as the real service does.

use super::error::Refusal;

use super::token::Checked;
use super::world::{Account, Policy, User};

/// The challenge that a policy refusal carries; it is meant for an interactive request.
const POLICY_CLAIMS: &str =
    r#"{"access_token":{"capolids":{"essential":true,"values":["c0ffee00-0000-4000-8000-000000000001"]}}}"#;

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
