//! Each scripted fault as its client sees it, and what it leaves behind.

use std::time::{Duration, Instant};

use entra_lab::simulator::world::user_name;
use entra_lab::simulator::{Fault, Gate, Options, Outcome, RetryAfter, Rule, Simulator, World};

use crate::client::{Lab, client, lab, password_form, refresh_form, with};

async fn outcome(lab: &Lab, fault: Fault) -> Outcome {
    lab.simulator.fault(fault);
    assert!(lab.try_post(&password_form()).await.is_err());
    lab.simulator.journal().requests().last().unwrap().outcome
}

#[tokio::test]
async fn throttled_answers_say_when_to_come_back() {
    let lab = lab().await;
    lab.simulator
        .fault(Fault::TooManyRequests(RetryAfter::Seconds(7)));
    let answer = lab.post(&password_form()).await;
    assert_eq!(answer.verdict(), (429, 90055, "temporarily_unavailable", None));
    assert_eq!(answer.headers["retry-after"], "7");
    lab.simulator.fault(Fault::TooManyRequests(RetryAfter::None));
    assert!(
        lab.post(&password_form())
            .await
            .headers
            .get("retry-after")
            .is_none()
    );
    lab.simulator.fault(Fault::TooManyRequests(RetryAfter::Date(30)));
    let date = lab.post(&password_form()).await.headers["retry-after"].clone();
    assert!(date.to_str().unwrap().ends_with(" GMT"), "{date:?}");
}

#[tokio::test]
async fn failing_services_and_gateways() {
    let lab = lab().await;
    lab.simulator
        .fault(Fault::ServiceUnavailable(RetryAfter::Seconds(3)));
    let answer = lab.post(&password_form()).await;
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (503, &"text/html".parse().unwrap())
    );
    lab.simulator.fault(Fault::ServerError);
    assert_eq!(
        lab.post(&password_form()).await.verdict(),
        (500, 50000, "server_error", None)
    );
    lab.simulator
        .fault(Fault::Redirect("http://localhost/".to_owned()));
    let answer = lab.post(&password_form()).await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (302, &"http://localhost/".parse().unwrap())
    );
    let odd = Fault::Answer {
        status: 403,
        content_type: "text/plain".to_owned(),
        body: "no".to_owned(),
    };
    lab.simulator.fault(odd);
    let answer = lab.post(&password_form()).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, Some("no")));
    assert!(lab.simulator.secrets_issued().is_empty(), "nothing was done");
}

#[tokio::test]
async fn connections_that_end_without_work() {
    let lab = lab().await;
    for fault in [Fault::CloseBeforeReading, Fault::CloseAfterReading, Fault::Reset] {
        assert_eq!(outcome(&lab, fault).await, Outcome::Dropped);
    }
    let sends = lab.simulator.journal().password_sends(&user_name(0));
    assert_eq!(sends, 2, "the first password was never read");
    assert!(lab.simulator.secrets_issued().is_empty());
    assert_eq!(lab.code(&password_form()).await, 0);
}

#[tokio::test]
async fn work_whose_answer_is_lost() {
    let lab = lab().await;
    for fault in [Fault::LoseAnswer, Fault::CutBody] {
        assert_eq!(
            outcome(&lab, fault).await,
            Outcome::Lost {
                status: 200,
                code: None
            }
        );
    }
    assert_eq!(
        lab.simulator.secrets_issued().len(),
        4,
        "both sign-ins issued tokens"
    );
}

#[tokio::test]
async fn bodies_that_cannot_be_used() {
    let lab = lab().await;
    lab.simulator.fault(Fault::TruncateJson);
    let answer = lab.post(&password_form()).await;
    assert!(
        answer.status == 200 && answer.body.is_string(),
        "half of the JSON came as text"
    );
    lab.simulator.fault(Fault::OversizedBody);
    let answer = lab.post(&password_form()).await;
    assert!(
        answer.headers["content-length"]
            .to_str()
            .unwrap()
            .parse::<usize>()
            .unwrap()
            > 65_536
    );
}

#[tokio::test]
async fn delays_and_stalls() {
    let lab = lab().await;
    lab.simulator.fault(Fault::Delay(Duration::from_millis(80)));
    let start = Instant::now();
    assert_eq!(lab.code(&password_form()).await, 0);
    assert!(start.elapsed() >= Duration::from_millis(80));
    unanswered(&lab, Fault::Stall, 2).await;
    unanswered(&lab, Fault::StallAnswer, 4).await;
}

/// Posts a form that is never answered, until so many tokens are issued and a while longer.
async fn unanswered(lab: &Lab, fault: Fault, issued: usize) {
    lab.simulator.fault(fault);
    let arrived = async {
        while lab.simulator.faults_left() > 0 || lab.simulator.secrets_issued().len() < issued {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    };
    let form = password_form();
    tokio::select! {
        _ = lab.try_post(&form) => panic!("an answer came"),
        () = arrived => assert_eq!(lab.simulator.secrets_issued().len(), issued),
    }
}

#[tokio::test]
async fn a_gate_holds_the_request_before_or_after_the_work() {
    let lab = lab().await;
    let (before, after) = (Gate::new(), Gate::new());
    let rules = [
        (Fault::HoldBefore(before.clone()), &before, 0),
        (Fault::HoldAfter(after.clone()), &after, 4),
    ];
    for (fault, gate, done) in rules {
        lab.simulator.fault(fault);
        let watch = async {
            gate.reached().await;
            let issued = lab.simulator.secrets_issued().len();
            gate.release();
            issued
        };
        let form = password_form();
        let (answer, issued) = tokio::join!(lab.post(&form), watch);
        assert_eq!((answer.status, issued), (200, done));
    }
}

#[tokio::test]
async fn a_request_that_was_read_is_finished_without_its_client() {
    let lab = lab().await;
    let gate = Gate::new();
    lab.simulator.fault(Fault::HoldBefore(gate.clone()));
    let form = password_form();
    tokio::select! {
        _ = lab.try_post(&form) => panic!("it was not held"),
        () = gate.reached() => {}
    }
    // The service must have noticed that the client is gone.
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.release();
    let finished = async {
        while lab.simulator.secrets_issued().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), finished)
        .await
        .unwrap();
}

#[tokio::test]
async fn rules_choose_their_requests() {
    let lab = lab().await;
    let token = lab.sign_in().await;
    lab.simulator.script(
        Rule::new(Fault::code(50053))
            .grant("refresh_token")
            .user("USER0@contoso.example"),
    );
    assert_eq!(lab.code(&password_form()).await, 0);
    assert_eq!(lab.redeem(&token).await.verdict().1, 50053);
    assert_eq!(lab.redeem(&token).await.verdict().1, 0);
    lab.simulator.script(
        Rule::new(Fault::code(50033))
            .scope("api://orders")
            .tenant("other"),
    );
    assert_eq!(lab.code(&password_form()).await, 0);
    assert_eq!(lab.simulator.faults_left(), 1);
    lab.simulator.clear_faults();
    lab.simulator
        .script(Rule::new(Fault::ServerError).path("userrealm"));
    assert_eq!(lab.code(&password_form()).await, 0);
    assert_eq!(lab.get("/common/userrealm/a@contoso.example").await.status, 500);
}

#[tokio::test]
async fn rules_skip_and_repeat() {
    let lab = lab().await;
    lab.simulator
        .script(Rule::new(Fault::code(50033)).skip(1).times(2));
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(lab.code(&password_form()).await);
    }
    assert_eq!(codes, [0, 50033, 50033, 0]);
    lab.simulator.script(Rule::new(Fault::code(50033)).forever());
    for _ in 0..3 {
        assert_eq!(lab.code(&refresh_form("x")).await, 50033);
    }
}

#[tokio::test]
async fn a_simulator_that_is_down_refuses_everybody() {
    let lab = lab().await;
    lab.sign_in().await;
    lab.simulator.down();
    assert!(lab.try_post(&password_form()).await.is_err());
    lab.simulator.up();
    assert_eq!(lab.code(&password_form()).await, 0);
    assert_eq!(lab.simulator.journal().requests().len(), 2);
}

#[tokio::test]
async fn a_simulator_can_be_started_again_with_the_same_authority_and_port() {
    let first = Simulator::start(Options::new(World::with_users(1)))
        .await
        .unwrap();
    let http = client(&first.ca_pem());
    let (port, authority) = (first.port(), first.authority());
    first.shutdown().await;
    let options = Options {
        port,
        authority: Some(authority),
        ..Options::new(World::with_users(1))
    };
    let lab = Lab {
        simulator: Simulator::start(options).await.unwrap(),
        http,
    };
    assert_eq!(lab.code(&password_form()).await, 0);
}

#[tokio::test]
async fn another_address_stands_in_the_url_and_in_the_certificate() {
    let options = Options {
        address: [127, 0, 0, 77].into(),
        ..Options::new(World::with_users(1))
    };
    let lab = with(options).await;
    let url = lab.simulator.url();
    assert_eq!(url, format!("https://127.0.0.77:{}", lab.simulator.port()));
    assert_eq!(lab.code(&password_form()).await, 0);
    assert!(
        lab.simulator
            .open_control(0)
            .await
            .unwrap()
            .starts_with("https://127.0.0.77:")
    );
}

#[tokio::test]
async fn a_client_without_the_authority_is_not_served() {
    let lab = lab().await;
    let other = Simulator::start(Options::new(World::contoso())).await.unwrap();
    let strange = client(&other.ca_pem());
    assert!(strange.get(lab.simulator.url()).send().await.is_err());
    assert!(lab.simulator.journal().requests().is_empty());
}
