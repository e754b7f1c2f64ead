//! What the token answers of each kind of authority have instead of Entra's fields, or beside them.
//!
//! B2C as in Microsoft's page on its password flow, v1 and ADFS as MSAL libraries are prepared for them.

use serde_json::{Map, Value, json};

use super::authority::Authority;
use super::claims::ID_TOKEN_SECONDS;
use super::issue::Issue;
use super::signing::encode_json;

/// Life of a refresh token that B2C announces: 14 days.
const B2C_REFRESH_SECONDS: i64 = 14 * 24 * 60 * 60;

/// Life of a refresh token that ADFS announces: 8 hours.
const ADFS_REFRESH_SECONDS: i64 = 8 * 60 * 60;

type Answer = Map<String, Value>;

/// Gives a complete answer of Entra the shape of its authority.
pub(crate) fn apply(answer: &mut Answer, issue: &Issue<'_>) {
    match issue.request.authority {
        Authority::Entra(_) if issue.behaviour.v1_shape => v1(answer, issue),
        Authority::Entra(_) => entra(answer, issue),
        Authority::Adfs => adfs(answer, issue),
        Authority::B2c { .. } => {
            remove(answer, &["client_info", "ext_expires_in", "scope"]);
            if issue.redeemed {
                b2c_refresh(answer, issue);
            } else {
                as_text(answer, &["expires_in"]);
            }
        }
        Authority::Oidc(_) => remove(answer, &["client_info", "ext_expires_in"]),
    }
}

fn entra(answer: &mut Answer, issue: &Issue<'_>) {
    if let Some(seconds) = issue.user.told_refresh_life {
        add(answer, "refresh_token_expires_in", json!(seconds));
    }
}

fn v1(answer: &mut Answer, issue: &Issue<'_>) {
    add_times(answer, issue);
    add(answer, "resource", json!(issue.checked.scopes.resource.id));
    as_text(
        answer,
        &["expires_in", "ext_expires_in", "expires_on", "not_before"],
    );
}

fn adfs(answer: &mut Answer, issue: &Issue<'_>) {
    remove(answer, &["client_info", "ext_expires_in"]);
    add(answer, "token_type", json!("bearer"));
    add(answer, "resource", json!(issue.checked.scopes.resource.id));
    if answer.contains_key("refresh_token") {
        add(answer, "refresh_token_expires_in", json!(ADFS_REFRESH_SECONDS));
    }
    as_text(answer, &["expires_in", "refresh_token_expires_in"]);
}

fn b2c_refresh(answer: &mut Answer, issue: &Issue<'_>) {
    add_times(answer, issue);
    add(answer, "resource", json!(issue.client_id()));
    add(answer, "id_token_expires_in", json!(ID_TOKEN_SECONDS));
    let profile = json!({"ver": "1.0", "tid": issue.tenant, "sub": issue.user.oid, "name": issue.user.upn});
    add(answer, "profile_info", json!(encode_json(&profile)));
    if answer.contains_key("refresh_token") {
        add(answer, "refresh_token_expires_in", json!(B2C_REFRESH_SECONDS));
    }
}

fn add_times(answer: &mut Answer, issue: &Issue<'_>) {
    let now = issue.request.now.as_second();
    let life = i64::try_from(issue.expires_in).unwrap_or(i64::MAX);
    add(answer, "not_before", json!(now));
    add(answer, "expires_on", json!(now.saturating_add(life)));
}

fn add(answer: &mut Answer, field: &str, value: Value) {
    answer.insert(field.to_owned(), value);
}

fn remove(answer: &mut Answer, fields: &[&str]) {
    for field in fields {
        answer.remove(*field);
    }
}

/// Turns numbers into text.
pub(crate) fn as_text(answer: &mut Answer, fields: &[&str]) {
    for field in fields {
        if let Some(number) = answer.get_mut(*field).filter(|value| value.is_number()) {
            *number = json!(number.to_string());
        }
    }
}
