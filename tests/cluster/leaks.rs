//! Nothing secret leaks: the whole scenario at `--log trace`, then a search through everything that anybody can read.
//!
//! etcd keeps every value that it was ever given here, so what was written once and deleted is found too.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use entra_lab::controlplane;
use entra_lab::search::{Place as Text, holding};
use entra_lab::simulator::world::{CLIENT_SECRET, CONFIDENTIAL_CLIENT, TENANT, World, password, user_name};
use entra_lab::simulator::{self, Fault, REFRESH_TOKEN_MARK, Refusal, Rule};
use entra_lab::stage::{AUTHORITY, OPERATOR, Operator, OperatorOptions, Stage};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::scene::{LIFE, Place, api_scope, graph_scope};

/// In what the provider says about a refusal; the operator must never repeat it.
const RAW: &str = "RAWMARK-what-the-provider-says";

/// A password that is wrong.
const WRONG: &str = "WRONGMARK-not the password & never was";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_anywhere_but_where_it_belongs() {
    let scenario = Scenario::play().await;
    let kinds = scenario.kinds().await;
    let evidence = scenario.evidence().await;
    assert!(scenario.operator.log().contains("TRACE"), "the log says all");
    assert_eq!(leaks(&kinds, &evidence), Vec::<String>::new());
    let limits = fs::read_to_string(format!("/proc/{}/limits", scenario.operator.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let (soft, hard) = core
        .map(|line| line.split_whitespace().skip(4))
        .map(|mut l| (l.next(), l.next()))
        .unwrap();
    assert_eq!((soft, hard), (Some("0"), Some("0")), "no core dump");
    let secrets: usize = kinds.iter().map(|kind| kind.secrets.len()).sum();
    let (places, log) = (evidence.len(), scenario.operator.log().len() / 1024);
    println!("searched {places} places, among them {log} KiB of log, for {secrets} secrets");
    for place in ["the log", "the metrics", "the environment", "the audit log"] {
        what_is_planted_is_found(place, &kinds, &evidence);
    }
}

/// The search is not blind: it finds each secret in each place, in the form of a header that was logged.
fn what_is_planted_is_found(place: &str, kinds: &[Kind], evidence: &[Text]) {
    assert!(evidence.iter().any(|text| text.name == place), "{place}");
    for kind in kinds {
        let secret = kind.secrets.last().unwrap();
        let header = BASE64_STANDARD.encode(format!("user:{secret}"));
        let planted = [Text::new(place, format!("authorization: Basic {header}"))];
        let found = kind.outside(&holding(&planted, &kind.secrets));
        assert_eq!(found, [format!("{} in {place}", kind.name)]);
    }
}

/// What was found outside of its home, and what was not found at home.
fn leaks(kinds: &[Kind], evidence: &[Text]) -> Vec<String> {
    let all = kinds.iter().flat_map(|kind| {
        let places = holding(evidence, &kind.secrets);
        [kind.outside(&places), kind.missed(&places)].concat()
    });
    all.collect()
}

/// Secrets of one kind, and the keys of etcd where they belong.
struct Kind {
    name: &'static str,
    secrets: Vec<String>,
    home: BTreeSet<String>,
}

impl Kind {
    fn outside(&self, places: &BTreeSet<String>) -> Vec<String> {
        let outside = places.difference(&self.home);
        outside.map(|place| format!("{} in {place}", self.name)).collect()
    }

    fn missed(&self, places: &BTreeSet<String>) -> Vec<String> {
        let missed = self.home.difference(places);
        missed
            .map(|home| format!("{} is not even in {home}", self.name))
            .collect()
    }
}

/// All that an operator does in a life, and what it leaves behind.
struct Scenario {
    stage: Arc<Stage>,
    place: Place,
    operator: Operator,
}

impl Scenario {
    async fn play() -> Self {
        let scenario = Self::begin().await;
        scenario.accepted().await;
        scenario.wrong_password().await;
        scenario.confidential_client().await;
        scenario
            .refused("refused", 3, Fault::Refuse(Refusal::of(53003).text(&raw(3))))
            .await;
        let page = Fault::Answer {
            status: 200,
            content_type: "text/html".to_owned(),
            body: format!("<html>{}</html>", raw(4)),
        };
        scenario.refused("html", 4, page).await;
        scenario.refused_renewal().await;
        scenario.revoked().await;
        scenario.deleted().await;
        scenario
    }

    async fn begin() -> Self {
        let world = simulator::Options::new(World::with_users(6)).token_lifetime(LIFE);
        let options = controlplane::Options {
            keep_history: true,
            ..controlplane::Options::default()
        };
        let stage = Arc::new(Stage::start(world, options).await.unwrap());
        let place = Place::on(&stage, "leaks").await;
        let options = OperatorOptions {
            log: "trace".to_owned(),
            ..OperatorOptions::default()
        };
        let operator = place.operator(options).await;
        Self {
            stage,
            place,
            operator,
        }
    }

    async fn sign_in(&self, name: &str, user: usize) {
        let (user, password) = (user_name(user), password(user));
        self.place.login(&format!("{name}-login"), &user, &password).await;
    }

    /// Made as examples warn against: client-side apply copies the password into an annotation.
    async fn accepted(&self) {
        let tokens = [
            ("accepted-api", &*api_scope()),
            ("accepted-graph", &*graph_scope()),
        ];
        self.place.credential("accepted", &tokens).await;
        let login = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
            "metadata": {"name": "accepted-login", "namespace": self.place.namespace},
            "stringData": {"username": user_name(0), "password": password(0)},
        });
        self.stage
            .kubectl(&["apply", "-f", "-"], Some(&login.to_string()))
            .unwrap();
        self.place.expect("accepted", "Ready", "True/Fresh").await;
    }

    async fn wrong_password(&self) {
        self.place
            .credential("wrong", &[("wrong-api", &api_scope())])
            .await;
        self.place.login("wrong-login", &user_name(1), WRONG).await;
        self.place.expect("wrong", "Ready", "False/WrongPassword").await;
    }

    async fn confidential_client(&self) {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/client-secret",
            "metadata": {"name": "app"}, "stringData": {"value": CLIENT_SECRET},
        });
        let secret = serde_json::from_value(secret).unwrap();
        let secrets = self.place.secrets();
        secrets.create(&PostParams::default(), &secret).await.unwrap();
        let spec = json!({
            "tenant": TENANT, "clientId": CONFIDENTIAL_CLIENT, "authority": AUTHORITY,
            "clientCredential": {"secret": {"secretName": "app", "key": "value"}},
            "login": {"secretName": "client-login"},
            "tokens": [{"secretName": "client-api", "scopes": [api_scope()]}],
        });
        self.place.apply("client", spec).await;
        self.sign_in("client", 2).await;
        self.place.expect("client", "Ready", "True/Fresh").await;
    }

    /// The provider's text repeats the password.
    async fn refused(&self, name: &str, user: usize, fault: Fault) {
        let rule = Rule::new(fault).grant("password").user(&user_name(user));
        self.stage.simulator.script(rule);
        self.place
            .credential(name, &[(&format!("{name}-api"), &api_scope())])
            .await;
        self.sign_in(name, user).await;
        let failed = || async { !self.place.status(name).await["failure"].is_null() };
        self.place.until("the refusal is shown", failed).await;
    }

    /// After one that was granted.
    async fn refused_renewal(&self) {
        let first = self.place.value("accepted-api", "access_token").await;
        let renewed = || async { self.place.value("accepted-api", "access_token").await != first };
        self.place.until("the first renewal", renewed).await;
        let refusal = Refusal::of(50076).text(&raw(0)).claims(RAW);
        let rule = Rule::new(Fault::Refuse(refusal)).grant("refresh_token");
        self.stage.simulator.script(rule.user(&user_name(0)));
        self.place.expect("accepted", "Ready", "True/Expiring").await;
    }

    /// The refresh token dies.
    async fn revoked(&self) {
        self.stage.simulator.revoke_sessions(&user_name(2));
        let dead = "False/LoginRequired";
        self.place.expect("client", "LoggedIn", dead).await;
    }

    async fn deleted(&self) {
        self.place.credential("gone", &[("gone-api", &api_scope())]).await;
        self.sign_in("gone", 5).await;
        self.place.expect("gone", "Ready", "True/Fresh").await;
        let credentials = self.place.credentials();
        credentials
            .delete("gone", &DeleteParams::default())
            .await
            .unwrap();
        let gone = || async { self.place.secret("gone-api").await.is_none() };
        self.place.until("its Secrets are collected", gone).await;
    }
}

/// What the provider says about a refusal of this user.
fn raw(user: usize) -> String {
    format!("{RAW}: the password {} is not what we expected", password(user))
}

// The search.
impl Scenario {
    fn home(&self, names: &[&str]) -> BTreeSet<String> {
        let key = |name: &&str| format!("/registry/secrets/{}/{name}", self.place.namespace);
        names.iter().map(key).collect()
    }

    async fn kinds(&self) -> Vec<Kind> {
        let (refresh, access): (Vec<_>, Vec<_>) = self
            .stage
            .simulator
            .secrets_issued()
            .into_iter()
            .partition(|secret| secret.starts_with(REFRESH_TOKEN_MARK));
        let signature = |token: &String| token.rsplit('.').next().unwrap().to_owned();
        let access = access.iter().flat_map(|token| [signature(token), token.clone()]);
        let marks = [REFRESH_TOKEN_MARK.to_owned()];
        let kind = |name, secrets, home: &[&str]| Kind {
            name,
            secrets,
            home: self.home(home),
        };
        vec![
            kind(
                "an access token",
                access.collect(),
                &["accepted-api", "accepted-graph", "client-api", "gone-api"],
            ),
            kind("a refresh token", marks.into_iter().chain(refresh).collect(), &[]),
            kind(
                "a password",
                passwords(),
                &[
                    "accepted-login",
                    "wrong-login",
                    "client-login",
                    "refused-login",
                    "html-login",
                    "gone-login",
                ],
            ),
            kind("the client secret", vec![CLIENT_SECRET.to_owned()], &["app"]),
            kind("the provider's text", vec![RAW.to_owned()], &[]),
            kind("a sealing key", self.keys().await, &[]),
            kind("the operator's own token", vec![self.bearer()], &[]),
        ]
    }

    /// In base64, as they would be printed.
    async fn keys(&self) -> Vec<String> {
        let secrets = Api::<Secret>::namespaced(self.place.client.clone(), OPERATOR);
        let keys = secrets.get("entra-operator-keys").await.unwrap().data.unwrap();
        keys.values()
            .map(|key| BASE64_STANDARD_NO_PAD.encode(&key.0))
            .collect()
    }

    /// From the operator's kubeconfig.
    fn bearer(&self) -> String {
        let arguments = self.process("cmdline");
        let mut arguments = arguments.split('\0').skip_while(|part| *part != "--kubeconfig");
        let path = arguments.nth(1).unwrap();
        let kubeconfig: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let token = kubeconfig.pointer("/users/0/user/token").unwrap();
        token.as_str().unwrap().to_owned()
    }

    /// A file of the operator's process.
    fn process(&self, file: &str) -> String {
        let bytes = fs::read(format!("/proc/{}/{file}", self.operator.pid())).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Everything that somebody might read.
    async fn evidence(&self) -> Vec<Text> {
        let metrics = format!("{}/metrics", self.operator.metrics().unwrap());
        self.stage.plane.audit_barrier().await.unwrap();
        let history = self.stage.plane.etcd_history().await.unwrap();
        let mut evidence: Vec<_> = history.into_iter().map(Text::of_etcd).collect();
        assert!(evidence.iter().any(|t| t.name.starts_with("/registry/events/")));
        evidence.extend([
            Text::new("the log", self.operator.log()),
            Text::new("the metrics", self.operator.get(&metrics).await.unwrap()),
            Text::new("the command line", self.process("cmdline")),
            Text::new("the environment", self.process("environ")),
            Text::new(
                "the audit log",
                fs::read_to_string(self.stage.plane.audit_log_path()).unwrap(),
            ),
        ]);
        evidence
    }
}

/// Whole, and the part that no encoding of JSON changes.
fn passwords() -> Vec<String> {
    let all = (0..6).map(password).chain([WRONG.to_owned()]);
    let part = |password: &String| password.split(' ').next().unwrap().to_owned();
    all.flat_map(|password| [part(&password), password]).collect()
}
