//! Proxies of the environment: sign-ins go through them, and a proxy that refuses sees no password.
//!
//! A process must not change its own environment while threads run, so each test runs itself again in another one.

use std::sync::{Arc, Mutex};

use entra_operator::reconcile::ports::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::client::{PASSWORD, Setup, refused, tokens};
use crate::server::{Server, say};

pub(crate) const VARIABLES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

const HOST: &str = "TEST_SIGN_IN_HOST";
const CA: &str = "TEST_SIGN_IN_CA";

/// What a proxy does with CONNECT.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    Tunnels,
    Answers(&'static str),
}

/// Bytes that clients sent to the proxy before it tunnelled.
pub(crate) type Heard = Arc<Mutex<Vec<u8>>>;

pub(crate) async fn proxy(manner: Manner, target: u16) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let heard = Heard::default();
    let noted = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(connect(client, manner, target, Arc::clone(&noted)));
        }
    });
    (url, heard)
}

async fn connect(mut client: TcpStream, manner: Manner, target: u16, heard: Heard) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        asked.push(byte);
    }
    heard.lock().unwrap().extend(asked);
    match manner {
        Manner::Tunnels => {
            let mut peer = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            copy_bidirectional(&mut client, &mut peer).await.ok();
        }
        Manner::Answers(text) => {
            client.write_all(text.as_bytes()).await.unwrap();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.ok();
            heard.lock().unwrap().extend(rest);
        }
    }
}

/// In the other process: signs in, and says what came of it. `None` in the first one.
async fn inside() -> Option<()> {
    let (host, ca_pem) = (std::env::var(HOST).ok()?, std::env::var(CA).ok()?);
    let mut setup = Setup::trusting(&host, &ca_pem);
    setup.life = Some(40);
    match setup.login().await {
        Outcome::Granted(_) => println!("granted"),
        outcome @ (Outcome::Refused(_) | Outcome::Later(_)) => {
            let refusal = refused(outcome);
            println!(
                "refused: {:?} {} {}",
                refusal.effect, refusal.reason, refusal.message
            );
        }
    }
    Some(())
}

/// Runs the test of that name in a process with these variables, and returns what it printed.
async fn again(test: &str, server: &Server, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
        .args(["--exact", test, "--nocapture"])
        .env(HOST, server.host())
        .env(CA, &server.ca_pem)
        .envs(variables.iter().copied());
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn text(heard: &Heard) -> String {
    String::from_utf8_lossy(&heard.lock().unwrap()).into_owned()
}

#[tokio::test]
async fn sign_ins_go_through_the_proxy() {
    if inside().await.is_some() {
        return;
    }
    let server = Server::start([say(200, &[], &tokens())]).await;
    let (url, heard) = proxy(Manner::Tunnels, server.port).await;
    let said = again(
        "proxy::sign_ins_go_through_the_proxy",
        &server,
        &[("HTTPS_PROXY", &url)],
    )
    .await;
    assert!(said.contains("granted"), "{said}");
    let connect = format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port);
    assert!(text(&heard).starts_with(&connect), "{}", text(&heard));
    assert_eq!(server.journal().len(), 1);
}

#[tokio::test]
async fn hosts_of_no_proxy_are_reached_without_it() {
    if inside().await.is_some() {
        return;
    }
    let server = Server::start([say(200, &[], &tokens())]).await;
    let (url, heard) = proxy(Manner::Tunnels, server.port).await;
    let said = again(
        "proxy::hosts_of_no_proxy_are_reached_without_it",
        &server,
        &[("HTTPS_PROXY", &url), ("NO_PROXY", "10.0.0.0/8,localhost")],
    )
    .await;
    assert!(said.contains("granted"), "{said}");
    assert_eq!(text(&heard), "");
}

#[tokio::test]
async fn a_proxy_that_refuses_sees_no_password() {
    if inside().await.is_some() {
        return;
    }
    let server = Server::start([]).await;
    for answer in [
        "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 20\r\n\r\n<html>blocked</html>",
        "HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>sign in</html>",
    ] {
        let (url, heard) = proxy(Manner::Answers(answer), server.port).await;
        let said = again(
            "proxy::a_proxy_that_refuses_sees_no_password",
            &server,
            &[("HTTPS_PROXY", &url)],
        )
        .await;
        assert!(
            said.contains("refused: Transient ServiceUnavailable"),
            "{answer}: {said}"
        );
        assert!(said.contains("nothing was sent"), "{answer}: {said}");
        assert!(text(&heard).starts_with("CONNECT ") && !text(&heard).contains(PASSWORD));
        assert!(!text(&heard).contains("grant_type"));
    }
    assert_eq!(server.handshakes(), 0);
}
