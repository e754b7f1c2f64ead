//! Product rule 12: two operators without election may waste work, but they break no rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use entra_lab::simulator::{Entry, Journal, Outcome};
use entra_lab::stage::OperatorOptions;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::runtime::{WatchStreamExt, watcher};

use crate::scene::{Place, api_scope, stage, user};

const CREDENTIALS: usize = 20;

/// Renewals of every credential that are watched.
const RENEWALS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_on_the_same_credentials_break_no_rule() {
    let place = Place::new("two").await;
    let history = Arc::new(Mutex::new(History::default()));
    let watching = tokio::spawn(watch(place.secrets(), Arc::clone(&history)));
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
            history.lock().unwrap().fewest() > RENEWALS
        })
        .await;
    watching.abort();
    for i in 0..CREDENTIALS {
        place.expect(&format!("c{i}"), "Ready", "True/Fresh").await;
        place.gone(&format!("c{i}-login")).await;
    }
    history.lock().unwrap().assert_never_back();
    let journal = stage().await.simulator.journal();
    let users: Vec<_> = users.iter().map(|(name, _)| name.as_str()).collect();
    users.iter().for_each(|user| assert_one_verdict(&journal, user));
    println!(
        "{CREDENTIALS} credentials, two operators: {} passwords sent, {} redemptions for {} renewals",
        users.iter().map(|u| journal.password_sends(u)).sum::<usize>(),
        users.iter().map(|u| journal.redemptions(u)).sum::<usize>(),
        history.lock().unwrap().renewals(),
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

/// Expiry times that each token Secret showed, in the order in which it showed them.
#[derive(Debug, Default)]
struct History(BTreeMap<String, Vec<Timestamp>>);

impl History {
    fn saw(&mut self, secret: &Secret) {
        let annotation = secret.annotations().get("entra-operator.dev/expires-at");
        if let Some(at) = annotation.and_then(|at| at.parse().ok()) {
            let times = self.0.entry(secret.name_any()).or_default();
            if times.last() != Some(&at) {
                times.push(at);
            }
        }
    }

    /// Tokens that the Secret with the fewest has held.
    fn fewest(&self) -> usize {
        let all = self.0.len() == CREDENTIALS;
        self.0.values().map(Vec::len).min().filter(|_| all).unwrap_or(0)
    }

    fn renewals(&self) -> usize {
        self.0.values().map(|times| times.len() - 1).sum()
    }

    fn assert_never_back(&self) {
        for (name, times) in &self.0 {
            assert!(times.is_sorted(), "{name} went back to an older token: {times:?}");
        }
    }
}

/// Sees every state of every token Secret.
async fn watch(secrets: kube::Api<Secret>, history: Arc<Mutex<History>>) {
    let config = watcher::Config::default().labels("app.kubernetes.io/managed-by=entra-operator");
    let mut changes = watcher(secrets, config).applied_objects().boxed();
    while let Some(secret) = changes.next().await {
        history.lock().unwrap().saw(&secret.unwrap());
    }
}
