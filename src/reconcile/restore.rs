//! From a status to what is known: whole once in a process, and a word that another process handled at any time. Losing the
//! status loses back-off only.

use super::credential::Credential;
use super::memory::Memory;
use super::stamp;
use crate::api::{AccountStatus, EntraCredentialStatus, FailureStatus, Phase, Realm, Retry, TokenStatus};
use crate::plan::answer::{Account, CheckedBy, Refusal};
use crate::plan::conditions::tell_of_a_foreign_secret;
use crate::plan::known::{Known, Note};
use crate::plan::metadata::{EntryName, Version};
use crate::plan::record::ClientVersion;
use crate::plan::settle::trouble::refusal;
use crate::plan::snapshot::{Circumstances, Failure};
use crate::plan::word::Word;
use crate::plan::{Object, Time, settle};

impl Memory {
    /// Takes the status in, once. What it says of tokens is by the clock of their authority, which is so far ahead.
    pub fn restore(&mut self, credential: &Credential, ahead: impl FnOnce() -> i64) {
        if let Some(word) = handled(credential.status.as_ref()) {
            settle::pass::word_was_handled(&mut self.known, word);
        }
        if std::mem::replace(&mut self.restored, true) {
            return;
        }
        if let Some(status) = credential.status.clone() {
            restore(&mut self.known, &status, ahead());
            self.written = status;
        }
    }

    /// Another process may have been at work: what the status tells is taken in again. The pocket stays.
    pub fn look_at_status_again(&mut self) {
        self.restored = false;
        self.known.forget_failures();
    }

    /// A list that began anew tells the status. Where that is not what was written last, another one has taken its place, as
    /// after a restore of etcd: it is taken in again, and what is decided is written over it. A credential that was seen to be
    /// gone lives again if a list tells it.
    pub fn compare_status(&mut self, credential: &Credential) {
        let listed = credential.status.clone().unwrap_or_default();
        self.known.deleting = false;
        if self.restored && listed != self.written {
            self.written = listed;
            self.look_at_status_again();
        }
    }
}

fn handled(status: Option<&EntraCredentialStatus>) -> Option<Word> {
    let text = status?.last_handled_refresh_request.as_deref()?;
    stamp::from_text(text).map(Word)
}

fn restore(known: &mut Known, status: &EntraCredentialStatus, ahead: i64) {
    let generation = status.observed_generation.unwrap_or_default();
    if let Some(failure) = &status.failure {
        restore_failure(known, status, failure, generation);
    }
    known.last_redeemed_at = status
        .refresh_token
        .as_ref()
        .and_then(|r| r.last_redeemed_at.as_ref())
        .map(stamp::from_kube);
    known.account = status.account.as_ref().map(account_from);
    known.checked_by = status.account.as_ref().and_then(checked_by);
    let of_all = status
        .failure
        .as_ref()
        .filter(|f| phase(status, f) == Phase::Renewal);
    let foreign_since = foreign_since(status);
    for token in &status.tokens {
        restore_token(known, token, generation, foreign_since);
        // What a failure put off is tried again when that is lifted.
        if of_all.or(token.failure.as_ref()).is_none() {
            let at = token.refresh_at.as_ref().map(stamp::from_kube);
            known.note(&EntryName(token.secret_name.clone())).deferred_until = at.map(|at| at.plus(-ahead));
        }
    }
    known.forget_empty_notes();
}

fn restore_failure(
    known: &mut Known,
    status: &EntraCredentialStatus,
    failure: &FailureStatus,
    generation: i64,
) {
    let of_login = phase(status, failure) == Phase::Login;
    let object = if of_login { Object::Login } else { Object::Session };
    let failure = failure_from(failure, generation);
    if is_hold(&failure) {
        known.holds.insert(object, failure);
    } else if of_login {
        known.login_failure = Some(failure);
    } else {
        known.failure = Some(failure);
    }
}

/// A status that does not say it: the failure of a login happened when the login was sent, or is about its Secret.
fn phase(status: &EntraCredentialStatus, failure: &FailureStatus) -> Phase {
    failure.phase.unwrap_or_else(|| {
        let sent_then = status
            .login
            .as_ref()
            .is_some_and(|l| l.last_sent_at.as_ref() == Some(&failure.at));
        let about_login = sent_then || failure.next_attempt_at.is_none();
        if about_login { Phase::Login } else { Phase::Renewal }
    })
}

/// Whether the API server, and not the identity provider, is what is waited for.
fn is_hold(failure: &Failure) -> bool {
    matches!(
        failure.refusal.reason.verdicts().retry,
        Retry::Write | Retry::Cluster
    )
}

/// Since when a Secret of somebody else bears the name of a token Secret.
fn foreign_since(status: &EntraCredentialStatus) -> Option<Time> {
    let mut conditions = status.conditions.iter();
    let foreign = conditions.find(|c| tell_of_a_foreign_secret(&c.type_, &c.reason));
    foreign.map(|c| stamp::from_kube(&c.last_transition_time))
}

fn restore_token(known: &mut Known, token: &TokenStatus, generation: i64, foreign_since: Option<Time>) {
    let failure = token.failure.as_ref().map(|f| failure_from(f, generation));
    let (hold, failure) = match failure {
        Some(f) if is_hold(&f) => (Some(f), None),
        other => (None, other),
    };
    let name = EntryName(token.secret_name.clone());
    known.holds.extend(hold.map(|f| (Object::Token(name.clone()), f)));
    let note = Note {
        failure,
        verified: token.secret_resource_version.clone().map(Version),
        looked_at: foreign_since.filter(|_| token.secret_resource_version.is_none()),
        ..Note::default()
    };
    known.entries.insert(name, Box::new(note));
}

/// `generation` is the one that the status was written for.
fn failure_from(status: &FailureStatus, generation: i64) -> Failure {
    let under = status.client_version.clone().map(|client| Circumstances {
        generation,
        client: ClientVersion(client),
    });
    let digits = status.code.as_deref().and_then(|c| c.strip_prefix("AADSTS"));
    Failure {
        refusal: Refusal {
            code: digits.and_then(|d| d.parse().ok()),
            correlation_id: status.correlation_id.clone(),
            trace_id: status.trace_id.clone(),
            ..refusal(
                status.reason,
                status.message.clone(),
                status.remedy.as_deref().unwrap_or_default(),
            )
        },
        at: stamp::from_kube(&status.at),
        consecutive: u32::try_from(status.consecutive).unwrap_or(1),
        next_attempt_at: status.next_attempt_at.as_ref().map(stamp::from_kube),
        under,
    }
}

fn checked_by(status: &AccountStatus) -> Option<CheckedBy> {
    let told = status.realm.as_deref()?;
    [CheckedBy::Authority, CheckedBy::FederationServer]
        .into_iter()
        .find(|by| Realm::from(*by).name() == told)
}

fn account_from(status: &AccountStatus) -> Account {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    Account {
        home_account_id: text(&status.home_account_id),
        object_id: text(&status.object_id),
        tenant_id: text(&status.tenant_id),
        username: text(&status.username),
        ..Account::default()
    }
}
