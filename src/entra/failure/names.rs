//! What an error answer means that has no known code: by `suberror`, then by the OAuth `error`.

use super::error_body::ErrorBody;
use super::{Class, Verdict, kin};
use crate::entra::Grant;

/// An `error` of Keycloak that no RFC has.
const NOT_ALLOWED: &str = "not_allowed";

/// Keycloak's [`NOT_ALLOWED`]: the password was right, and `offline_access` is refused.
const NO_OFFLINE: Verdict = Verdict {
    message: "The identity provider gives this account or application no refresh token",
    remedy: "Allow both the scope offline_access.",
    ..Verdict::of(Class::Application, None)
};

/// No code is known: what it is like, then `suberror`, then `error`.
pub(super) fn by_names(grant: Grant, body: &ErrorBody) -> Verdict {
    let code = body.codes.last().copied();
    let told = code.and_then(kin).or_else(|| by_suberror(grant, &body.suberror));
    if told.is_none() && body.error == NOT_ALLOWED {
        return NO_OFFLINE;
    }
    let class = told.or_else(|| by_error(grant, &body.error));
    Verdict::of(class.unwrap_or_else(|| unheard_of(body)), code)
}

/// Whether a gateway could have written it just as well: the errors of OAuth are said by token endpoints, and some say them
/// with 403 (Keycloak `access_denied` of a disabled realm, Auth0 `unauthorized_client`).
pub(super) fn may_be_anybodys(body: &ErrorBody) -> bool {
    let of_oauth = body.error == NOT_ALLOWED || by_error(Grant::Password, &body.error).is_some();
    body.codes.is_empty() && body.b2c.is_none() && !of_oauth
}

/// `suberror` by grant: `bad_token` was seen on a password answer for an unknown user, so it counts on refresh only.
fn by_suberror(grant: Grant, suberror: &str) -> Option<Class> {
    match suberror {
        "basic_action"
        | "additional_action"
        | "user_password_expired"
        | "ui_not_allowed"
        | "interrupted_user" => Some(Class::UserAction),
        "message_only" | "protection_policy_required" | "device_authentication_failed" => Some(Class::Policy),
        "consent_required" => Some(Class::Consent),
        "client_mismatch" => Some(Class::Application),
        "bad_token" | "token_expired" if grant == Grant::Refresh => Some(Class::Dead),
        _ => None,
    }
}

/// The OAuth error (RFC 6749 §5.2, OpenID Connect Core 1.0 §3.1.2.6, and Entra ID's own).
fn by_error(grant: Grant, error: &str) -> Option<Class> {
    match error {
        "invalid_grant" => Some(unknown_grant_error(grant)),
        "invalid_scope" | "invalid_resource" | "invalid_target" => Some(Class::Scope),
        "invalid_client"
        | "invalid_request"
        | "unauthorized_client"
        | "unsupported_grant_type"
        | "unsupported_response_type"
        | "invalid_instance" => Some(Class::Application),
        "interaction_required" | "login_required" | "user_password_expired" => Some(Class::UserAction),
        "consent_required" => Some(Class::Consent),
        "access_denied" => Some(Class::Policy),
        "invalid_tenant" => Some(Class::TenantUnknown),
        "slow_down" => Some(Class::Throttled),
        "temporarily_unavailable" | "server_error" | "request_timeout" => Some(Class::Transient),
        _ => None,
    }
}

/// `invalid_grant` without anything known: most likely the password, but it may be a locked account or an action that the
/// provider asks of its user; a federation server's assertion says nothing against the password that it was issued for,
/// and a refresh token is not given up for a single odd answer.
const fn unknown_grant_error(grant: Grant) -> Class {
    match grant {
        Grant::Password | Grant::WsTrust => Class::Doubtful,
        Grant::Saml11 | Grant::Saml20 => Class::Application,
        Grant::Refresh => Class::Suspect,
        Grant::Discovery => Class::Unexpected,
    }
}

/// An `error` that nobody documented: with a code it is Entra ID's, without it anybody's.
fn unheard_of(body: &ErrorBody) -> Class {
    if body.codes.is_empty() {
        Class::Unexpected
    } else {
        Class::Application
    }
}
