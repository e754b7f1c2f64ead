//! Leader election: it saves work, nothing more. Every write is compare-and-swap, so two leaders break no rule.

use std::time::Duration;

use kube::Client;
use kube_lease_manager::{LeaseCreateMode, LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::{LEASE_NAME, LeaderElection};

/// Longest that the Lease is released for at shutdown.
const RELEASE: Duration = Duration::from_secs(3);

/// Whether this process leads, and the task that finds out.
#[derive(Debug)]
pub(super) struct Election {
    leads: watch::Receiver<bool>,
    task: Option<JoinHandle<Result<LeaseManager, LeaseManagerError>>>,
    always: Option<watch::Sender<bool>>,
}

impl Election {
    /// Takes part as `identity`; without an election this process always leads.
    pub(super) async fn start(
        client: Client,
        namespace: &str,
        identity: &str,
        settings: LeaderElection,
    ) -> Result<Self, LeaseManagerError> {
        if !settings.enabled {
            let (always, leads) = watch::channel(true);
            return Ok(Self {
                leads,
                task: None,
                always: Some(always),
            });
        }
        let seconds = settings.lease.as_secs();
        let manager = LeaseManagerBuilder::new(client, LEASE_NAME)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(seconds)
            .with_grace((seconds / 3).max(1))
            .with_field_manager(crate::api::FIELD_MANAGER)
            .with_create_mode(LeaseCreateMode::AutoCreate)
            .build()
            .await?;
        let (leads, task) = manager.watch().await;
        Ok(Self {
            leads,
            task: Some(task),
            always: None,
        })
    }

    /// Whether this process leads.
    pub(super) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    /// Gives the Lease up, so that another replica need not wait for it to expire. Call it after the last write.
    pub(super) async fn release(self) {
        drop(self.leads);
        drop(self.always);
        if let Some(task) = self.task {
            let _released = tokio::time::timeout(RELEASE, task).await;
        }
    }
}
