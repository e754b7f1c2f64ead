//! One thing fails for long: it is told, it is tried at a slow pace, and nothing else waits for it. `Ready` follows the
//! published token and the clock in all of it.

use std::time::{Duration, Instant};

use entra_lab::proxy::{Action, Canned, Rule as ApiRule};
use entra_lab::simulator::{Entry, Fault, RetryAfter, Rule};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Trial, elapsed, seconds};
use crate::relay::in_turn;
use crate::scene::{LIFE, Place, api_scope, graph_scope, stage, user};

/// Seconds within which a status follows an expiry.
const TOLD_WITHIN: u64 = 30;

/// When all have their token after one was answered: the shortest pause of a renewal, and time to do it.
const AFTER_THE_FIRST: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn ready_turns_false_at_expiry_whatever_holds_the_renewal_up() {
    stage().await;
    let mut cases = JoinSet::new();
    cases.spawn(in_turn(another_one_was_throttled()));
    cases.spawn(in_turn(entra_fails_for_all()));
    cases.spawn(in_turn(the_session_cannot_be_read(
        "unread",
        500,
        "InternalError",
    )));
    cases.spawn(in_turn(the_session_cannot_be_read("forbidden", 403, "Forbidden")));
    cases.spawn(in_turn(the_spec_names_no_authority()));
    cases.join_all().await;
}

/// The pause that the provider asked of one credential holds the others of its client back, and they say so. Nothing is read or
/// recorded for a call that has no leave.
async fn another_one_was_throttled() {
    let trial = Trial::signed_in("throttled-for").await;
    let (name, password) = user();
    trial.place.credential("d", &[("d-api", &api_scope())]).await;
    trial.place.login("d-login", &name, &password).await;
    trial.place.expect("d", "Ready", "True/Fresh").await;
    let hour = Fault::TooManyRequests(RetryAfter::Seconds(3600));
    trial.fault("refresh_token", hour, 1).await;
    let asked_to_wait = || async {
        let requests = trial.requests("refresh_token").await;
        requests.last().and_then(Entry::status) == Some(429)
    };
    trial
        .place
        .until("one is asked to wait for an hour", asked_to_wait)
        .await;
    let begun = Timestamp::now();
    for credential in ["c", "d"] {
        let patience = LIFE + TOLD_WITHIN;
        trial
            .place
            .expect_within(patience, credential, "Ready", "False/Throttled")
            .await;
        trial.is_told(credential, "Throttled").await;
    }
    let reads = |name: &str| trial.calls(begun, "GET", &format!("/secrets/{name}.refresh-token"));
    assert_eq!((reads("c"), reads("d")), (0, 0), "nothing is read without leave");
    let (name, password) = user();
    trial.place.credential("e", &[("e-api", &api_scope())]).await;
    trial.place.login("e-login", &name, &password).await;
    trial.place.expect("e", "Ready", "False/Throttled").await;
    assert!(
        trial.place.secret("e.refresh-token").await.is_none(),
        "no attempt is recorded"
    );
}

/// The circuit opens: most credentials make no call at all.
async fn entra_fails_for_all() {
    let trial = Trial::signed_in("failing-for").await;
    let others: Vec<String> = (0..6).map(|n| format!("d{n}")).collect();
    for name in &others {
        let (user, password) = user();
        trial
            .place
            .credential(name, &[(&format!("{name}-api"), &api_scope())])
            .await;
        trial
            .place
            .login(&format!("{name}-login"), &user, &password)
            .await;
        trial.place.expect(name, "Ready", "True/Fresh").await;
    }
    let away = Action::Answer(Canned {
        status: 503,
        ..Canned::default()
    });
    trial.relay.entra.add(ApiRule::new(away).method("POST").forever());
    let begun = Timestamp::now();
    for name in others.iter().map(String::as_str).chain(["c"]) {
        let left = (LIFE + TOLD_WITHIN).saturating_sub(elapsed(begun).as_secs());
        trial
            .place
            .expect_within(left.max(1), name, "Ready", "False/ServiceUnavailable")
            .await;
        trial.is_told(name, "ServiceUnavailable").await;
    }
    trial.relay.entra.clear();
    let names = || others.iter().map(String::as_str).chain(["c"]);
    let mut waiting: FuturesUnordered<_> = names()
        .map(|name| trial.place.expect_within(150, name, "Ready", "True/Fresh"))
        .collect();
    waiting.next().await;
    let rest = tokio::time::timeout(AFTER_THE_FIRST, waiting.collect::<Vec<_>>());
    rest.await
        .expect("who is answered ends the waiting of the others");
}

async fn the_session_cannot_be_read(name: &str, status: u16, reason: &str) {
    let trial = Trial::signed_in(name).await;
    let failed = Action::status(status, reason);
    let read = ApiRule::new(failed)
        .method("GET")
        .path("/secrets/c.refresh-token");
    trial.relay.api.add(read.forever());
    let begun = Timestamp::now();
    trial
        .place
        .expect_within(LIFE + TOLD_WITHIN, "c", "Ready", "False/ClusterUnavailable")
        .await;
    trial.is_told("c", "ClusterUnavailable").await;
    trial.calls_are_few(begun, "GET", "/secrets/c.refresh-token");
    trial.relay.api.clear();
    trial.ready().await;
}

async fn the_spec_names_no_authority() {
    let trial = Trial::signed_in("undeclared").await;
    trial.patch(json!({"spec": {"authority": "labb"}})).await;
    trial.expect("False/AppMisconfigured").await;
    trial.patch(json!({"spec": {"authority": "lab"}})).await;
    trial.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_one_entry_delays_no_other() {
    stage().await;
    let mut cases = JoinSet::new();
    for (name, blocked) in [("policy-first", "a-first"), ("policy-last", "z-last")] {
        cases.spawn(in_turn(a_policy_blocks(name, blocked)));
    }
    // Not written, because the API server fails; not replaced, because the operator may not delete it.
    cases.spawn(in_turn(one_secret_is_refused(
        "unwritable",
        json!({}),
        ("PATCH", 500, "InternalError"),
        "ClusterUnavailable",
    )));
    cases.spawn(in_turn(one_secret_is_refused(
        "irreplaceable",
        json!({"immutable": true}),
        ("DELETE", 403, "Forbidden"),
        "WriteRefused",
    )));
    cases.spawn(in_turn(one_secret_is_held_by_a_finalizer()));
    cases.join_all().await;
}

/// Conditional Access for one resource: the other is renewed on time, in both orders.
async fn a_policy_blocks(name: &str, blocked: &str) {
    let trial = Trial::with_two(name, blocked).await;
    let blocks = Rule::new(Fault::code(53003))
        .user(&trial.user)
        .grant("refresh_token");
    let blocks = blocks.scope(&graph_scope()).times(1000);
    trial.stage().await.simulator.script(blocks);
    trial.other_is_on_time("m-api").await;
    let failure = trial.failure_of(blocked).await;
    assert_eq!(failure["reason"], "BlockedByPolicy", "{failure}");
    trial.expect("False/BlockedByPolicy").await;
}

/// After `change`, this method on the token Secret is answered so.
async fn one_secret_is_refused(
    name: &str,
    change: Value,
    (method, status, answer): (&str, u16, &str),
    reason: &str,
) {
    let trial = Trial::with_two(name, "a-first").await;
    let begun = Timestamp::now();
    let refused = ApiRule::new(Action::status(status, answer)).method(method);
    trial.relay.api.add(refused.path("/secrets/a-first").forever());
    trial.change_secret("a-first", change).await;
    trial.other_is_on_time("m-api").await;
    let failure = trial.failure_of("a-first").await;
    assert_eq!(failure["reason"], reason, "{failure}");
    trial.calls_are_few(begun, method, "/secrets/a-first");
    trial.relay.api.clear();
    trial.ready().await;
}

async fn one_secret_is_held_by_a_finalizer() {
    let trial = Trial::with_two("finalized", "a-first").await;
    let held = json!({"immutable": true, "metadata": {"finalizers": ["contoso.example/hold"]}});
    trial.change_secret("a-first", held).await;
    let begun = Timestamp::now();
    trial.other_is_on_time("m-api").await;
    trial.calls_are_few(begun, "POST", "/secrets?");
    trial.calls_are_few(begun, "DELETE", "/secrets/a-first");
    trial
        .change_secret("a-first", json!({"metadata": {"finalizers": null}}))
        .await;
    trial.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_or_a_status_that_cannot_be_written_delays_no_token() {
    stage().await;
    let mut cases = JoinSet::new();
    for (name, status) in [("undeleted", 500), ("undeletable", 403)] {
        cases.spawn(in_turn(the_login_cannot_be_deleted(name, status)));
    }
    cases.spawn(in_turn(the_status_cannot_be_written()));
    cases.join_all().await;
}

async fn the_login_cannot_be_deleted(name: &str, status: u16) {
    let mut trial = Trial::new(name).await;
    let failed = Action::status(status, "InternalError");
    let delete = ApiRule::new(failed).method("DELETE").path("/secrets/c-login");
    trial.relay.api.add(delete.forever());
    let begun = Timestamp::now();
    trial.sign_in().await;
    let published = || async { trial.place.secret("c-api").await.is_some() };
    trial.place.until("it is published all the same", published).await;
    trial.renewed("the first renewal").await;
    trial.renewed("the second renewal").await;
    trial.expect("True/LoginSecretNotDeleted").await;
    trial.calls_are_few(begun, "DELETE", "/secrets/c-login");
    // A restart remembers what it is that waits.
    trial.restart().await;
    trial.renewed("a renewal after a restart").await;
    trial.relay.api.clear();
    let gone = || async { trial.place.secret("c-login").await.is_none() };
    trial.place.until("the login is deleted", gone).await;
    trial.check(1).await;
    trial.witness.never_expired();
}

async fn the_status_cannot_be_written() {
    let trial = Trial::signed_in("mute").await;
    let refused = Action::status(403, "Forbidden");
    let write = ApiRule::new(refused)
        .method("PATCH")
        .path("/entracredentials/c/status");
    trial.relay.api.add(write.forever());
    let begun = Timestamp::now();
    trial.renewed("a renewal").await;
    trial.renewed("another renewal").await;
    trial.renewed("and one more").await;
    let writes = trial.calls(begun, "PATCH", "/entracredentials/c/status");
    assert!(writes <= 5, "{writes} writes in {:?}", elapsed(begun));
    trial.relay.api.clear();
    trial.check(1).await;
    trial.witness.never_expired();
}

impl Trial {
    /// A credential with two entries: `m-api` for one resource, `other` for another one, in the order of their names.
    async fn with_two(name: &str, other: &str) -> Self {
        let place = Place::new(name).await;
        let trial = Self::at(place, user()).await;
        let mut tokens = [("m-api", api_scope()), (other, graph_scope())];
        tokens.sort_unstable();
        let tokens = tokens.each_ref().map(|(name, scope)| (*name, scope.as_str()));
        trial.place.credential("c", &tokens).await;
        trial.sign_in().await;
        // The login may be seen before the spec: then the first token is another one.
        for secret in ["m-api", other] {
            let published = || async { trial.place.secret(secret).await.is_some() };
            trial.place.until("both are published", published).await;
        }
        trial.ready().await;
        trial
    }

    /// For two lives and a half this token is replaced before it expires.
    async fn other_is_on_time(&self, secret: &str) {
        let until = Instant::now() + Duration::from_secs(LIFE * 5 / 2);
        while Instant::now() < until {
            seconds(1).await;
            let published = self.witness.versions(secret);
            let last = published.last().unwrap();
            assert!(
                last.expires_at.unwrap() > Timestamp::now(),
                "{secret} in {} has expired: {:#}",
                self.place.namespace,
                self.place.status("c").await
            );
        }
    }

    async fn failure_of(&self, secret: &str) -> Value {
        let status = self.place.status("c").await;
        let tokens = status["tokens"].as_array().unwrap();
        let token = tokens.iter().find(|t| t["secretName"] == secret).unwrap();
        token["failure"].clone()
    }

    /// An Event and the metrics say so, too.
    async fn is_told(&self, credential: &str, reason: &str) {
        let has_event = || async {
            let events = self.place.events(credential).await;
            events.iter().any(|e| e.reason.as_deref() == Some(reason))
        };
        let what = format!("an Event {reason} of {credential} in {}", self.place.namespace);
        self.place.until(&what, has_event).await;
        let url = format!("{}/metrics", self.operator.metrics().unwrap());
        let metrics = self.operator.get(&url).await.unwrap();
        let name = format!("name=\"{credential}\"");
        let line =
            |l: &&str| l.starts_with("entra_credential_ready{") && l.contains(&name) && l.ends_with("} 0");
        assert!(metrics.lines().any(|l| line(&l)), "{credential}: {metrics}");
    }

    async fn patch(&self, patch: Value) {
        self.place
            .credentials()
            .patch("c", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    async fn change_secret(&self, name: &str, patch: Value) {
        self.place
            .secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// The operator is killed and started anew, behind the same proxies.
    async fn restart(&mut self) {
        self.operator.kill();
        self.operator = self.place.operator(self.relay.options()).await;
    }
}
