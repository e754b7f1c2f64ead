//! What Keycloak is given: a realm with users, a client scope, and clients.

use serde_json::{Value, json};

use super::cast::{CAST, Material, OTHER_SCOPE, Proof, Role, SCOPE, Trouble, joined};

/// Name of the realm.
pub(super) const REALM: &str = "lab";

/// What the server notes.
const EVENTS: [&str; 4] = ["LOGIN", "LOGIN_ERROR", "REFRESH_TOKEN", "REFRESH_TOKEN_ERROR"];

/// The realm; access tokens live for `life` seconds. Otherwise it is as Keycloak makes one: a used refresh token stays
/// redeemable ("Revoke Refresh Token" is off), though every answer brings a new one.
pub(super) fn realm(life: u64, material: &Material) -> Value {
    let users: Vec<_> = CAST.iter().map(|role| user(role, material)).collect();
    json!({
        "realm": REALM, "enabled": true, "sslRequired": "all", "accessTokenLifespan": life,
        "eventsEnabled": true, "enabledEventTypes": EVENTS, "users": users,
    })
}

/// Without e-mail and names Keycloak would ask for them before any sign-in.
fn user(role: &Role, material: &Material) -> Value {
    let (roles, actions) = match role.trouble {
        Some(Trouble::NoOffline) => (&[][..], &[][..]),
        Some(Trouble::RequiredAction) => (&["default-roles-lab"][..], &["UPDATE_PASSWORD"][..]),
        Some(Trouble::Mistyped) | None => (&["default-roles-lab"][..], &[][..]),
    };
    json!({
        "username": role.user(), "email": role.user(), "emailVerified": true, "firstName": role.name, "lastName": "Service",
        "enabled": true, "realmRoles": roles, "requiredActions": actions,
        "credentials": [{"type": "password", "value": material.password}],
    })
}

/// A scope of the API that the tokens are for.
pub(super) fn scope(name: &str) -> Value {
    json!({"name": name, "protocol": "openid-connect", "attributes": {"include.in.token.scope": "true"}})
}

/// The client that proves itself so.
pub(super) fn client(proof: Proof, material: &Material) -> Value {
    let client = json!({
        "clientId": proof.client_id(), "publicClient": proof == Proof::Public,
        "directAccessGrantsEnabled": true, "standardFlowEnabled": false,
        "defaultClientScopes": ["basic", "profile", "email", "roles"],
        "optionalClientScopes": [SCOPE, OTHER_SCOPE, "offline_access"],
    });
    let known = match proof {
        Proof::Public => json!({}),
        Proof::Secret => json!({"secret": material.client_secret}),
        Proof::Certificate => json!({
            "clientAuthenticatorType": "client-jwt",
            "attributes": {"jwt.credential.certificate": bare(&material.certificate.0)},
        }),
    };
    joined(client, known)
}

/// A certificate without the lines around it, as Keycloak keeps one.
fn bare(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}
