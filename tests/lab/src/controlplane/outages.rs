//! Outages on demand. Guarantees: a component comes back with the same addresses and the same data, and only
//! processes of this control plane are touched.

use std::{
    sync::{MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    Component, ControlPlane, Error, POLL, READY_WITHIN, etcd,
    process::{Process, Processes},
};

/// How long a server may take to end when asked politely. An API server with open watches would take a
/// minute; it has closed its port long before, and nothing that it confirmed is lost.
const END_WITHIN: Duration = Duration::from_secs(3);

impl ControlPlane {
    /// Starts a component and waits until it is ready (the controller manager: until it runs). Same ports and
    /// data as before; does nothing for a component that runs.
    ///
    /// # Errors
    /// [`Error::Exited`] and [`Error::NotReady`] carry the end of its log.
    pub async fn launch(&self, component: Component) -> Result<(), Error> {
        self.processes().launch(component)?;
        match component {
            Component::Etcd => {
                self.wait_until(component, async || self.etcd.is_healthy().await)
                    .await
            }
            Component::ApiServer => {
                let url = format!("{}/readyz", self.server_url());
                self.wait_until(component, async || etcd::is_ok(&self.readiness, &url).await)
                    .await
            }
            Component::ControllerManager => self.with(component, Process::check_alive),
        }
    }

    /// Asks a component to end and waits for that; after three seconds it is killed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub async fn stop(&self, component: Component) -> Result<(), Error> {
        self.with(component, Process::terminate)?;
        let deadline = Instant::now() + END_WITHIN;
        while self.is_running(component)? && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        self.kill(component)
    }

    /// Kills a component (SIGKILL): what a power failure is to the others.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn kill(&self, component: Component) -> Result<(), Error> {
        self.with(component, Process::kill)
    }

    /// Freezes a component (SIGSTOP): connections stay open and nobody answers. Returns when it is frozen; a
    /// signal alone would return while threads still run and answer.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if there is nothing to freeze.
    pub async fn pause(&self, component: Component) -> Result<(), Error> {
        if !self.is_running(component)? {
            return Err(Error::NotRunning(component));
        }
        self.with(component, |process| process.signal(Signal::STOP))?;
        let stopped = || self.with(component, |process| process.has_stopped());
        self.wait_until(component, async || stopped().unwrap_or(false))
            .await
    }

    /// Lets a frozen component go on (SIGCONT).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn resume(&self, component: Component) -> Result<(), Error> {
        self.with(component, |process| process.signal(Signal::CONT))
    }

    /// Whether a component was started and has not ended; a frozen one runs.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_running(&self, component: Component) -> Result<bool, Error> {
        self.with(component, |process| {
            Ok(process.pid().is_some() && process.exit_status()?.is_none())
        })
    }

    /// The process of a component, to measure it.
    pub fn pid(&self, component: Component) -> Option<u32> {
        self.with(component, |process| process.pid())
    }

    pub(super) async fn wait_until(
        &self,
        component: Component,
        ready: impl AsyncFn() -> bool,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + READY_WITHIN;
        while !ready().await {
            self.with(component, Process::check_alive)?;
            if Instant::now() >= deadline {
                let log = self.with(component, |process| process.log_end());
                return Err(Error::NotReady {
                    component,
                    waited: READY_WITHIN,
                    log,
                });
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with<T>(&self, component: Component, act: impl FnOnce(&mut Process) -> T) -> T {
        act(self.processes().one(component).0)
    }
}
