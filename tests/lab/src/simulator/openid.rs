//! Discovery documents of ADFS, B2C and generic issuers; Entra's are in `discovery`.
//!
//! Each names the endpoints below its own authority, as the client addressed it.

use serde_json::{Value, json};

use super::authority::{Authority, Endpoint};

/// The document; `issuer` is what tokens will name.
pub(crate) fn document(authority: Authority<'_>, base: &str, issuer: &str) -> Value {
    let url = authority.url(base);
    let of = |endpoint| format!("{url}/{}", authority.path_of(endpoint));
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{url}/{}", authorization(authority)),
        "token_endpoint": of(Endpoint::Token),
        "jwks_uri": of(Endpoint::Keys),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported": ["password", "refresh_token"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "client_secret_basic", "private_key_jwt"],
    })
}

fn authorization(authority: Authority<'_>) -> &'static str {
    match authority {
        Authority::Entra(_) | Authority::B2c { .. } => "oauth2/v2.0/authorize",
        Authority::Adfs => "oauth2/authorize",
        Authority::Oidc(_) => "authorize",
    }
}
