//! The error answer of the token service: JSON body, HTTP status and the code behind it.
//!
//! Shape as recorded from the real service; `error_uri` is left out for 70043, as it is there.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::catalogue;
use super::clock::entra_date;

/// What stands between the parts of `error_description`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Separator {
    /// Spaces, as the service writes since about 2025.
    #[default]
    Space,
    /// CR LF, as older answers had it.
    CrLf,
}

/// A refusal of the service, before it becomes an HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// AADSTS codes, the outer one first; the last one decides text and journal.
    pub codes: Vec<u32>,
    /// OAuth error.
    pub error: String,
    /// Finer class, if the code has one.
    pub suberror: Option<Box<str>>,
    /// Text behind the code.
    pub text: String,
    /// Claims challenge, as JSON text.
    pub claims: Option<Box<str>>,
    /// HTTP status.
    pub status: u16,
}

/// Facts of one request that an error body repeats.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) now: Timestamp,
    pub(crate) id: String,
    pub(crate) correlation_id: String,
    pub(crate) base: String,
    pub(crate) separator: Separator,
}

impl Refusal {
    /// The refusal as the service sends it for this AADSTS code.
    pub fn of(code: u32) -> Self {
        let row = catalogue::find(code);
        Self {
            codes: vec![code],
            error: row.error.to_owned(),
            suberror: (!row.suberror.is_empty()).then(|| row.suberror.into()),
            text: row.text.to_owned(),
            claims: None,
            status: status_of(code, row.error),
        }
    }

    /// The same with another OAuth error; the HTTP status follows it.
    #[must_use]
    pub fn error(self, error: &str) -> Self {
        Self {
            status: status_of(0, error),
            error: error.to_owned(),
            ..self
        }
    }

    /// The same with another suberror, or none if the text is empty.
    #[must_use]
    pub fn suberror(self, suberror: &str) -> Self {
        Self {
            suberror: (!suberror.is_empty()).then(|| suberror.into()),
            ..self
        }
    }

    /// The same with another text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..self
        }
    }

    /// The same with another HTTP status.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same inside an outer code, as in `[70002,50126]`.
    #[must_use]
    pub fn within(mut self, outer: u32) -> Self {
        self.codes.insert(0, outer);
        self
    }

    /// The same without `error_codes`, as gateways and older services answer.
    #[must_use]
    pub fn without_codes(self) -> Self {
        Self {
            codes: Vec::new(),
            ..self
        }
    }

    /// The same with a claims challenge.
    #[must_use]
    pub fn claims(self, claims: &str) -> Self {
        Self {
            claims: Some(claims.into()),
            ..self
        }
    }

    /// The code that decides, if any.
    pub fn code(&self) -> Option<u32> {
        self.codes.last().copied()
    }

    /// A required form parameter is missing or empty: 900144.
    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::of(900144).text(&text)
    }

    pub(crate) fn body(&self, trace: &Trace) -> Value {
        let mut body = Map::new();
        body.insert("error".to_owned(), json!(self.error));
        body.insert("error_description".to_owned(), json!(self.description(trace)));
        if !self.codes.is_empty() {
            body.insert("error_codes".to_owned(), json!(self.codes));
        }
        body.insert("timestamp".to_owned(), json!(entra_date(trace.now)));
        body.insert("trace_id".to_owned(), json!(trace.id));
        body.insert("correlation_id".to_owned(), json!(trace.correlation_id));
        self.add_optional(&mut body, trace);
        Value::Object(body)
    }

    fn add_optional(&self, body: &mut Map<String, Value>, trace: &Trace) {
        if let Some(code) = self.code().filter(|&code| code != 70043) {
            body.insert(
                "error_uri".to_owned(),
                json!(format!("{}/error?code={code}", trace.base)),
            );
        }
        if let Some(suberror) = &self.suberror {
            body.insert("suberror".to_owned(), json!(suberror));
        }
        if let Some(claims) = &self.claims {
            body.insert("claims".to_owned(), json!(claims));
        }
        if self.code() == Some(50055) {
            let url = format!("{}/changepassword", trace.base);
            body.insert("password_change_url".to_owned(), json!(url));
        }
    }

    fn description(&self, trace: &Trace) -> String {
        let gap = match trace.separator {
            Separator::Space => " ",
            Separator::CrLf => "\r\n",
        };
        let prefix = self
            .codes
            .first()
            .map_or_else(String::new, |code| format!("AADSTS{code}: "));
        format!(
            "{prefix}{}{gap}Trace ID: {}{gap}Correlation ID: {}{gap}Timestamp: {}",
            self.text,
            trace.id,
            trace.correlation_id,
            entra_date(trace.now)
        )
    }
}

/// 401 for `invalid_client`, 5xx for the service's own failures, 400 for the rest. 50088 is a limit of the user's
/// telephone, not of the service.
fn status_of(code: u32, error: &str) -> u16 {
    match (code, error) {
        (90055, _) => 429,
        (50088, _) => 400,
        (_, "invalid_client") => 401,
        (_, "temporarily_unavailable") => 503,
        (_, "server_error") => 500,
        _ => 400,
    }
}
