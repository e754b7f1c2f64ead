//! What slows clients down: smart lockout and the loop detector.

use entra_lab::simulator::world::{password, user_name};
use entra_lab::simulator::{LockoutPolicy, Options, World};

use crate::client::{but, lab, password_form, refresh_form, with};

#[tokio::test]
async fn ten_different_bad_passwords_lock_the_account() {
    let lab = lab().await;
    let token = lab.sign_in().await;
    let wrong = |n: usize| but(password_form(), "password", Some(&format!("wrong {n}")));
    for n in 0..10 {
        assert_eq!(lab.code(&wrong(n)).await, 50126);
    }
    assert_eq!(
        lab.code(&password_form()).await,
        50053,
        "locked for the right password too"
    );
    assert_eq!(
        lab.code(&refresh_form(&token)).await,
        0,
        "only passwords are locked out"
    );
    lab.simulator.clock().advance(61);
    assert_eq!(lab.code(&wrong(11)).await, 50126);
    assert_eq!(
        lab.code(&password_form()).await,
        50053,
        "one more failure locks again at once"
    );
    lab.simulator.clock().advance(121);
    assert_eq!(lab.code(&password_form()).await, 0);
    assert_eq!(lab.code(&wrong(12)).await, 50126);
    assert_eq!(lab.code(&password_form()).await, 0, "success clears the counter");
}

#[tokio::test]
async fn three_are_enough_in_us_government() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.lockout = LockoutPolicy::us_government());
    for n in 0..3 {
        let wrong = but(password_form(), "password", Some(&format!("wrong {n}")));
        assert_eq!(lab.code(&wrong).await, 50126);
    }
    assert_eq!(lab.code(&password_form()).await, 50053);
}

#[tokio::test]
async fn the_same_bad_password_counts_once_unless_nothing_is_remembered() {
    let lab = lab().await;
    let wrong = but(password_form(), "password", Some("wrong"));
    for _ in 0..12 {
        assert_eq!(lab.code(&wrong).await, 50126);
    }
    assert_eq!(lab.code(&password_form()).await, 0);
    lab.simulator
        .configure(|behaviour| behaviour.lockout.remembered = 0);
    for _ in 0..10 {
        lab.code(&wrong).await;
    }
    assert_eq!(lab.code(&password_form()).await, 50053);
}

#[tokio::test]
async fn the_loop_detector_stops_equal_requests() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.loop_detection = true);
    for _ in 0..15 {
        assert_eq!(lab.code(&password_form()).await, 0);
    }
    assert_eq!(
        lab.post(&password_form()).await.verdict(),
        (400, 50196, "invalid_grant", None)
    );
    let other = but(
        but(password_form(), "username", Some(&user_name(1))),
        "password",
        Some(&password(1)),
    );
    assert_eq!(lab.code(&other).await, 0);
    lab.simulator.clock().advance(301);
    assert_eq!(lab.code(&password_form()).await, 0);
}

#[tokio::test]
async fn refreshes_of_different_users_are_no_loop() {
    let lab = with(Options::new(World::with_users(16))).await;
    let mut tokens = Vec::new();
    for index in 0..16 {
        let form = but(password_form(), "username", Some(&user_name(index)));
        let answer = lab.post(&but(form, "password", Some(&password(index)))).await;
        tokens.push(answer.text("refresh_token").to_owned());
    }
    lab.simulator
        .configure(|behaviour| behaviour.loop_detection = true);
    for token in &tokens {
        assert_eq!(lab.code(&refresh_form(token)).await, 0);
    }
    let mut token = tokens[0].clone();
    for _ in 1..15 {
        token = lab.redeem(&token).await.text("refresh_token").to_owned();
    }
    assert_eq!(
        lab.redeem(&token).await.verdict().1,
        50196,
        "rotating tokens hide nothing"
    );
}
