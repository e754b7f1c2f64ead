//! What passes unharmed: headers, bodies, streams, both versions of HTTP, the simulator behind it.

use entra_lab::proxy::{Options, Proxy};
use entra_lab::simulator::world::{PUBLIC_CLIENT, TENANT, password, user_name};
use entra_lab::simulator::{Simulator, World};
use serde_json::Value;

use crate::target::{client, lab};

#[tokio::test]
async fn method_path_headers_and_body_pass() {
    let lab = lab().await;
    let request = lab.request("PATCH", "/api/v1/secrets/a%2Fb?fieldManager=x&force=true");
    let request = request
        .bearer_auth("TOKEN")
        .header("accept", "application/json")
        .body("{\"a\":1}");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["method"], "PATCH");
    assert_eq!(answer["uri"], "/api/v1/secrets/a%2Fb?fieldManager=x&force=true");
    assert_eq!(answer["headers"]["authorization"], "Bearer TOKEN");
    assert_eq!(answer["body"], "{\"a\":1}");
}

#[tokio::test]
async fn the_journal_tells_every_request() {
    let lab = lab().await;
    let accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let request = lab.request("GET", "/api/v1/secrets?limit=5");
    request
        .header("accept", accept)
        .header("user-agent", "operator/1")
        .send()
        .await
        .unwrap();
    let mark = lab.proxy.journal().mark();
    lab.request("PUT", "/x")
        .header("content-type", "application/apply-patch+yaml")
        .send()
        .await
        .unwrap();
    let entries = lab.proxy.journal().requests();
    assert_eq!(entries[0].path, "/api/v1/secrets?limit=5");
    assert_eq!(
        (entries[0].accept.as_str(), entries[0].user_agent.as_str()),
        (accept, "operator/1")
    );
    assert_eq!(
        (entries[0].status, entries[0].delivered, entries[0].action),
        (Some(200), true, None)
    );
    assert!(!entries[0].is_write() && !entries[0].is_watch());
    let later = lab.proxy.journal().since(mark);
    assert!(later.len() == 1 && later[0].is_write());
    assert_eq!(later[0].content_type, "application/apply-patch+yaml");
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let lab = lab().await;
    assert_eq!(lab.get("/").await.unwrap().version(), reqwest::Version::HTTP_2);
    let old = client(&lab.proxy.ca_pem()).http1_only().build().unwrap();
    assert_eq!(
        old.get(lab.proxy.url()).send().await.unwrap().version(),
        reqwest::Version::HTTP_11
    );
    let entries = lab.proxy.journal().requests();
    assert_eq!((entries[0].http2, entries[1].http2), (true, false));
}

#[tokio::test]
async fn http2_can_be_left_out() {
    let lab = lab().await;
    let options = Options {
        http2: false,
        ..Options::new(&lab.proxy.url(), &lab.proxy.ca_pem())
    };
    let proxy = Proxy::start(options).await.unwrap();
    let http = client(&proxy.ca_pem()).build().unwrap();
    assert_eq!(
        http.get(proxy.url()).send().await.unwrap().version(),
        reqwest::Version::HTTP_11
    );
}

#[tokio::test]
async fn a_target_that_speaks_http2_over_tls_is_served_so() {
    let lab = lab().await;
    let options = Options::new(&lab.proxy.url(), &lab.proxy.ca_pem());
    let front = Proxy::start(options).await.unwrap();
    let builders = [client(&front.ca_pem()), client(&front.ca_pem()).http1_only()];
    for builder in builders {
        let http = builder.build().unwrap();
        let answer = http
            .put(format!("{}/x?y=z", front.url()))
            .body("body")
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(
            (&answer["uri"], &answer["body"]),
            (&"/x?y=z".into(), &"body".into())
        );
    }
    let http = client(&front.ca_pem()).build().unwrap();
    let mut watch = http.get(format!("{}/watch", front.url())).send().await.unwrap();
    for event in ["one\n", "two\n"] {
        lab.events.send(event).unwrap();
        assert_eq!(watch.chunk().await.unwrap().unwrap(), event);
    }
    assert!(lab.proxy.journal().requests().iter().all(|entry| entry.http2));
}

#[tokio::test]
async fn events_of_a_stream_come_one_by_one() {
    let lab = lab().await;
    let mut watch = lab.get("/watch?watch=true").await.unwrap();
    for event in ["one\n", "two\n", "three\n"] {
        lab.events.send(event).unwrap();
        assert_eq!(watch.chunk().await.unwrap().unwrap(), event);
    }
    assert!(lab.proxy.journal().requests()[0].is_watch());
}

#[tokio::test]
async fn a_target_that_is_gone_is_a_closed_connection() {
    let proxy = Proxy::start(Options::new("https://127.0.0.1:1", ""))
        .await
        .unwrap();
    let http = client(&proxy.ca_pem()).build().unwrap();
    assert!(http.get(proxy.url()).send().await.is_err());
    assert_eq!(proxy.journal().requests()[0].status, None);
    assert!(Proxy::start(Options::new("nonsense", "")).await.is_err());
}

#[tokio::test]
async fn the_simulator_works_behind_it() {
    let simulator = Simulator::start(entra_lab::simulator::Options::new(World::with_users(1)))
        .await
        .unwrap();
    let options = Options {
        forward_host: true,
        ..Options::new(&simulator.url(), &simulator.ca_pem())
    };
    let proxy = Proxy::start(options).await.unwrap();
    let http = client(&proxy.ca_pem()).build().unwrap();
    let url = format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", proxy.url());
    let document: Value = http.get(url).send().await.unwrap().json().await.unwrap();
    let endpoint = document["token_endpoint"].as_str().unwrap();
    assert!(
        endpoint.starts_with(&proxy.url()),
        "{endpoint} would go around the proxy"
    );
    let form = [
        ("client_id", PUBLIC_CLIENT),
        ("grant_type", "password"),
        ("username", &user_name(0)),
        ("password", &password(0)),
        ("scope", "api://orders/.default"),
    ];
    assert_eq!(
        http.post(endpoint).form(&form).send().await.unwrap().status(),
        200
    );
    assert_eq!(
        simulator.journal().password_sends_of(&user_name(0), &password(0)),
        1
    );
}
