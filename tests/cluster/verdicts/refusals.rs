//! A refused login stays, says what to do, and is sent again only when a person asks.

use entra_lab::simulator::{Fault, Refusal, Rule};
use entra_lab::stage::OperatorOptions;

use super::{sends, spec};
use crate::scene::{Place, stage, user};

/// In the provider's own text, which must appear nowhere.
const RAW: &str = "RAWTEXT-of-the-provider";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_says_what_to_do_and_waits_for_a_person() {
    let place = Place::new("refused").await;
    let operator = place
        .operator(OperatorOptions {
            log: "trace".to_owned(),
            ..OperatorOptions::default()
        })
        .await;
    tokio::join!(
        refused(&place, "mfa", 50076, "InteractionRequired"),
        refused(&place, "blocked", 53003, "BlockedByPolicy"),
        refused(&place, "disabled", 50057, "AccountLocked"),
        refused(&place, "locked", 50053, "AccountLocked"),
        refused(&place, "consent", 65001, "ConsentMissing"),
        refused(&place, "expired", 50055, "InteractionRequired"),
        refused(&place, "client", 7_000_218, "AppMisconfigured"),
    );
    assert!(!operator.log().contains(RAW), "the provider's text is in the log");
}

/// Signs in and is refused with `code` once.
async fn refused(place: &Place, name: &str, code: u32, reason: &str) {
    let (user, password) = user();
    let simulator = &stage().await.simulator;
    simulator.script(Rule::new(Fault::Refuse(Refusal::of(code).text(RAW))).user(&user));
    place.apply(name, spec(name)).await;
    let login = format!("{name}-login");
    place.login(&login, &user, &password).await;
    place.expect(name, "LoggedIn", &format!("False/{reason}")).await;
    assert_eq!(place.condition(name, "Stalled").await, format!("True/{reason}"));

    let status = place.status(name).await;
    let failure = &status["failure"];
    assert_eq!(failure["reason"], reason);
    assert_eq!(failure["code"], format!("AADSTS{code}"));
    assert!(
        failure["remedy"].as_str().is_some_and(|r| !r.is_empty()),
        "{failure}"
    );
    let journal = simulator.journal();
    let asked = journal.matching(|e| e.user.as_deref() == Some(user.as_str()) && e.grant().is_some());
    let correlation = failure["correlationId"].as_str().unwrap();
    assert_eq!(asked[0].headers["client-request-id"], correlation);
    assert!(!status.to_string().contains(RAW), "{status}");
    // An Event is sent beside the status.
    place
        .until("an Event says it", async || {
            let events = place.events(name).await;
            assert!(!format!("{events:?}").contains(RAW));
            events.iter().any(|e| e.reason.as_deref() == Some(reason))
        })
        .await;

    assert_eq!(sends(&user).await, 1);
    assert!(place.secret(&login).await.is_some(), "a refused login is kept");
    place.request_refresh(name).await;
    place.expect(name, "Ready", "True/Fresh").await;
    assert_eq!(sends(&user).await, 2);
}
