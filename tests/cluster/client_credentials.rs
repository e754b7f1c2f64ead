//! Confidential clients without a client secret: a certificate from a TLS Secret, and the token of a ServiceAccount that
//! the API server issues. A scripted token service takes what it is given and shows it to the test.

use std::fs::read_to_string;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::simulator::world;
use entra_lab::stage::{AUTHORITY, OPERATOR, Operator, OperatorOptions, repository};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, Patch, PatchParams};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use x509_parser::time::ASN1Time;

use crate::account::Account;
use crate::evidence::{asking, own_simulator, passed};
use crate::rights::can;
use crate::scene::{LIFE, Place, api_scope, stage};
use crate::token_service::{Received, Server, say};

/// As in deploy/examples/workload-identity.yaml.
const CLIENT_ID: &str = "3f0c1a52-0000-4000-8000-000000000001";
const BINDING: &str = "rolebinding/entra-operator-workload-identity";

/// Answers that a test may need.
const ANSWERS: usize = 20;

const DAY: i64 = 86_400;

/// A namespace with an operator of its own, which asks the scripted service.
struct Scene {
    place: Place,
    service: Server,
    operator: Operator,
}

impl Scene {
    async fn set(name: &str) -> Self {
        Self::on(Place::new(name).await, OperatorOptions::default()).await
    }

    /// The same with an operator that is run in another way.
    async fn on(place: Place, options: OperatorOptions) -> Self {
        let answer = tokens();
        let service = Server::start((0..ANSWERS).map(|_| say(200, &[], &answer))).await;
        let options = OperatorOptions {
            entra: Some((format!("https://{}", service.host()), service.ca_pem.clone())),
            log: "trace".to_owned(),
            ..options
        };
        let operator = place.operator(options).await;
        Self {
            place,
            service,
            operator,
        }
    }

    /// A credential `reporting` with this client credential, and its login.
    async fn sign_in(&self, client_credential: Value) {
        let spec = json!({
            "tenant": "contoso.example", "clientId": CLIENT_ID, "authority": AUTHORITY,
            "clientCredential": client_credential,
            "login": {"secretName": "reporting-login", "realm": "Managed"},
            "tokens": [{"secretName": "reporting-graph", "scopes": ["User.Read"]}],
        });
        self.place.apply("reporting", spec).await;
        self.place
            .login("reporting-login", "alice@contoso.example", "pw")
            .await;
    }

    /// Forms that arrived whole, one parameter of each.
    fn sent(&self, parameter: &str) -> Vec<String> {
        let journal = self.service.journal();
        let whole = journal.iter().filter(|r| is_whole(r));
        whole.map(|r| of_form(r, parameter)).collect()
    }

    /// Waits for a renewal that fails with this reason, and gives message and remedy.
    async fn failure(&self, reason: &str) -> String {
        let failure = || async { self.place.status("reporting").await["failure"].clone() };
        self.place
            .until(&format!("a renewal fails with {reason}"), || async {
                failure().await["reason"] == reason
            })
            .await;
        let failure = failure().await;
        format!("{} {}", failure["message"], failure["remedy"])
    }

    /// What proves the application is nowhere but in the requests, whatever is logged.
    async fn assert_nothing_leaked(&self, secrets: &[String]) {
        let status = self.place.status("reporting").await.to_string();
        let events = format!("{:?}", self.place.events("reporting").await);
        let seen = [self.operator.log(), status, events];
        for secret in secrets {
            assert!(
                seen.iter().all(|text| !text.contains(secret.as_str())),
                "{secret}"
            );
        }
    }

    async fn ready(&self, reason: &str) {
        self.place
            .expect("reporting", "Ready", &format!("True/{reason}"))
            .await;
    }

    async fn kubectl(&self, arguments: &[&str]) {
        let all = [arguments, &["--namespace", &self.place.namespace]].concat();
        stage().await.kubectl(&all, None).unwrap();
    }

    async fn put_certificate(&self, until: i64) {
        let now = jiff::Timestamp::now().as_second();
        let at = |seconds| ASN1Time::from_timestamp(now + seconds).unwrap().to_datetime();
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        (params.not_before, params.not_after) = (at(-2 * DAY), at(until));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "app"},
            "stringData": {"tls.crt": params.self_signed(&key).unwrap().pem(), "tls.key": key.serialize_pem()},
        });
        let apply = PatchParams::apply("test").force();
        let secrets = self.place.secrets();
        secrets
            .patch("app", &apply, &Patch::Apply(&secret))
            .await
            .unwrap();
    }
}

/// Always the same account.
fn tokens() -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let id_token =
        part(json!({"oid": "oid-1", "tid": "tid-1", "preferred_username": "alice@contoso.example"}));
    json!({
        "token_type": "Bearer", "scope": "User.Read openid profile", "expires_in": LIFE,
        "access_token": "marker-access", "refresh_token": "marker-refresh",
        "id_token": format!("e30.{id_token}.sig"), "client_info": part(json!({"uid": "uid-1", "utid": "tid-1"})),
    })
    .to_string()
}

/// Whether all of the body that its head announces has arrived: the service notes a request as soon as its head is there.
fn is_whole(request: &Received) -> bool {
    let length = request.header("content-length").and_then(|n| n.parse().ok());
    request.body.chars().count() == length.unwrap_or(0)
}

fn of_form(request: &Received, parameter: &str) -> String {
    let form = url::form_urlencoded::parse(request.body.as_bytes());
    let values: Vec<_> = form
        .filter(|(name, _)| name == parameter)
        .map(|(_, v)| v.into_owned())
        .collect();
    values.concat()
}

/// Part of a JWT: 0 is the header, 1 the claims.
fn jwt(token: &str, part: usize) -> Value {
    let part = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_every_request_and_is_changed_without_a_new_login() {
    let scene = Scene::set("certificate").await;
    scene.put_certificate(10 * DAY).await;
    scene.sign_in(json!({"certificate": {"secretName": "app"}})).await;
    scene.ready("CertificateExpiring").await;
    let warned = || async {
        let events = scene.place.events("reporting").await;
        events
            .iter()
            .any(|e| e.reason.as_deref() == Some("CertificateExpiring"))
    };
    scene.place.until("an Event warns", warned).await;
    let url = format!("{}/metrics", scene.operator.metrics().unwrap());
    let told = || async {
        let metrics = scene.operator.get(&url).await.unwrap();
        metrics.contains("\nentra_credential_client_certificate_expiry_timestamp_seconds{")
    };
    scene.place.until("the metric tells when it ends", told).await;

    scene.put_certificate(-DAY).await;
    let before = scene.service.journal().len();
    let told = scene.failure("AppMisconfigured").await;
    assert!(told.contains("expired at"), "{told}");
    assert_eq!(scene.service.journal().len(), before, "nothing was sent");

    scene.put_certificate(90 * DAY).await;
    scene.ready("Fresh").await;
    let assertions = scene.sent("client_assertion");
    let [first, .., last] = assertions.as_slice() else {
        panic!("{} requests", assertions.len());
    };
    assert_ne!(jwt(first, 0)["x5t#S256"], jwt(last, 0)["x5t#S256"]);
    assert_ne!(jwt(first, 1)["jti"], jwt(last, 1)["jti"]);
    let grants = scene.sent("grant_type");
    assert_eq!(grants[0], "password");
    assert!(grants[1..].iter().all(|g| g == "refresh_token"), "{grants:?}");
    let key = scene.place.value("app", "tls.key").await.unwrap();
    let line = key.lines().nth(1).unwrap().to_owned();
    scene
        .assert_nothing_leaked(&[assertions, vec![line]].concat())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_may_change_the_audience_of_a_cloud() {
    let place = Place::new("audience").await;
    // The policies of the manifests are for the audiences of their configuration.
    let account = Account::serving(&place).await;
    let audiences = "workloadIdentity: {audiences: {Public: \"api://another\", China: \"api://third\"}}";
    let mut options = account.options();
    options.config = format!("{}\n{audiences}", options.config);
    let scene = Scene::on(place, options).await;
    allow(&scene.place, account.name()).await;
    scene
        .sign_in(json!({"workloadIdentity": {"serviceAccountName": "reporting"}}))
        .await;
    scene.ready("Fresh").await;
    let claims = jwt(&scene.sent("client_assertion")[0], 1);
    assert_eq!(claims["aud"], json!(["api://another"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_proves_the_application_as_long_as_annotation_and_role_allow_it() {
    let scene = Scene::set("workload-identity").await;
    let namespace = scene.place.namespace.clone();
    let start = scene.place.mark().await;
    allow(&scene.place, OPERATOR).await;
    scene
        .sign_in(json!({"workloadIdentity": {"serviceAccountName": "reporting"}}))
        .await;
    scene.ready("Fresh").await;
    scene
        .place
        .until("it is renewed", || async {
            scene.sent("client_assertion").len() > 1
        })
        .await;
    let tokens = scene.sent("client_assertion");
    let claims = jwt(&tokens[0], 1);
    assert_eq!(claims["aud"], json!(["api://AzureADTokenExchange"]));
    assert_eq!(
        claims["sub"],
        format!("system:serviceaccount:{namespace}:reporting")
    );
    assert_eq!(tokens[0], tokens[1], "one token for its whole life");
    let deeds = scene.place.deeds_since(start).await;
    let issued = deeds.0.iter().filter(|e| e.subresource == "token").count();
    assert_eq!(issued, 1, "{}", deeds.shown());

    annotate(&scene, "another-application").await;
    let told = scene.failure("NotAllowed").await;
    assert!(
        told.contains("kubectl annotate serviceaccount reporting"),
        "{told}"
    );

    annotate(&scene, CLIENT_ID).await;
    scene.kubectl(&["delete", BINDING]).await;
    scene.place.request_refresh("reporting").await;
    let lacks_role = || async { scene.place.status("reporting").await["failure"]["remedy"].to_string() };
    scene
        .place
        .until("the missing Role is named", || async {
            lacks_role().await.contains("create on serviceaccounts/token")
        })
        .await;

    allow(&scene.place, OPERATOR).await;
    // Words are told apart by their seconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.place.request_refresh("reporting").await;
    scene.ready("Fresh").await;
    scene.assert_nothing_leaked(&tokens).await;
}

/// Applies the ServiceAccount and the rights of the example for an account of an operator, and waits until the API server goes by
/// them.
pub(crate) async fn allow(place: &Place, account: &str) {
    let namespace = &place.namespace;
    let example = read_to_string(repository().join("deploy/examples/workload-identity.yaml")).unwrap();
    let (rights, _) = example.rsplit_once("\n---\n").unwrap();
    let rights = rights
        .replace("namespace: etl", &format!("namespace: {namespace}"))
        .replace("    name: entra-operator\n", &format!("    name: {account}\n"));
    stage()
        .await
        .kubectl(&["apply", "-f", "-"], Some(&rights))
        .unwrap();
    let allowed = || can(account, "get", "serviceaccounts/reporting", namespace);
    place.until("the Role is in force", allowed).await;
}

async fn annotate(scene: &Scene, client_id: &str) {
    let accounts = Api::<ServiceAccount>::namespaced(scene.place.client.clone(), &scene.place.namespace);
    let annotation = json!({"metadata": {"annotations": {"azure.workload.identity/client-id": client_id}}});
    accounts
        .patch("reporting", &PatchParams::default(), &Patch::Merge(annotation))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_changed_while_no_operator_ran_is_tried_at_once_and_an_unchanged_one_is_not() {
    tokio::join!(
        a_changed_secret_is_tried("client-renewal", Then::Renewed),
        a_changed_secret_is_tried("client-login", Then::SignedIn)
    );
}

/// What waits for the right client secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// A renewal.
    Renewed,
    /// A login that was kept.
    SignedIn,
}

async fn a_changed_secret_is_tried(name: &str, then: Then) {
    let place = Place::new(name).await;
    let simulator = own_simulator(1, LIFE).await;
    let (user, password) = (world::user_name(0), world::password(0));
    let mut operator = place.operator(asking(&simulator)).await;
    let secret = |text: &str| json!({"stringData": {"secret": text}});
    place
        .create_secret(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/client-secret",
            "metadata": {"name": "app"}, "stringData": {"secret": world::CLIENT_SECRET},
        }))
        .await;
    place
        .apply(
            "one",
            json!({
                "tenant": world::TENANT, "clientId": world::CONFIDENTIAL_CLIENT, "authority": AUTHORITY,
                "clientCredential": {"secret": {"secretName": "app", "key": "secret"}},
                "login": {"secretName": "one-login"},
                "tokens": [{"secretName": "one-api", "scopes": [api_scope()]}],
            }),
        )
        .await;
    if then == Then::Renewed {
        place.login("one-login", &user, &password).await;
        place.expect("one", "Ready", "True/Fresh").await;
    }
    simulator.set_client_secret(world::CONFIDENTIAL_CLIENT, "SIMCLIENTSECRET~next");
    if then == Then::SignedIn {
        place.login("one-login", &user, &password).await;
    }
    let told = || async { place.status("one").await["failure"]["reason"] == "AppMisconfigured" };
    place.until("the refusal is told", told).await;

    let calls = || simulator.journal().matching(|e| e.grant().is_some()).len();
    operator.kill();
    let before = calls();
    let mut operator = place.operator(asking(&simulator)).await;
    passed(&operator, 0).await;
    assert_eq!(calls(), before, "nothing changed, nothing is lifted");

    operator.kill();
    place.patch_secret("app", secret("SIMCLIENTSECRET~next")).await;
    let _operator = place.operator(asking(&simulator)).await;
    place.until("it is tried", || async { calls() > before }).await;
    place.expect_within(10, "one", "Ready", "True/Fresh").await;
    assert_eq!(calls(), before + 1);
    let sends = if then == Then::SignedIn { 2 } else { 1 };
    assert_eq!(simulator.journal().password_sends(&user), sends);
}
