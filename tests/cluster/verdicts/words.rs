//! What a person does about a refused login, and what the operator does on its own: nothing that locks an account.

use std::time::Duration;

use entra_lab::simulator::{Event, Fault, Rule};
use entra_lab::stage::OperatorOptions;
use serde_json::json;

use super::{sends, signed_in, spec};
use crate::scene::{Place, stage, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_condemned_content_is_sent_once_more_for_a_new_word_and_not_without() {
    let place = Place::new("lifted").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, _) = user();
    place.apply("one", spec("one")).await;
    place.login("one-login", &name, "PWMARK-later-right").await;
    place.expect("one", "LoggedIn", "False/WrongPassword").await;
    place.gone("one-login").await;

    // The password becomes right at the provider. Without a word the same content is not sent.
    let simulator = &stage().await.simulator;
    simulator.change_password(&name, "PWMARK-later-right", Event::AdminResetEntra);
    place.login("one-login", &name, "PWMARK-later-right").await;
    place.gone("one-login").await;
    assert_eq!(sends(&name).await, 1);

    // As the status says: a word, and the login Secret again.
    place.request_refresh("one").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    place.login("one-login", &name, "PWMARK-later-right").await;
    place.expect_within(90, "one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&name).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubtful_refusal_keeps_the_login_and_a_word_sends_it_again() {
    let place = Place::new("doubtful").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, password) = user();
    let refuses = Rule::new(Fault::code(50056)).user(&name).grant("password");
    stage().await.simulator.script(refuses);
    place.apply("one", spec("one")).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "LoggedIn", "False/WrongPassword").await;
    assert!(place.secret("one-login").await.is_some(), "it is kept");
    assert_eq!(place.status("one").await["login"]["verdict"], "Kept");

    // What is not sent changes nothing.
    place
        .patch_credential("one", json!({"spec": {"suspend": true}}))
        .await;
    place
        .patch_credential("one", json!({"spec": {"suspend": false}}))
        .await;
    place
        .patch_secret("one-login", json!({"metadata": {"labels": {"team": "a"}}}))
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(sends(&name).await, 1);

    place.request_refresh("one").await;
    place.expect("one", "Ready", "True/Fresh").await;
    assert_eq!(sends(&name).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_that_is_no_time_or_ahead_asks_for_nothing() {
    let place = Place::new("word").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let account = user();
    signed_in(&place, "one", &account).await;
    for word in ["true", "1", "2999-01-01T00:00:00Z"] {
        let patch = json!({"metadata": {"annotations": {"entra-operator.dev/refresh-requested-at": word}}});
        place.patch_credential("one", patch).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let handled = place.status("one").await["lastHandledRefreshRequest"].clone();
        assert!(handled.is_null(), "{word}: {handled}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_sent_three_times_at_most_whoever_asks() {
    let place = Place::new("spray").await;
    let _operator = place.operator(OperatorOptions::default()).await;
    let (name, _) = user();
    stage().await.simulator.script(
        Rule::new(Fault::Delay(Duration::from_secs(2)))
            .user(&name)
            .times(20),
    );
    for n in 0..10 {
        let credential = format!("one{n}");
        place.apply(&credential, spec(&credential)).await;
        let login = format!("{credential}-login");
        place.login(&login, &name, &format!("PWMARK-wrong-{n}")).await;
    }
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(sends(&name).await, 3);
}
