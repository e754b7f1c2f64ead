//! Rule 12 of docs/contract.md: two operators without election may waste work, but they break no rule.

use entra_lab::simulator::{Entry, Journal, Outcome};
use entra_lab::stage::OperatorOptions;

use crate::scene::{Place, api_scope, stage, user};
use crate::witness::Witness;

const CREDENTIALS: usize = 20;

/// Renewals of every credential that are watched.
const RENEWALS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_on_the_same_credentials_break_no_rule() {
    let place = Place::new("two").await;
    let witness = Witness::of(&place);
    let named = |name: &str| OperatorOptions {
        identity: name.to_owned(),
        ..OperatorOptions::default()
    };
    let (_first, _second) = tokio::join!(
        place.operator(named("operator-0")),
        place.operator(named("operator-1"))
    );
    let users: Vec<_> = (0..CREDENTIALS).map(|_| user()).collect();
    for (i, (name, password)) in users.iter().enumerate() {
        place
            .credential(&format!("c{i}"), &[(&format!("c{i}-api"), &api_scope())])
            .await;
        place.login(&format!("c{i}-login"), name, password).await;
    }
    place
        .until("every token was renewed three times", || async {
            (0..CREDENTIALS).all(|i| renewals(&witness, i) >= RENEWALS)
        })
        .await;
    for i in 0..CREDENTIALS {
        place.expect(&format!("c{i}"), "Ready", "True/Fresh").await;
        place.gone(&format!("c{i}-login")).await;
    }
    witness.nothing_went_back();
    witness.never_expired();
    let journal = stage().await.simulator.journal();
    let users: Vec<_> = users.iter().map(|(name, _)| name.as_str()).collect();
    for user in &users {
        assert_one_verdict(&journal, user);
    }
    println!(
        "{CREDENTIALS} credentials, two operators: {} passwords sent, {} redemptions for {} renewals",
        users.iter().map(|u| journal.password_sends(u)).sum::<usize>(),
        users.iter().map(|u| journal.redemptions(u)).sum::<usize>(),
        (0..CREDENTIALS).map(|i| renewals(&witness, i)).sum::<usize>(),
    );
}

/// A password gets one final verdict, and at most three sends without a complete answer.
fn assert_one_verdict(journal: &Journal, user: &str) {
    let sent = journal.matching(|e| e.grant() == Some("password") && e.user.as_deref() == Some(user));
    let answered = |e: &&Entry| matches!(e.outcome, Outcome::Answered { .. });
    let answers = sent.iter().filter(answered).count();
    assert_eq!(answers, 1, "{user} got one verdict: {sent:?}");
    assert!(sent.len() - answers <= 3, "{user} was sent too often");
}

/// How often the token of credential `i` was renewed.
fn renewals(witness: &Witness, i: usize) -> usize {
    witness.versions(&format!("c{i}-api")).len().saturating_sub(1)
}
