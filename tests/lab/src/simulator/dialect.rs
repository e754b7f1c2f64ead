//! How each kind of authority words a refusal. The reasons are Entra's codes; the journal keeps them.
//!
//! B2C writes its codes into the text only, ADFS some of its own, a generic issuer what RFC 6749 section 5.2 asks for.

use serde_json::json;

use super::authority::Authority;
use super::clock::entra_date;
use super::error::{Refusal, Trace};
use super::reply::Reply;

/// The answer of the token endpoint of `authority` that refuses.
pub(crate) fn refuse(authority: Authority<'_>, refusal: &Refusal, trace: &Trace) -> Reply {
    let (error, description) = match authority {
        Authority::Entra(_) => return Reply::refusal(refusal, trace),
        Authority::Adfs => (spoken(refusal), adfs(refusal)),
        Authority::B2c { .. } => b2c(refusal, trace),
        Authority::Oidc(_) => (spoken(refusal), refusal.text.clone()),
    };
    let status = match (error.as_str(), refusal.status) {
        ("invalid_client", _) => 401,
        ("access_denied", _) => 400,
        (_, status) => status,
    };
    let body = json!({"error": error, "error_description": description});
    Reply::json(status, &body).coded(refusal.code())
}

/// The error as RFC 6749 has it: what is unknown is not told apart from what is wrong.
fn spoken(refusal: &Refusal) -> String {
    match refusal.code() {
        Some(code) if is_password(code) => "invalid_grant".to_owned(),
        Some(700016) => "invalid_client".to_owned(),
        _ => refusal.error.clone(),
    }
}

fn adfs(refusal: &Refusal) -> String {
    match refusal.code() {
        Some(code) if is_password(code) => "MSIS9659: Invalid 'username' or 'password'.".to_owned(),
        Some(50173 | 700082 | 9002313) => {
            "MSIS9615: The refresh token received in 'refresh_token' parameter has expired.".to_owned()
        }
        _ => refusal.text.clone(),
    }
}

fn b2c(refusal: &Refusal, trace: &Trace) -> (String, String) {
    let (error, text) = match refusal.code() {
        Some(code) if is_password(code) => (
            "access_denied",
            "AADB2C90225: The username or password provided in the request are invalid.",
        ),
        Some(700016) => (
            "invalid_request",
            "AADB2C90068: The application is not valid here.",
        ),
        Some(7000218) => (
            "unauthorized_client",
            "AADB2C90057: The application is not a public client.",
        ),
        Some(70003) => (
            "unsupported_grant_type",
            "AADB2C90086: The grant type is not supported.",
        ),
        Some(70011 | 500011 | 28000) => ("invalid_request", "AADB2C90117: The scope is not supported."),
        Some(50173 | 700082 | 9002313) => ("invalid_grant", "AADB2C90080: The grant has expired."),
        Some(700007) => (
            "invalid_grant",
            "AADB2C90088: The grant was not issued for this endpoint.",
        ),
        _ => (refusal.error.as_str(), refusal.text.as_str()),
    };
    let (correlation, time) = (&trace.correlation_id, entra_date(trace.now));
    let description = format!("{text}\r\nCorrelation ID: {correlation}\r\nTimestamp: {time}\r\n");
    (error.to_owned(), description)
}

/// User and password are not told apart.
fn is_password(code: u32) -> bool {
    [50034, 50056, 50126, 50128].contains(&code)
}
