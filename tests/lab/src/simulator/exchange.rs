//! One exchange from arrival to answer: journal, faults, work.
//!
//! Runs in a task of its own: a service that has read a request finishes it also when the client is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio_util::sync::CancellationToken;

use super::clock::{Clock, http_date};
use super::error::{Refusal, Trace};
use super::faults::{Fault, RetryAfter, Script, Subject};
use super::federation::{self, Envelope, SoapFault, Version};
use super::form::{FORM, Form, percent_decode};
use super::journal::{Arrival, Journal, Outcome, redact};
use super::listener::{Body, Handled, Hangup};
use super::reply::Reply;
use super::routes::{self, Arrived};
use super::service::Service;

/// What an HTTP client refuses to read on: the operator's limit is 64 KiB.
const OVERSIZED: usize = 80 * 1024;

/// What all connections share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) service: Arc<Mutex<Service>>,
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    pub(crate) base: String,
    pub(crate) stop: CancellationToken,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Handles one request to the end, whether or not its client still waits.
pub(crate) async fn handle(shared: Shared, request: Request<Incoming>) -> Handled {
    let stop = shared.stop.clone();
    let work = async move { stop.run_until_cancelled(run(shared, request)).await };
    match tokio::spawn(work).await {
        Ok(Some(handled)) => handled,
        Ok(None) | Err(_) => Err(Hangup::Close),
    }
}

async fn run(shared: Shared, request: Request<Incoming>) -> Handled {
    let (parts, body) = request.into_parts();
    let sequence = shared.journal.append(arrival(&parts, &shared.clock));
    if let Some(fault) = lock(&shared.script).take_before_reading(parts.uri.path()) {
        shared
            .journal
            .amend(sequence, |entry| entry.fault = Some(fault.name()));
        return shared.drop_request(sequence, Hangup::Close);
    }
    let Ok(body) = body.collect().await else {
        return shared.drop_request(sequence, Hangup::Close);
    };
    let body = body.to_bytes();
    let form = fields(&parts, &body);
    let fault = shared.note(sequence, parts.uri.path(), &form);
    Exchange {
        shared,
        sequence,
        parts,
        body,
        form,
    }
    .meet(fault)
    .await
}

/// The parameters of a form, or what stands for them in a SOAP message.
fn fields(parts: &Parts, body: &[u8]) -> Form {
    match routes::content_type(parts) {
        form if form.starts_with(FORM) => Form::parse(body),
        soap if soap.contains("xml") => Envelope::read(body)
            .map(|envelope| envelope.summary())
            .unwrap_or_default(),
        _ => Form::default(),
    }
}

fn arrival<'a>(parts: &'a Parts, clock: &Clock) -> Arrival<'a> {
    Arrival {
        time: clock.now(),
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
    }
}

impl Shared {
    fn drop_request(&self, sequence: u64, hangup: Hangup) -> Handled {
        self.journal.settle(sequence, Outcome::Dropped);
        Err(hangup)
    }

    /// Writes the form into the journal and takes the fault that meets it.
    fn note(&self, sequence: u64, path: &str, form: &Form) -> Option<Fault> {
        let user = self.user(path, form);
        let subject = Subject {
            path,
            grant: form.get("grant_type"),
            user: user.as_deref(),
            scope: form.get("scope"),
        };
        let fault = lock(&self.script).take_after_reading(subject);
        self.journal.amend(sequence, |entry| {
            entry.form = redact(form);
            entry.fault = fault.as_ref().map(Fault::name);
            entry.user = user;
        });
        fault
    }

    /// Whom the request is about, in lower case.
    fn user(&self, path: &str, form: &Form) -> Option<String> {
        let realm = path
            .to_lowercase()
            .split_once("/userrealm/")
            .map(|(_, name)| percent_decode(name));
        let named = || form.get("username").map(str::to_lowercase);
        realm.or_else(named).or_else(|| lock(&self.service).owner(form))
    }
}

/// A request that was read.
struct Exchange {
    shared: Shared,
    sequence: u64,
    parts: Parts,
    body: Bytes,
    form: Form,
}

impl Exchange {
    async fn meet(self, fault: Option<Fault>) -> Handled {
        match fault {
            None => self.deliver(self.work()),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                self.deliver(self.work())
            }
            Some(Fault::HoldBefore(gate)) => {
                gate.pass().await;
                self.deliver(self.work())
            }
            Some(Fault::HoldAfter(gate)) => {
                let reply = self.work();
                gate.pass().await;
                self.deliver(reply)
            }
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::StallAnswer) => {
                drop(self.lose(&self.work()));
                std::future::pending().await
            }
            Some(fault) => self.spoil(&fault),
        }
    }

    /// The faults that need no time.
    fn spoil(&self, fault: &Fault) -> Handled {
        match fault {
            Fault::Reset => self.shared.drop_request(self.sequence, Hangup::Reset),
            Fault::LoseAnswer => self.lose(&self.work()),
            Fault::CutBody => self.cut(self.work()),
            Fault::TruncateJson => self.deliver(truncated(self.work())),
            Fault::OversizedBody => self.deliver(oversized(self.work())),
            Fault::TooManyRequests(after) => self.deliver(self.throttled(*after)),
            Fault::ServiceUnavailable(after) => self.deliver(self.unavailable(*after)),
            Fault::ServerError => self.deliver(self.refused(&Refusal::of(50000))),
            Fault::Refuse(refusal) => self.deliver(self.refused(refusal)),
            Fault::Soap(fault) => self.deliver(self.soap_fault(*fault)),
            Fault::Answer {
                status,
                content_type,
                body,
            } => self.deliver(Reply::new(*status, content_type, body.clone())),
            Fault::Redirect(target) => {
                self.deliver(Reply::new(302, "text/html", "").header("location", target))
            }
            Fault::CloseBeforeReading
            | Fault::CloseAfterReading
            | Fault::Stall
            | Fault::StallAnswer
            | Fault::Delay(_)
            | Fault::HoldBefore(_)
            | Fault::HoldAfter(_) => self.shared.drop_request(self.sequence, Hangup::Close),
        }
    }

    /// The answer of the service itself.
    fn work(&self) -> Reply {
        let mut service = lock(&self.shared.service);
        routes::answer(&mut service, &self.arrived())
    }

    fn arrived(&self) -> Arrived<'_> {
        Arrived {
            parts: &self.parts,
            body: &self.body,
            form: &self.form,
            now: self.shared.clock.now(),
            own_base: &self.shared.base,
        }
    }

    fn trace(&self) -> Trace {
        self.arrived().trace(&lock(&self.shared.service))
    }

    fn deliver(&self, reply: Reply) -> Handled {
        let outcome = Outcome::Answered {
            status: reply.status,
            code: reply.code,
        };
        self.settle(outcome, reply.dated(self.shared.clock.now()).whole())
    }

    fn cut(&self, reply: Reply) -> Handled {
        let outcome = Outcome::Lost {
            status: reply.status,
            code: reply.code,
        };
        self.settle(outcome, reply.dated(self.shared.clock.now()).cut())
    }

    fn lose(&self, reply: &Reply) -> Handled {
        let outcome = Outcome::Lost {
            status: reply.status,
            code: reply.code,
        };
        self.shared.journal.settle(self.sequence, outcome);
        Err(Hangup::Close)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "ends the same way as the hang-ups beside it"
    )]
    fn settle(&self, outcome: Outcome, response: Response<Body>) -> Handled {
        self.shared.journal.settle(self.sequence, outcome);
        Ok(response)
    }

    fn refused(&self, refusal: &Refusal) -> Reply {
        routes::refused(&self.arrived(), refusal, &self.trace())
    }

    fn soap_fault(&self, fault: SoapFault) -> Reply {
        let version = Version::of_path(self.parts.uri.path());
        federation::fault_reply(fault, version.unwrap_or(Version::V13))
    }

    fn throttled(&self, after: RetryAfter) -> Reply {
        self.retry_after(self.refused(&Refusal::of(90055)), after)
    }

    fn unavailable(&self, after: RetryAfter) -> Reply {
        let page = "<html><head><title>503</title></head><body>Service Unavailable</body></html>";
        self.retry_after(Reply::new(503, "text/html", page), after)
    }

    fn retry_after(&self, reply: Reply, after: RetryAfter) -> Reply {
        match after {
            RetryAfter::None => reply,
            RetryAfter::Seconds(seconds) => reply.header("retry-after", seconds.to_string()),
            RetryAfter::Date(ahead) => {
                let now = self.shared.clock.now();
                let date = now
                    .checked_add(jiff::SignedDuration::from_secs(ahead))
                    .unwrap_or(now);
                reply.header("retry-after", http_date(date))
            }
        }
    }
}

fn truncated(reply: Reply) -> Reply {
    let half = reply.body.slice(..reply.body.len() / 2);
    Reply { body: half, ..reply }
}

/// JSON stays valid: white space may follow it.
fn oversized(reply: Reply) -> Reply {
    let mut body = reply.body.to_vec();
    body.resize(body.len() + OVERSIZED, b' ');
    Reply {
        body: body.into(),
        ..reply
    }
}
