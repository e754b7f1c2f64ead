//! The calls of a pass to the API server: none while too many of its credential brought nothing.

use super::{Asked, Pass};
use crate::plan::ration;
use crate::reconcile::ports::{
    Clock, Cluster, ClusterError, Key, Ports, SecretChange, SecretMeta, SecretObject,
};

impl Asked {
    const fn calls(self) -> u64 {
        match self {
            Self::Read => ration::READ,
            Self::Write | Self::Delete => ration::WRITE,
        }
    }
}

impl<P: Ports> Pass<'_, P> {
    pub(super) async fn read(&self, key: &Key) -> Result<Option<SecretObject>, ClusterError> {
        self.ask(Asked::Read, self.ports.cluster().read(key)).await
    }

    pub(super) async fn peek(&self, key: &Key) -> Result<Option<SecretMeta>, ClusterError> {
        self.ask(Asked::Read, self.ports.cluster().peek(key)).await
    }

    pub(super) async fn change(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: SecretChange,
    ) -> Result<SecretMeta, ClusterError> {
        let changed = self.ports.cluster().change(key, seen, change);
        self.ask(Asked::Write, changed).await
    }

    pub(super) async fn delete(&self, key: &Key, seen: &SecretMeta) -> Result<(), ClusterError> {
        self.ask(Asked::Delete, self.ports.cluster().delete(key, seen))
            .await
    }

    /// Changes the refresh-token Secret whatever is left: what was obtained is stored at once.
    pub(super) async fn change_session(
        &self,
        key: &Key,
        seen: &SecretMeta,
        change: SecretChange,
    ) -> Result<SecretMeta, ClusterError> {
        let changed = self.ports.cluster().change(key, seen, change);
        self.insist(Asked::Write, changed).await
    }

    pub(super) async fn namespace_active(&self) -> Result<bool, ClusterError> {
        let active = self
            .ports
            .cluster()
            .namespace_active(&self.credential.key.namespace);
        self.ask(Asked::Read, active).await
    }

    /// Makes a call, if one is left.
    pub(super) async fn ask<T>(
        &self,
        asked: Asked,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let now = self.ports.clock().monotonic();
        if let Some(wait) = self.memory.rationed(now) {
            return Err(ClusterError::Rationed { wait });
        }
        self.insist(asked, call).await
    }

    async fn insist<T>(
        &self,
        asked: Asked,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let answer = call.await;
        if answer.is_err() {
            let now = self.ports.clock().monotonic();
            self.memory.spend(asked.calls(), now);
        }
        answer
    }
}
