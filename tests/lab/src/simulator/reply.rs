//! An HTTP answer before it goes out, with the headers that the real service sends.
//!
//! Kept whole until the end, so that a fault can cut or lose it.

use std::io;
use std::time::Duration;

use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::clock::http_date;
use super::error::{Refusal, Trace};
use super::listener::Body;

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// AADSTS code, for the journal.
    pub(crate) code: Option<u32>,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self {
            status,
            headers,
            body: body.into(),
            code: None,
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn refusal(refusal: &Refusal, trace: &Trace) -> Self {
        Self::json(refusal.status, &refusal.body(trace)).coded(refusal.code())
    }

    /// The same with this code for the journal.
    #[must_use]
    pub(crate) fn coded(self, code: Option<u32>) -> Self {
        Self { code, ..self }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The headers of the token service, as recorded from it.
    #[must_use]
    pub(crate) fn of_token_service(self, trace: &Trace, echo_correlation: bool) -> Self {
        let code = self.code.unwrap_or(0);
        let reply = self
            .header("cache-control", "no-store, no-cache")
            .header("pragma", "no-cache")
            .header("expires", "-1")
            .header("strict-transport-security", "max-age=31536000; includeSubDomains")
            .header("x-content-type-options", "nosniff")
            .header("p3p", "CP=\"DSP CUR OTPi IND OTRi ONL FIN\"")
            .header("x-ms-request-id", &trace.id)
            .header("x-ms-ests-server", "2.1.0 - SIM ProdSlices")
            .header("x-ms-clitelem", format!("1,{code},0,,"))
            .header(
                "set-cookie",
                "fpc=simulator; path=/; secure; HttpOnly; SameSite=None",
            )
            .header(
                "set-cookie",
                "x-ms-gateway-slice=estsfd; path=/; secure; HttpOnly",
            )
            .header("set-cookie", "stsservicecookie=estsfd; path=/; secure; HttpOnly");
        if echo_correlation {
            reply.header("client-request-id", &trace.correlation_id)
        } else {
            reply
        }
    }

    /// The whole answer.
    pub(crate) fn whole(self) -> Response<Body> {
        let body = Full::new(self.body.clone())
            .map_err(io::Error::other)
            .boxed_unsync();
        self.with_body(body)
    }

    /// An answer that announces its whole length and breaks off in the middle.
    pub(crate) fn cut(self) -> Response<Body> {
        let length = self.body.len();
        let half = self.body.slice(..length / 2);
        let mut response = self.with_body(broken(half));
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }

    fn with_body(&self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }

    #[must_use]
    pub(crate) fn dated(self, now: jiff::Timestamp) -> Self {
        self.header("date", http_date(now))
    }
}

/// Some bytes, then an error.
pub(crate) fn broken(start: Bytes) -> Body {
    let start = futures::stream::iter([Ok(Frame::data(start))]);
    let end = futures::stream::once(async {
        // Without this pause the server may drop the first bytes together with the connection.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(io::Error::other("the answer is cut short on purpose"))
    });
    StreamBody::new(start.chain(end)).boxed_unsync()
}
