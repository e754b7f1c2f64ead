//! The clouds with fixed hosts: what their realm service says, and what a gateway says in its place.
//!
//! A proxy of the environment leads to a server that stands in for a cloud, and whose certificate the system trusts. A
//! process must not change its own environment while threads run, so each test runs itself again in another one.

use entra_operator::api::{Cloud, Realm};
use tokio::process::Command;

use crate::client::{Setup, refused};
use crate::proxy::{Manner, VARIABLES, proxy};
use crate::realm::realm_at;
use crate::server::{Act, Server, certificate_for, say};

const INSIDE: &str = "TEST_INSIDE_A_CLOUD";
const PUBLIC: &str = "login.microsoftonline.com";

/// In the other process: signs in at the public cloud, and says what came of it. `None` in the first one.
async fn inside() -> Option<()> {
    std::env::var_os(INSIDE)?;
    let mut setup = Setup::of_cloud(Cloud::Public);
    setup.realm = Realm::Auto;
    let refusal = refused(setup.login().await);
    println!(
        "refused: {:?} {} {}",
        refusal.effect,
        refusal.reason,
        refusal.told()
    );
    Some(())
}

/// What a sign-in at the public cloud comes to after this answer; the password never leaves.
async fn after(test: &str, answer: Act) -> String {
    let (config, ca_pem) = certificate_for(PUBLIC);
    let server = Server::with_config(config, ca_pem, [answer]).await;
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("system.pem");
    std::fs::write(&roots, &server.ca_pem).unwrap();
    let (url, _heard) = proxy(Manner::Tunnels, server.port).await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in VARIABLES.into_iter().chain(["SSL_CERT_DIR"]) {
        command.env_remove(name);
    }
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, "");
    let output = command
        .env("HTTPS_PROXY", url)
        .env("SSL_CERT_FILE", roots)
        .output();
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let journal = server.journal();
    assert_eq!(journal.len(), 1, "{journal:?}");
    assert!(journal[0].line().starts_with("GET /common/userrealm/"));
    assert_eq!(journal[0].header("host"), Some(PUBLIC));
    String::from_utf8(output.stdout).unwrap()
}

/// A declared host may have no realm service. That of a cloud is always there, so a gateway answered.
#[tokio::test]
async fn a_cloud_without_a_realm_service_is_a_gateway_and_gets_no_password() {
    if inside().await.is_some() {
        return;
    }
    let test = "clouds::a_cloud_without_a_realm_service_is_a_gateway_and_gets_no_password";
    let said = after(test, say(404, &[], "<h1>404</h1>")).await;
    assert!(said.contains("refused: Transient ServiceUnavailable"), "{said}");
    assert!(said.contains("HTTP status 404"), "{said}");
}

#[tokio::test]
async fn an_account_of_another_cloud_is_told_so_before_its_password_leaves() {
    if inside().await.is_some() {
        return;
    }
    let test = "clouds::an_account_of_another_cloud_is_told_so_before_its_password_leaves";
    for (instance, cloud) in [
        ("partner.microsoftonline.cn", "China"),
        ("microsoftonline.us", "USGovernment"),
    ] {
        let said = after(test, realm_at("Managed", "contoso.example", instance)).await;
        assert!(said.contains("refused: Person AppMisconfigured"), "{said}");
        assert!(said.contains(&format!("Set spec.cloud: {cloud}.")), "{said}");
        assert!(said.contains("the password was not sent"), "{said}");
    }
}
