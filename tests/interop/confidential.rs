//! Confidential clients: every request is authenticated, the renewals too.

use crate::library::Library;
use crate::managed::lives_from_one_password;
use crate::ours::{account, refresh_token};
use crate::scene::{Registration, Scene, User};

#[tokio::test]
async fn python_lives_from_one_password_with_a_secret() {
    lives_from_one_password(Library::Python, Registration::with_secret()).await;
}

#[tokio::test]
async fn node_lives_from_one_password_with_a_secret() {
    lives_from_one_password(Library::Node, Registration::with_secret()).await;
}

#[tokio::test]
async fn python_lives_from_one_password_with_a_certificate() {
    lives_from_one_password(Library::Python, Registration::with_certificate()).await;
}

#[tokio::test]
async fn node_lives_from_one_password_with_a_certificate() {
    lives_from_one_password(Library::Node, Registration::with_certificate()).await;
}

/// MSAL Java signs in with a password as a public client only, but it renews as a confidential one.
async fn java_renews(registration: Registration) {
    let scene = Scene::start().await;
    let login = scene.ours(&registration).sign_in(&User::nth(0)).await.unwrap();
    let mut msal = scene.msal(Library::Java, registration);
    let renewed = msal.redeem(refresh_token(&login)).await.unwrap();
    assert_eq!(renewed.account, account(&login));
    msal.renew().await.unwrap();
    assert_eq!(scene.grants(0), ["password", "refresh_token", "refresh_token"]);
}

#[tokio::test]
async fn java_renews_with_a_secret() {
    java_renews(Registration::with_secret()).await;
}

#[tokio::test]
async fn java_renews_with_a_certificate() {
    java_renews(Registration::with_certificate()).await;
}

/// 7000218, "Allow public client flows" is off: the day on which this fails, Go belongs to the others above.
#[tokio::test]
async fn go_forgets_its_secret_when_it_signs_in() {
    let scene = Scene::start().await;
    let mut msal = scene.msal(Library::Go, Registration::with_secret());
    let failure = msal.sign_in(&User::nth(0)).await.unwrap_err();
    assert_eq!(failure.codes, [7_000_218]);

    scene
        .ours(&Registration::with_secret())
        .sign_in(&User::nth(0))
        .await
        .unwrap();
}
