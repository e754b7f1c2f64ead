//! Writes that the API server refuses, forgets to confirm, or that somebody else was faster with.

use entra_lab::proxy::{Action, Canned, Gate, Trigger};
use entra_lab::simulator::User;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tokio::task::JoinSet;

use super::{Trial, seconds};
use crate::relay::in_turn;
use crate::scene::{stage, tell_brief_refresh_tokens};
use crate::witness::Version;

/// Every write of a login and a renewal: name, method, path, which of them.
const WRITES: [(&str, &str, &str, usize); 8] = [
    ("claim", "PATCH", "/secrets/c-login", 1),
    ("record", "POST", "/secrets?", 1),
    ("store", "PATCH", "/secrets/c.refresh-token", 1),
    ("delete", "DELETE", "/secrets/c-login", 1),
    ("create", "POST", "/secrets?", 2),
    ("status", "PATCH", "/entracredentials/c/status", 2),
    ("store-again", "PATCH", "/secrets/c.refresh-token", 2),
    ("publish", "PATCH", "/secrets/c-api", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_write_that_fails_or_is_not_confirmed_costs_a_password_or_a_token() {
    stage().await;
    let mut cases = JoinSet::new();
    for write in WRITES {
        cases.spawn(in_turn(disturbed(
            write,
            "conflict",
            Action::status(409, "Conflict"),
        )));
        cases.spawn(in_turn(disturbed(write, "lost", Action::LoseAnswer)));
        let busy = Action::Answer(Canned::too_many_requests(1));
        cases.spawn(in_turn(disturbed(write, "busy", busy)));
    }
    cases.join_all().await;
}

async fn disturbed((write, method, path, nth): (&str, &str, &str, usize), how: &str, action: Action) {
    let trial = Trial::new(&format!("{write}-{how}")).await;
    tell_brief_refresh_tokens(trial.stage().await, &trial.user);
    trial.relay.at_api(method, path, nth, action);
    trial.sign_in().await;
    trial.ready().await;
    let gone = || async { trial.place.secret("c-login").await.is_none() };
    trial.place.until("the login is deleted", gone).await;
    trial.renewed("the first renewal").await;
    trial.renewed("the second renewal").await;
    assert_eq!(trial.relay.api.rules_left(), 0, "{write} was met by {how}");
    trial.check(1).await;
    trial.witness.never_expired();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_quota_refuses_waits_and_is_written_when_it_may() {
    stage().await;
    let mut cases = JoinSet::new();
    cases.spawn(in_turn(no_room_for_the_record()));
    cases.spawn(in_turn(no_room_for_a_token()));
    cases.spawn(in_turn(the_store_is_refused()));
    cases.join_all().await;
}

/// Nothing is sent that could not be recorded.
async fn no_room_for_the_record() {
    let trial = Trial::new("no-record").await;
    trial.full_at(1).await;
    trial.expect("False/WriteRefused").await;
    seconds(2).await;
    assert_eq!(trial.password_sends().await, 0);
    assert!(trial.place.secret("c-login").await.is_some());
    trial.lift().await;
    trial.check(1).await;
}

/// The access token of the login waits in memory; no other call is made for it.
async fn no_room_for_a_token() {
    let trial = Trial::new("no-token").await;
    // What is refused is tried again after 20 to 24 s: the token must live longer than that to be the one that is published.
    let lives = |user: &mut User| user.token_lifetime = Some(60);
    trial.stage().await.simulator.change_user(&trial.user, lives);
    trial.full_at(2).await;
    trial.expect("False/WriteRefused").await;
    seconds(2).await;
    assert_eq!(trial.requests("refresh_token").await.len(), 0, "no call");
    trial.lift().await;
    trial.ready().await;
    let (first, stored) = (trial.first("c-api"), trial.first("c.refresh-token"));
    // One is the start of the request by our clock, the other the answer's own time: the same second or the next.
    let apart = stored.issued_at.as_second() - first.issued_at.as_second();
    assert!(
        (0..=1).contains(&apart),
        "it is the token of the login, {apart} s apart"
    );
    trial.check(1).await;
}

/// The answer to the password waits in memory; the password stays until it is stored.
async fn the_store_is_refused() {
    let trial = Trial::new("no-store").await;
    let refused = Action::status(403, "Forbidden");
    trial
        .relay
        .at_api("PATCH", "/secrets/c.refresh-token", 1, refused);
    trial.sign_in().await;
    trial.expect("False/WriteRefused").await;
    assert!(
        trial.place.secret("c-login").await.is_some(),
        "it is still needed"
    );
    assert_eq!(trial.requests("refresh_token").await.len(), 0, "no call");
    trial.check(1).await;
}

impl Trial {
    /// Signs in, and allows no further Secret when the operator is about to create its `nth`.
    async fn full_at(&self, nth: usize) {
        let gate = Gate::new();
        let held = Action::Before(Trigger::gate(gate.clone()));
        self.relay.at_api("POST", "/secrets?", nth, held);
        self.sign_in().await;
        gate.reached().await;
        self.fill().await;
        gate.release();
    }

    /// Sets a quota and waits until the API server refuses: it learns of a quota by a watch, some time after it exists.
    async fn fill(&self) {
        let quota = json!({"metadata": {"name": "secrets"}, "spec": {"hard": {"count/secrets": "0"}}});
        let quota = serde_json::from_value(quota).unwrap();
        self.quotas()
            .create(&PostParams::default(), &quota)
            .await
            .unwrap();
        let refused = || async { self.probe().await.is_err_and(|e| is_forbidden(&e)) };
        self.place.until("the quota is enforced", refused).await;
    }

    /// Creates a Secret, and deletes it if it could be created.
    async fn probe(&self) -> kube::Result<()> {
        let probe = serde_json::from_value(json!({"metadata": {"name": "probe"}})).unwrap();
        let secrets = self.place.secrets();
        secrets.create(&PostParams::default(), &probe).await?;
        secrets.delete("probe", &DeleteParams::default()).await?;
        Ok(())
    }

    async fn lift(&self) {
        self.quotas()
            .delete("secrets", &DeleteParams::default())
            .await
            .unwrap();
    }

    fn quotas(&self) -> Api<ResourceQuota> {
        Api::namespaced(self.place.client.clone(), &self.place.namespace)
    }

    fn first(&self, secret: &str) -> Version {
        self.witness.versions(secret)[0].clone()
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}
