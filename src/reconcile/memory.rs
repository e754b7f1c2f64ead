//! What a process remembers of one credential between passes: answers not stored yet, what was read, and back-off.
//!
//! It is filled from the status once; losing it costs reads and back-off, never a rule.

use std::collections::BTreeMap;

use super::correction::Correction;
use super::credential::Credential;
use super::material::{ClientAuthentication, Secret, StoredSession};
use super::ports::Tokens;
use super::stamp;
use crate::api::{EntraCredentialStatus, FailureStatus, Reason, Retry};
use crate::plan::Time;
use crate::plan::answer::{Account, Deed, Effect, Refusal};
use crate::plan::schedule::{self, Life};
use crate::plan::snapshot::{
    AttemptSeen, Binding, Claim, Content, Failure, Held, LoginOutcome, Opened, Repairs,
};

/// Memory of one credential.
#[derive(Debug, Default)]
pub struct Memory {
    /// Answers that are not stored or published yet.
    pub pocket: Pocket,
    /// The login Secret, in the version that was read.
    pub login: Option<LoginSeen>,
    /// The refresh-token Secret, in the version that was read.
    pub session: Option<SessionSeen>,
    /// The refresh-token Secret is immutable in this version.
    pub immutable_session: Option<String>,
    /// The attempt in flight.
    pub attempt: Option<AttemptSeen>,
    /// Monotonic time of the last record, for the 10 s within which it may be sent.
    pub recorded_at: std::time::Duration,
    /// Notes on token entries, by Secret name.
    pub tokens: BTreeMap<String, TokenNote>,
    /// Failure of the refresh token, client or tenant.
    pub failure: Option<Failure>,
    /// Failure of the last login attempt.
    pub login_failure: Option<Failure>,
    /// Generation for which failures that only a person can end were lifted last.
    pub lifted_generation: Option<i64>,
    /// What the client credential and generation were when `failure` happened: a change lifts a probe.
    pub failure_inputs: String,
    /// When a used login Secret was deleted last.
    pub deleted_login_at: Option<Time>,
    /// When a refresh token was redeemed last.
    pub last_redeemed_at: Option<Time>,
    /// Value of the last handled request of a person.
    pub handled_request: Option<String>,
    /// Who signed in.
    pub account: Option<Account>,
    /// GUID of the tenant that this binding names.
    pub resolved: Option<(Binding, String)>,
    /// The client certificate that was read last.
    pub certificate: Option<CertificateSeen>,
    /// The ServiceAccount token by which the application proves who it is.
    pub account_token: Option<AccountToken>,
    /// Search for a login Secret of the wrong type.
    pub wrong_type: WrongType,
    /// Refused deletions of Secrets that the spec no longer names.
    pub leftovers: BTreeMap<String, Failure>,
    /// Status as it was written last.
    pub written: EntraCredentialStatus,
    /// Whether the status was taken in.
    pub restored: bool,
    /// How wrong the node's clock is, if it is by more than a minute.
    pub correction: Correction,
    /// Since when this process has seen a login Secret wait.
    pub login_waiting_since: Option<Time>,
    /// No permit before then.
    pub permit_at: Option<Time>,
    /// The credential is being deleted, or is gone: seen live, before its watch told.
    pub deleting: bool,
}

/// Answers on their way to the API server.
#[derive(Debug, Default)]
pub struct Pocket {
    /// Outcome of an exchange, with its tokens if it was accepted.
    pub login: Option<PendingLogin>,
    /// A newer session, or the death of the stored one.
    pub refresh: Option<PendingRefresh>,
    /// Access tokens by Secret name.
    pub tokens: BTreeMap<String, HeldToken>,
}

/// Outcome of an exchange.
#[derive(Debug)]
pub struct PendingLogin {
    /// Facts.
    pub outcome: LoginOutcome,
    /// Tokens of an accepted login.
    pub tokens: Option<Box<Tokens>>,
    /// Where they come from.
    pub binding: Binding,
}

/// What redemptions brought for the stored session.
#[derive(Debug)]
pub struct PendingRefresh {
    /// Answer's time of the session that was redeemed.
    pub redeemed: Time,
    /// A newer session, or the time at which the redeemed one was found dead.
    pub news: News,
}

/// News for the stored session.
#[derive(Debug)]
pub enum News {
    /// A newer refresh token of the same account, and the binding that it is sealed for.
    Newer(Box<StoredSession>, Binding),
    /// It is dead.
    Dead(Time),
}

/// An access token that is not published yet.
#[derive(Debug)]
pub struct HeldToken {
    /// Facts.
    pub held: Held,
    /// The token.
    pub access_token: Secret,
}

/// A login Secret that was read.
#[derive(Clone, Debug)]
pub struct LoginSeen {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// What is in it.
    pub content: Content,
    /// What the claim on it is worth.
    pub claim: Claim,
    /// When the claim was looked at.
    pub at: Time,
    /// Binding for which the content's hash was made.
    pub binding: Option<Binding>,
}

/// A refresh-token Secret that was read.
#[derive(Clone, Debug)]
pub struct SessionSeen {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// What is in it.
    pub opened: Opened,
}

/// A client certificate that was read and can sign.
#[derive(Clone, Debug)]
pub struct CertificateSeen {
    /// Uid and resourceVersion of its Secret.
    pub version: String,
    /// When it ends.
    pub expires_at: Time,
}

/// A token of a ServiceAccount.
#[derive(Debug)]
pub struct AccountToken {
    /// `metadata.uid` of the ServiceAccount.
    pub account: String,
    /// The token.
    pub token: Secret,
    /// When another is asked for, by the machine's own clock.
    pub renew_at: Time,
}

/// Notes on one token entry.
#[derive(Clone, Debug, Default)]
pub struct TokenNote {
    /// Failure and back-off.
    pub failure: Option<Failure>,
    /// Later renewal than the annotations say.
    pub deferred_until: Option<Time>,
    /// Repairs in a row.
    pub repairs: Option<Repairs>,
    /// Version that we wrote or verified last.
    pub verified: Option<String>,
    /// Version in which the data is not ours.
    pub edited: Option<String>,
    /// Version that cannot be written.
    pub unwritable: Option<String>,
    /// When a foreign Secret of that name was looked at last.
    pub looked_at: Option<Time>,
}

/// Search for a login Secret whose type hides it from the watch.
#[derive(Clone, Copy, Debug, Default)]
pub struct WrongType {
    /// Seen how often in a row.
    pub seen: u32,
    /// Pause before the next look, seconds.
    pub pause: i64,
    /// When to look next.
    pub next: Option<Time>,
}

fn handled(credential: &Credential) -> Option<String> {
    credential.status.as_ref()?.last_handled_refresh_request.clone()
}

impl Memory {
    /// Takes the status in: whole once in a process, and at any time that a replica handled what a person asked for.
    pub fn restore(&mut self, credential: &Credential, session_stored: bool) {
        if credential.request.is_some() && credential.request == handled(credential) {
            self.handled_request.clone_from(&credential.request);
        }
        if std::mem::replace(&mut self.restored, true) {
            return;
        }
        let Some(status) = credential.status.clone() else {
            return;
        };
        self.restore_failure(&status, session_stored);
        self.handled_request
            .clone_from(&status.last_handled_refresh_request);
        self.last_redeemed_at = status
            .refresh_token
            .as_ref()
            .and_then(|r| r.last_redeemed_at.as_ref())
            .map(stamp::from_kube);
        self.account = status.account.as_ref().map(account_from);
        for token in &status.tokens {
            self.tokens
                .insert(token.secret_name.clone(), TokenNote::restore(token));
        }
        self.lifted_generation = status.observed_generation;
        self.written = status;
    }

    /// Another process may have been at work: what the status tells is taken in again. The pocket stays.
    pub fn look_at_status_again(&mut self) {
        self.restored = false;
        self.failure = None;
    }

    /// A failure with a next attempt belongs to the renewal if there is something to renew; else it tells about a login.
    fn restore_failure(&mut self, status: &EntraCredentialStatus, session_stored: bool) {
        let failure = status.failure.as_ref().map(failure_from);
        match failure {
            Some(f) if session_stored && f.next_attempt_at.is_some() => self.failure = Some(f),
            other => self.login_failure = other,
        }
    }

    /// Whether the status that was written last gives this reason.
    pub fn says(&self, reason: Reason) -> bool {
        self.written
            .conditions
            .iter()
            .any(|c| c.reason == reason.as_ref())
    }

    /// Notes on the entry of this Secret name.
    pub fn note(&mut self, name: &str) -> &mut TokenNote {
        self.tokens.entry(name.to_owned()).or_default()
    }

    /// Remembers a failure of the refresh token, client or tenant and when to try again.
    pub fn failed(&mut self, refusal: Refusal, now: Time, spread: u32, life: Option<Life>) {
        self.failure = Some(next_failure(self.failure.as_ref(), refusal, now, spread, life));
    }

    /// Remembers a failure that concerns a login only.
    pub fn login_failed(&mut self, refusal: Refusal, now: Time, next: Option<Time>) {
        let consecutive = consecutive(self.login_failure.as_ref(), &refusal);
        self.login_failure = Some(Failure {
            refusal,
            at: now,
            consecutive,
            next_attempt_at: next,
        });
    }

    /// Version of the login Secret whose outcome is being recorded.
    pub fn login_version(&self) -> (String, String) {
        self.login
            .as_ref()
            .map(|l| (l.uid.clone(), l.version.clone()))
            .unwrap_or_default()
    }
}

/// The failure that follows `previous` when `refusal` came at `now`.
pub fn next_failure(
    previous: Option<&Failure>,
    refusal: Refusal,
    now: Time,
    spread: u32,
    life: Option<Life>,
) -> Failure {
    let consecutive = consecutive(previous, &refusal);
    let next_attempt_at = match refusal.reason.verdicts().retry {
        Retry::Write => Some(schedule::retry_write(now, consecutive)),
        Retry::BackOff | Retry::None => Some(schedule::retry_refresh(
            now,
            consecutive,
            spread,
            life,
            refusal.retry_after,
        )),
        Retry::Probe | Retry::Person => Some(now.plus(schedule::PROBE)),
    };
    Failure {
        refusal,
        at: now,
        consecutive,
        next_attempt_at,
    }
}

fn consecutive(previous: Option<&Failure>, refusal: &Refusal) -> u32 {
    let same_kind = |f: &&Failure| f.refusal.reason.verdicts().retry == refusal.reason.verdicts().retry;
    previous
        .filter(same_kind)
        .map_or(1, |f| f.consecutive.saturating_add(1))
}

impl TokenNote {
    fn restore(token: &crate::api::TokenStatus) -> Self {
        Self {
            failure: token.failure.as_ref().map(failure_from),
            deferred_until: token.refresh_at.as_ref().map(stamp::from_kube),
            verified: token.secret_resource_version.clone(),
            ..Self::default()
        }
    }

    /// Counts a repair; a quiet ten minutes end a row.
    pub fn repaired(&mut self, now: Time) {
        let count = self
            .repairs
            .filter(|r| now.since(r.at) < 600)
            .map_or(0, |r| r.count);
        self.repairs = Some(Repairs {
            count: count + 1,
            at: now,
        });
    }
}

fn failure_from(status: &FailureStatus) -> Failure {
    let digits = status.code.as_deref().and_then(|c| c.strip_prefix("AADSTS"));
    Failure {
        refusal: Refusal {
            effect: Effect::Transient,
            reason: status.reason,
            code: digits.and_then(|d| d.parse().ok()),
            message: status.message.clone(),
            remedy: status.remedy.clone().unwrap_or_default(),
            deed: Deed::Wait,
            correlation_id: status.correlation_id.clone(),
            trace_id: status.trace_id.clone(),
            retry_after: None,
        },
        at: stamp::from_kube(&status.at),
        consecutive: u32::try_from(status.consecutive).unwrap_or(1),
        next_attempt_at: status.next_attempt_at.as_ref().map(stamp::from_kube),
    }
}

fn account_from(status: &crate::api::AccountStatus) -> Account {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    Account {
        home_account_id: text(&status.home_account_id),
        object_id: text(&status.object_id),
        tenant_id: text(&status.tenant_id),
        username: text(&status.username),
        ..Account::default()
    }
}

/// Material that lives only as long as one pass: what was read in it and must not outlast it.
#[derive(Debug, Default)]
pub struct Hand {
    /// Content of the login Secret.
    pub login: Option<super::material::LoginContent>,
    /// The opened session.
    pub session: Option<StoredSession>,
    /// How the application proves who it is.
    pub client: Option<ClientAuthentication>,
    /// Namespaces known to be active.
    pub active: Option<bool>,
}

/// Sends per user: at most 3 per 15 min in this process, best effort.
#[derive(Debug, Default)]
pub struct Allowance(std::sync::Mutex<BTreeMap<String, Vec<Time>>>);

impl Allowance {
    const SENDS: usize = 3;
    const WINDOW: i64 = 900;

    /// Earliest time at which `user` (a keyed hash) may be sent again.
    pub fn not_before(&self, user: &str, now: Time) -> Time {
        let sends = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let recent: Vec<_> = sends
            .get(user)
            .into_iter()
            .flatten()
            .filter(|t| now.since(**t) < Self::WINDOW)
            .collect();
        match recent
            .len()
            .checked_sub(Self::SENDS)
            .and_then(|skip| recent.get(skip))
        {
            Some(oldest) => oldest.plus(Self::WINDOW),
            None => now,
        }
    }

    /// Counts a send of `user`. Sends that were accepted or refused for a scope do not count.
    pub fn sent(&self, user: String, now: Time) {
        let mut sends = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sends.retain(|_, times| times.iter().any(|t| now.since(*t) < Self::WINDOW));
        let times = sends.entry(user).or_default();
        times.retain(|t| now.since(*t) < Self::WINDOW);
        times.push(now);
    }
}
