//! The journal: what was sent, how often, and no secret in it.

use entra_lab::simulator::world::{TENANT, password, user_name};
use entra_lab::simulator::{Fault, Outcome, digest};

use crate::client::{but, lab, password_form};

#[tokio::test]
async fn sends_are_counted_by_user_and_password() {
    let lab = lab().await;
    lab.code(&but(password_form(), "password", Some("wrong"))).await;
    let token = lab.sign_in().await;
    lab.redeem(&token).await;
    lab.redeem("garbage").await;
    let journal = lab.simulator.journal();
    assert_eq!(journal.password_sends("USER0@contoso.example"), 2);
    assert_eq!(journal.password_sends_of(&user_name(0), &password(0)), 1);
    assert_eq!(journal.password_sends_of(&user_name(0), "wrong"), 1);
    assert_eq!(journal.password_sends(&user_name(1)), 0);
    assert_eq!(journal.redemptions(&user_name(0)), 1);
    let codes: Vec<_> = journal
        .requests()
        .iter()
        .map(entra_lab::simulator::Entry::code)
        .collect();
    assert_eq!(codes, [Some(50126), None, None, Some(9002313)]);
}

#[tokio::test]
async fn secrets_appear_as_digests_only() {
    let lab = lab().await;
    let token = lab.sign_in().await;
    let form = but(
        but(password_form(), "client_secret", Some("CSMARK")),
        "unheard_of",
        Some("XMARK"),
    );
    lab.code(&form).await;
    lab.redeem(&token).await;
    let journal = lab.simulator.journal();
    let text = format!(
        "{:?}{}",
        journal.requests(),
        serde_json::to_string(&journal.requests()).unwrap()
    );
    for secret in lab
        .simulator
        .secrets_issued()
        .iter()
        .map(String::as_str)
        .chain(["CSMARK", "XMARK", "PWMARK"])
    {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains(&digest(&token)) && text.contains(&digest("CSMARK")));
    assert_eq!(
        lab.simulator.secrets_issued().len(),
        4,
        "two access and two refresh tokens"
    );
}

#[tokio::test]
async fn an_entry_tells_request_and_outcome() {
    let lab = lab().await;
    let mark = lab.simulator.journal().mark();
    lab.simulator.fault(Fault::LoseAnswer);
    assert!(lab.try_post(&password_form()).await.is_err());
    lab.sign_in().await;
    let entries = lab.simulator.journal().since(mark);
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].path, format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(
        (entries[0].method.as_str(), entries[0].grant()),
        ("POST", Some("password"))
    );
    assert_eq!(entries[0].fault, Some("loseAnswer"));
    assert_eq!(
        entries[0].outcome,
        Outcome::Lost {
            status: 200,
            code: None
        }
    );
    assert_eq!(
        entries[1].outcome,
        Outcome::Answered {
            status: 200,
            code: None
        }
    );
    assert_eq!(entries[1].form["password"], digest(&password(0)));
    assert_eq!(
        lab.simulator
            .journal()
            .matching(|entry| entry.sequence == 1)
            .len(),
        1
    );
}
