//! The API that the samples call, and the judge of what they send: 200 only for the token that stands in the file now. At
//! `/rotate` the file gets another one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header::AUTHORIZATION};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::mount::Mount;

/// What every sample must call, in this order.
const CALLS: [&str; 3] = ["/me", "/rotate", "/me"];

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    path: String,
    sent: String,
    /// The token that stood in the file at that moment.
    current: String,
}

/// It; ends when dropped.
#[derive(Debug)]
pub(super) struct Api {
    address: SocketAddr,
    desk: Desk,
    served: JoinHandle<()>,
}

type Desk = Arc<Mutex<Counter>>;

#[derive(Debug)]
struct Counter {
    mount: Mount,
    calls: Vec<Call>,
}

impl Api {
    /// On a free port of the loopback interface.
    pub(super) async fn start(mount: Mount) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let calls = Vec::new();
        let desk = Arc::new(Mutex::new(Counter { mount, calls }));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&desk));
        let served = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self {
            address,
            desk,
            served,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether anything came in.
    pub(super) fn was_asked(&self) -> bool {
        !locked(&self.desk).calls.is_empty()
    }

    /// What is wrong with what came in.
    pub(super) fn verdict(&self) -> Result<(), String> {
        judge(&locked(&self.desk).calls)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.served.abort();
    }
}

async fn answer(State(desk): State<Desk>, uri: Uri, headers: HeaderMap) -> (StatusCode, &'static str) {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match locked(&desk).take(uri.path(), sent.unwrap_or_default()) {
        Ok(true) => (StatusCode::OK, "{}"),
        Ok(false) => (StatusCode::UNAUTHORIZED, "{}"),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "{}"),
    }
}

fn locked(desk: &Desk) -> MutexGuard<'_, Counter> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counter {
    /// Whether the request may pass.
    fn take(&mut self, path: &str, sent: &str) -> io::Result<bool> {
        let call = Call {
            path: path.to_owned(),
            sent: sent.to_owned(),
            current: self.mount.token()?,
        };
        let right = call.is_right();
        self.calls.push(call);
        if right && path == "/rotate" {
            self.mount.rotate()?;
        }
        Ok(right)
    }
}

impl Call {
    fn is_right(&self) -> bool {
        self.sent.strip_prefix("Bearer ") == Some(self.current.as_str())
    }
}

/// What is wrong with these requests.
fn judge(calls: &[Call]) -> Result<(), String> {
    if let Some(call) = calls.iter().find(|call| !call.is_right()) {
        let Call { path, sent, current } = call;
        return Err(format!(
            "sent {sent:?} to {path} when its file had the token {current:?}"
        ));
    }
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    if paths == CALLS {
        Ok(())
    } else {
        Err(format!("called {paths:?} and not {CALLS:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes in from a sample that sends these headers.
    fn calls(sent: &[(&str, &str)]) -> Vec<Call> {
        let directory = tempfile::tempdir().unwrap();
        let mount = Mount::new(&directory.path().join("mount")).unwrap();
        let calls = Vec::new();
        let mut counter = Counter { mount, calls };
        for (path, header) in sent {
            counter.take(path, header).unwrap();
        }
        counter.calls
    }

    const FIRST: (&str, &str) = ("/me", "Bearer token-1");
    const ROTATE: (&str, &str) = ("/rotate", "Bearer token-1");

    #[test]
    fn who_reads_again_passes() {
        assert_eq!(judge(&calls(&[FIRST, ROTATE, ("/me", "Bearer token-2")])), Ok(()));
    }

    #[test]
    fn who_keeps_the_first_token_does_not() {
        let wrong = judge(&calls(&[FIRST, ROTATE, FIRST])).unwrap_err();
        assert!(wrong.contains("token-1") && wrong.contains("token-2"), "{wrong}");
    }

    #[test]
    fn who_sends_something_else_or_less_does_not() {
        for sent in [
            &[][..],
            &[FIRST, ROTATE],
            &[FIRST, ("/me", "Bearer token-1"), ROTATE],
            &[("/me", "token-1"), ROTATE, ("/me", "Bearer token-2")],
            &[("/me", "Bearer token-1\n"), ROTATE, ("/me", "Bearer token-2")],
            &[("/me", ""), ROTATE, ("/me", "Bearer token-2")],
        ] {
            assert!(judge(&calls(sent)).is_err(), "{sent:?}");
        }
    }
}
