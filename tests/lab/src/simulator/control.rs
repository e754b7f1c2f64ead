//! The control interface of a standalone simulator: read the journal, move the clock, change users, add faults.
//!
//! JSON over TLS on a port of its own, below `/_sim/`; tests in the same process have the methods instead.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::behaviour::{Behaviour, Lifetime};
use super::error::Refusal;
use super::exchange::{Shared, lock};
use super::faults::{Fault, RetryAfter, Rule};
use super::federation::SoapFault;
use super::form::Form;
use super::listener::{Handled, Handler, Hangup};
use super::refresh_tokens::Event;
use super::reply::Reply;
use super::world::User;

/// Moves the clock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

/// Life of tokens issued from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Life {
    seconds: u64,
}

/// Something that happens to an account, with a new password or without.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Happening {
    user: String,
    event: Event,
    password: Option<String>,
}

/// A fault for the next requests to the token endpoint.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Scripted {
    fault: Kind,
    /// For `code`: the AADSTS code.
    code: Option<u32>,
    /// For `throttle` and `unavailable`: seconds in `Retry-After`.
    retry_after: Option<u64>,
    /// For `soap`: which fault of the federation server.
    subcode: Option<SoapFault>,
    /// Part of the path; without it the token endpoint, for `soap` that of the federation server.
    path: Option<String>,
    user: Option<String>,
    grant: Option<String>,
    #[serde(default = "once")]
    times: usize,
}

impl Scripted {
    fn path(&self) -> Option<&str> {
        let soap = matches!(self.fault, Kind::Soap).then_some("/usernamemixed");
        self.path.as_deref().or(soap)
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Code,
    Soap,
    Throttle,
    Unavailable,
    ServerError,
    Close,
    LoseAnswer,
    Stall,
    TruncateJson,
}

fn once() -> usize {
    1
}

/// The handler of the control port.
pub(crate) fn handler(shared: Shared) -> Handler {
    Arc::new(move |request| Box::pin(handle(shared.clone(), request)))
}

async fn handle(shared: Shared, request: Request<Incoming>) -> Handled {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Hangup::Close)?.to_bytes();
    let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let reply = match (parts.method, parts.uri.path()) {
        (Method::GET, "/_sim/journal") => Ok(journal(&shared, &query)),
        (Method::POST, "/_sim/clock") => read(&body)
            .map(|Advance { seconds }| shared.clock.advance(seconds))
            .map(done),
        (Method::POST, "/_sim/lifetime") => read(&body).map(|life| set_life(&shared, &life)).map(done),
        (Method::PUT, "/_sim/behaviour") => read(&body).map(|to| set_behaviour(&shared, to)).map(done),
        (Method::PUT, "/_sim/users") => read(&body).map(|user| put_user(&shared, user)).map(done),
        (Method::POST, "/_sim/events") => read(&body).map(|event| happen(&shared, &event)).map(done),
        (Method::POST, "/_sim/faults") => read(&body).map(|fault| script(&shared, &fault)).map(done),
        (Method::DELETE, "/_sim/faults") => {
            lock(&shared.script).clear();
            Ok(done(()))
        }
        _ => Ok(Reply::json(404, &json!({"error": "there is no such control"}))),
    };
    let bad = |error: serde_json::Error| Reply::json(400, &json!({"error": error.to_string()}));
    Ok(reply.unwrap_or_else(bad).whole())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body)
}

fn done((): ()) -> Reply {
    Reply::json(200, &json!({}))
}

fn journal(shared: &Shared, query: &Form) -> Reply {
    let since = query
        .get("since")
        .and_then(|since| since.parse().ok())
        .unwrap_or(0);
    let entries = serde_json::to_value(shared.journal.since(since)).unwrap_or(Value::Null);
    Reply::json(200, &json!({"entries": entries}))
}

fn set_life(shared: &Shared, life: &Life) {
    lock(&shared.service).behaviour.lifetime = Lifetime::Seconds(life.seconds);
}

/// Turns all switches; those that are left out go back to their defaults.
fn set_behaviour(shared: &Shared, behaviour: Behaviour) {
    lock(&shared.service).behaviour = behaviour;
}

/// Adds a user, or replaces the one of that name.
fn put_user(shared: &Shared, user: User) {
    lock(&shared.service).directory.change(|world| {
        world
            .users
            .retain(|known| !known.upn.eq_ignore_ascii_case(&user.upn));
        world.users.push(user);
    });
}

fn happen(shared: &Shared, happening: &Happening) {
    let mut service = lock(&shared.service);
    if let Some(password) = &happening.password {
        service
            .directory
            .change_user(&happening.user, |user| user.password.clone_from(password));
    }
    service.tokens.happened(&happening.user, happening.event);
}

fn script(shared: &Shared, scripted: &Scripted) {
    let mut rule = Rule::new(fault(scripted)).times(scripted.times);
    if let Some(path) = scripted.path() {
        rule = rule.path(path);
    }
    if let Some(user) = &scripted.user {
        rule = rule.user(user);
    }
    if let Some(grant) = &scripted.grant {
        rule = rule.grant(grant);
    }
    lock(&shared.script).add(rule);
}

fn fault(scripted: &Scripted) -> Fault {
    let after = scripted.retry_after.map_or(RetryAfter::None, RetryAfter::Seconds);
    match scripted.fault {
        Kind::Code => Fault::Refuse(Refusal::of(scripted.code.unwrap_or(50000))),
        Kind::Soap => Fault::Soap(scripted.subcode.unwrap_or(SoapFault::FailedAuthentication)),
        Kind::Throttle => Fault::TooManyRequests(after),
        Kind::Unavailable => Fault::ServiceUnavailable(after),
        Kind::ServerError => Fault::ServerError,
        Kind::Close => Fault::CloseAfterReading,
        Kind::LoseAnswer => Fault::LoseAnswer,
        Kind::Stall => Fault::Stall,
        Kind::TruncateJson => Fault::TruncateJson,
    }
}
