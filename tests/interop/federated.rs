//! Federated accounts: the password goes to the federation server alone, its assertion becomes a token, and
//! renewals need neither.

use entra_lab::simulator::{Metadata, SamlToken};

use crate::library::Library;
use crate::ours::{account, granted, refresh_token};
use crate::scene::{Registration, Scene, User};

const V13: &str = "/adfs/services/trust/13/usernamemixed";
const V2005: &str = "/adfs/services/trust/2005/usernamemixed";
const SAML11: &str = "urn:ietf:params:oauth:grant-type:saml1_1-bearer";
const SAML20: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

/// Where the library sent the password for an assertion.
fn endpoints(scene: &Scene) -> Vec<String> {
    let posted = scene
        .simulator
        .journal()
        .matching(|entry| entry.method == "POST" && entry.path.starts_with("/adfs/"));
    posted.into_iter().map(|entry| entry.path).collect()
}

/// A server with this metadata that issues this kind of assertion.
async fn server(metadata: Metadata, token: SamlToken) -> Scene {
    let scene = Scene::start().await;
    scene.simulator.configure(|behaviour| {
        behaviour.federation.metadata = metadata;
        behaviour.federation.token = token;
    });
    scene
}

/// The library asks for the assertion at `endpoint`, redeems it by `grant`, and lives on, as we do after it.
async fn signs_in(library: Library, scene: Scene, endpoint: &str, grant: &str) {
    let user = User::federated();
    let mut msal = scene.msal(library, Registration::public());
    let first = msal.sign_in(&user).await.tokens();
    assert_eq!(first.username, user.name);
    assert_eq!(endpoints(&scene), [endpoint]);
    assert_eq!(scene.grants(0), [grant]);

    let renewed = msal.renew().await.tokens();
    assert_eq!(scene.grants(0), [grant, "refresh_token"]);
    let ours = scene.ours(&Registration::public());
    let stored = renewed.refresh_token.as_deref().unwrap();
    let tokens = granted(ours.redeem(stored, &renewed.account).await);
    assert_eq!(account(&tokens), first.account);
    assert_ne!(refresh_token(&tokens), stored);
    assert_eq!(endpoints(&scene), [endpoint], "renewals leave it alone");
}

#[tokio::test]
async fn python_prefers_ws_trust_13() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    signs_in(Library::Python, scene, V13, SAML11).await;
}

#[tokio::test]
async fn python_speaks_ws_trust_2005() {
    let scene = server(Metadata::Only2005, SamlToken::V11).await;
    signs_in(Library::Python, scene, V2005, SAML11).await;
}

#[tokio::test]
async fn python_does_without_metadata() {
    let scene = server(Metadata::Unnamed, SamlToken::V11).await;
    signs_in(Library::Python, scene, V2005, SAML11).await;
}

#[tokio::test]
async fn python_redeems_saml_20() {
    let scene = server(Metadata::Both, SamlToken::V20).await;
    signs_in(Library::Python, scene, V13, SAML20).await;
}

#[tokio::test]
async fn java_prefers_ws_trust_13() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    signs_in(Library::Java, scene, V13, SAML11).await;
}

#[tokio::test]
async fn java_speaks_ws_trust_2005() {
    let scene = server(Metadata::Only2005, SamlToken::V11).await;
    signs_in(Library::Java, scene, V2005, SAML11).await;
}

#[tokio::test]
async fn java_redeems_saml_20() {
    let scene = server(Metadata::Both, SamlToken::V20).await;
    signs_in(Library::Java, scene, V13, SAML20).await;
}

#[tokio::test]
async fn go_speaks_ws_trust_13() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    signs_in(Library::Go, scene, V13, SAML11).await;
}

#[tokio::test]
async fn go_redeems_saml_20() {
    let scene = server(Metadata::Both, SamlToken::V20).await;
    signs_in(Library::Go, scene, V13, SAML20).await;
}
