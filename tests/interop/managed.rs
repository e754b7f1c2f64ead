//! Managed accounts: one password, then silence, then renewals from the refresh token, in every library and in ours.

use crate::driver::Tokens;
use crate::library::Library;
use crate::ours::{Ours, account, refresh_token};
use crate::scene::{Registration, Scene, User};

/// A sign-in, a cached token, a renewal: what is sent, and that it is all about one account.
pub(crate) async fn lives_from_one_password(library: Library, registration: Registration) {
    let scene = Scene::start().await;
    let user = User::nth(0);
    let mut msal = scene.msal(library, registration.clone());

    let first = msal.sign_in(&user).await.unwrap();
    assert_eq!(scene.grants(0), ["password"]);
    assert_eq!(first.username, user.name);

    let cached = msal.silent().await.unwrap();
    assert_eq!(scene.grants(0), ["password"], "the cache answers");
    assert_eq!(cached.access_token, first.access_token);

    let renewed = msal.renew().await.unwrap();
    assert_eq!(scene.grants(0), ["password", "refresh_token"]);
    assert_ne!(renewed.access_token, first.access_token);
    assert_ne!(renewed.refresh_token, first.refresh_token, "it is rotated");
    let ours = scene.ours(&registration);
    is_the_account_that_we_see(&scene, &ours, &user, &renewed).await;
}

async fn is_the_account_that_we_see(scene: &Scene, ours: &Ours, user: &User, theirs: &Tokens) {
    let mark = scene.mark();
    let login = ours.sign_in(user).await.unwrap();
    let renewal = ours.redeem(refresh_token(&login), account(&login)).await.unwrap();
    assert_eq!(scene.grants(mark), ["password", "refresh_token"]);
    assert_eq!(account(&login), theirs.account);
    assert_eq!(account(&renewal), theirs.account);
}

#[tokio::test]
async fn python_lives_from_one_password() {
    lives_from_one_password(Library::Python, Registration::public()).await;
}

#[tokio::test]
async fn node_lives_from_one_password() {
    lives_from_one_password(Library::Node, Registration::public()).await;
}

#[tokio::test]
async fn go_lives_from_one_password() {
    lives_from_one_password(Library::Go, Registration::public()).await;
}

#[tokio::test]
async fn java_lives_from_one_password() {
    lives_from_one_password(Library::Java, Registration::public()).await;
}
