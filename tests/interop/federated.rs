//! Federated accounts: the password goes to the federation server alone, its assertion becomes a token, and
//! renewals need neither.

use entra_lab::simulator::{Metadata, SamlToken};
use entra_operator::api::Reason;

use crate::driver::Tokens;
use crate::library::Library;
use crate::ours::account;
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

/// The library asks for the assertion at `endpoint`, redeems it by `grant` and lives on; then we do the same.
async fn signs_in(library: Library, scene: Scene, endpoint: &str, grant: &str) {
    signs_in_as(Registration::public(), library, scene, (endpoint, grant)).await;
}

async fn signs_in_as(
    registration: Registration,
    library: Library,
    scene: Scene,
    (endpoint, grant): (&str, &str),
) {
    let user = User::federated();
    let mut msal = scene.msal(library, registration.clone());
    let first = msal.sign_in(&user).await.unwrap();
    assert_eq!(first.username, user.name);
    assert_eq!(endpoints(&scene), [endpoint]);
    assert_eq!(scene.grants(0), [grant]);

    let renewed = msal.renew().await.unwrap();
    assert_eq!(scene.grants(0), [grant, "refresh_token"]);
    assert_eq!(endpoints(&scene), [endpoint], "renewals leave it alone");
    we_do_the_same(&scene, &registration, &renewed, (endpoint, grant)).await;
}

async fn we_do_the_same(
    scene: &Scene,
    registration: &Registration,
    theirs: &Tokens,
    (endpoint, grant): (&str, &str),
) {
    let mark = scene.mark();
    let ours = scene.ours(registration);
    let login = ours.sign_in(&User::federated()).await.unwrap();
    assert_eq!(endpoints(scene), [endpoint, endpoint]);
    let stored = theirs.refresh_token.as_deref().unwrap();
    let renewal = ours.redeem(stored, &theirs.account).await.unwrap();
    assert_eq!(scene.grants(mark), [grant, "refresh_token"]);
    assert_eq!(
        (account(&login), account(&renewal)),
        (&*theirs.account, &*theirs.account)
    );
}

#[tokio::test]
async fn python_prefers_ws_trust_13() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    signs_in(Library::Python, scene, V13, SAML11).await;
}

/// The assertion says who the user is, and the client proves itself beside it.
#[tokio::test]
async fn python_s_client_has_a_secret() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    signs_in_as(Registration::with_secret(), Library::Python, scene, (V13, SAML11)).await;
}

#[tokio::test]
async fn python_s_client_has_a_certificate() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    signs_in_as(
        Registration::with_certificate(),
        Library::Python,
        scene,
        (V13, SAML11),
    )
    .await;
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

/// A wrong password is refused by the federation server: nothing goes to the cloud, and we send it once.
async fn a_wrong_password_stays_at_the_server(library: Library, error: &str, sends: usize) {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    let mut user = User::federated();
    user.password.push('!');
    let journal = scene.simulator.journal();

    let refusal = scene
        .ours(&Registration::public())
        .sign_in(&user)
        .await
        .unwrap_err();
    assert_eq!(refusal.reason, Reason::WrongPassword);
    assert_eq!(journal.password_sends(&user.name), 1);

    let mut msal = scene.msal(library, Registration::public());
    let failure = msal.sign_in(&user).await.unwrap_err();
    assert_eq!(failure.error.as_deref(), Some(error));
    assert_eq!(journal.password_sends(&user.name), 1 + sends);
    assert_eq!(scene.grants(0), [""; 0]);
}

#[tokio::test]
async fn a_wrong_password_stays_at_pythons_server() {
    a_wrong_password_stays_at_the_server(Library::Python, "RuntimeError", 1).await;
}

/// MSAL Java repeats whatever was answered with 500, and with it counts twice towards the server's lockout.
#[tokio::test]
async fn a_wrong_password_stays_at_javas_server_but_is_sent_twice() {
    a_wrong_password_stays_at_the_server(Library::Java, "wstrust_service_error", 2).await;
}

#[tokio::test]
async fn a_wrong_password_stays_at_gos_server() {
    a_wrong_password_stays_at_the_server(Library::Go, "other", 1).await;
}

/// MSAL Node knows no federation: the cloud gets the right password and calls it wrong.
#[tokio::test]
async fn node_is_told_that_the_password_is_wrong_where_we_sign_in() {
    let scene = server(Metadata::Both, SamlToken::V11).await;
    let user = User::federated();
    let failure = scene
        .msal(Library::Node, Registration::public())
        .sign_in(&user)
        .await
        .unwrap_err();
    assert_eq!(failure.codes, [50126]);
    scene.ours(&Registration::public()).sign_in(&user).await.unwrap();
}
