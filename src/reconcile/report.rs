//! What the user gets to see: the status if it changed, and an Event on a transition that needs attention.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as KubeCondition, Time as KubeTime};

use super::audit::Audited;
use super::credential::Credential;
use super::memory::{Memory, Unwritten};
use super::ports::{Clock, Cluster, ClusterError, Event, Ports};
use super::shared::Shared;
use super::stamp::{to_kube, to_text};
use crate::api::{
    AccountStatus, EntraCredentialStatus, FailureStatus, LoginStatus, MORE, Phase, Realm, Reason,
    RefreshTokenStatus, TokenStatus,
};
use crate::plan::answer::told;
use crate::plan::conditions::{Condition, conditions};
use crate::plan::settle::{pass, trouble};
use crate::plan::snapshot::{Failure, Login, Snapshot, Token};
use crate::plan::word::Said;
use crate::plan::{Decision, Time};
use crate::plan::{ration, schedule};

/// Longest message in a condition or failure, bytes.
const MESSAGE: usize = 1024;

/// What a pass rests with, and what is reported.
pub(super) struct Rested {
    pub(super) facts: Snapshot,
    pub(super) decision: Decision,
    pub(super) now: Time,
}

/// Writes the status if something but a wording changed. One that does not get through is written again by itself, with a
/// back-off of its own: the rest of the pass does not depend on it.
pub(super) async fn report<P: Ports>(
    ports: &P,
    shared: &Shared,
    credential: &Credential,
    memory: &mut Memory,
    rested: &Rested,
) {
    let Rested { facts, decision, now } = rested;
    if facts.object.deleting {
        // What did not get through is of no use any more, and its wake time would stay in the past.
        memory.unwritten = None;
        return;
    }
    memory.login_waiting_since = match facts.login {
        Login::Present(_) => memory.login_waiting_since.or(Some(*now)),
        Login::Absent | Login::WrongType => None,
    };
    let status = status(credential, memory, facts, decision, *now);
    if same_but_wording(&status, &memory.written) {
        memory.unwritten = None;
        return;
    }
    match memory.unwritten.as_mut().filter(|u| u.next_attempt_at > *now) {
        Some(unwritten) => unwritten.status = status,
        None => write(ports, shared, credential, memory, status, *now).await,
    }
}

async fn write<P: Ports>(
    ports: &P,
    shared: &Shared,
    credential: &Credential,
    memory: &mut Memory,
    status: EntraCredentialStatus,
    now: Time,
) {
    let written = ports
        .cluster()
        .write_status(&credential.key, &credential.uid, &status)
        .await;
    if let Err(error) = written {
        tracing::warn!(namespace = &*credential.key.namespace, name = &*credential.key.name, %error, "the status could not be written");
        let tries = failed_before(memory, now).saturating_add(1);
        let after = match error {
            ClusterError::Unavailable { retry_after, .. } => retry_after,
            ClusterError::NotFound
            | ClusterError::Conflict
            | ClusterError::Refused(_)
            | ClusterError::Immutable
            | ClusterError::Rationed { .. } => None,
        };
        memory.spend(ration::READ, ports.clock().monotonic());
        memory.unwritten = Some(Box::new(Unwritten {
            status,
            tries,
            next_attempt_at: schedule::retry_status(now, tries, credential.spread(), after),
        }));
        return;
    }
    if denied(&status) && !denied(&memory.written) {
        shared.observer.audited(&credential.key, Audited::Denied);
    }
    let event = transition(&memory.written, &status);
    memory.written = status;
    got_through(memory);
    if let Some(event) = event {
        ports
            .cluster()
            .event(&credential.key, &credential.owner(), event)
            .await;
    }
}

fn got_through(memory: &mut Memory) {
    if let Some(failed) = memory.unwritten.take() {
        trouble::answered(&mut memory.known, failed.tries, failed.next_attempt_at);
    }
}

/// How often in a row a status could not be written before this one.
fn failed_before(memory: &Memory, now: Time) -> u32 {
    let of_this = memory.unwritten.as_ref().map_or(0, |u| u.tries);
    of_this.max(trouble::unsteady(&memory.known, now))
}

/// Whether a status warns of a certificate that ends soon.
pub(super) fn warned_of_certificate(status: &EntraCredentialStatus) -> bool {
    let warning = Reason::CertificateExpiring;
    status.conditions.iter().any(|c| c.reason == warning.as_ref())
}

fn status(
    credential: &Credential,
    memory: &Memory,
    s: &Snapshot,
    decision: &Decision,
    now: Time,
) -> EntraCredentialStatus {
    let tokens: Vec<_> = s.tokens.iter().map(|t| token_status(s, t, now)).collect();
    EntraCredentialStatus {
        observed_generation: Some(credential.generation),
        conditions: kube_conditions(
            credential.generation,
            &memory.written,
            &conditions(s, decision, now),
            now,
        ),
        account: account(credential, s),
        login: login(s),
        refresh_token: refresh_token(s),
        next_refresh_at: tokens
            .iter()
            .filter_map(|t| t.refresh_at.clone())
            .min_by_key(|t| t.0),
        expires_at: tokens
            .iter()
            .filter_map(|t| t.expires_at.clone())
            .min_by_key(|t| t.0),
        tokens,
        failure: top_failure(s, now),
        last_handled_refresh_request: handled(credential, memory),
    }
}

/// The last word that led to a renewal, as it was written.
fn handled(credential: &Credential, memory: &Memory) -> Option<String> {
    let handled = memory.known.handled?;
    if credential.said() == Some(Said::At(handled)) {
        return credential.request.clone();
    }
    let before = memory.written.last_handled_refresh_request.clone();
    before.or_else(|| Some(to_text(handled.0)))
}

/// What keeps everything up: the renewal, else the login.
fn top_failure(s: &Snapshot, now: Time) -> Option<FailureStatus> {
    let of = |f: &Failure, phase| FailureStatus {
        phase: Some(phase),
        ..failure(f)
    };
    s.failure_of_renewal(now)
        .map(|f| of(f, Phase::Renewal))
        .or_else(|| s.failure_of_login(now).map(|f| of(f, Phase::Login)))
}

fn kube_conditions(
    generation: i64,
    written: &EntraCredentialStatus,
    now_true: &[Condition],
    now: Time,
) -> Vec<KubeCondition> {
    let to_condition = |c: &Condition| {
        let status = if c.status { "True" } else { "False" };
        let before = written
            .conditions
            .iter()
            .find(|b| b.type_ == c.kind && b.status == status);
        KubeCondition {
            type_: c.kind.to_owned(),
            status: status.to_owned(),
            reason: c.reason.to_string(),
            message: bounded(&readable(c)),
            observed_generation: Some(generation),
            last_transition_time: before.map_or_else(|| to_kube(now), |b| b.last_transition_time.clone()),
        }
    };
    now_true.iter().map(to_condition).collect()
}

/// The message with a place to read more, if it names none.
fn readable(condition: &Condition) -> String {
    let message = &condition.message;
    if message.is_empty() || message.contains(MORE) {
        return message.clone();
    }
    told(message, &format!("{MORE}{}", condition.reason.guide()))
}

fn bounded(text: &str) -> String {
    let end = (0..=MESSAGE.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

fn account(credential: &Credential, s: &Snapshot) -> Option<AccountStatus> {
    let a = s
        .account
        .as_ref()
        .or_else(|| s.session.pinned().map(|pin| &pin.account))?;
    let text = |t: &String| (!t.is_empty()).then(|| bounded(t));
    Some(AccountStatus {
        username: text(&a.username),
        object_id: text(&a.object_id),
        tenant_id: text(&a.tenant_id),
        home_account_id: text(&a.home_account_id),
        realm: match credential.realm() {
            Realm::Auto => s.checked_by.map(Realm::from),
            asked @ (Realm::Managed | Realm::Federated) => Some(asked),
        }
        .map(|realm| realm.name().to_owned()),
    })
}

fn login(s: &Snapshot) -> Option<LoginStatus> {
    let last = s.session.last_login.as_ref()?;
    Some(LoginStatus {
        secret_uid: last.login_uid.as_ref().map(|uid| uid.0.clone()),
        sends: i32::try_from(last.sends).ok(),
        last_sent_at: last.last_sent_at.map(to_kube),
        verdict: last.verdict.map(|v| <&str>::from(v).to_owned()),
    })
}

fn refresh_token(s: &Snapshot) -> Option<RefreshTokenStatus> {
    let stored = s.session.token.as_ref()?;
    Some(RefreshTokenStatus {
        issued_at: Some(to_kube(stored.issued_at)),
        expires_at: stored.ends_at.map(to_kube),
        last_redeemed_at: s.last_redeemed_at.map(to_kube),
    })
}

/// What is said of a token is said by the clock of whoever issued it.
fn by_authority(s: &Snapshot, at: Time) -> KubeTime {
    to_kube(at.plus(s.object.ahead))
}

/// When the renewal is planned, back-off included.
fn planned(s: &Snapshot, t: &Token, now: Time) -> Option<KubeTime> {
    let at = t.planned(s, now).filter(|_| s.redeemable());
    at.map(|at| by_authority(s, at))
}

fn token_status(s: &Snapshot, t: &Token, now: Time) -> TokenStatus {
    let p = t.published.as_ref().filter(|p| !p.edited);
    TokenStatus {
        secret_name: t.name.0.clone(),
        secret_resource_version: p.filter(|p| p.verified).map(|p| p.version.0.clone()),
        scopes: p.map(|p| p.scopes.clone()).unwrap_or_default(),
        expires_at: p.map(|p| by_authority(s, p.expires_at)),
        refresh_at: p.and_then(|_| planned(s, t, now)),
        refreshed_at: p.map(|p| by_authority(s, p.issued_at)),
        failure: s.failure_of_token(t, now).map(failure),
    }
}

fn failure(f: &Failure) -> FailureStatus {
    let r = &f.refusal;
    FailureStatus {
        reason: r.reason,
        code: r.code.map(|c| format!("AADSTS{c}")),
        phase: None,
        message: bounded(&r.message),
        remedy: Some(r.advice())
            .filter(|advice| !advice.is_empty())
            .map(|advice| bounded(&advice)),
        correlation_id: r.correlation_id.clone(),
        trace_id: r.trace_id.clone(),
        at: to_kube(f.at),
        consecutive: i32::try_from(f.consecutive).unwrap_or(i32::MAX),
        next_attempt_at: f.next_attempt_at.map(to_kube),
        client_version: f.under.as_ref().map(|under| under.client.0.clone()),
    }
}

/// Whether two statuses differ in nothing but the wording of messages and remedies.
fn same_but_wording(a: &EntraCredentialStatus, b: &EntraCredentialStatus) -> bool {
    wordless(a) == wordless(b)
}

fn wordless(status: &EntraCredentialStatus) -> EntraCredentialStatus {
    let mut status = status.clone();
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    let of_tokens = status.tokens.iter_mut().filter_map(|t| t.failure.as_mut());
    for failure in status.failure.iter_mut().chain(of_tokens) {
        failure.message.clear();
        failure.remedy = None;
    }
    status
}

/// Whether the policy keeps something up.
fn denied(status: &EntraCredentialStatus) -> bool {
    let reasons = status.conditions.iter().filter_map(|c| c.reason.parse().ok());
    let failure = status.failure.iter().map(|failure| failure.reason);
    reasons.chain(failure).any(Reason::is_of_policy)
}

/// The Event for a change that a person should see: Ready or LoggedIn got another reason, and it is trouble.
fn transition(before: &EntraCredentialStatus, after: &EntraCredentialStatus) -> Option<Event> {
    of_conditions(before, after).or_else(|| of_failure(before, after))
}

/// A failure that leaves the conditions alone: a new login was refused while the old one works.
fn of_failure(before: &EntraCredentialStatus, after: &EntraCredentialStatus) -> Option<Event> {
    let new = after.failure.as_ref()?;
    let changed = before.failure.as_ref().is_none_or(|old| old.reason != new.reason);
    let note = bounded(&told(&new.message, new.remedy.as_deref().unwrap_or_default()));
    (changed && pass::is_trouble(new.reason)).then_some(Event {
        reason: new.reason,
        warning: true,
        note,
    })
}

/// Ready or LoggedIn got a reason that is trouble, and that no condition had before; or Ready is no longer.
fn of_conditions(before: &EntraCredentialStatus, after: &EntraCredentialStatus) -> Option<Event> {
    ["LoggedIn", "Ready"].into_iter().find_map(|kind| {
        let new = after.conditions.iter().find(|c| c.type_ == kind)?;
        let known = before.conditions.iter().any(|old| old.reason == new.reason);
        let reason: Reason = new.reason.parse().ok()?;
        let told = pass::is_trouble(reason) || expired(before, after, now_false(new));
        (!known && told).then(|| Event {
            reason,
            warning: true,
            note: note(new, after),
        })
    })
}

fn now_false(condition: &KubeCondition) -> bool {
    condition.type_ == "Ready" && condition.status == "False"
}

/// Ready turned False with the spec as it was: a published token has expired, whatever keeps its renewal up.
fn expired(before: &EntraCredentialStatus, after: &EntraCredentialStatus, is_false: bool) -> bool {
    let was_true = before
        .conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    is_false && was_true && before.observed_generation == after.observed_generation
}

fn note(condition: &KubeCondition, status: &EntraCredentialStatus) -> String {
    let expires = status
        .expires_at
        .as_ref()
        .map(super::stamp::from_kube)
        .map(to_text);
    let until = expires
        .map(|t| format!(" (published tokens expire from {t})"))
        .unwrap_or_default();
    bounded(&format!("{}{until}", condition.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Step;
    use crate::plan::metadata::Uid;
    use crate::reconcile::ports::Key;

    fn credential() -> Credential {
        let spec =
            r#"{"tenant": "contoso.example", "clientId": "c", "login": {"secretName": "l"}, "tokens": []}"#;
        Credential {
            key: Key::new("etl", "reporting"),
            uid: Uid("u".to_owned()),
            generation: 1,
            deleting: false,
            spec: serde_json::from_str(spec).unwrap(),
            status: None,
            request: None,
        }
    }

    fn said(memory: &Memory, reason: Reason, message: &str, now: i64) -> EntraCredentialStatus {
        let decision = Decision {
            step: Step::Blocked,
            reason,
            message: message.to_owned(),
            wake: None,
        };
        status(&credential(), memory, &Snapshot::default(), &decision, Time(now))
    }

    fn memory(written: EntraCredentialStatus) -> Memory {
        Memory {
            written,
            ..Memory::default()
        }
    }

    /// Where the API server fails every other call, statuses flip, and each would begin with the shortest pause.
    #[test]
    fn the_back_off_of_the_next_status_goes_on_from_that_of_the_last() {
        let mut memory = Memory {
            unwritten: Some(Box::new(Unwritten {
                status: EntraCredentialStatus::default(),
                tries: 2,
                next_attempt_at: Time(1000),
            })),
            ..Memory::default()
        };
        assert_eq!(failed_before(&memory, Time(1000)), 2);
        got_through(&mut memory);
        assert!(memory.unwritten.is_none());
        assert_eq!(failed_before(&memory, Time(1059)), 2);
        assert_eq!(failed_before(&memory, Time(1060)), 0);
    }

    /// Etcd was set back to a time before its deletion.
    #[test]
    fn a_credential_that_was_seen_to_be_gone_lives_when_a_list_tells_it() {
        let mut memory = Memory::default();
        memory.known.deleting = true;
        memory.compare_status(&credential());
        assert!(!memory.known.deleting);
    }

    #[test]
    fn the_same_facts_later_are_the_same_status() {
        let memory = memory(said(&Memory::default(), Reason::WrongPassword, "once", 1000));
        assert_eq!(said(&memory, Reason::WrongPassword, "once", 9000), memory.written);
    }

    #[test]
    fn every_message_says_where_to_read_more_and_once() {
        let guide = said(&Memory::default(), Reason::AwaitingLogin, "waiting", 1000);
        let page = said(
            &Memory::default(),
            Reason::AwaitingLogin,
            "Waiting. More: page",
            1000,
        );
        let ready = |status: &EntraCredentialStatus| {
            let of_ready = status.conditions.iter().find(|c| c.type_ == "Ready");
            of_ready.unwrap().message.clone()
        };
        assert_eq!(
            ready(&guide),
            "waiting. More: docs/troubleshooting.md#awaitinglogin"
        );
        assert_eq!(ready(&page), "Waiting. More: page");
    }

    #[test]
    fn another_wording_is_no_change_and_another_reason_is_one() {
        let memory = memory(said(&Memory::default(), Reason::WrongPassword, "once", 1000));
        let reworded = said(&memory, Reason::WrongPassword, "in other words", 9000);
        let changed = said(&memory, Reason::AccountLocked, "once", 9000);
        assert!(same_but_wording(&reworded, &memory.written));
        assert!(!same_but_wording(&changed, &memory.written));
    }
}
