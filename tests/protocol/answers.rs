//! Answers that are not a plain success: redirects, floods, throttling, gateways, wrong clocks.

use entra_lab::simulator::{Fault, Options, RetryAfter, Simulator, World};
use entra_operator::api::Reason;
use entra_operator::plan::answer::Effect;
use entra_operator::reconcile::ports::Outcome;

use crate::client::{Setup, granted, refused, tokens};
use crate::server::{Act, Server, answer, say};

async fn both(act: Act) -> [(Effect, Reason); 2] {
    let server = Server::start([act.clone(), act]).await;
    let setup = Setup::new(&server);
    let login = refused(setup.login().await);
    let redeem = refused(Setup::new(&server).redeem().await);
    assert_eq!(server.journal().len(), 2, "nothing was sent twice");
    [(login.effect, login.reason), (redeem.effect, redeem.reason)]
}

const UNEXPECTED: [(Effect, Reason); 2] = [
    (Effect::Unanswered, Reason::UnexpectedResponse),
    (Effect::Transient, Reason::UnexpectedResponse),
];

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::start([]).await;
        let target = format!("https://{}/", elsewhere.host());
        assert_eq!(
            both(say(status, &[("Location", &target)], "")).await,
            UNEXPECTED,
            "{status}"
        );
        assert_eq!(elsewhere.handshakes(), 0);
    }
}

#[tokio::test]
async fn bodies_of_more_than_64_kib_are_refused() {
    let flood = tokens().replace("marker-access-token", &"a".repeat(65 * 1024));
    assert_eq!(both(say(200, &[], &flood)).await, UNEXPECTED);
}

#[tokio::test]
async fn a_flood_without_announced_length_is_refused_too() {
    let mut chunked = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..65 {
        chunked.extend_from_slice(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(both(Act::Answer(chunked)).await, UNEXPECTED);
}

#[tokio::test]
async fn a_body_of_exactly_64_kib_is_read() {
    let body = tokens();
    let padded = format!("{body}{}", " ".repeat(64 * 1024 - body.len()));
    let server = Server::start([say(200, &[], &padded)]).await;
    granted(Setup::new(&server).login().await);
}

#[tokio::test]
async fn successes_that_are_none_are_unexpected() {
    for body in [
        "",
        "<html>sign in</html>",
        "{}",
        "[]",
        r#"{"token_type":"pop","access_token":"a","expires_in":1}"#,
    ] {
        assert_eq!(
            both(say(200, &[("Content-Type", "text/html")], body)).await,
            UNEXPECTED,
            "{body}"
        );
    }
    assert_eq!(both(say(204, &[], "")).await, UNEXPECTED);
}

#[tokio::test]
async fn what_a_proxy_or_a_cut_leaves_is_unexpected() {
    for (status, body) in [
        (400, "<html>blocked</html>"),
        (403, "<html>forbidden</html>"),
        (403, r#"{"error":"forbidden"}"#),
        (404, ""),
        (407, r#"{"error":"invalid_grant","error_codes":[50126]}"#),
        (200, tokens().split_at(60).0),
        (400, r#"{"error":"invalid_grant","error_co"#),
    ] {
        assert_eq!(both(say(status, &[], body)).await, UNEXPECTED, "{status} {body}");
    }
}

#[tokio::test]
async fn gateways_that_fail_cost_no_send() {
    for status in [500, 502, 503, 504] {
        let seen = both(say(status, &[], "<html>bad gateway</html>")).await;
        assert_eq!(
            seen,
            [(Effect::Transient, Reason::ServiceUnavailable); 2],
            "{status}"
        );
    }
}

#[tokio::test]
async fn every_form_of_429_is_understood() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
    for (headers, seconds) in [
        (vec![("Retry-After", "17")], 17),
        (vec![("Retry-After", "86400")], 3600),
        (
            vec![
                (date.split_once(": ").unwrap()),
                ("Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT"),
            ],
            30,
        ),
        (vec![("Retry-After", "soon")], 60),
        (vec![], 60),
    ] {
        let server = Server::start([say(429, &headers, r#"{"error":"temporarily_unavailable"}"#)]).await;
        let setup = Setup::new(&server);
        let refusal = refused(setup.login().await);
        assert_eq!(
            (refusal.effect, refusal.reason),
            (Effect::Transient, Reason::Throttled)
        );
        assert_eq!(refusal.retry_after, Some(seconds), "{headers:?}");
        let Outcome::Later(later) = setup.redeem().await else {
            panic!("the pause holds for every grant")
        };
        let now = entra_operator::reconcile::ports::Clock::now(&*setup.clock);
        assert!(
            (seconds - 3..=seconds + 1).contains(&later.until.since(now)),
            "{headers:?}"
        );
        assert_eq!(later.reason, Reason::Throttled);
        assert_eq!(server.journal().len(), 1);
    }
}

/// Both clocks are the simulator's own: its `Date` is what the HTTP date counts from.
#[tokio::test]
async fn the_simulators_throttling_is_understood() {
    let simulator = Simulator::start(Options::new(World::contoso())).await.unwrap();
    let setup = Setup::trusting(&format!("localhost:{}", simulator.port()), &simulator.ca_pem());
    for (after, seconds) in [
        (RetryAfter::None, 60),
        (RetryAfter::Seconds(17), 17),
        (RetryAfter::Date(45), 45),
    ] {
        simulator.fault(Fault::TooManyRequests(after));
        let refusal = refused(setup.redeem().await);
        assert_eq!(
            (refusal.reason, refusal.retry_after),
            (Reason::Throttled, Some(seconds))
        );
        assert!(matches!(setup.login().await, Outcome::Later(_)));
        setup.clock.forward(seconds);
    }
    simulator.fault(Fault::ServiceUnavailable(RetryAfter::Seconds(5)));
    let failing = refused(setup.redeem().await);
    assert_eq!(
        (failing.reason, failing.retry_after),
        (Reason::ServiceUnavailable, Some(5))
    );
}

#[tokio::test]
async fn a_service_that_is_failing_may_say_when_to_come_back() {
    let server = Server::start([say(503, &[("Retry-After", "120")], "")]).await;
    assert_eq!(refused(Setup::new(&server).redeem().await).retry_after, Some(120));
}

#[tokio::test]
async fn a_wrong_clock_is_said_and_corrected() {
    let server = Server::start([say(200, &[("Date", "Sun, 06 Nov 1994 08:49:37 GMT")], &tokens())]).await;
    let setup = Setup::new(&server);
    let granted = granted(setup.login().await).granted;
    assert!(setup.ahead() < -900_000_000);
    assert!(
        (784_111_770..=784_111_777).contains(&granted.issued_at.0),
        "{:?}",
        granted.issued_at
    );
    assert_eq!(granted.expires_at.since(granted.issued_at), 4294);
}

#[tokio::test]
async fn the_trace_id_comes_from_body_or_header() {
    let (body_id, head_id) = (
        "11111111-0000-4000-8000-000000000001",
        "22222222-0000-4000-8000-000000000002",
    );
    let body = format!(r#"{{"error":"invalid_grant","error_codes":[50126],"trace_id":"{body_id}"}}"#);
    for (body, expected) in [
        (body.as_str(), body_id),
        (r#"{"error":"invalid_grant"}"#, head_id),
    ] {
        let server = Server::start([say(400, &[("x-ms-request-id", head_id)], body)]).await;
        let refusal = refused(Setup::new(&server).login().await);
        assert_eq!(refusal.trace_id.as_deref(), Some(expected));
        let sent = server.journal()[0]
            .header("client-request-id")
            .unwrap()
            .to_owned();
        assert_eq!(refusal.correlation_id, Some(sent));
    }
}

#[tokio::test]
async fn an_interim_answer_is_no_answer() {
    let mut both = b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec();
    both.extend(answer(200, &[], &tokens()));
    let server = Server::start([Act::Answer(both)]).await;
    granted(Setup::new(&server).login().await);
}
