//! Scripted faults: which requests they meet and how often.
//!
//! The first rule that fits a request decides; what each fault does to an exchange is in `exchange`.

use std::time::Duration;

use super::error::Refusal;
use super::federation::SoapFault;
use super::gate::Gate;

/// The `Retry-After` header of a throttled answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// No header.
    None,
    /// Seconds.
    Seconds(u64),
    /// The HTTP date so many seconds ahead of the simulator's clock.
    Date(i64),
}

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 429 of the service, nothing done.
    TooManyRequests(RetryAfter),
    /// 503 of a gateway with an HTML body, nothing done.
    ServiceUnavailable(RetryAfter),
    /// 500 with JSON `server_error`, nothing done.
    ServerError,
    /// The service refuses with this error, nothing done.
    Refuse(Refusal),
    /// The federation server refuses with this fault, nothing done; see [`Rule::path`].
    Soap(SoapFault),
    /// Any answer, nothing done.
    Answer {
        /// HTTP status.
        status: u16,
        /// Content type.
        content_type: String,
        /// Body.
        body: String,
    },
    /// 302 to this address, nothing done.
    Redirect(String),
    /// The connection is closed before the body is read.
    CloseBeforeReading,
    /// The connection is closed after the body was read, nothing done.
    CloseAfterReading,
    /// The TCP connection is reset after the body was read, nothing done.
    Reset,
    /// The work is done and the answer is lost.
    LoseAnswer,
    /// The work is done after this time.
    Delay(Duration),
    /// No answer ever, nothing done.
    Stall,
    /// The work is done, then no answer ever.
    StallAnswer,
    /// The work is done; the body ends in the middle, in spite of its announced length.
    CutBody,
    /// The work is done; the body is a complete HTTP message with half of the JSON.
    TruncateJson,
    /// The work is done; the body is padded beyond 64 KiB.
    OversizedBody,
    /// The request waits at the gate, then the work is done.
    HoldBefore(Gate),
    /// The work is done, then the answer waits at the gate.
    HoldAfter(Gate),
}

impl Fault {
    /// The refusal that the service sends for this AADSTS code.
    pub fn code(code: u32) -> Self {
        Self::Refuse(Refusal::of(code))
    }

    /// Name for the journal.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TooManyRequests(_) => "tooManyRequests",
            Self::ServiceUnavailable(_) => "serviceUnavailable",
            Self::ServerError => "serverError",
            Self::Refuse(_) => "refuse",
            Self::Soap(_) => "soap",
            Self::Answer { .. } => "answer",
            Self::Redirect(_) => "redirect",
            Self::CloseBeforeReading => "closeBeforeReading",
            Self::CloseAfterReading => "closeAfterReading",
            Self::Reset => "reset",
            Self::LoseAnswer => "loseAnswer",
            Self::Delay(_) => "delay",
            Self::Stall => "stall",
            Self::StallAnswer => "stallAnswer",
            Self::CutBody => "cutBody",
            Self::TruncateJson => "truncateJson",
            Self::OversizedBody => "oversizedBody",
            Self::HoldBefore(_) => "holdBefore",
            Self::HoldAfter(_) => "holdAfter",
        }
    }
}

/// A fault with the requests that it meets: by default the next one to the token endpoint.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    path: String,
    grant: Option<String>,
    user: Option<String>,
    scope: Option<String>,
    tenant: Option<String>,
    skip: usize,
    times: usize,
}

/// The parts of a request that rules look at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) path: &'a str,
    pub(crate) grant: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) scope: Option<&'a str>,
}

impl Rule {
    /// This fault for the next request to the token endpoint.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            path: "/token".to_owned(),
            grant: None,
            user: None,
            scope: None,
            tenant: None,
            skip: 0,
            times: 1,
        }
    }

    /// Only requests whose path contains this text, without case; empty: all requests.
    #[must_use]
    pub fn path(self, text: &str) -> Self {
        Self {
            path: text.to_lowercase(),
            ..self
        }
    }

    /// Only this `grant_type`.
    #[must_use]
    pub fn grant(self, grant: &str) -> Self {
        Self {
            grant: Some(grant.to_owned()),
            ..self
        }
    }

    /// Only requests with a password or a refresh token of this user.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        Self {
            user: Some(user.to_lowercase()),
            ..self
        }
    }

    /// Only requests whose scope contains this text.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        Self {
            scope: Some(scope.to_owned()),
            ..self
        }
    }

    /// Only requests whose first path segment is this.
    #[must_use]
    pub fn tenant(self, tenant: &str) -> Self {
        Self {
            tenant: Some(tenant.to_lowercase()),
            ..self
        }
    }

    /// Lets `n` fitting requests pass first.
    #[must_use]
    pub fn skip(self, n: usize) -> Self {
        Self { skip: n, ..self }
    }

    /// The next `n` requests instead of one.
    #[must_use]
    pub fn times(self, n: usize) -> Self {
        Self { times: n, ..self }
    }

    /// All requests from now on.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(usize::MAX)
    }

    fn fits(&self, subject: Subject<'_>) -> bool {
        self.fits_path(subject.path)
            && self
                .grant
                .as_deref()
                .is_none_or(|grant| subject.grant == Some(grant))
            && self.user.as_deref().is_none_or(|user| subject.user == Some(user))
            && self
                .scope
                .as_deref()
                .is_none_or(|scope| subject.scope.is_some_and(|s| s.contains(scope)))
    }

    fn fits_path(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        let tenant = path.split('/').nth(1);
        path.contains(&self.path) && self.tenant.as_deref().is_none_or(|wanted| tenant == Some(wanted))
    }

    /// Counts one fitting request and says whether the fault meets it.
    fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        // `usize::MAX` stands for no end.
        self.times = if self.times == usize::MAX {
            self.times
        } else {
            self.times - 1
        };
        true
    }

    fn needs_body(&self) -> bool {
        !matches!(self.fault, Fault::CloseBeforeReading)
    }
}

/// The rules in their order.
#[derive(Debug, Default)]
pub(crate) struct Script {
    rules: Vec<Rule>,
}

impl Script {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether the connection is to be closed before the body is read; such rules see path and tenant only.
    pub(crate) fn take_before_reading(&mut self, path: &str) -> Option<Fault> {
        self.take(
            Subject {
                path,
                ..Subject::default()
            },
            false,
        )
    }

    /// The fault that meets a request whose body was read.
    pub(crate) fn take_after_reading(&mut self, subject: Subject<'_>) -> Option<Fault> {
        self.take(subject, true)
    }

    fn take(&mut self, subject: Subject<'_>, body: bool) -> Option<Fault> {
        let mut fitting = self
            .rules
            .iter_mut()
            .filter(|rule| rule.needs_body() == body && rule.fits(subject));
        let fault = fitting.find_map(|rule| rule.strike().then(|| rule.fault.clone()));
        self.rules.retain(|rule| rule.times > 0);
        fault
    }
}
