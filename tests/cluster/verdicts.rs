//! What the identity provider's answers mean for a login, a refresh token and the people who look at them.

mod authorities;
mod federated;
mod identity;
mod issuers;
mod logins;
mod refusals;
mod renewals;
mod words;

use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT};
use entra_lab::stage::AUTHORITY;
use serde_json::{Value, json};

use crate::scene::{Place, api_scope, stage};

/// Token requests so far that name this user, with a password or a refresh token.
async fn calls(user: &str) -> usize {
    let journal = stage().await.simulator.journal();
    journal
        .matching(|e| e.grant().is_some() && e.user.as_deref() == Some(user))
        .len()
}

/// How often a password was sent for this user.
async fn sends(user: &str) -> usize {
    stage().await.simulator.journal().password_sends(user)
}

/// A credential `name` with the token Secret `<name>-api`, and its login.
async fn signed_in(place: &Place, name: &str, (user, password): &(String, String)) {
    place
        .credential(name, &[(&format!("{name}-api"), &api_scope())])
        .await;
    place.login(&format!("{name}-login"), user, password).await;
    place.expect(name, "Ready", "True/Fresh").await;
}

/// The spec that [`signed_in`] applies, to be changed.
fn spec(name: &str) -> Value {
    json!({
        "tenant": TENANT, "clientId": PUBLIC_CLIENT, "authority": AUTHORITY,
        "login": {"secretName": format!("{name}-login")},
        "tokens": [{"secretName": format!("{name}-api"), "scopes": [api_scope()]}],
    })
}
