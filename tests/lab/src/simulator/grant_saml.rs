//! The SAML bearer grants: an assertion of the federation server instead of a password (RFC 7522).
//!
//! Only assertions that this simulator issued are trusted; user name and password beside one are not looked at.

use super::error::Refusal;
use super::federation::{Issued, Saml};
use super::issue::SignIn;
use super::service::{Service, TokenRequest};
use super::sign_in;
use super::token::Checked;

/// Signs the user in whom the assertion names.
pub(crate) fn sign_in(
    service: &Service,
    request: TokenRequest<'_>,
    checked: &Checked,
    saml: Saml,
) -> Result<SignIn, Refusal> {
    let assertion = request
        .form
        .get("assertion")
        .ok_or_else(|| Refusal::missing("assertion"))?;
    let issued = trusted(service, assertion, saml)?;
    if request.now >= issued.until {
        return Err(invalid("it has expired"));
    }
    let user = sign_in::find(service, &issued.user, checked.tenant.as_deref())?;
    sign_in::check_account(&user)?;
    sign_in::check_access(&user, checked)?;
    Ok(SignIn {
        family: sign_in::family(&user, checked, request, false),
        user,
        redeemed: false,
    })
}

fn trusted<'s>(service: &'s Service, assertion: &str, saml: Saml) -> Result<&'s Issued, Refusal> {
    let issued = service
        .assertions
        .find(assertion)
        .ok_or_else(|| invalid("its signature does not fit, or it cannot be read"))?;
    if issued.saml == saml {
        Ok(issued)
    } else {
        Err(invalid("it is of another version of SAML than the grant"))
    }
}

fn invalid(why: &str) -> Refusal {
    Refusal::of(50013).text(&format!("Assertion failed validation: {why}."))
}
