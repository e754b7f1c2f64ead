//! An API server that answers from a script, for unit tests. It keeps what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::{Response, StatusCode};
use kube::Client;
use serde_json::Value;

use super::client::Calls;
use super::client::tests::unheard;

/// A request, without its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    /// `null` if there is none.
    pub(super) body: Value,
}

impl Asked {
    pub(super) fn new(method: &str, path: &str, body: Value) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body,
        }
    }
}

#[derive(Default)]
struct State {
    answers: VecDeque<(u16, Value)>,
    asked: Vec<Asked>,
}

/// The server. What it is asked beyond its answers is an error of the test.
#[derive(Clone, Default)]
pub(super) struct Scripted(Arc<Mutex<State>>);

impl Scripted {
    /// It gives these answers, one after the other.
    pub(super) fn new(answers: Vec<(u16, Value)>) -> Self {
        let state = State {
            answers: answers.into(),
            asked: Vec::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A client of it. No connection is made.
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let router = Router::new().fallback(move |request: Request| server.clone().answer(request));
        Client::new(router, "default")
    }

    pub(super) fn calls(&self) -> Calls {
        Calls::new(self.client(), unheard())
    }

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().asked.clone()
    }

    async fn answer(self, request: Request) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let mut state = self.0.lock().unwrap();
        state
            .asked
            .push(Asked::new(head.method.as_str(), head.uri.path(), body));
        let (code, answer) = state.answers.pop_front().expect("an answer to every request");
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        response
    }
}
