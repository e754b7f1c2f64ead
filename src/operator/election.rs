//! Leader election: it saves work, nothing more. Every write is compare-and-swap, so two leaders break no rule.
//!
//! # Guarantees
//!
//! - Who leads is judged by what this process observed, on its own monotonic clock (docs/decisions/0015-own-election.md).
//! - A call that hangs ends with the leadership that depends on it, and after 10 s in any case.
//! - A Lease that was released or deleted is taken by the next look, a second later at most.

mod candidate;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(super) use self::candidate::Standing;
use self::candidate::{Candidate, Claim};
use super::clock::{SystemClock, timestamp};
use super::config::{LEASE_NAME, LeaderElection};
use crate::cluster::{LeaseClient, SecretStore, lease_time};
use crate::reconcile::ports::{Clock, ClusterError, Key, Names};

/// Longest that the Lease is released for at shutdown.
const RELEASE: Duration = Duration::from_secs(3);

/// Attempts to release it.
const RELEASES: u32 = 2;

/// Whether this process leads, and the task that finds out.
#[derive(Debug)]
pub(super) struct Election {
    standing: watch::Receiver<Standing>,
    /// Without an election nobody else keeps the channel open.
    always: Option<watch::Sender<Standing>>,
    released: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Election {
    /// Takes part as `identity`; without an election this process always leads.
    pub(super) fn start(
        client: kube::Client,
        namespace: &str,
        identity: &str,
        settings: LeaderElection,
        clock: SystemClock,
        store: Arc<SecretStore>,
    ) -> Self {
        let released = CancellationToken::new();
        if !settings.enabled {
            let (always, standing) = watch::channel(Standing::Leads);
            return Self {
                standing,
                always: Some(always),
                released,
                task: None,
            };
        }
        let candidate = Candidate::new(identity.to_owned(), settings.lease);
        let (told, standing) = watch::channel(candidate.standing(clock.monotonic()));
        let election = Part {
            leases: LeaseClient::new(client, Key::new(namespace, LEASE_NAME), store),
            candidate,
            clock,
            told,
            refused: false,
        };
        Self {
            standing,
            always: None,
            task: Some(tokio::spawn(election.take(released.clone()))),
            released,
        }
    }

    /// Whether somebody leads, now and whenever that changes.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Gives the Lease up, so that another replica need not wait for it to expire. Call it after the last write.
    pub(super) async fn release(self) {
        self.released.cancel();
        drop(self.always);
        if let Some(task) = self.task {
            let _released = tokio::time::timeout(RELEASE, task).await;
        }
    }
}

/// One part in the election.
#[derive(Debug)]
struct Part {
    leases: LeaseClient,
    candidate: Candidate,
    clock: SystemClock,
    told: watch::Sender<Standing>,
    /// What was asked last was refused: see [`Part::stopped_by`].
    refused: bool,
}

/// A call that failed, with its verb as a Role names it.
#[derive(Debug)]
struct Failed {
    verb: &'static str,
    error: ClusterError,
}

impl Part {
    async fn take(mut self, released: CancellationToken) {
        while !released.is_cancelled() {
            self.end_in_time();
            let outcome = self.round().await;
            self.tell(outcome.err());
            let pause = self.candidate.pause(self.clock.monotonic());
            let _ended = tokio::time::timeout(pause, released.cancelled()).await;
        }
        self.release().await;
    }

    /// Who leads no longer is told so before it asks anything: an answer may take long.
    fn end_in_time(&mut self) {
        if self.told.borrow().leads() && self.candidate.leads_for(self.clock.monotonic()).is_none() {
            self.tell(None);
        }
    }

    /// Looks, and claims what may be claimed. What a leader asks is of use only while it leads.
    async fn round(&mut self) -> Result<(), Failed> {
        let Some(left) = self.candidate.leads_for(self.clock.monotonic()) else {
            return self.look_and_claim().await;
        };
        let in_time = tokio::time::timeout(left, self.look_and_claim()).await;
        in_time.unwrap_or_else(|_| {
            self.candidate.unsure();
            Err(Failed {
                verb: "patch",
                error: ClusterError::Unavailable {
                    text: "no answer while this process led".to_owned(),
                    retry_after: None,
                },
            })
        })
    }

    async fn look_and_claim(&mut self) -> Result<(), Failed> {
        self.look().await?;
        let (now, time) = (self.clock.monotonic(), lease_time(timestamp()));
        let claim = self.candidate.claim(now, &time);
        self.write(claim, now).await
    }

    async fn look(&mut self) -> Result<(), Failed> {
        if self.candidate.must_read() {
            let found = self.leases.read().await;
            let found = found.map_err(|error| Failed { verb: "get", error })?;
            self.candidate.read(found, self.clock.monotonic());
        }
        Ok(())
    }

    async fn write(&mut self, claim: Claim, now: Duration) -> Result<(), Failed> {
        let (verb, written, record) = match claim {
            Claim::Nothing => return Ok(()),
            Claim::Create(record) => ("create", self.leases.create(&record).await, record),
            Claim::Replace(seen, record) => ("patch", self.leases.replace(&seen, &record).await, record),
        };
        match written {
            Ok(version) => self.candidate.wrote(version, record, now),
            Err(error) => {
                self.candidate.unsure();
                // Another one was faster, or edited or deleted it: the next look tells.
                if !matches!(error, ClusterError::Conflict | ClusterError::NotFound) {
                    return Err(Failed { verb, error });
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, failed: Option<Failed>) {
        let refused = matches!(
            &failed,
            Some(Failed {
                error: ClusterError::Refused(_),
                ..
            })
        );
        let again = mem::replace(&mut self.refused, refused) && refused;
        let standing = match (self.candidate.standing(self.clock.monotonic()), failed) {
            (Standing::Nobody(_), Some(failed)) => self.stopped_by(&failed, again),
            (standing, _) => standing,
        };
        self.told.send_if_modified(|told| {
            let changed = *told != standing;
            *told = standing;
            changed
        });
    }

    /// A right is missing where it is refused `again`: an API server that has just started refuses for a moment what it grants.
    fn stopped_by(&self, failed: &Failed, again: bool) -> Standing {
        let (Names { namespace, name }, Failed { verb, error }) = (&**self.leases.key(), failed);
        let why = format!(
            "cannot {verb} leases.coordination.k8s.io named {name} in the namespace {namespace}: {error}"
        );
        if again {
            Standing::Forbidden(why)
        } else {
            Standing::Nobody(why)
        }
    }

    async fn release(mut self) {
        // The object may have moved on since the last renewal, if only by an edit of its labels.
        for _ in 0..RELEASES {
            if !self.candidate.is_ours() {
                return;
            }
            if let Err(Failed { error, .. }) = self.give_up().await {
                tracing::warn!(%error, "the Lease could not be released: the next replica waits until it is void");
            }
        }
    }

    async fn give_up(&mut self) -> Result<(), Failed> {
        self.look().await?;
        let claim = self.candidate.release();
        self.write(claim, self.clock.monotonic()).await
    }
}
