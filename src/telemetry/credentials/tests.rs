//! What the series of credentials say.

use super::*;
use crate::telemetry::metrics::Metrics;

fn row(name: &str, ready: bool, reason: Reason) -> Row {
    Row {
        namespace: "etl".into(),
        name: name.into(),
        ready,
        reason,
        logged_in: (true, Reason::RefreshTokenStored),
        refresh_token_issued_at: Some(Time(500)),
        refresh_token_expires_at: Some(Time(29_300)),
        login_waiting_since: None,
        certificate_expires_at: None,
        tokens: vec![TokenRow {
            secret: format!("{name}-graph"),
            issued_at: Some(Time(700)),
            expires_at: Some(Time(1600)),
            refresh_at: Some(Time(1300)),
        }],
    }
}

fn observed() -> Observed {
    let mut awaiting = row("c", false, Reason::AwaitingLogin);
    awaiting.logged_in = (false, Reason::AwaitingLogin);
    awaiting.login_waiting_since = Some(Time(900));
    awaiting.refresh_token_issued_at = None;
    awaiting.refresh_token_expires_at = None;
    awaiting.tokens = vec![TokenRow {
        secret: "c-graph".to_owned(),
        issued_at: None,
        expires_at: None,
        refresh_at: None,
    }];
    let rows = vec![
        Row {
            certificate_expires_at: Some(Time(9000)),
            ..row("a", true, Reason::Fresh)
        },
        row("b", true, Reason::Fresh),
        awaiting,
    ];
    let sealed = |key_id: &str, suspended: bool| SealedRow {
        key_id: key_id.to_owned(),
        suspended,
    };
    Observed {
        now: Time(1000),
        not_understood: 1,
        longest_pass: Duration::from_millis(1500),
        rows,
        sealed: BTreeMap::from([
            (sealed("k2", false), 2),
            (sealed("k1", true), 1),
            (sealed("", false), 1),
        ]),
        sealing_keys: vec!["k1".to_owned(), "k2".to_owned()],
    }
}

fn scrape(per_object: bool, observed: Observed) -> String {
    let metrics = Metrics::new(per_object);
    metrics.observe(Box::new(move || observed.clone()));
    metrics.encode().unwrap_or_default()
}

fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|l| l == *line), "{line} is not in\n{text}");
    }
}

#[test]
fn sums_are_reported() {
    assert_lines(
        &scrape(false, observed()),
        &[
            r#"entra_credentials{ready="true",reason="Fresh"} 2"#,
            r#"entra_credentials{ready="false",reason="AwaitingLogin"} 1"#,
            r#"entra_credentials_logged_in{logged_in="true",reason="RefreshTokenStored"} 2"#,
            r#"entra_credentials_logged_in{logged_in="false",reason="AwaitingLogin"} 1"#,
            "entra_longest_pass_seconds 1.5",
            r#"entra_sealed_secrets{key_id="k1",suspended="false"} 0"#,
            r#"entra_sealed_secrets{key_id="k1",suspended="true"} 1"#,
            r#"entra_sealed_secrets{key_id="k2",suspended="false"} 2"#,
            r#"entra_sealed_secrets{key_id="k2",suspended="true"} 0"#,
            r#"entra_sealed_secrets{key_id="",suspended="false"} 1"#,
            "entra_login_waiting_seconds 100",
            "entra_min_remaining_life_seconds 600",
        ],
    );
}

#[test]
fn objects_are_reported_with_their_times() {
    assert_lines(
        &scrape(true, observed()),
        &[
            r#"entra_credential_ready{namespace="etl",name="a",reason="Fresh"} 1"#,
            r#"entra_credential_ready{namespace="etl",name="c",reason="AwaitingLogin"} 0"#,
            r#"entra_credential_logged_in{namespace="etl",name="a",reason="RefreshTokenStored"} 1"#,
            r#"entra_credential_logged_in{namespace="etl",name="c",reason="AwaitingLogin"} 0"#,
            r#"entra_credential_token_expiry_timestamp_seconds{namespace="etl",name="a",secret="a-graph"} 1600"#,
            r#"entra_credential_token_issued_timestamp_seconds{namespace="etl",name="a",secret="a-graph"} 700"#,
            r#"entra_credential_next_refresh_timestamp_seconds{namespace="etl",name="b",secret="b-graph"} 1300"#,
            r#"entra_credential_refresh_token_issued_timestamp_seconds{namespace="etl",name="a"} 500"#,
            r#"entra_credential_refresh_token_expiry_timestamp_seconds{namespace="etl",name="a"} 29300"#,
            r#"entra_credential_client_certificate_expiry_timestamp_seconds{namespace="etl",name="a"} 9000"#,
        ],
    );
}

#[test]
fn objects_can_be_switched_off() {
    let text = scrape(false, observed());
    assert!(
        !text.contains("entra_credential_") && !text.contains("namespace="),
        "{text}"
    );
}

#[test]
fn a_token_that_nobody_renews_on_purpose_is_not_the_one_that_expires_next() {
    let mut suspended = row("d", true, Reason::Suspended);
    suspended.tokens[0].expires_at = Some(Time(1001));
    let mut observed = observed();
    observed.rows.push(suspended);
    assert_lines(
        &scrape(false, observed),
        &["entra_min_remaining_life_seconds 600"],
    );
}

#[test]
fn what_is_unknown_has_no_series() {
    let text = scrape(true, observed());
    assert!(
        !text.contains(r#"expiry_timestamp_seconds{namespace="etl",name="c""#),
        "{text}"
    );
    let empty = scrape(true, Observed::default());
    assert!(!empty.contains("\nentra_min_remaining_life_seconds "), "{empty}");
    assert_lines(&empty, &["entra_login_waiting_seconds 0"]);
}

#[test]
fn nothing_is_reported_before_there_is_a_source() {
    let text = Metrics::new(true).encode().unwrap_or_default();
    assert!(
        !text.contains("entra_credential") && text.contains("entra_build_info"),
        "{text}"
    );
}
