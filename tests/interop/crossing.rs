//! A refresh token belongs to user and client, not to the program that obtained it: each side lives on with the
//! other's.

use crate::driver::Tokens;
use crate::library::Library;
use crate::ours::{account, refresh_token};
use crate::scene::{Registration, Scene, User};

/// From our sign-in to the library, and from the library back to us.
async fn goes_there_and_back(library: Library) {
    let scene = Scene::start().await;
    let ours = scene.ours(&Registration::public());
    let login = ours.sign_in(&User::nth(0)).await.unwrap();
    let theirs = scene
        .msal(library, Registration::public())
        .redeem(refresh_token(&login))
        .await
        .unwrap();
    assert_eq!(theirs.account, account(&login));
    we_live_on(&scene, &theirs).await;
    assert_eq!(scene.grants(0), ["password", "refresh_token", "refresh_token"]);
}

/// From the library's sign-in to us.
async fn comes_from(library: Library) {
    let scene = Scene::start().await;
    let mut msal = scene.msal(library, Registration::public());
    let theirs = msal.sign_in(&User::nth(0)).await.unwrap();
    we_live_on(&scene, &theirs).await;
    assert_eq!(scene.grants(0), ["password", "refresh_token"]);
}

async fn we_live_on(scene: &Scene, theirs: &Tokens) {
    let ours = scene.ours(&Registration::public());
    let stored = theirs.refresh_token.as_deref().unwrap();
    let renewed = ours.redeem(stored, &theirs.account).await.unwrap();
    assert_eq!(account(&renewed), theirs.account);
    assert_ne!(refresh_token(&renewed), stored, "it is rotated");
}

#[tokio::test]
async fn our_refresh_token_goes_to_python_and_back() {
    goes_there_and_back(Library::Python).await;
}

#[tokio::test]
async fn our_refresh_token_goes_to_node_and_back() {
    goes_there_and_back(Library::Node).await;
}

#[tokio::test]
async fn our_refresh_token_goes_to_java_and_back() {
    goes_there_and_back(Library::Java).await;
}

#[tokio::test]
async fn pythons_refresh_token_serves_us() {
    comes_from(Library::Python).await;
}

/// MSAL Go takes no refresh token from outside, so this is the one way.
#[tokio::test]
async fn gos_refresh_token_serves_us() {
    comes_from(Library::Go).await;
}
