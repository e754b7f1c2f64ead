//! What a process keeps of one credential between passes: what the plan knows, the pocket with answers that are not stored
//! yet, and what was written last.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::material::{ClientAuthentication, LoginContent, Secret, StoredSession};
use super::pocket::Pocket;
use crate::api::EntraCredentialStatus;
use crate::plan::allowance::Ticket;
use crate::plan::metadata::Uid;
use crate::plan::ration::Ration;
use crate::plan::{Known, Time};

/// Memory of one credential.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the plan knows, and it alone changes.
    pub known: Known,
    /// Answers that are not stored or published yet.
    pub pocket: Pocket,
    /// Monotonic time of the last record of an attempt: it may be sent for a short while only.
    pub recorded_at: Duration,
    /// The turn that the recorded attempt has.
    pub ticket: Option<Ticket>,
    /// The ServiceAccount token by which the application proves who it is.
    pub account_token: Option<AccountToken>,
    /// What it used of the calls to the API server that may bring nothing.
    pub ration: Mutex<Ration>,
    /// Status as it was written last.
    pub written: EntraCredentialStatus,
    /// The status that did not get through, and when it is written again.
    pub unwritten: Option<Box<Unwritten>>,
    /// Whether the status was taken in.
    pub restored: bool,
    /// Generation at the last pass.
    pub generation: Option<i64>,
    /// Since when this process has seen a login Secret wait.
    pub login_waiting_since: Option<Time>,
}

/// A status that is decided and could not be written.
#[derive(Debug)]
pub struct Unwritten {
    /// What it says.
    pub status: EntraCredentialStatus,
    /// How often it was tried in a row.
    pub tries: u32,
    /// When it is tried again.
    pub next_attempt_at: Time,
}

impl Memory {
    /// Seconds to wait for the next call to the API server, if none is left.
    pub fn rationed(&self, now: Duration) -> Option<i64> {
        self.ration().wait(millis(now))
    }

    /// So many calls brought nothing new.
    pub fn spend(&self, calls: u64, now: Duration) {
        self.ration().spend(calls, millis(now));
    }

    fn ration(&self) -> MutexGuard<'_, Ration> {
        self.ration.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was decided last, whether or not it could be written.
    pub fn decided(&self) -> &EntraCredentialStatus {
        self.unwritten.as_ref().map_or(&self.written, |u| &u.status)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A token of a ServiceAccount.
#[derive(Debug)]
pub struct AccountToken {
    /// `metadata.uid` of the ServiceAccount.
    pub account: Uid,
    /// For whom it is.
    pub audience: String,
    /// The token.
    pub token: Secret,
    /// When another is asked for, by the machine's own clock.
    pub renew_at: Time,
}

/// Material that lives only as long as one pass: what was read in it and must not outlast it.
#[derive(Debug, Default)]
pub struct Hand {
    /// Content of the login Secret.
    pub login: Option<LoginContent>,
    /// The opened session.
    pub session: Option<StoredSession>,
    /// How the application proves who it is.
    pub client: Option<ClientAuthentication>,
    /// Namespaces known to be active.
    pub active: Option<bool>,
}
