//! The claims of access and id tokens, as each kind of authority writes them.
//!
//! Clients must not read access tokens; they are real JWTs here because APIs under test do.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::authority::Authority;
use super::issue::Issue;
use super::signing::base64url;
use super::world::new_guid;

/// Life of an id_token.
pub(crate) const ID_TOKEN_SECONDS: i64 = 60 * 60;

/// The claims of an access token.
pub(crate) fn access(issue: &Issue<'_>) -> Value {
    let mut claims = common(issue, i64::try_from(issue.expires_in).unwrap_or(i64::MAX));
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    add("aud", json!(issue.checked.scopes.resource.app_id));
    add("scp", json!(issue.checked.scopes.names.join(" ")));
    add("azp", json!(issue.client_id()));
    add("upn", json!(issue.user.upn));
    if issue.long_lived {
        add("xms_cc", json!(["CP1"]));
    }
    Value::Object(claims)
}

/// The claims of an id_token.
pub(crate) fn id(issue: &Issue<'_>) -> Value {
    let mut claims = common(issue, ID_TOKEN_SECONDS);
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    add("aud", json!(issue.client_id()));
    add("name", json!(issue.user.upn));
    match issue.request.authority {
        Authority::Entra(_) | Authority::Oidc(_) => add("preferred_username", json!(issue.user.upn)),
        Authority::Adfs => add("upn", json!(issue.user.upn)),
        Authority::B2c { .. } => add("emails", json!([issue.user.upn])),
    };
    Value::Object(claims)
}

fn common(issue: &Issue<'_>, seconds: i64) -> Map<String, Value> {
    let (request, now) = (issue.request, issue.request.now.as_second());
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    add("iss", json!(request.authority.issuer(request.base, issue.tenant)));
    add("iat", json!(now));
    add("nbf", json!(now));
    add("exp", json!(now.saturating_add(seconds)));
    add("sub", json!(subject(issue)));
    match request.authority {
        Authority::Entra(_) => {
            add("oid", json!(issue.user.oid));
            add("tid", json!(issue.tenant));
            add("uti", json!(new_guid()));
            add("ver", json!("2.0"));
        }
        Authority::B2c { policy, .. } => {
            add("oid", json!(issue.user.oid));
            add("tfp", json!(policy));
            add("ver", json!("1.0"));
        }
        Authority::Adfs | Authority::Oidc(_) => {}
    }
    claims
}

/// Pairwise at Entra: differs from client to client. B2C puts the object id there.
fn subject(issue: &Issue<'_>) -> String {
    match issue.request.authority {
        Authority::B2c { .. } => issue.user.oid.clone(),
        Authority::Entra(_) | Authority::Adfs | Authority::Oidc(_) => base64url(&Sha256::digest(format!(
            "{}/{}",
            issue.user.oid,
            issue.client_id()
        ))),
    }
}
