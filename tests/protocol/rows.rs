//! Every row of the AADSTS table over the wire, on both grants.

use entra_operator::entra::Grant;
use entra_operator::entra::failure::{ROWS, Row};
use entra_operator::plan::answer::Refusal;

use crate::client::{PASSWORD, REFRESH_TOKEN, Setup, USER, refused};
use crate::server::{Server, say};

/// An error answer as the service writes it.
fn body(code: u32) -> String {
    serde_json::json!({
        "error": "invalid_grant",
        "error_description": format!("AADSTS{code}: Marker text for {USER}. Trace ID: 5f3a0b6e-0000-4000-8000-000000000001"),
        "error_codes": [code], "timestamp": "2026-11-22 07:24:37Z",
        "trace_id": "5f3a0b6e-0000-4000-8000-000000000001",
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    })
    .to_string()
}

fn check(row: &Row, grant: Grant, refusal: &Refusal) {
    assert_eq!(refusal.code, Some(row.code));
    assert_eq!(refusal.effect, row.class.effect(grant), "{} {grant:?}", row.code);
    assert_eq!(refusal.reason, row.class.reason(grant), "{} {grant:?}", row.code);
    let shown = format!("{refusal:?}");
    for secret in [USER, PASSWORD, REFRESH_TOKEN, "Marker"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn every_row_arrives() {
    let acts = ROWS
        .iter()
        .flat_map(|row| [say(400, &[], &body(row.code)), say(400, &[], &body(row.code))]);
    let server = Server::start(acts).await;
    let setup = Setup::new(&server);
    for row in ROWS {
        check(row, Grant::Password, &refused(setup.login().await));
        check(row, Grant::Refresh, &refused(setup.redeem().await));
    }
    assert_eq!(server.journal().len(), 2 * ROWS.len());
    println!(
        "AADSTS rows over the wire: {} codes x 2 grants = {} answers",
        ROWS.len(),
        2 * ROWS.len()
    );
}
