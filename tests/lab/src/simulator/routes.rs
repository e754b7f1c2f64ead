//! Which endpoint a request means, and its answer when nothing goes wrong.
//!
//! Paths are compared without case, as the service does (MSAL Go spells `UserRealm`).

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Parts;
use jiff::Timestamp;
use serde_json::Value;

use super::authority::{Authority, Endpoint};
use super::error::{Refusal, Trace};
use super::federation::{self, Version};
use super::form::{FORM, Form};
use super::reply::Reply;
use super::service::{Service, TokenRequest};
use super::world::new_guid;
use super::{dialect, discovery, realm, token};

/// What a path can mean; each carries what varies in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target<'a> {
    Instance,
    Realm(&'a str),
    Of(Authority<'a>, Endpoint),
    Metadata,
    WsTrust(Version),
    Unknown,
}

/// A request whose body was read.
#[derive(Debug)]
pub(crate) struct Arrived<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    /// Its parameters.
    pub(crate) form: &'a Form,
    pub(crate) now: Timestamp,
    /// `https://host:port` of the listener, for clients that send no usable Host header.
    pub(crate) own_base: &'a str,
}

impl Arrived<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// As the client addressed us, so that URLs lead back through the same proxy.
    fn base(&self) -> String {
        let host = self.header(HOST.as_str()).filter(|host| !host.is_empty());
        host.map_or_else(|| self.own_base.to_owned(), |host| format!("https://{host}"))
    }

    fn query(&self) -> Form {
        Form::parse(self.parts.uri.query().unwrap_or_default().as_bytes())
    }

    /// MSAL for JavaScript sends the correlation id in query and body instead of the header.
    fn correlation_id(&self) -> String {
        let header = self.header("client-request-id").map(str::to_owned);
        let query = || self.query().get("client-request-id").map(str::to_owned);
        let form = || self.form.get("client-request-id").map(str::to_owned);
        header.or_else(query).or_else(form).unwrap_or_else(new_guid)
    }

    fn wants_correlation_id(&self) -> bool {
        self.header("return-client-request-id")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn trace(&self, service: &Service) -> Trace {
        Trace {
            now: self.now,
            id: new_guid(),
            correlation_id: self.correlation_id(),
            base: self.base(),
            separator: service.behaviour.separator,
        }
    }
}

/// Answers a request; the whole effect happens here.
pub(crate) fn answer(service: &mut Service, arrived: &Arrived<'_>) -> Reply {
    let trace = arrived.trace(service);
    match target(arrived.parts.uri.path()) {
        Target::Instance => discovery::instance(&arrived.query(), &trace),
        Target::Realm(name) => realm::answer(service, name, &trace),
        Target::Of(authority, _) if !service.directory.serves(authority) => not_found(),
        Target::Of(authority, Endpoint::Configuration) => {
            discovery::configuration(service, authority, &trace)
        }
        Target::Of(authority, Endpoint::Keys) => discovery::keys(service, authority, &trace),
        Target::Of(authority, Endpoint::Token) => token_reply(service, arrived, authority, &trace),
        Target::Metadata => metadata(service, &trace),
        Target::WsTrust(version) => ws_trust(service, arrived, version, &trace),
        Target::Unknown => not_found(),
    }
}

fn not_found() -> Reply {
    Reply::new(404, "text/html; charset=utf-8", "<h1>404 Not Found</h1>")
}

fn metadata(service: &Service, trace: &Trace) -> Reply {
    let base = federation::base(service, &trace.base);
    federation::document(service.behaviour.federation.metadata, &base).map_or_else(not_found, |document| {
        Reply::new(200, "text/xml; charset=utf-8", document)
    })
}

fn ws_trust(service: &mut Service, arrived: &Arrived<'_>, version: Version, trace: &Trace) -> Reply {
    let call = federation::Call {
        version,
        content_type: content_type(arrived.parts),
        soap_action: arrived.header("soapaction").unwrap_or_default(),
        body: arrived.body,
        base: &trace.base,
        now: arrived.now,
    };
    federation::issue(service, call)
}

/// Empty if there is none.
pub(crate) fn content_type(parts: &Parts) -> &str {
    let value = parts.headers.get(CONTENT_TYPE);
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn target(path: &str) -> Target<'_> {
    if let Some(version) = Version::of_path(path) {
        return Target::WsTrust(version);
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let same = |index: usize, name: &str| {
        segments
            .get(index)
            .is_some_and(|is| is.eq_ignore_ascii_case(name))
    };
    match segments.as_slice() {
        [_, _, _] if same(0, "common") && same(1, "discovery") && same(2, "instance") => Target::Instance,
        [_, _, name] if same(0, "common") && same(1, "userrealm") => Target::Realm(name),
        _ if path.eq_ignore_ascii_case(federation::METADATA) => Target::Metadata,
        _ => Authority::of_path(path).map_or(Target::Unknown, |(authority, endpoint)| {
            Target::Of(authority, endpoint)
        }),
    }
}

fn token_reply(
    service: &mut Service,
    arrived: &Arrived<'_>,
    authority: Authority<'_>,
    trace: &Trace,
) -> Reply {
    match throttled(service, arrived, authority) {
        Some(seconds) => {
            refused(arrived, &Refusal::of(90055), trace).header("retry-after", seconds.to_string())
        }
        None => match decided(service, arrived, authority, trace) {
            Ok(body) => finished(arrived, Reply::json(200, &body), authority, trace),
            Err(refusal) => refused(arrived, &refusal, trace),
        },
    }
}

/// The refusal as the authority words it to which the request was addressed.
pub(crate) fn refused(arrived: &Arrived<'_>, refusal: &Refusal, trace: &Trace) -> Reply {
    let addressed = Authority::of_path(arrived.parts.uri.path());
    let authority = addressed.map_or(Authority::Entra(""), |(authority, _)| authority);
    finished(
        arrived,
        dialect::refuse(authority, refusal, trace),
        authority,
        trace,
    )
}

fn finished(arrived: &Arrived<'_>, reply: Reply, authority: Authority<'_>, trace: &Trace) -> Reply {
    match authority {
        Authority::Entra(_) => reply.of_token_service(trace, arrived.wants_correlation_id()),
        // RFC 6749 section 5.1.
        Authority::Adfs | Authority::B2c { .. } | Authority::Oidc(_) => reply
            .header("cache-control", "no-store")
            .header("pragma", "no-cache"),
    }
}

fn throttled(service: &mut Service, arrived: &Arrived<'_>, authority: Authority<'_>) -> Option<u64> {
    let limit = service.behaviour.rate_limit?;
    let client = arrived.form.get("client_id").unwrap_or_default();
    service
        .throttle
        .count(&authority.url(""), client, arrived.now, limit)
}

fn decided(
    service: &mut Service,
    arrived: &Arrived<'_>,
    authority: Authority<'_>,
    trace: &Trace,
) -> Result<Value, Refusal> {
    acceptable(arrived)?;
    let request = TokenRequest {
        authority,
        form: arrived.form,
        authorization: arrived.header(AUTHORIZATION.as_str()),
        base: &trace.base,
        now: arrived.now,
    };
    token::answer(service, request)
}

/// Only a POST with a form is looked at.
fn acceptable(arrived: &Arrived<'_>) -> Result<(), Refusal> {
    if arrived.parts.method != hyper::Method::POST {
        return Err(Refusal::of(900561));
    }
    if content_type(arrived.parts).starts_with(FORM) {
        Ok(())
    } else {
        Err(Refusal::of(90056))
    }
}
