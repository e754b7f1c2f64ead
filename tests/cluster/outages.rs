//! What is away comes back: the API server, etcd, Entra, single answers and single writes.
//!
//! Each case has a namespace, an operator and proxies of its own. A login that was not answered waits for a minute
//! before it is sent again, so the cases of a test run at once.

mod control_plane;
mod held;
mod logins;
mod renewals;
mod restored;
mod writes;

use std::time::Duration;

use entra_lab::simulator::{Entry, Fault, Rule};
use entra_lab::stage::{Operator, Stage};
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::relay::Relay;
use crate::scene::{Place, api_scope, user};
use crate::witness::Witness;

/// Longest until all is well again: the longest pause is a minute, and starts are slow on a crowded machine.
const RECOVERY: u64 = 150;

/// Calls that bring nothing new, at most, in a minute.
const CALLS_A_MINUTE: usize = 20;

/// A credential `c` with one token Secret `c-api`, its user, and an operator behind proxies.
struct Trial {
    place: Place,
    relay: Relay,
    witness: Witness,
    user: String,
    password: String,
    operator: Operator,
}

impl Trial {
    /// The operator runs and the credential waits for its login.
    async fn new(name: &str) -> Self {
        let place = Place::new(name).await;
        Self::at(place, user()).await
    }

    async fn at(place: Place, (user, password): (String, String)) -> Self {
        let relay = Relay::before(place.stage().await).await.unwrap();
        let witness = Witness::of(&place);
        place.credential("c", &[("c-api", &api_scope())]).await;
        let operator = place.operator(relay.options()).await;
        Self {
            place,
            relay,
            witness,
            user,
            password,
            operator,
        }
    }

    /// The same, signed in and with a first token.
    async fn signed_in(name: &str) -> Self {
        let trial = Self::new(name).await;
        trial.sign_in().await;
        trial.ready().await;
        trial
    }

    async fn stage(&self) -> &Stage {
        self.place.stage().await
    }

    async fn sign_in(&self) {
        self.place.login("c-login", &self.user, &self.password).await;
    }

    async fn ready(&self) {
        self.expect("True/Fresh").await;
    }

    /// Waits for status and reason of `Ready`.
    async fn expect(&self, ready: &str) {
        self.place.expect_within(RECOVERY, "c", "Ready", ready).await;
    }

    /// A fault of the simulator for the next `times` requests of this kind for this user.
    async fn fault(&self, grant: &str, fault: Fault, times: usize) {
        let rule = Rule::new(fault).grant(grant).user(&self.user).times(times);
        self.stage().await.simulator.script(rule);
    }

    /// What came to the simulator for this user, oldest first.
    async fn requests(&self, grant: &str) -> Vec<Entry> {
        let user = Some(self.user.to_lowercase());
        let journal = self.stage().await.simulator.journal();
        journal.matching(|e| e.grant() == Some(grant) && e.user == user)
    }

    async fn password_sends(&self) -> usize {
        self.requests("password").await.len()
    }

    /// `entra-operator.dev/refresh-requested-at: now`.
    async fn request(&self) {
        let now = Timestamp::now().to_string();
        let patch = json!({"metadata": {"annotations": {"entra-operator.dev/refresh-requested-at": now}}});
        self.place
            .credentials()
            .patch("c", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    /// resourceVersion of the token Secret.
    async fn version(&self) -> Option<String> {
        self.place.secret("c-api").await?.resource_version()
    }

    /// Waits until the token Secret was written again.
    async fn renewed(&self, what: &str) {
        let before = self.version().await;
        self.place
            .until(what, || async { self.version().await != before })
            .await;
    }

    /// Calls of the operator since then.
    fn calls(&self, since: Timestamp, method: &str, path: &str) -> usize {
        let journal = self.relay.api.journal();
        let calls = journal.matching(|r| r.time >= since && r.method == method && r.path.contains(path));
        calls.len()
    }

    fn calls_are_few(&self, since: Timestamp, method: &str, path: &str) {
        let calls = self.calls(since, method, path);
        let minutes = usize::try_from(elapsed(since).as_secs() / 60).unwrap() + 1;
        assert!(
            calls <= CALLS_A_MINUTE * minutes,
            "{calls} times {method} {path} in {:?}",
            elapsed(since)
        );
    }

    /// Nothing was lost on the way, nothing is left over, and the password went out this often.
    async fn check(&self, sends: usize) {
        self.ready().await;
        let mut names = self.place.secret_names().await;
        names.sort();
        assert_eq!(names, ["c-api", "c.refresh-token"], "{}", self.place.namespace);
        self.witness.nothing_went_back();
        assert_eq!(self.password_sends().await, sends, "{}", self.place.namespace);
    }
}

fn elapsed(since: Timestamp) -> Duration {
    Timestamp::now().duration_since(since).unsigned_abs()
}

/// Seconds between one request and the next.
fn pauses(requests: &[Entry]) -> Vec<f64> {
    let seconds = |pair: &[Entry]| pair[1].time.duration_since(pair[0].time).as_secs_f64();
    requests.windows(2).map(seconds).collect()
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
