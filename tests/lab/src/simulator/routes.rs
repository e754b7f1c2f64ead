//! Which endpoint a request means, and its answer when nothing goes wrong.
//!
//! Paths are compared without case, as the service does (MSAL Go spells `UserRealm`).

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Parts;
use jiff::Timestamp;

use super::error::{Refusal, Trace};
use super::federation::{self, Version};
use super::form::{FORM, Form};
use super::reply::Reply;
use super::service::{Service, TokenRequest};
use super::world::new_guid;
use super::{discovery, realm, token};

/// The endpoints; each carries the path segment that varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint<'a> {
    Instance,
    Realm(&'a str),
    Configuration(&'a str),
    Keys(&'a str),
    Token(&'a str),
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
    match endpoint(arrived.parts.uri.path()) {
        Endpoint::Instance => discovery::instance(&arrived.query(), &trace),
        Endpoint::Realm(name) => realm::answer(service, name, &trace),
        Endpoint::Configuration(tenant) => discovery::openid_configuration(service, tenant, &trace),
        Endpoint::Keys(tenant) => discovery::keys(service, tenant, &trace),
        Endpoint::Token(tenant) => token_reply(service, arrived, tenant, &trace),
        Endpoint::Metadata => metadata(service, &trace),
        Endpoint::WsTrust(version) => ws_trust(service, arrived, version, &trace),
        Endpoint::Unknown => not_found(),
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

fn endpoint(path: &str) -> Endpoint<'_> {
    if let Some(version) = Version::of_path(path) {
        return Endpoint::WsTrust(version);
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let segment = |index: usize| segments.get(index).copied().unwrap_or_default();
    match lower.as_slice() {
        ["common", "discovery", "instance"] => Endpoint::Instance,
        ["common", "userrealm", _] => Endpoint::Realm(segment(2)),
        [_, "v2.0", ".well-known", "openid-configuration"] => Endpoint::Configuration(segment(0)),
        [_, "discovery", "v2.0", "keys"] => Endpoint::Keys(segment(0)),
        [_, "oauth2", "v2.0", "token"] => Endpoint::Token(segment(0)),
        ["adfs", "services", "trust", "mex"] => Endpoint::Metadata,
        _ => Endpoint::Unknown,
    }
}

fn token_reply(service: &mut Service, arrived: &Arrived<'_>, tenant: &str, trace: &Trace) -> Reply {
    let reply = match throttled(service, arrived, tenant) {
        Some(seconds) => {
            Reply::refusal(&Refusal::of(90055), trace).header("retry-after", seconds.to_string())
        }
        None => decided(service, arrived, tenant, trace),
    };
    reply.of_token_service(trace, arrived.wants_correlation_id())
}

fn throttled(service: &mut Service, arrived: &Arrived<'_>, tenant: &str) -> Option<u64> {
    let limit = service.behaviour.rate_limit?;
    let client = arrived.form.get("client_id").unwrap_or_default();
    service.throttle.count(tenant, client, arrived.now, limit)
}

fn decided(service: &mut Service, arrived: &Arrived<'_>, tenant: &str, trace: &Trace) -> Reply {
    let answer = acceptable(arrived).and_then(|()| {
        let request = TokenRequest {
            segment: tenant,
            form: arrived.form,
            authorization: arrived.header(AUTHORIZATION.as_str()),
            base: &trace.base,
            now: arrived.now,
        };
        token::answer(service, request)
    });
    match answer {
        Ok(body) => Reply::json(200, &body),
        Err(refusal) => Reply::refusal(&refusal, trace),
    }
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
