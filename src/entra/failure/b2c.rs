//! Refusals of Azure AD B2C: they have a number of their own, `AADB2C90225`, in the text alone.
//!
//! Numbers and meanings: Microsoft's page "Error codes: Azure Active Directory B2C". The OAuth error beside them does
//! not help: a wrong password has come as `access_denied` and as `invalid_grant`.

use super::Class::{Application, Dead, Doubtful, Locked, Scope, Throttled, Transient, UserUnknown};
use super::table::row;
use super::{Row, Verdict};

const SCOPES: &str = "Correct the scopes of this token entry: the client id for a token of the application itself, or those of one API.";
const FLOW: &str = "Check that the user flow in authorities[].url is one for resource owners, and that this application may use it.";
const CREDENTIAL: &str = "Check spec.clientCredential and the app registration.";

/// What the password and refresh grants can meet, in ascending order.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(90012, Scope, "B2C does not know a scope", SCOPES),
    row(90053, UserUnknown, "B2C does not know the user", "Check user name and tenant."),
    row(90054, Doubtful, "B2C refused the user name and password", "Check user name and password."),
    row(90055, Scope, "A scope names no resource", SCOPES),
    row(90056, Scope, "The application may not use the resource of a scope", SCOPES),
    row(90079, Application, "B2C asks for a client secret", CREDENTIAL),
    row(90080, Dead, "The refresh token has expired", ""),
    row(90081, Application, "B2C does not accept the client secret", CREDENTIAL),
    row(90084, Application, "B2C wants no client secret of a public client", "Remove spec.clientCredential."),
    row(90085, Transient, "B2C has an internal fault", "Nothing to do: it is tried again by itself."),
    row(90111, Locked, "The account is locked", "Unlock the account."),
    row(90114, Locked, "The account is locked for a while", "Wait, or unlock the account."),
    row(90117, Scope, "B2C does not know a scope", SCOPES),
    row(90128, UserUnknown, "The account of the refresh token no longer exists", "Restore the account in the directory."),
    row(90129, Dead, "The refresh token was revoked", ""),
    row(90146, Scope, "The scopes name more than one resource", "Give every resource an entry of its own in spec.tokens."),
    row(90205, Scope, "The application lacks permissions for the resource", "Grant the application the API's permissions."),
    row(90224, Application, "This application may not use the flow for resource owners", FLOW),
    row(90225, Doubtful, "B2C refused the user name and password", "Check user name and password."),
    row(90229, Throttled, "B2C asks to slow down", "Nothing to do: it is tried again by itself."),
    row(90244, Throttled, "B2C asks to slow down", "Nothing to do: it is tried again by itself."),
    row(90249, Application, "This tenant may not use the flow for resource owners", FLOW),
];

/// A refusal with no row here is one of the user flow or the application.
const OTHER: Row = row(
    0,
    Application,
    "B2C does not accept the request of this application",
    FLOW,
);

/// What the number means. The status shows AADSTS numbers only, so it is left out there.
pub(super) fn verdict(code: u32) -> Verdict {
    let row = ROWS.iter().find(|row| row.first == code).unwrap_or(&OTHER);
    Verdict::by_row(None, row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_speak_in_sentences() {
        assert!(ROWS.is_sorted_by_key(|row| row.first));
        for Row { message, remedy, .. } in ROWS.iter().chain([&OTHER]) {
            assert!(
                message.starts_with(char::is_uppercase) && !message.ends_with('.'),
                "{message}"
            );
            assert!(
                remedy.is_empty() || remedy.starts_with(char::is_uppercase) && remedy.ends_with('.'),
                "{remedy}"
            );
        }
    }

    #[test]
    fn only_these_numbers_say_something_about_a_password_or_refresh_token() {
        let of = |class| -> Vec<u32> {
            let rows = ROWS.iter().filter(|row| row.class == class);
            rows.map(|row| row.first).collect()
        };
        assert_eq!(of(Doubtful), [90054, 90225]);
        assert_eq!(of(Dead), [90080, 90129]);
    }
}
