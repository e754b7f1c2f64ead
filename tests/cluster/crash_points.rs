//! Kill -9 at every call of a login and of a renewal, before and after the server acted: the end is always the same.
//!
//! An attempt that was interrupted is taken over a minute after the next process first saw it, so the points run side by
//! side, each with a namespace, an operator and proxies of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use entra_lab::proxy::Action;
use entra_lab::simulator::world::{API, GRAPH, password, user_name};
use entra_lab::simulator::{Entry, REFRESH_TOKEN_MARK, digest};
use entra_lab::stage::{OPERATOR, Operator, OperatorOptions, Stage};
use entra_operator::api::{REFRESH_TOKEN_TYPE, annotation};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::relay::{Relay, Trap, in_turn, kill};
use crate::scene::{LIFE, Place, api_scope, graph_scope, program, stage, tell_brief_refresh_tokens, user};
use crate::witness::Witness;

/// Longest from a restart until all is well: the takeover after 60 s, and starts on a crowded machine.
const RECOVERY: u64 = 150;

/// A call of the operator, and how often the password is sent in the end if it dies before or after that call.
#[derive(Clone, Copy)]
struct Point {
    name: &'static str,
    call: Call,
    sends: Sends,
}

#[derive(Clone, Copy)]
enum Call {
    /// Method, part of the path, which of those calls.
    Cluster(&'static str, &'static str, usize),
    /// Which request for a token.
    Entra(usize),
}

#[derive(Clone, Copy)]
struct Sends {
    before: usize,
    after: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

const ONCE: Sends = Sends { before: 1, after: 1 };

const fn point(name: &'static str, call: Call) -> Point {
    Point {
        name,
        call,
        sends: ONCE,
    }
}

/// A point where the password may be sent again.
const fn resent(point: Point, before: usize, after: usize) -> Point {
    Point {
        sends: Sends { before, after },
        ..point
    }
}

use Call::{Cluster, Entra};

/// In the order in which a credential with two tokens makes these calls.
const POINTS: &[Point] = &[
    point("read the keys", Cluster("GET", "/secrets/entra-operator-keys", 1)),
    point("read the login", Cluster("GET", "/secrets/c-login", 1)),
    point("claim the login", Cluster("PATCH", "/secrets/c-login", 1)),
    point("record the attempt", Cluster("POST", "/secrets?", 1)),
    // Whether the answer was lost or never given, nobody can know: the password is sent once more.
    resent(point("send the password", Entra(1)), 1, 2),
    resent(
        point(
            "store the session",
            Cluster("PATCH", "/secrets/c.refresh-token", 1),
        ),
        2,
        1,
    ),
    point("read it back", Cluster("GET", "/secrets/c.refresh-token", 1)),
    point("delete the login", Cluster("DELETE", "/secrets/c-login", 1)),
    point("create the first token Secret", Cluster("POST", "/secrets?", 2)),
    point("redeem for the second", Entra(2)),
    point(
        "store after redeeming",
        Cluster("PATCH", "/secrets/c.refresh-token", 2),
    ),
    point("create the second token Secret", Cluster("POST", "/secrets?", 3)),
    point(
        "write the status",
        Cluster("PATCH", "/entracredentials/c/status", 1),
    ),
    point("redeem for a renewal", Entra(3)),
    point("redeem for the other token", Entra(4)),
    point(
        "store after a renewal",
        Cluster("PATCH", "/secrets/c.refresh-token", 3),
    ),
    point(
        "update the first token Secret",
        Cluster("PATCH", "/secrets/c-api", 1),
    ),
    point(
        "update the second token Secret",
        Cluster("PATCH", "/secrets/c-graph", 1),
    ),
];

/// From this point on a token is published all the time.
const FIRST_RENEWAL: usize = 13;

/// A row of the table.
struct Row {
    point: usize,
    side: Side,
    sends: usize,
    /// From the restart until all is well again.
    recovery: Duration,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_call_it_ends_the_same() {
    stage().await;
    let begun = Instant::now();
    let mut cases = JoinSet::new();
    for (index, point) in POINTS.iter().enumerate() {
        for side in [Side::Before, Side::After] {
            let case = async move { Case::set(index, side).await.run().await };
            if point.is_taken_over(side) {
                cases.spawn(case);
            } else {
                cases.spawn(in_turn(case));
            }
        }
    }
    let mut rows = cases.join_all().await;
    rows.sort_by_key(|row| (row.point, row.side == Side::After));
    print(&rows, begun.elapsed());
    for row in rows {
        let (point, side) = (&POINTS[row.point], row.side);
        assert_eq!(row.sends, point.sends(side), "killed {side:?}: {}", point.name);
    }
}

fn print(rows: &[Row], took: Duration) {
    println!(
        "{:<31} {:<6} {:>5} {:>9}",
        "killed at", "side", "sends", "recovered"
    );
    for row in rows {
        let side = format!("{:?}", row.side).to_lowercase();
        let (name, seconds) = (POINTS[row.point].name, row.recovery.as_secs_f64());
        println!("{name:<31} {side:<6} {:>5} {seconds:>7.1} s", row.sends);
    }
    println!("{} kills in {:.0} s", rows.len(), took.as_secs_f64());
}

impl Point {
    /// Whether the kill leaves an attempt behind: the next process waits for a minute.
    fn is_taken_over(&self, side: Side) -> bool {
        match self.name {
            "record the attempt" => side == Side::After,
            "send the password" => true,
            "store the session" => side == Side::Before,
            _ => false,
        }
    }

    fn sends(&self, side: Side) -> usize {
        match side {
            Side::Before => self.sends.before,
            Side::After => self.sends.after,
        }
    }
}

impl Side {
    fn action(self, trap: &Trap) -> Action {
        match self {
            Self::Before => Action::Before(trap.trigger()),
            Self::After => Action::After(trap.trigger()),
        }
    }
}

/// One kill.
struct Case {
    point: usize,
    side: Side,
    place: Place,
    relay: Relay,
    trap: Trap,
    user: String,
    password: String,
}

impl Case {
    /// A login and a credential with two tokens, and an operator's death ahead.
    async fn set(point: usize, side: Side) -> Self {
        let place = Place::new("crash").await;
        let relay = Relay::before(stage().await).await.unwrap();
        let trap = Trap::default();
        let action = side.action(&trap);
        match POINTS[point].call {
            Cluster(method, path, nth) => relay.at_api(method, path, nth, action),
            Entra(nth) => relay.at_entra(nth, action),
        }
        let (user, password) = user();
        tell_brief_refresh_tokens(stage().await, &user);
        place.login("c-login", &user, &password).await;
        place
            .credential("c", &[("c-api", &api_scope()), ("c-graph", &graph_scope())])
            .await;
        Self {
            point,
            side,
            place,
            relay,
            trap,
            user,
            password,
        }
    }

    async fn run(self) -> Row {
        let witness = Witness::of(&self.place);
        kill(&self.trap, self.operator().await).await;
        let (restart, killed_at) = (Instant::now(), Timestamp::now());
        let second = self.operator().await;
        second.ready().await.unwrap();
        let working = Timestamp::now();
        self.recovered().await;
        let recovery = restart.elapsed();
        self.renewed().await;
        self.check(killed_at).await;
        witness.nothing_went_back();
        if self.point >= FIRST_RENEWAL {
            witness.never_expired_since(working);
        }
        drop(second);
        Row {
            point: self.point,
            side: self.side,
            sends: self.sends().await,
            recovery,
        }
    }

    async fn operator(&self) -> Operator {
        let options = OperatorOptions {
            wait: false,
            ..self.relay.options()
        };
        self.place.operator(options).await
    }

    fn name(&self) -> String {
        format!("killed {:?}: {}", self.side, POINTS[self.point].name)
    }

    async fn sends(&self) -> usize {
        let journal = stage().await.simulator.journal();
        assert_eq!(
            journal.password_sends(&self.user),
            journal.password_sends_of(&self.user, &self.password)
        );
        journal.password_sends(&self.user)
    }
}

// What must be so in the end.
impl Case {
    /// Waits until the status says so, the password is gone, and no renewal is due.
    async fn recovered(&self) {
        self.place
            .expect_within(RECOVERY, "c", "Ready", "True/Fresh")
            .await;
        let settled = || async {
            let login = self.place.secret("c-login").await;
            login.is_none() && self.rests("c-api").await && self.rests("c-graph").await
        };
        self.place.until(&self.name(), settled).await;
    }

    async fn rests(&self, secret: &str) -> bool {
        let due = self.time(secret, annotation::REFRESH_AT).await;
        due.is_some_and(|at| at > Timestamp::now())
    }

    async fn time(&self, secret: &str, annotation: &str) -> Option<Timestamp> {
        let secret = self.place.secret(secret).await?;
        secret.annotations().get(annotation)?.parse().ok()
    }

    /// Waits for the next renewal: what is stored can be redeemed.
    async fn renewed(&self) {
        let now = Timestamp::now();
        for secret in ["c-api", "c-graph"] {
            let renewed = || async { self.time(secret, annotation::ISSUED_AT).await > Some(now) };
            self.place.until(&self.name(), renewed).await;
        }
    }

    async fn check(&self, killed_at: Timestamp) {
        self.place.expect("c", "Ready", "True/Fresh").await;
        let mut names = self.place.secret_names().await;
        names.sort();
        assert_eq!(names, ["c-api", "c-graph", "c.refresh-token"], "{}", self.name());
        self.check_token("c-api", API).await;
        self.check_token("c-graph", GRAPH).await;
        self.check_session().await;
        self.check_redemptions(killed_at).await;
    }

    /// The token was issued by the simulator, for this user and this API.
    async fn check_token(&self, secret: &str, resource: &str) {
        let simulator = &stage().await.simulator;
        let token = self.place.value(secret, "access_token").await.unwrap();
        assert!(simulator.secrets_issued().contains(&token), "{}", self.name());
        let claims = BASE64_URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let app = simulator.change(|world| {
            let found = world.resources.iter().find(|r| r.id == resource);
            found.unwrap().app_id.clone()
        });
        assert_eq!(
            (&claims["upn"], &claims["aud"]),
            (&json!(self.user), &json!(app)),
            "{}",
            self.name()
        );
    }

    /// Two sealed blobs and nothing readable.
    async fn check_session(&self) {
        let secret = self.place.secret("c.refresh-token").await.unwrap();
        assert_eq!(secret.type_.as_deref(), Some(REFRESH_TOKEN_TYPE));
        let data = secret.data.unwrap();
        assert_eq!(data.keys().collect::<Vec<_>>(), ["record", "token"]);
        for blob in data.values() {
            let text = String::from_utf8_lossy(&blob.0);
            assert!(!text.contains(REFRESH_TOKEN_MARK) && !text.contains(&self.password));
        }
    }

    /// Each process redeemed the newest refresh token that it knew, never an older one.
    async fn check_redemptions(&self, killed_at: Timestamp) {
        let simulator = &stage().await.simulator;
        let issued: Vec<_> = simulator.secrets_issued().iter().map(|t| digest(t)).collect();
        let place_of = |entry: &Entry| {
            let token = entry.form.get("refresh_token");
            issued.iter().position(|known| Some(known) == token)
        };
        let user = self.user.to_lowercase();
        let after = |entry: &Entry| entry.time > killed_at && entry.grant() == Some("refresh_token");
        let redeemed = simulator
            .journal()
            .matching(|e| after(e) && e.user.as_deref() == Some(&*user));
        let redeemed: Vec<_> = redeemed.iter().map(place_of).collect();
        assert!(redeemed.is_sorted(), "{}: {redeemed:?}", self.name());
    }
}

/// Kills at moments that nobody chose, with logins and renewals going on at once.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_time_no_password_is_sent_more_often_than_kills_explain() {
    const KILLS: usize = 8;
    let place = Place::new("random").await;
    let witness = Witness::of(&place);
    let mut users = Vec::new();
    for kill in 0..KILLS {
        let (name, password) = user();
        let (login, token) = (format!("r{kill}-login"), format!("r{kill}-api"));
        place.login(&login, &name, &password).await;
        place
            .credential(&format!("r{kill}"), &[(&token, &api_scope())])
            .await;
        users.push(name);
        let mut operator = place.operator(OperatorOptions::default()).await;
        let millis = uuid::Uuid::new_v4().as_u128() % 500;
        tokio::time::sleep(Duration::from_millis(u64::try_from(millis).unwrap())).await;
        operator.kill();
    }
    let _last = place.operator(OperatorOptions::default()).await;
    for kill in 0..KILLS {
        let name = format!("r{kill}");
        place.expect_within(RECOVERY, &name, "Ready", "True/Fresh").await;
    }
    witness.nothing_went_back();
    let journal = stage().await.simulator.journal();
    let sends: Vec<_> = users.iter().map(|user| journal.password_sends(user)).collect();
    println!("password sends after {KILLS} kills at random: {sends:?}");
    assert!(sends.iter().all(|sends| (1..=2).contains(sends)), "{sends:?}");
    assert_eq!(place.secret_names().await.len(), 2 * KILLS);
}

/// Calls of the very first start in a cluster.
const FIRST_START: [(&str, &str); 3] = [
    ("POST", "/namespaces/entra-operator/secrets?"),
    ("POST", "/leases"),
    ("PATCH", "/leases"),
];

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_creates_its_keys_and_its_lease_it_starts_and_keeps_the_keys() {
    let stage = Arc::new(Stage::with_users(1, LIFE).await.unwrap());
    let place = Place::on(&stage, "first").await;
    let relay = Relay::before(&stage).await.unwrap();
    let mut keys = None;
    for (method, path) in FIRST_START {
        for side in [Side::Before, Side::After] {
            let trap = Trap::default();
            relay.at_api(method, path, 1, side.action(&trap));
            kill(&trap, leader(&place, &relay, false).await).await;
            let found = stored_keys(&place).await;
            assert!(keys.is_none() || keys == found, "the keys were replaced");
            keys = found;
        }
    }
    assert!(keys.is_some());
    let _leader = leader(&place, &relay, true).await;
    place.credential("c", &[("c-api", &api_scope())]).await;
    place.login("c-login", &user_name(0), &password(0)).await;
    place.expect("c", "Ready", "True/Fresh").await;
    assert_eq!(stored_keys(&place).await, keys);
    assert_eq!(stage.simulator.journal().password_sends(&user_name(0)), 1);
}

/// An operator that takes part in the election.
async fn leader(place: &Place, relay: &Relay, wait: bool) -> Operator {
    let config = format!("watch: {{namespaces: [{}]}}", place.namespace);
    let options = OperatorOptions {
        config,
        wait,
        ..relay.options()
    };
    let stage = place.stage().await;
    stage.operator(program(), options).await.unwrap()
}

async fn stored_keys(place: &Place) -> Option<BTreeMap<String, ByteString>> {
    let secrets = Api::<Secret>::namespaced(place.client.clone(), OPERATOR);
    secrets.get_opt("entra-operator-keys").await.unwrap()?.data
}
