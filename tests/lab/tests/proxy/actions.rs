//! Each action of a rule: what the client gets and what the target saw.

use std::time::{Duration, Instant};

use entra_lab::proxy::{Action, Canned, Gate, Next, Rule, Trigger};
use tokio::sync::mpsc;

use crate::target::{Lab, client, lab};

/// Runs one GET against an action: the status (0 for none) and how many requests the target saw.
async fn meet(lab: &Lab, action: Action) -> (u16, usize) {
    let before = lab.seen();
    lab.proxy.add(Rule::new(action));
    (lab.status("/x").await, lab.seen() - before)
}

/// Runs one GET that is never answered, until the target has seen `seen` requests and a while longer.
async fn unanswered(lab: &Lab, action: Action, seen: usize) {
    lab.proxy.add(Rule::new(action));
    let mark = lab.proxy.journal().mark();
    let arrived = async {
        while lab.proxy.journal().mark() == mark || lab.seen() < seen {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    };
    tokio::select! {
        status = lab.status("/x") => panic!("answered with {status}"),
        () = arrived => assert_eq!(lab.seen(), seen),
    }
}

#[tokio::test]
async fn connections_that_end_before_the_target_saw_anything() {
    let lab = lab().await;
    assert_eq!(meet(&lab, Action::Close).await, (0, 0));
    assert_eq!(meet(&lab, Action::Reset).await, (0, 0));
    assert_eq!(lab.status("/x").await, 200);
    assert_eq!(lab.proxy.journal().requests()[0].action, Some("close"));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let lab = lab().await;
    let old = client(&lab.proxy.ca_pem()).http1_only().build().unwrap();
    lab.proxy.add(Rule::new(Action::Reset));
    let error = old.get(lab.proxy.url()).send().await.unwrap_err();
    assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
}

#[tokio::test]
async fn answers_that_a_rule_makes_up() {
    let lab = lab().await;
    assert_eq!(
        meet(&lab, Action::status(503, "ServiceUnavailable")).await,
        (503, 0)
    );
    lab.proxy
        .add(Rule::new(Action::Answer(Canned::too_many_requests(7))));
    let answer = lab.get("/x").await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    lab.proxy.add(Rule::new(Action::status(409, "Conflict")));
    let status: serde_json::Value = lab.get("/x").await.unwrap().json().await.unwrap();
    assert_eq!(
        (&status["reason"], &status["code"]),
        (&"Conflict".into(), &409.into())
    );
    assert_eq!(lab.proxy.journal().requests()[2].status, Some(409));
}

#[tokio::test]
async fn the_work_is_done_and_the_answer_lost() {
    let lab = lab().await;
    assert_eq!(meet(&lab, Action::LoseAnswer).await, (0, 1));
    let entry = &lab.proxy.journal().requests()[0];
    assert_eq!((entry.status, entry.delivered), (Some(200), false));
}

#[tokio::test]
async fn stalls_and_delays() {
    let lab = lab().await;
    unanswered(&lab, Action::Stall, 0).await;
    unanswered(&lab, Action::StallAnswer, 1).await;
    let time = Duration::from_millis(60);
    for action in [Action::Delay(time), Action::DelayAnswer(time)] {
        let start = Instant::now();
        assert_eq!(meet(&lab, action).await, (200, 1));
        assert!(start.elapsed() >= time);
    }
}

#[tokio::test]
async fn bodies_are_cut_short() {
    let lab = lab().await;
    for http in [
        lab.http.clone(),
        client(&lab.proxy.ca_pem()).http1_only().build().unwrap(),
    ] {
        lab.proxy.add(Rule::new(Action::CutBody(10)));
        let mut answer = http.get(format!("{}/x", lab.proxy.url())).send().await.unwrap();
        let mut body = Vec::new();
        let error = loop {
            match answer.chunk().await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => panic!("the body ended in order: {body:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(body.len(), 10, "{error}");
    }
}

#[tokio::test]
async fn rules_choose_by_method_path_accept_agent_and_number() {
    let lab = lab().await;
    let conflict = || Action::status(409, "Conflict");
    lab.proxy.add(
        Rule::new(conflict())
            .method("put")
            .path("/secrets/")
            .nth(2)
            .times(2),
    );
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(
            lab.request("PUT", "/secrets/a")
                .send()
                .await
                .unwrap()
                .status()
                .as_u16(),
        );
        assert_eq!(lab.status("/secrets/a").await, 200);
    }
    assert_eq!(statuses, [200, 409, 409, 200]);
    lab.proxy
        .add(Rule::new(conflict()).accept("PartialObjectMetadata").forever());
    lab.proxy
        .add(Rule::new(conflict()).user_agent("operator").forever());
    assert_eq!(lab.status("/").await, 200);
    for (name, value) in [
        ("accept", "x;as=PartialObjectMetadata"),
        ("user-agent", "operator/1"),
    ] {
        let answer = lab.request("GET", "/").header(name, value).send().await.unwrap();
        assert_eq!(answer.status(), 409);
    }
    assert_eq!(lab.proxy.rules_left(), 2);
    lab.proxy.clear();
    assert_eq!(lab.proxy.rules_left(), 0);
}

#[tokio::test]
async fn a_trigger_runs_before_the_target_sees_the_request() {
    let lab = lab().await;
    let gate = Gate::new();
    lab.proxy
        .add(Rule::new(Action::Before(Trigger::gate(gate.clone()))));
    let watch = async {
        gate.reached().await;
        let seen = lab.seen();
        gate.release();
        seen
    };
    assert_eq!(tokio::join!(lab.status("/x"), watch), (200, 0));
    assert_eq!(meet(&lab, Action::Before(Trigger::last(|_| ()))).await, (0, 0));
}

#[tokio::test]
async fn a_trigger_runs_behind_the_target_before_the_client_knows() {
    let lab = lab().await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    assert_eq!(meet(&lab, Action::After(Trigger::notify(sender))).await, (200, 1));
    let entry = receiver.recv().await.unwrap();
    assert_eq!((entry.path.as_str(), entry.status), ("/x", Some(200)));
    let kill = Trigger::new(|entry| async move {
        assert_eq!(entry.status, Some(200));
        Next::HangUp
    });
    assert_eq!(meet(&lab, Action::After(kill)).await, (0, 1));
}

#[tokio::test]
async fn what_was_begun_is_finished_without_the_client() {
    let lab = lab().await;
    let gate = Gate::new();
    lab.proxy
        .add(Rule::new(Action::Before(Trigger::gate(gate.clone()))));
    tokio::select! {
        _ = lab.status("/x") => panic!("it was not held"),
        () = gate.reached() => {}
    }
    // The proxy must have noticed that the client is gone.
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.release();
    let finished = async {
        while lab.seen() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), finished)
        .await
        .unwrap();
}

#[tokio::test]
async fn down_ends_streams_and_refuses_until_up() {
    let lab = lab().await;
    let mut watch = lab.get("/watch?watch=true").await.unwrap();
    lab.proxy.down();
    assert!(watch.chunk().await.is_err());
    assert_eq!(lab.status("/x").await, 0);
    lab.proxy.up();
    assert_eq!(lab.status("/x").await, 200);
}

#[tokio::test]
async fn connections_can_be_cut_without_refusing_new_ones() {
    let lab = lab().await;
    let mut watch = lab.get("/watch?watch=true").await.unwrap();
    lab.proxy.cut_connections();
    assert!(watch.chunk().await.is_err());
    assert_eq!(lab.status("/x").await, 200);
}

#[tokio::test]
async fn a_proxy_that_was_shut_down_is_gone() {
    let Lab { proxy, http, .. } = lab().await;
    let (url, port) = (proxy.url(), proxy.port());
    proxy.shutdown().await;
    assert!(http.get(url).send().await.unwrap_err().is_connect());
    drop(tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap());
}
