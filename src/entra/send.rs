//! One permitted request: sent, read, and told to limits, metrics and log.

use super::clock::Started;
use super::failure::{self, Attempt};
use super::limits::{Experience, Permit};
use super::response::{self, Asked};
use super::retry_after::RETRY_AFTER_DEFAULT;
use super::wire::{self, Cause, Lost, NoRoots, Outgoing, Reply};
use super::{Client, Grant};
use crate::api::Reason;
use crate::plan::answer::{Effect, Refusal};
use crate::plan::snapshot::Binding;
use crate::reconcile::material::ClientAuthentication;
use crate::reconcile::ports::{Later, Outcome, Request, Tokens};

/// Why no tokens came.
#[derive(Debug)]
pub(super) enum Stop {
    /// The provider refused, or did not answer.
    Refused(Box<Refusal>),
    /// No permit was free, and no secret was sent; come back then.
    Later(Later),
}

impl From<Box<Refusal>> for Stop {
    fn from(refusal: Box<Refusal>) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Box::new(refusal).into()
    }
}

impl From<Later> for Stop {
    fn from(later: Later) -> Self {
        Self::Later(later)
    }
}

impl From<NoRoots> for Stop {
    fn from(missing: NoRoots) -> Self {
        failure::no_roots(&missing).into()
    }
}

/// The same for the port.
pub(super) fn outcome(result: Result<Tokens, Stop>) -> Outcome {
    match result {
        Ok(tokens) => Outcome::Granted(Box::new(tokens)),
        Err(Stop::Refused(refusal)) => Outcome::Refused(*refusal),
        Err(Stop::Later(later)) => Outcome::Later(later),
    }
}

/// A request that may go: over which connections, by whose leave, and who is asked when its body is about to leave.
pub(super) struct Departing<'a> {
    pub(super) http: reqwest::Client,
    pub(super) outgoing: Outgoing,
    pub(super) permit: Permit,
    pub(super) may_leave: &'a (dyn Fn() -> bool + Send + Sync),
}

/// What came of a request, not counted yet: who has more to say about it says it first.
#[must_use]
pub(super) struct Sent<T> {
    pub(super) outcome: Result<T, Box<Refusal>>,
    grant: Grant,
    seconds: f64,
}

impl<T> Sent<T> {
    /// The same, with another view of a refusal.
    pub(super) fn judged(self, judge: impl FnOnce(Box<Refusal>) -> Box<Refusal>) -> Self {
        Self {
            outcome: self.outcome.map_err(judge),
            ..self
        }
    }
}

impl Client {
    /// Sends, reads, and tells limits, metrics and log what came of it.
    pub(super) async fn send<T>(
        &self,
        attempt: &Attempt<'_>,
        departing: Departing<'_>,
        read: impl FnOnce(&Reply) -> Result<T, Box<Refusal>> + Send,
    ) -> Result<T, Box<Refusal>> {
        self.count(self.exchange(attempt, departing, read).await)
    }

    /// Tells the metrics.
    pub(super) fn count<T>(&self, sent: Sent<T>) -> Result<T, Box<Refusal>> {
        let result = sent
            .outcome
            .as_ref()
            .map(|_| ())
            .map_err(|refusal| refusal.effect);
        self.observer.on_request(sent.grant, result, sent.seconds);
        sent.outcome
    }

    /// Sends, reads, and tells limits and log what came of it.
    async fn exchange<T>(
        &self,
        attempt: &Attempt<'_>,
        departing: Departing<'_>,
        read: impl FnOnce(&Reply) -> Result<T, Box<Refusal>> + Send,
    ) -> Sent<T> {
        let Departing {
            http,
            outgoing,
            permit,
            may_leave,
        } = departing;
        let start = self.clock.monotonic();
        let answer = wire::exchange(&http, outgoing, &*self.clock, may_leave).await;
        if let Ok(reply) = &answer {
            self.learn_time(attempt, reply);
        }
        let status = answer.as_ref().map_or(0, |reply| reply.status);
        let outcome = match &answer {
            Ok(reply) => read(reply),
            Err(lost) => Err(Box::new(attempt.lost(*lost))),
        };
        let refusal = outcome.as_ref().err().map(Box::as_ref);
        permit.finish(experience(&answer, refusal));
        let seconds = self.clock.monotonic().saturating_sub(start).as_secs_f64();
        log(attempt, status, refusal);
        Sent {
            outcome,
            grant: attempt.grant,
            seconds,
        }
    }
}

impl Client {
    /// The tokens that the authority grants.
    pub(super) async fn tokens(
        &self,
        attempt: &Attempt<'_>,
        departing: Departing<'_>,
        request: &Request<'_>,
    ) -> Result<Tokens, Stop> {
        let sent = self.ask_for_tokens(attempt, departing, request).await;
        Ok(self.count(sent)?)
    }

    /// The same, not counted yet.
    pub(super) async fn ask_for_tokens(
        &self,
        attempt: &Attempt<'_>,
        departing: Departing<'_>,
        request: &Request<'_>,
    ) -> Sent<Tokens> {
        let believed = self.ahead_of_us(request.binding);
        let read = |reply: &Reply| {
            let started = reply.timing.by(self.ahead_of_us(request.binding));
            read_token(attempt, reply, started, request.scopes)
        };
        let sent = self.exchange(attempt, departing, read).await;
        let learnt = self.ahead_of_us(request.binding);
        sent.judged(|refusal| {
            self.doubt_endpoint(attempt.authority, &refusal);
            if learnt != believed && blames_the_clock(request, &refusal) {
                Box::new(misdated(attempt, *refusal, learnt.saturating_sub(believed)))
            } else {
                refusal
            }
        })
    }

    /// Seconds by which the clock of a request's authority is ahead.
    pub(super) fn ahead_of_us(&self, binding: &Binding) -> i64 {
        self.clocks.ahead(&binding.authority, &*self.clock)
    }

    /// Every answer tells its authority's time; that of a federation server is another's.
    fn learn_time(&self, attempt: &Attempt<'_>, reply: &Reply) {
        if attempt.is_at_authority() {
            self.clocks
                .heard(&attempt.binding.authority, &reply.timing, &*self.clock);
        }
    }
}

/// Whether the answer that corrects our clock refuses the client whose certificate signed by it.
fn blames_the_clock(request: &Request<'_>, refusal: &Refusal) -> bool {
    let signed = matches!(request.client, Some(ClientAuthentication::Certificate(_)));
    signed && refusal.effect == Effect::Person && refusal.reason == Reason::AppMisconfigured
}

/// The refusal of a client whose certificate signed by a clock that was so far behind: the next request is dated right.
fn misdated(attempt: &Attempt<'_>, refusal: Refusal, behind: i64) -> Refusal {
    let sense = if behind > 0 { "behind" } else { "ahead of" };
    let message = format!(
        "The client was refused while this node's clock was taken to be right, which is {} s {sense} that of {}. From now on \
         assertions are dated by the authority's clock.",
        behind.saturating_abs(),
        attempt.host
    );
    Refusal {
        code: refusal.code,
        trace_id: refusal.trace_id,
        ..attempt.told(
            Effect::Transient,
            Reason::ServiceUnavailable,
            message,
            "It is tried again by itself. Set the node's time (NTP).",
        )
    }
}

/// The tokens of an answer of the token endpoint. What is odd about the access token costs it, and not the session.
pub(super) fn read_token(
    attempt: &Attempt<'_>,
    reply: &Reply,
    started: Started,
    requested: &[String],
) -> Result<Tokens, Box<Refusal>> {
    if reply.status != 200 {
        return Err(Box::new(attempt.refused(reply)));
    }
    let body = reply.body.as_deref().map(Vec::as_slice).unwrap_or_default();
    let asked = Asked {
        scopes: requested,
        client_info: attempt.authority.traits().client_info,
    };
    match response::read(body, started, asked) {
        Ok((mut tokens, odd)) => {
            tokens.granted.redeemed_stays_valid = attempt.authority.traits().redeemed_stays_valid;
            tokens.granted.unusable = odd.map(|odd| Box::new(attempt.entry_unusable(reply, odd)));
            Ok(tokens)
        }
        Err(odd) => {
            tracing::debug!(error = %odd, correlation_id = attempt.correlation_id, "token response is not usable");
            Err(Box::new(attempt.refused_with_success(reply)))
        }
    }
}

/// What the limits learn from an answer. A verdict is none of a failing host, though a SOAP fault has status 500.
fn experience(answer: &Result<Reply, Lost>, refusal: Option<&Refusal>) -> Experience {
    let failing = refusal.is_some_and(|r| matches!(r.effect, Effect::Transient | Effect::Unanswered));
    match answer {
        Ok(Reply {
            status: 429,
            retry_after,
            ..
        }) => Experience::Throttled(retry_after.unwrap_or(RETRY_AFTER_DEFAULT)),
        Ok(Reply {
            status: 500..,
            retry_after,
            ..
        }) if failing => failed(refusal, *retry_after),
        Ok(_) => Experience::Answered,
        Err(
            Lost {
                departure: wire::Departure::Withheld,
                ..
            }
            | Lost {
                cause: Cause::Broken, ..
            },
        ) => Experience::Nothing,
        Err(Lost {
            cause:
                Cause::Connect | Cause::Certificate | Cause::Name | Cause::Version | Cause::Tls | Cause::Deadline,
            ..
        }) => failed(refusal, None),
    }
}

fn failed(refusal: Option<&Refusal>, retry_after: Option<i64>) -> Experience {
    Experience::Failing {
        message: refusal.map(|r| r.message.clone()).unwrap_or_default(),
        retry_after,
    }
}

/// One line per request: host, grant, status, code and correlation id, nothing else.
fn log(attempt: &Attempt<'_>, status: u16, refusal: Option<&Refusal>) {
    tracing::debug!(
        host = attempt.host,
        grant = attempt.grant.label(),
        status,
        reason = refusal.map(|r| r.reason.as_ref()),
        code = refusal.and_then(|r| r.code),
        correlation_id = attempt.correlation_id,
        "request to the identity provider ended"
    );
}
