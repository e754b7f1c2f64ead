//! Whoever has every right in one served namespace gets nothing of another one, and holds nobody else up.

use std::time::{Duration, Instant};

use entra_lab::stage::{Operator, OperatorOptions};
use entra_operator::api::refresh_token_secret;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::scene::{LIFE, Place, api_scope, program, stage, user};

/// Logins with user names that do not exist.
const GUESSES: usize = 30;

/// Refused logins of a namespace in 15 min (docs/contract.md, "What an answer means").
const REFUSED: usize = 20;

/// Login Secrets with annotations of 200 kB each: 30 MB.
const HEAVY: usize = 150;

/// What they may cost the process, KiB.
const ROOM: u64 = 16 * 1024;

async fn serving(places: [&Place; 2]) -> Operator {
    let names = places.map(|place| place.namespace.as_str());
    let options = OperatorOptions {
        config: format!("watch: {{namespaces: [{}]}}", names.join(", ")),
        election: false,
        ..OperatorOptions::default()
    };
    stage().await.operator(program(), options).await.unwrap()
}

/// A Secret of `victim`, as somebody who got hold of it puts it into another namespace.
async fn stolen(victim: &Place, name: &str, as_name: &str, with_owner: bool) -> Value {
    let secret = serde_json::to_value(victim.secret(name).await.unwrap()).unwrap();
    let of = |key: &str| secret["metadata"][key].clone();
    let owners = if with_owner {
        of("ownerReferences")
    } else {
        json!([])
    };
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": secret["type"], "data": secret["data"],
        "metadata": {
            "name": as_name, "labels": of("labels"), "annotations": of("annotations"), "ownerReferences": owners,
        },
    })
}

/// Everything that a namespace's administrator may try.
async fn attack(hostile: &Place, victim: &Place) {
    for (name, with_owner) in [("one", true), ("two", false)] {
        let (session, token) = (refresh_token_secret(name), format!("{name}-api"));
        let copy = stolen(victim, &refresh_token_secret("one"), &session, with_owner).await;
        hostile.create_secret(copy).await;
        hostile
            .create_secret(stolen(victim, "one-api", &token, with_owner).await)
            .await;
        hostile.credential(name, &[(&token, &api_scope())]).await;
    }
    for n in 0..GUESSES {
        let name = format!("guess-{n}");
        hostile
            .credential(&name, &[(&format!("{name}-api"), &api_scope())])
            .await;
        let nobody = format!("{name}@contoso.example");
        hostile
            .login(&format!("{name}-login"), &nobody, "pw-guessed")
            .await;
    }
    let (read, other) = (noise(180_000), noise(20_000));
    let annotations = json!({"entra-operator.dev/claimed-by": read, "entra-operator.dev/anything": other});
    for n in 0..HEAVY {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "entra-operator.dev/login",
            "metadata": {"name": format!("heavy-{n}"), "annotations": annotations},
        });
        hostile.create_secret(secret).await;
    }
}

/// Text of which nothing can be made shorter.
fn noise(length: usize) -> String {
    let digits = std::iter::repeat_with(|| uuid::Uuid::new_v4().simple().to_string());
    let letter = |digit: u8| {
        char::from(if digit.is_ascii_digit() {
            digit + (b'p' - b'0')
        } else {
            digit
        })
    };
    let letters = digits.flat_map(|text| text.into_bytes().into_iter().map(letter).collect::<Vec<_>>());
    letters.take(length).collect()
}

async fn connections(operator: &Operator) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for address in [operator.health().unwrap(), operator.metrics().unwrap()] {
        let address = address.trim_start_matches("http://").to_owned();
        for _ in 0..200 {
            held.push(TcpStream::connect(&address).await.unwrap());
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_namespace_gets_nothing_of_another_and_holds_nobody_up() {
    let (victim, hostile) = (Place::new("victim").await, Place::new("hostile").await);
    let operator = serving([&victim, &hostile]).await;
    let (name, password) = user();
    victim.credential("one", &[("one-api", &api_scope())]).await;
    victim.login("one-login", &name, &password).await;
    victim.expect("one", "Ready", "True/Fresh").await;
    let before = operator.resident().unwrap();
    let held = connections(&operator).await;
    attack(&hostile, &victim).await;

    // Two lives of the victim's token, each second of them.
    let (begun, mut versions) = (Instant::now(), std::collections::BTreeSet::new());
    while begun.elapsed().as_secs() < 2 * LIFE {
        let secret = victim.secret("one-api").await.unwrap();
        versions.insert(secret.resource_version());
        let expires_on = victim.value("one-api", "expires_on").await.unwrap();
        let left = expires_on.parse::<i64>().unwrap() - jiff::Timestamp::now().as_second();
        assert!(left > 0, "the victim's token has expired: {left} s");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let journal = stage().await.simulator.journal();
    assert!(versions.len() >= 3, "{versions:?}");
    assert_eq!(journal.password_sends(&name), 1, "the victim's password");
    assert!(
        journal.redemptions(&name) < versions.len() + 2,
        "the stolen refresh token was redeemed: {} for {versions:?}",
        journal.redemptions(&name)
    );
    hostile.expect("two", "LoggedIn", "False/SecretConflict").await;
    for name in ["one", "two"] {
        assert!(
            hostile.condition(name, "Ready").await.starts_with("False"),
            "{name}"
        );
    }
    let guesses = journal.matching(|entry| {
        entry
            .user
            .as_deref()
            .is_some_and(|user| user.starts_with("guess-"))
    });
    let sends = guesses.iter().filter(|entry| entry.grant() == Some("password"));
    assert!(sends.count() <= REFUSED);
    let grown = operator.resident().unwrap().saturating_sub(before);
    println!("{HEAVY} Secrets with 200 kB of annotations: {grown} KiB");
    assert!(grown < ROOM, "{grown} KiB more");
    assert!(operator.is_ready().await, "the probe gets in");
    let log = operator.log();
    assert!(log.len() < 1024 * 1024, "{} bytes of log", log.len());
    for secret in [name.as_str(), password.as_str(), "pw-guessed"] {
        assert!(!log.contains(secret));
    }
    drop(held);
}
