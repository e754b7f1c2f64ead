//! An operator in a network that is not as it should be: it starts, says what is wrong, and serves what it can.

use entra_lab::stage::OperatorOptions;

use crate::scene::{Place, api_scope, stage, user};

#[tokio::test(flavor = "multi_thread")]
async fn without_certificates_it_starts_and_its_authorities_wait_for_the_file() {
    let place = Place::new("certificates").await;
    let simulator = &stage().await.simulator;
    let options = OperatorOptions {
        entra: Some((simulator.url(), "no certificate yet".to_owned())),
        ..OperatorOptions::default()
    };
    let operator = place.operator(options).await;
    let file = operator.ca_file();
    let line = format!("peer=authority lab file={}", file.display());
    let log = operator.log();
    let told = log
        .lines()
        .filter(|l| l.contains(&line) && l.contains("nothing is sent there"));
    assert_eq!(told.count(), 1, "{log}");

    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "LoggedIn", "False/ServiceUnavailable").await;
    let status = place.status("one").await;
    assert!(
        status.to_string().contains(&file.display().to_string()),
        "{status:#}"
    );
    assert!(place.secret("one-login").await.is_some());

    std::fs::write(&file, simulator.ca_pem()).unwrap();
    place.expect_within(60, "one", "Ready", "True/Fresh").await;
    assert_eq!(
        place.status("one").await["login"]["sends"],
        1,
        "nothing was sent before"
    );
}

/// The proxy is closed, so that whatever goes through it fails.
#[tokio::test(flavor = "multi_thread")]
async fn proxy_variables_are_judged_at_the_start_and_the_api_server_is_reached_without_them() {
    let place = Place::new("proxies").await;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let options = OperatorOptions {
        variables: vec![
            variable("HTTPS_PROXY", "http://user:marker-of-a-proxy@127.0.0.1:1"),
            variable("ALL_PROXY", "http://user:marker-of-a-proxy@127.0.0.1:1"),
            variable(
                "NO_PROXY",
                "elsewhere.example,*.corp.example, 10.0.0.0/8,user:marker-of-a-proxy@localhost",
            ),
        ],
        ..OperatorOptions::default()
    };
    let operator = place.operator(options).await;
    let (name, password) = user();
    place.credential("one", &[("one-api", &api_scope())]).await;
    place.login("one-login", &name, &password).await;
    place.expect("one", "LoggedIn", "False/ServiceUnavailable").await;
    let log = operator.log();
    let told: Vec<_> = log.lines().filter(|l| l.contains("NO_PROXY")).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    for (line, part) in told
        .iter()
        .zip(["\"*.corp.example\"", "\"10.0.0.0/8\"", "number 4"])
    {
        assert!(line.contains("WARN") && line.contains(part), "{line}");
    }
    let status = place.status("one").await.to_string();
    assert!(!log.contains("marker-of-a-proxy") && !status.contains("marker-of-a-proxy"));
}
