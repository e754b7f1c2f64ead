//! Standalone use: the command's options, the control interface, throttling by count.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use entra_lab::simulator::cli::{self, Args};
use entra_lab::simulator::world::{PUBLIC_CLIENT, password, user_name};
use entra_lab::simulator::{RateLimit, World};
use serde_json::{Value, json};

use crate::client::{Lab, but, client, decode, lab, password_form, refresh_form};

struct Standalone {
    lab: Lab,
    control: String,
    _folder: tempfile::TempDir,
}

impl Standalone {
    async fn start(world: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| -> PathBuf { folder.path().join(name) };
        std::fs::write(file("world.yaml"), world).unwrap();
        let args = Args {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            control_port: Some(0),
            world: Some(file("world.yaml")),
            token_lifetime: Some(9),
            ca_file: file("ca.pem"),
            aliases: vec!["login.contoso.example".to_owned()],
        };
        let (simulator, control) = cli::start(&args).await.unwrap();
        let http = client(&std::fs::read_to_string(file("ca.pem")).unwrap());
        Self {
            lab: Lab { simulator, http },
            control: control.unwrap(),
            _folder: folder,
        }
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/_sim/{path}", self.control);
        let response = self
            .lab
            .http
            .request(method, url)
            .json(&body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn post(&self, path: &str, body: Value) {
        assert_eq!(
            self.send(reqwest::Method::POST, path, body).await,
            (200, json!({})),
            "{path}"
        );
    }
}

async fn standalone() -> Standalone {
    let user = json!({"upn": user_name(0), "password": password(0)});
    Standalone::start(&json!({"users": [user]}).to_string()).await
}

#[tokio::test]
async fn the_command_serves_the_users_of_its_file() {
    let standalone = standalone().await;
    assert_eq!(standalone.lab.post(&password_form()).await.body["expires_in"], 9);
    assert!(
        standalone.lab.simulator.secrets_issued().is_empty(),
        "kept for tests in process only"
    );
    let broken = Args {
        world: Some("/nonexistent".into()),
        ..args()
    };
    assert_eq!(
        cli::start(&broken).await.unwrap_err().to_string(),
        "cannot use /nonexistent"
    );
}

/// Whoever reaches the simulator by another name reaches its control port by that name, too.
#[tokio::test]
async fn the_control_port_answers_to_the_aliases() {
    let standalone = standalone().await;
    let control = reqwest::Url::parse(&standalone.control).unwrap();
    let address = (Ipv4Addr::LOCALHOST, control.port().unwrap());
    let ca = standalone.lab.simulator.ca_pem();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes()).unwrap()])
        .no_proxy()
        .resolve("login.contoso.example", address.into())
        .build()
        .unwrap();
    let url = format!("https://login.contoso.example:{}/_sim/journal", address.1);
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
}

fn args() -> Args {
    Args {
        address: Ipv4Addr::LOCALHOST.into(),
        port: 0,
        control_port: None,
        world: None,
        token_lifetime: None,
        ca_file: "/nonexistent/ca.pem".into(),
        aliases: Vec::new(),
    }
}

#[test]
fn the_help_names_a_login_that_works() {
    let help = <Args as clap::Args>::augment_args(clap::Command::new("simulator"))
        .render_help()
        .to_string();
    for text in [user_name(0), password(0), PUBLIC_CLIENT.to_owned()] {
        assert!(help.contains(&text), "{text}");
    }
}

#[tokio::test]
async fn the_journal_can_be_read_without_secrets() {
    let standalone = standalone().await;
    standalone.lab.sign_in().await;
    let (status, journal) = standalone
        .send(reqwest::Method::GET, "journal", json!(null))
        .await;
    assert_eq!((status, journal["entries"].as_array().unwrap().len()), (200, 1));
    assert_eq!(journal["entries"][0]["outcome"]["answered"]["status"], 200);
    assert!(!journal.to_string().contains("PWMARK"));
    let later = standalone
        .send(reqwest::Method::GET, "journal?since=1", json!(null))
        .await
        .1;
    assert_eq!(later, json!({"entries": []}));
}

#[tokio::test]
async fn everything_can_be_changed_from_outside() {
    let standalone = standalone().await;
    let token = standalone.lab.sign_in().await;
    standalone.post("lifetime", json!({"seconds": 5})).await;
    standalone.post("clock", json!({"seconds": 3600})).await;
    assert_eq!(standalone.lab.redeem(&token).await.body["expires_in"], 5);
    let event = json!({"user": user_name(0), "event": "passwordChanged", "password": "new"});
    standalone.post("events", event).await;
    assert_eq!(standalone.lab.code(&refresh_form(&token)).await, 50173);
    assert_eq!(standalone.lab.code(&password_form()).await, 50126);
    let user = json!({"upn": user_name(0), "password": password(0), "policy": "mfa"});
    assert_eq!(standalone.send(reqwest::Method::PUT, "users", user).await.0, 200);
    assert_eq!(standalone.lab.code(&password_form()).await, 50076);
    let switches = json!({"separator": "crLf", "lifetime": {"seconds": 6}});
    assert_eq!(
        standalone
            .send(reqwest::Method::PUT, "behaviour", switches)
            .await
            .0,
        200
    );
    let refused = standalone.lab.post(&password_form()).await;
    assert!(refused.text("error_description").contains("\r\nTrace ID"));
    let typo = standalone
        .send(reqwest::Method::PUT, "behaviour", json!({"lifetyme": 1}))
        .await;
    assert_eq!(typo.0, 400);
}

#[tokio::test]
async fn faults_can_be_scripted_from_outside() {
    let standalone = standalone().await;
    let faults = json!({"fault": "code", "code": 50033, "grant": "password", "times": 2});
    standalone.post("faults", faults).await;
    standalone
        .post("faults", json!({"fault": "throttle", "retryAfter": 3}))
        .await;
    assert_eq!(standalone.lab.code(&password_form()).await, 50033);
    assert_eq!(standalone.lab.redeem("x").await.headers["retry-after"], "3");
    assert_eq!(
        standalone
            .send(reqwest::Method::DELETE, "faults", json!(null))
            .await
            .0,
        200
    );
    assert_eq!(standalone.lab.code(&password_form()).await, 0);
    standalone
        .post("faults", json!({"fault": "unavailable", "path": "/userrealm/"}))
        .await;
    standalone
        .post("faults", json!({"fault": "soap", "subcode": "requestFailed"}))
        .await;
    assert_eq!(
        standalone.lab.code(&password_form()).await,
        0,
        "it is for other paths"
    );
    assert_eq!(
        standalone.lab.get("/common/userrealm/a@b.example").await.status,
        503
    );
    let soap = standalone
        .lab
        .post_path("/adfs/services/trust/13/usernamemixed", &[])
        .await;
    assert!(soap.status == 500 && soap.body.to_string().contains("wst:RequestFailed"));
    let (status, answer) = standalone
        .send(reqwest::Method::POST, "faults", json!({"fault": "x"}))
        .await;
    assert!(status == 400 && answer["error"].is_string());
    assert_eq!(
        standalone
            .send(reqwest::Method::GET, "nothing", json!(null))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_client_beyond_its_rate_is_sent_away_until_the_window_ends() {
    let lab = lab().await;
    let limit = RateLimit {
        requests: 2,
        seconds: 60,
    };
    lab.simulator
        .configure(|behaviour| behaviour.rate_limit = Some(limit));
    assert_eq!(
        (lab.code(&password_form()).await, lab.code(&password_form()).await),
        (0, 0)
    );
    lab.simulator.clock().advance(20);
    let answer = lab.post(&password_form()).await;
    assert_eq!(answer.verdict(), (429, 90055, "temporarily_unavailable", None));
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((38..=40).contains(&wait), "{wait}");
    assert_ne!(
        lab.code(&but(password_form(), "client_id", Some("other"))).await,
        90055
    );
    lab.simulator.clock().advance(41);
    assert_eq!(lab.code(&password_form()).await, 0);
}

#[tokio::test]
async fn the_client_info_of_another_user_can_be_sent() {
    let lab = lab().await;
    lab.simulator
        .configure(|behaviour| behaviour.client_info_of = Some(user_name(1)));
    let answer = lab.post(&password_form()).await;
    let other = lab
        .simulator
        .change(|world: &mut World| world.users[1].oid.clone());
    assert_eq!(decode(answer.text("client_info"))["uid"], other);
    assert_ne!(crate::client::claims(answer.text("id_token"))["oid"], other);
}
