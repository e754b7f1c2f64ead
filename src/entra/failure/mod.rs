//! What a refusal means: AADSTS codes, `suberror`, OAuth `error` and HTTP status → effect, reason, message, remedy.
//!
//! # Guarantees
//!
//! - Message and remedy are our own sentences plus numbers, the authority's host and a link built from the spec; the
//!   provider's text never gets in.
//! - A password is condemned by AADSTS50126 alone, and only where the realm service says that Entra ID checks it. Any
//!   other refusal of credentials leaves a doubt.
//! - Only what the provider says about the refresh token itself kills it; never a client error, policy, 429 or 5xx.
//! - A new login Secret is asked for only where the same content would not be sent again: by the deed, never by a remedy.
//!
//! The order of judgement: HTTP status, known codes, `suberror`, `error`, default.

mod b2c;
mod class;
mod error_body;
mod names;
mod table;

pub use class::Class;
pub use table::{ROWS, Row, find, kin, page};

pub(super) use class::deed_after;

pub(super) use error_body::guid_like;

use error_body::ErrorBody;
use names::{by_names, may_be_anybodys};

use super::Grant;
use super::authority::Authority;
use super::response::Odd;
use super::retry_after::RETRY_AFTER_DEFAULT;
use super::wire::{Cause, Departure, Lost, NoRoots, Reply};
use crate::api::{MORE, Reason};
use crate::plan::answer::{Deed, Effect, Refusal};
use crate::plan::snapshot::Binding;
use crate::reconcile::ports::{AuthorityRefused, Later};

/// Pause after the loop detector (50196) tripped: it counts over five minutes (Microsoft's page of breaking changes,
/// "client loop").
const LOOP_PAUSE: i64 = 300;
const LOOP_DETECTED: u32 = 50196;

/// A request: what a refusal of it is judged and explained by.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) grant: Grant,
    /// Where it goes.
    pub(super) host: String,
    pub(super) authority: &'a Authority,
    pub(super) binding: &'a Binding,
    pub(super) correlation_id: &'a str,
}

/// What was found out about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    class: Class,
    code: Option<u32>,
    message: &'static str,
    remedy: &'static str,
    /// Deed of the row.
    deed: Option<Deed>,
}

impl Verdict {
    const fn of(class: Class, code: Option<u32>) -> Self {
        Self {
            class,
            code,
            message: class.message(),
            remedy: class.remedy(),
            deed: None,
        }
    }

    const fn known(code: u32, row: &Row) -> Self {
        Self::by_row(Some(code), row)
    }

    const fn by_row(code: Option<u32>, row: &Row) -> Self {
        Self {
            class: row.class,
            code,
            message: row.message,
            remedy: row.remedy,
            deed: row.deed,
        }
    }

    /// The same, if a claims challenge came with it.
    fn challenged(self) -> Self {
        let class = self.class.challenged();
        if class == self.class {
            self
        } else {
            Self::of(class, self.code)
        }
    }
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        grant: Grant,
        authority: &'a Authority,
        binding: &'a Binding,
        correlation_id: &'a str,
    ) -> Self {
        Self {
            grant,
            host: authority.host(),
            authority,
            binding,
            correlation_id,
        }
    }

    /// The same at a host that is not the authority's.
    pub(super) fn at(self, host: String) -> Self {
        Self { host, ..self }
    }

    pub(super) fn is_at_authority(&self) -> bool {
        self.host == self.authority.host()
    }

    /// The refusal behind an answer that is not a success.
    pub(super) fn refused(&self, reply: &Reply) -> Refusal {
        let body = reply.body.as_deref().and_then(|body| ErrorBody::read(body));
        let verdict = judge(self.grant, reply.status, body.as_ref());
        Refusal {
            trace_id: body
                .and_then(|body| body.trace_id)
                .or_else(|| reply.trace_id.clone()),
            retry_after: pause(verdict, reply.retry_after),
            ..self.refusal(verdict)
        }
    }

    /// A success without tokens: a refusal by a server that says so with 200, else nothing that can be used.
    pub(super) fn refused_with_success(&self, reply: &Reply) -> Refusal {
        let body = reply.body.as_deref().and_then(|body| ErrorBody::read(body));
        let refusal = body.filter(|body| !may_be_anybodys(body));
        refusal.map_or_else(
            || self.unusable(reply),
            |body| Refusal {
                trace_id: body.trace_id.clone().or_else(|| reply.trace_id.clone()),
                ..self.refusal(by_body(self.grant, &body))
            },
        )
    }

    /// A success whose refresh token is kept, though nothing can be published for the entry.
    pub(super) fn entry_unusable(&self, reply: &Reply, odd: Odd) -> Refusal {
        let remedy = "The refresh token of the answer is kept. Look at how the identity provider issues access tokens for \
                      these scopes.";
        let message = format!("{} answered with success, but {odd}.", self.host);
        Refusal {
            trace_id: reply.trace_id.clone(),
            ..self.told(Effect::Entry, Reason::UnexpectedResponse, message, remedy)
        }
    }

    /// A success that cannot be used.
    pub(super) fn unusable(&self, reply: &Reply) -> Refusal {
        Refusal {
            message: format!(
                "{} answered with success, but not with a usable {}.",
                self.host,
                if self.grant == Grant::Discovery {
                    "document"
                } else {
                    "token"
                },
            ),
            trace_id: reply.trace_id.clone(),
            ..self.refusal(Verdict::of(Class::Unexpected, None))
        }
    }

    /// No complete answer. A password that may have left is one send used up.
    pub(super) fn lost(&self, lost: Lost) -> Refusal {
        let sent = lost.departure == Departure::Left && self.grant.signs_in();
        let (message, remedy) = silence(lost, &self.host);
        let verdict = Verdict {
            remedy,
            ..Verdict::of(Class::Transient, None)
        };
        Refusal {
            effect: if sent {
                Effect::Unanswered
            } else {
                Effect::Transient
            },
            message,
            ..self.refusal(verdict)
        }
    }

    /// An answer of which only the status counts.
    pub(super) fn status(&self, class: Class, reply: &Reply) -> Refusal {
        let verdict = Verdict::of(class, None);
        Refusal {
            message: format!("{} answered with HTTP status {}.", self.host, reply.status),
            trace_id: reply.trace_id.clone(),
            retry_after: pause(verdict, reply.retry_after),
            ..self.refusal(verdict)
        }
    }

    /// A refused password where the realm service did not say that Entra ID checks it: a directory elsewhere may hold
    /// another one, or none.
    pub(super) fn doubted(&self, refusal: Refusal) -> Refusal {
        let class = Class::Doubtful;
        Refusal {
            effect: class.effect(self.grant),
            remedy: self.advice(class, refusal.code, table::FEDERATED),
            deed: class.deed(self.grant, None),
            ..refusal
        }
    }

    /// A refusal in our own words.
    pub(super) fn told(&self, effect: Effect, reason: Reason, message: String, remedy: &str) -> Refusal {
        Refusal {
            remedy: remedy.to_owned(),
            correlation_id: Some(self.correlation_id.to_owned()),
            ..unsent(effect, reason, message)
        }
    }

    fn refusal(&self, verdict: Verdict) -> Refusal {
        let Verdict {
            class,
            code,
            message,
            remedy,
            deed,
        } = self.fitting(verdict);
        Refusal {
            effect: class.effect(self.grant),
            reason: class.reason(self.grant),
            code,
            message: code.map_or_else(
                || format!("{message}."),
                |code| format!("{message} (AADSTS{code})."),
            ),
            remedy: self.advice(class, code, remedy),
            deed: class.deed(self.grant, deed),
            correlation_id: Some(self.correlation_id.to_owned()),
            trace_id: None,
            retry_after: None,
        }
    }

    /// The sentences about a dead refresh token make no sense for a password: there it means a fresh sign-in.
    fn fitting(&self, verdict: Verdict) -> Verdict {
        if verdict.class != Class::Dead || self.grant == Grant::Refresh {
            return verdict;
        }
        Verdict {
            message: "Entra ID asks for a fresh interactive sign-in of this account",
            remedy: "Sign in interactively once with this account, or exclude it from the policy that asks for it.",
            ..verdict
        }
    }

    /// What to do, with the links that help: where to consent, and where to read more.
    fn advice(&self, class: Class, code: Option<u32>, remedy: &str) -> String {
        let more = more(class.reason(self.grant), code);
        let consent = (class == Class::Consent).then(|| {
            self.authority
                .admin_consent(&self.binding.tenant, &self.binding.client_id)
        });
        match consent.flatten() {
            Some(url) => format!("{remedy} An administrator can do so at {url} {more}"),
            None if remedy.is_empty() => more,
            None => format!("{remedy} {more}"),
        }
    }
}

/// Where to read more: Microsoft's page about the code, else our guide. A link ends the sentence without a full stop,
/// which some terminals would take for a part of it.
fn more(reason: Reason, code: Option<u32>) -> String {
    format!("{MORE}{}", code.map_or_else(|| reason.guide(), page))
}

/// What happened when no complete answer came, and what to do.
fn silence(lost: Lost, host: &str) -> (String, &'static str) {
    const REACH: &str = "It is tried again by itself; check DNS, proxies and egress rules between the operator and the sign-in host.";
    const TRUST: &str =
        "Check for a proxy that intercepts TLS, and the certificates that the operator trusts.";
    const CIPHERS: &str = "Enable TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, on that server or on the proxy in front of it.";
    const LATE: &str = "The login was not sent: too much time had passed when the connection was ready.";
    match (lost.departure, lost.cause) {
        (Departure::Withheld, _) => (LATE.to_owned(), Class::Transient.remedy()),
        (Departure::Waiting, Cause::Certificate) => (
            format!("The certificate of {host} is not trusted; nothing was sent there."),
            TRUST,
        ),
        (Departure::Waiting, Cause::Name) => (
            format!("The certificate of {host} is for another name; nothing was sent there."),
            TRUST,
        ),
        (Departure::Waiting, Cause::Version) => (
            format!(
                "{host} offers no version of TLS and no cipher that the operator knows; nothing was sent there."
            ),
            CIPHERS,
        ),
        (Departure::Waiting, Cause::Tls) => {
            (format!("TLS with {host} failed; nothing was sent there."), TRUST)
        }
        (Departure::Waiting, _) => (
            format!("{host} cannot be reached; nothing was sent there."),
            REACH,
        ),
        (Departure::Left, Cause::Deadline) => (format!("{host} did not answer in time."), REACH),
        (Departure::Left, _) => (
            format!("The connection to {host} broke before the answer was complete."),
            REACH,
        ),
    }
}

/// How long a peer without certificates waits for them, in seconds: two looks at the file.
const ROOTS_PAUSE: i64 = 20;

/// A refusal before anything was sent, because the configuration does not offer the authority.
pub(super) fn not_offered(refused: AuthorityRefused) -> Refusal {
    unsent(Effect::Person, refused.reason, refused.message)
}

/// A refusal before anything was sent, because the certificates that a peer brings are not there.
///
/// Nobody else pays for asking again, so that the pause is short and does not grow.
pub(super) fn no_roots(missing: &NoRoots) -> Refusal {
    let file = missing.file.display();
    let message = format!(
        "The file {file} has brought no certificate for {} yet; nothing was sent there.",
        missing.peer
    );
    let reason = Reason::ServiceUnavailable;
    Refusal {
        remedy: format!(
            "Have the operator's administrator mount a PEM file with a certificate there, or correct caFile in the \
             configuration. It is tried again by itself. {}",
            more(reason, None)
        ),
        retry_after: Some(ROOTS_PAUSE),
        ..unsent(Effect::Withheld, reason, message)
    }
}

/// No permit was free.
pub(super) fn held_back(later: Later, seconds: i64) -> Refusal {
    Refusal {
        retry_after: Some(seconds),
        ..unsent(Effect::Withheld, later.reason, later.message)
    }
}

/// A refusal before anything was sent.
pub(super) const fn unsent(effect: Effect, reason: Reason, message: String) -> Refusal {
    Refusal {
        effect,
        reason,
        code: None,
        message,
        remedy: String::new(),
        deed: deed_after(effect),
        correlation_id: None,
        trace_id: None,
        retry_after: None,
    }
}

/// HTTP status first; then what the body says, if it is an answer of Entra ID at all.
fn judge(grant: Grant, status: u16, body: Option<&ErrorBody>) -> Verdict {
    match (status, body) {
        (429, body) => by_status(Class::Throttled, body),
        (408 | 500..=599, body) => by_status(Class::Transient, body),
        (403, Some(body)) if may_be_anybodys(body) => Verdict::of(Class::Unexpected, None),
        (400..=406 | 409..=499, Some(body)) => by_body(grant, body),
        _ => Verdict::of(Class::Unexpected, None),
    }
}

/// The status decides the class; a code of the same class may tell more.
fn by_status(class: Class, body: Option<&ErrorBody>) -> Verdict {
    let codes = body.map(|body| body.codes.as_slice()).unwrap_or_default();
    telling(codes)
        .filter(|verdict| verdict.class == class)
        .unwrap_or_else(|| Verdict::of(class, codes.last().copied()))
}

fn by_body(grant: Grant, body: &ErrorBody) -> Verdict {
    let verdict = match body.b2c {
        Some(code) => b2c::verdict(code),
        None => telling(&body.codes).unwrap_or_else(|| by_names(grant, body)),
    };
    if body.challenge {
        verdict.challenged()
    } else {
        verdict
    }
}

/// What the most telling code says: the innermost known one. An outer code counts only if it is alone.
fn telling(codes: &[u32]) -> Option<Verdict> {
    let known = |code: &u32| find(*code).map(|row| Verdict::known(*code, row));
    let mut inner = codes.iter().rev().filter(|code| !table::OUTER.contains(code));
    inner.find_map(known).or_else(|| match codes {
        [only] => known(only),
        _ => None,
    })
}

/// How long to wait: as told; else a default where the provider asks to slow down.
fn pause(verdict: Verdict, told: Option<i64>) -> Option<i64> {
    told.or(match verdict {
        Verdict {
            code: Some(LOOP_DETECTED),
            ..
        } => Some(LOOP_PAUSE),
        Verdict {
            class: Class::Throttled,
            ..
        } => Some(RETRY_AFTER_DEFAULT),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
